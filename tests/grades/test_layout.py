"""What the znodes below /mydb say: it comes back from its text, and whatever else stands there is refused."""

from collections.abc import Callable

import pytest
from grades.layout import BadZnode, Entry, Head, Leader, Paths, Server, decode_number, encode_number, is_name
from hypothesis import given
from hypothesis import strategies as st

texts = st.text(max_size=20)
numbers = st.integers(0, 2**63 - 1)
DEEP = b"[" * 100_000


@given(texts, texts, st.floats(0, 1e12), st.booleans(), numbers, numbers)
def test_everything_comes_back(name: str, address: str, since: float, level: bool, token: int, last: int) -> None:
    assert Server.decode(Server(address, since, level).encode()) == Server(address, since, level)
    assert Leader.decode(Leader(name, address).encode()) == Leader(name, address)
    assert Head.decode(Head(token, last).encode()) == Head(token, last)
    assert decode_number(encode_number(last)) == last


@given(st.from_regex(r"[!-~äß]{1,64}", fullmatch=True), numbers, st.text(st.characters(exclude_categories=["Cs"])))
def test_an_entry_comes_back(client: str, number: int, text: str) -> None:
    assert Entry.decode(Entry(client, number, text).encode()) == Entry(client, number, text)


BAD: tuple[tuple[Callable[[bytes], object], tuple[bytes, ...]], ...] = (
    (Server.decode, (b"", b"\xff", b"null", b"[]", DEEP, b'{"address": 5, "since": 1, "level": true}', b"{}")),
    (Leader.decode, (b"", b'{"name": "db1"}', b'{"name": "db1", "address": null}')),
    (Head.decode, (b"", b"7", b'{"token": 1}', b'{"token": 1.5, "last": 1}', b'{"token": ' + b"9" * 5000 + b"}")),
    (decode_number, (b"", b"-1", b"1.5", b" 1", b"9" * 5000, "٤".encode())),
    (Entry.decode, (b"", b"alice", b"alice 17", b"alice x DELETE", b"alice -1 DELETE", b"\xff \xff \xff", b"a  b c")),
)


@pytest.mark.parametrize(("decode", "data"), [(decode, data) for decode, all_bad in BAD for data in all_bad])
def test_what_is_something_else_is_refused_in_one_line(decode: Callable[[bytes], object], data: bytes) -> None:
    with pytest.raises(BadZnode) as error:
        decode(data)
    assert str(error.value) and "\n" not in str(error.value) and len(str(error.value)) < 200


def test_names_become_paths() -> None:
    paths = Paths("school")
    assert paths.entry(17) == "/school/log/0000000017" and paths.checkpoint("db1") == "/school/checkpoint/db1"
    assert is_name("db-1.a_B") and not any(map(is_name, ("", ".", "a/b", "a b", "x" * 65, "db1\n", "ä")))
    with pytest.raises(ValueError, match="is not the name of a database"):
        Paths("../zookeeper")
