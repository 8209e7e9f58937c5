"""The ZooKeeper wire, written and read by tables: one line per record.

Rules: no code of the product. `encode` writes whatever it is told, also what no client would send (null where there
is text, half characters); `decode` takes nothing but a complete record. Numbers that mean something keep what they
mean as their type (Zxid, Millis, Owner), so that a comparison can treat them as such.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from typing import Any


class Zxid(int):
    """The number of a transaction."""


class Millis(int):
    """A time of the server's clock."""


class Owner(int):
    """The id of a session."""


class Unreadable(Exception):
    """Bytes that are not the record they should be."""


CREATE, DELETE, EXISTS, GET_DATA, SET_DATA, GET_ACL, SET_ACL, GET_CHILDREN, SYNC = range(1, 10)
PING, GET_CHILDREN2, CHECK, MULTI, CREATE2, RECONFIG, CHECK_WATCHES, REMOVE_WATCHES, CREATE_CONTAINER = range(11, 20)
CREATE_TTL, MULTI_READ = 21, 22
AUTH, SET_WATCHES, SASL, GET_EPHEMERALS, GET_ALL_CHILDREN_NUMBER, SET_WATCHES2, ADD_WATCH, WHO_AM_I = range(100, 108)
CLOSE_SESSION = -11
NAMES = {value: name for name, value in list(globals().items()) if name.isupper() and type(value) is int}
WRITES = frozenset((CREATE, DELETE, SET_DATA, SET_ACL, MULTI, CREATE2, CREATE_CONTAINER, CREATE_TTL, CLOSE_SESSION))

XID_EVENT, XID_PING, XID_AUTH, XID_SET_WATCHES = -1, -2, -4, -8
FRAME_MAX = 64 << 20

_CREATE = "path:str data:buffer acl:acls flags:int"
_WATCH = "path:str watch:bool"
REQUESTS: dict[int, str] = {
    CREATE: _CREATE,
    CREATE2: _CREATE,
    CREATE_CONTAINER: _CREATE,
    CREATE_TTL: _CREATE + " ttl:long",
    DELETE: "path:str version:int",
    EXISTS: _WATCH,
    GET_DATA: _WATCH,
    GET_CHILDREN: _WATCH,
    GET_CHILDREN2: _WATCH,
    SET_DATA: "path:str data:buffer version:int",
    GET_ACL: "path:str",
    SET_ACL: "path:str acl:acls version:int",
    SYNC: "path:str",
    PING: "",
    CHECK: "path:str version:int",
    MULTI: "parts:parts",
    MULTI_READ: "parts:parts",
    RECONFIG: "joining:str leaving:str members:str config:long",
    CHECK_WATCHES: "path:str type:int",
    REMOVE_WATCHES: "path:str type:int",
    AUTH: "type:int scheme:str auth:buffer",
    SASL: "token:buffer",
    SET_WATCHES: "seen:long data:strs exist:strs child:strs",
    SET_WATCHES2: "seen:long data:strs exist:strs child:strs persistent:strs recursive:strs",
    GET_EPHEMERALS: "prefix:str",
    GET_ALL_CHILDREN_NUMBER: "path:str",
    ADD_WATCH: "path:str mode:int",
    WHO_AM_I: "",
    CLOSE_SESSION: "",
}
REPLIES: dict[int, str] = {
    CREATE: "path:str",
    CREATE2: "path:str stat:stat",
    CREATE_CONTAINER: "path:str stat:stat",
    CREATE_TTL: "path:str stat:stat",
    DELETE: "",
    EXISTS: "stat:stat",
    GET_DATA: "data:buffer stat:stat",
    GET_CHILDREN: "children:names",
    GET_CHILDREN2: "children:names stat:stat",
    SET_DATA: "stat:stat",
    GET_ACL: "acl:acls stat:stat",
    SET_ACL: "stat:stat",
    SYNC: "path:str",
    PING: "",
    CHECK: "",
    MULTI: "results:results",
    MULTI_READ: "results:results",
    RECONFIG: "data:buffer stat:stat",
    CHECK_WATCHES: "",
    REMOVE_WATCHES: "",
    AUTH: "",
    SASL: "token:buffer",
    SET_WATCHES: "",
    SET_WATCHES2: "",
    GET_EPHEMERALS: "paths:names",
    GET_ALL_CHILDREN_NUMBER: "number:int",
    ADD_WATCH: "error:int",
    WHO_AM_I: "infos:infos",
    CLOSE_SESSION: "",
}
EVENT = "type:int state:int path:str"
WELCOME = "protocol:int timeout:int session:owner password:buffer"


@dataclass(frozen=True)
class Part:
    """One operation of a multi. `header`: (type, done, error) if it is to differ from what it should be."""

    code: int
    fields: tuple[Any, ...]


# ---- writing

_INT, LONG = struct.Struct(">i"), struct.Struct(">q")


def text(value: str) -> bytes:
    """As a program would send it; half characters as three bytes, as Java's clients do."""
    return value.encode("utf-8", "surrogatepass")


def _buffer(value: bytes | None) -> bytes:
    return _INT.pack(-1) if value is None else _INT.pack(len(value)) + value


def _str(value: str | None) -> bytes:
    return _buffer(None if value is None else text(value))


