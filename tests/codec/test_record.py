"""Records and their bytes: every type, null and empty, and bytes that are no record."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from zooweeper.codec.record import Bool, Buffer, Int, Long, Path, Record, Secret, Str, Vector
from zooweeper.model.acl import Acl, Id
from zooweeper.model.errors import BadArguments, MarshallingError
from zooweeper.model.stat import Stat


class Inner(Record):
    name: Str
    flag: Bool = False


class Everything(Record):
    small: Int
    flag: Bool
    large: Long
    text: Str
    data: Buffer
    path: Path
    names: Vector[Str]
    acl: Vector[Acl]
    inner: Inner
    inners: Vector[Inner]
    stat: Stat
    maybe: Stat | None
    nested: Vector[Vector[Int]]
    secret: Secret = b""


TEXTS = st.text(st.characters(codec="utf-16"), max_size=8) | st.just("\ud83d\ude00")
INNERS = st.builds(Inner, st.none() | TEXTS, st.booleans())
STATS = st.builds(Stat, *[st.integers(0, 2**31 - 1)] * 11)
EVERYTHING = st.builds(
    Everything,
    st.integers(-(2**31), 2**31 - 1),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.none() | TEXTS,
    st.none() | st.binary(max_size=9),
    TEXTS,
    st.lists(st.none() | TEXTS, max_size=3),
    st.lists(st.builds(Acl, st.integers(0, 31), st.builds(Id, TEXTS, TEXTS)), max_size=3),
    INNERS,
    st.lists(INNERS, max_size=3),
    STATS,
    st.none() | STATS,
    st.lists(st.lists(st.integers(0, 9), max_size=3), max_size=3),
    st.binary(max_size=4),
)


@given(EVERYTHING)
def test_there_and_back(record: Everything) -> None:
    data = record.encode()
    assert Everything.decode(data) == record
    assert Everything.decode(data + b"more") == record, "what follows a record is not its business"


@given(EVERYTHING, st.data())
def test_a_record_cut_short_is_an_error(record: Everything, data: st.DataObject) -> None:
    encoded = record.encode()
    with pytest.raises(MarshallingError):
        Everything.decode(encoded[: data.draw(st.integers(0, len(encoded) - 1))])


@given(st.binary(max_size=200))
def test_any_bytes_are_a_record_or_a_typed_error(data: bytes) -> None:
    try:
        record = Everything.decode(data)
    except MarshallingError:
        return
    assert Everything.decode(record.encode()) == record


def test_null_is_not_empty() -> None:
    class Both(Record):
        text: Str
        data: Buffer

    assert Both(None, None).encode() == b"\xff" * 8
    assert Both("", b"").encode() == b"\0" * 8
    assert Both.decode(b"\xff" * 8) == Both(None, None)
    assert Both.decode(b"\0" * 8) == Both("", b"")


@pytest.mark.parametrize("length", [-2, -(2**31), 5, 2**31 - 1])
def test_lengths_that_cannot_be(length: int) -> None:
    class Text(Record):
        text: Str

    class Texts(Record):
        texts: Vector[Str]

    data = length.to_bytes(4, "big", signed=True) + b"abcd"
    for record in (Text, Texts):
        with pytest.raises(MarshallingError):
            record.decode(data)


NAMES = st.none() | TEXTS | st.integers(0, 200).map(lambda length: "n" * length)


@given(st.lists(NAMES, max_size=6))
@example(["n" * 127, "n" * 128])
@example(["abc", None])
@example(["abc", "\u00e4"])
def test_many_texts_are_the_texts_one_by_one(names: list[str | None]) -> None:
    class Name(Record):
        name: Str

    class Names(Record):
        names: Vector[Str]

    one_by_one = len(names).to_bytes(4, "big") + b"".join(Name(name).encode() for name in names)
    assert Names(names).encode() == one_by_one


def test_a_null_list_reads_as_empty_and_a_null_path_too() -> None:
    class Paths(Record):
        path: Path
        paths: Vector[Path]

    assert Paths.decode(b"\xff" * 8) == Paths("", [])


def test_bytes_that_are_not_utf8() -> None:
    with pytest.raises(MarshallingError):
        Inner.decode(b"\0\0\0\1\xff\0")


def test_supplementary_characters_as_java_writes_them_pass_unchanged() -> None:
    data = b"\0\0\0\6\xed\xa0\xbd\xed\xb8\x80\1"
    assert Inner.decode(data).encode() == data


def test_any_byte_but_zero_is_true() -> None:
    assert Inner.decode(b"\0\0\0\0\7").flag is True


def test_a_number_out_of_range_is_a_typed_error() -> None:
    class Number(Record):
        number: Int

    with pytest.raises(BadArguments):
        Number(2**31).encode()


def test_defaults_equality_and_text() -> None:
    class Login(Record):
        user: Str
        password: Secret

    assert Inner("x") == Inner("x", False) != Inner("x", True)
    assert repr(Inner("x", True)) == "Inner(name='x', flag=True)"
    assert "hunter2" not in repr(Login("bob", b"hunter2"))
    with pytest.raises(AttributeError):
        Inner("x").other = 1  # type: ignore[attr-defined]
