"""SASL DIGEST-MD5: the vectors of RFC 2831, an honest client, and everything that is not quite one."""

from hashlib import md5
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zooweeper.doors.sasl import (
    SaslServer,
    Step,
    Users,
    UsersError,
    new_server,
    parse_users,
    read_users,
    response,
)
from zooweeper.model.acl import Id
from zooweeper.model.errors import AuthFailed

NONCE = b"OA6MG9tEQGm2hh"
USERS = Users({"bob": "secret", "jürgen": "größe", "名": "鍵"})


def test_the_example_of_the_rfc() -> None:
    said = {b"cnonce": b"OA6MHXh6VqTrRk", b"nc": b"00000001", b"digest-uri": b"imap/elwood.innosoft.com"}
    secret = md5(b"chris:elwood.innosoft.com:secret").digest()
    assert response(secret, said, NONCE, b"AUTHENTICATE:") == b"d388dad90d4bbd760a152321f2143af7"
    assert response(secret, said, NONCE, b":") == b"ea40f60335c427b5527b84dbabcdfffd"


def proof(name: bytes = b"bob", password: bytes = b"secret", hashed: bytes = b"", **other: Any) -> bytes:
    """What an honest client says, each directive to be changed or (empty) left out."""
    said = {
        "charset": "utf-8",
        "username": '"' + name.decode("latin-1") + '"',
        "realm": '"zk-sasl-md5"',
        "nonce": f'"{NONCE.decode()}"',
        "nc": "00000001",
        "cnonce": '"c+/="',
        "digest-uri": '"zookeeper/zk-sasl-md5"',
        "qop": "auth",
    } | {key.replace("_", "-"): value for key, value in other.items()}
    bare = {key.encode(): value.strip('"').encode("latin-1") for key, value in said.items()}
    secret = md5(hashed or name + b":zk-sasl-md5:" + password).digest()
    said.setdefault("response", response(secret, bare, NONCE, b"AUTHENTICATE:").decode())
    return ",".join(f"{key}={value}" for key, value in said.items() if value).encode("latin-1")


def asked() -> SaslServer:
    server = SaslServer(USERS, NONCE)
    assert server.step(b"") == Step(
        b'realm="zk-sasl-md5",nonce="OA6MG9tEQGm2hh",qop="auth",charset=utf-8,algorithm=md5-sess', None
    )
    return server


def test_an_honest_client() -> None:
    step = asked().step(proof())
    said = {b"cnonce": b"c+/=", b"nc": b"00000001", b"digest-uri": b"zookeeper/zk-sasl-md5"}
    ours = response(md5(b"bob:zk-sasl-md5:secret").digest(), said, NONCE, b":")
    assert step == Step(b"rspauth=" + ours, Id("sasl", "bob"))


@pytest.mark.parametrize(
    "other",
    [
        {"qop": ""},
        {"charset": ""},
        {"authzid": '"bob"'},
        {"digest_uri": '"ZooKeeper/zk-sasl-md5"'},
        {"maxbuf": "65536"},
        {"unheard-of": '"a,b=\\"c\\""'},
    ],
)
def test_what_may_differ(other: dict[str, Any]) -> None:
    assert asked().step(proof(**other)).identity == Id("sasl", "bob")


def test_blanks_and_commas_between_directives() -> None:
    assert asked().step(b" , " + proof().replace(b",", b" ,, ") + b",").identity == Id("sasl", "bob")


@pytest.mark.parametrize(("name", "password"), [("jürgen", "größe"), ("名", "鍵")])
def test_letters_beyond_ascii_hashed_as_utf8(name: str, password: str) -> None:
    assert asked().step(proof(name.encode(), password.encode())).identity == Id("sasl", name)


def test_letters_beyond_ascii_hashed_as_the_rfc_has_it() -> None:
    token = proof("jürgen".encode(), hashed="jürgen:zk-sasl-md5:größe".encode("latin-1"))
    assert asked().step(token).identity == Id("sasl", "jürgen")