def _many(value: tuple[Any, ...] | None, one: Callable[[Any], bytes]) -> bytes:
    return _INT.pack(-1) if value is None else _INT.pack(len(value)) + b"".join(map(one, value))


def _acl(value: tuple[int, str | None, str | None]) -> bytes:
    return _INT.pack(value[0]) + _str(value[1]) + _str(value[2])


def _parts(parts: tuple[Part, ...]) -> bytes:
    each = (struct.pack(">ibi", part.code, 0, -1) + encode(part.code, part.fields) for part in parts)
    return b"".join(each) + struct.pack(">ibi", -1, 1, -1)


_WRITERS: dict[str, Callable[[Any], bytes]] = {
    "int": _INT.pack,
    "long": LONG.pack,
    "bool": lambda value: bytes([value]),
    "str": _str,
    "buffer": _buffer,
    "strs": lambda value: _many(value, _str),
    "acls": lambda value: _many(value, _acl),
    "parts": _parts,
}


def encode(code: int, values: tuple[Any, ...]) -> bytes:
    """The body of a request."""
    kinds = [field.partition(":")[2] for field in REQUESTS[code].split()]
    return b"".join(_WRITERS[kind](value) for kind, value in zip(kinds, values, strict=True))


def connect_request(seen: int, timeout_ms: int, session: int, password: bytes | None, flag: bool | None) -> bytes:
    """The first frame of a connection; `flag` None: as clients send it that know nothing of read-only servers."""
    head = struct.pack(">iqiq", 0, seen, timeout_ms, session) + _buffer(password)
    return head if flag is None else head + bytes([flag])


# ---- reading


class Reader:
    """What is left of a record."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, size: int) -> bytes:
        if size < 0 or self.at + size > len(self.data):
            raise Unreadable(f"{size} bytes wanted at {self.at} of {len(self.data)}")
        self.at += size
        return self.data[self.at - size : self.at]

    def read_int(self) -> int:
        return int(_INT.unpack(self.take(4))[0])

    def read_long(self) -> int:
        return int(LONG.unpack(self.take(8))[0])

    def read_buffer(self) -> bytes | None:
        size = self.read_int()
        return None if size == -1 else self.take(size)

    def read_str(self) -> str | None:
        data = self.read_buffer()
        return None if data is None else data.decode("utf-8", "surrogatepass")

    def read_many(self, one: Callable[[], Any]) -> list[Any] | None:
        count = self.read_int()
        return None if count == -1 else [one() for _ in range(count)]

    def read_acl(self) -> dict[str, Any]:
        return {"perms": self.read_int(), "scheme": self.read_str(), "id": self.read_str()}

    def read_stat(self) -> dict[str, Any]:
        names = "czxid mzxid ctime mtime version cversion aversion owner length children pzxid"
        kinds: tuple[type[int], ...] = (Zxid, Zxid, Millis, Millis, int, int, int, Owner, int, int, Zxid)
        numbers = struct.unpack(">qqqqiiiqiiq", self.take(68))
        return {name: kind(n) for name, kind, n in zip(names.split(), kinds, numbers, strict=True)}

    def read_results(self) -> list[Any]:
        found: list[Any] = []
        while True:
            code, done, error = struct.unpack(">ibi", self.take(9))
            if done:
                return [*found, {"end": (code, done, error)}]
            body = {"error": self.read_int()} if code == -1 else self.record(REPLIES[code])
            found.append({"result": code, "header": error, **body})

    def record(self, spec: str) -> dict[str, Any]:
        pairs = (field.partition(":") for field in spec.split())
        return {name: _READERS[kind](self) for name, _, kind in pairs}


_READERS: dict[str, Callable[[Reader], Any]] = {
    "int": Reader.read_int,
    "long": Reader.read_long,
    "bool": lambda reader: reader.take(1) != b"\0",
    "str": Reader.read_str,
    "buffer": Reader.read_buffer,
    "owner": lambda reader: Owner(reader.read_long()),
    "names": lambda reader: sorted(reader.read_many(reader.read_str) or ()),  # in no order that anybody promised
    "acls": lambda reader: _as_a_set(reader.read_many(reader.read_acl)),
    "infos": lambda reader: sorted(reader.read_many(lambda: (reader.read_str(), reader.read_str())) or ()),
    "stat": Reader.read_stat,
    "results": Reader.read_results,
}


def _as_a_set(acl: list[Any] | None) -> list[Any] | None:
    """An ACL; digests side by side with equal permissions in their order: ZooKeeper puts those of `auth` in none."""
    if acl is None:
        return None
    runs = groupby(acl, lambda row: (row["perms"], row["scheme"]))
    return [row for (_, scheme), run in runs for row in (sorted(run, key=_id) if scheme == "digest" else run)]


def _id(row: dict[str, Any]) -> str:
    return row["id"] or ""


def decode(spec: str, data: bytes) -> dict[str, Any]:
    """The record, and nothing after it. Unreadable."""
    reader = Reader(data)
    try:
        found = reader.record(spec)
    except (struct.error, UnicodeDecodeError, KeyError) as error:
        raise Unreadable(f"{spec}: {error!r}") from None
    if reader.at != len(data):
        raise Unreadable(f"{spec}: {len(data) - reader.at} bytes too many")
    return found