@pytest.mark.parametrize(
    "token",
    [
        proof(password=b"Secret"),
        proof(name=b"eve"),
        proof(name=b""),
        proof(realm='"other"'),
        proof(realm=""),
        proof(nonce='"OA6MG9tEQGm2hi"'),
        proof(nonce=""),
        proof(nc="00000002"),
        proof(nc=""),
        proof(qop="auth-conf"),
        proof(charset="latin-1"),
        proof(cnonce='""'),
        proof(cnonce=""),
        proof(digest_uri='"imap/zk-sasl-md5"'),
        proof(digest_uri='"zookeeper/elsewhere"'),
        proof(authzid='"super"'),
        proof(response=""),
        proof(response="00"),
        proof(response=proof().rpartition(b"=")[2].decode().upper()),
        proof() + b',username="bob"',
        proof() + b',USERNAME="eve"',
        proof() + b"!",
        proof().replace(b'"bob"', b'"bob'),
        proof().replace(b'"bob"', b'"b\xff"'),
        proof() + b"," * 4096,
        b"username",
        b"=",
        b'"',
        b"\\",
        b"\0" * 64,
    ],
)
def test_everything_else_is_refused_with_one_word(token: bytes) -> None:
    with pytest.raises(AuthFailed, match=r"the credential was refused$"):
        asked().step(token)


def test_a_nonce_serves_once() -> None:
    server = asked()
    server.step(proof())
    with pytest.raises(AuthFailed):
        server.step(proof())
    wrong = asked()
    with pytest.raises(AuthFailed):
        wrong.step(proof(password=b"x"))
    with pytest.raises(AuthFailed):
        wrong.step(proof())


def test_a_proof_before_the_challenge_or_a_second_question() -> None:
    with pytest.raises(AuthFailed):
        new_server(USERS).step(proof())
    server = asked()
    with pytest.raises(AuthFailed):
        server.step(b"")


def test_nonces_are_not_repeated() -> None:
    replies = {new_server(USERS).step(b"").reply for _ in range(100)}
    assert len(replies) == 100


@given(st.binary(max_size=200))
def test_no_bytes_break_it(token: bytes) -> None:
    with pytest.raises(AuthFailed):
        asked().step(token)


# --- the file of users

JAAS = """
/* of the peers: not for clients */
QuorumServer { org.example.DigestLoginModule required user_peer="p"; };
Server {
  org.example.DigestLoginModule required
  // user_old="x"
  user_super="ad{min}"
  user_bob="b/*b*/=;";
};
Client { org.example.DigestLoginModule required username="bob" password="b b=;"; };
"""


@pytest.mark.parametrize(
    ("text", "users"),
    [
        (JAAS, {"super": "ad{min}", "bob": "b/*b*/=;"}),
        ('user_a="1"\n# user_c="x"\nuser_b=""\n', {"a": "1", "b": ""}),
        ("# users\n\nann: x:y \nbob:\n", {"ann": " x:y ", "bob": ""}),
    ],
)
def test_users_are_read(text: str, users: dict[str, str]) -> None:
    assert parse_users(text) == users


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "it names no user"),
        ("Server { x required; };", "it names no user"),
        ('Client { username="a" password="b"; };', "it has no section Server"),
        ("ann\n", "line 1 is not name:password"),
        ("a:1\n:2\n", "line 2 is not name:password"),
        ("a:1\na:2\n", "it names a user twice"),
        ("\n".join(f"u{i}:p" for i in range(10_001)), "it names more than 10000 users"),
    ],
)
def test_mistakes_in_the_file_are_one_line_without_a_secret(text: str, line: str) -> None:
    with pytest.raises(UsersError) as caught:
        parse_users(text)
    assert str(caught.value) == line


def test_the_file_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "users"
    path.write_text("bob:secret\n")
    path.chmod(0o600)
    users, warning = read_users(str(path))
    assert len(users) == 1 and warning == ""
    path.chmod(0o644)
    assert read_users(str(path))[1] == f"{path} holds passwords and can be read by others; chmod 600 it"
    path.write_bytes(b"\xff:x")
    for bad, line in (
        (str(path), "not UTF-8"),
        (str(tmp_path / "none"), "No such file"),
        (str(tmp_path), "Is a directory"),
        ("\0", "not a path"),
    ):
        with pytest.raises(UsersError, match=line) as caught:
            read_users(bad)
        assert "\n" not in str(caught.value)
    path.write_bytes(b"#" * (1 << 20) + b"\n")
    with pytest.raises(UsersError, match="larger than 1 MiB"):
        read_users(str(path))
