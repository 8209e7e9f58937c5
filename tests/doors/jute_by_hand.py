"""ZooKeeper's records a second time, written down from its protocol and not from our classes.

Rules: nothing of the product is imported here. A message is written `name(field=value, ...)`; its fields stand in the
tables below, in the order of the wire.
"""

import ast
import struct
from collections.abc import Callable, Iterator
from typing import Any

STAT = struct.Struct("!qqqqiiiqiiq")

CODES = {
    "create": 1, "delete": 2, "exists": 3, "getData": 4, "setData": 5, "getACL": 6, "setACL": 7, "getChildren": 8,
    "sync": 9, "ping": 11, "getChildren2": 12, "check": 13, "multi": 14, "create2": 15, "reconfig": 16,
    "checkWatches": 17, "removeWatches": 18, "createContainer": 19, "deleteContainer": 20, "createTTL": 21,
    "multiRead": 22, "auth": 100, "setWatches": 101, "sasl": 102, "getEphemerals": 103, "getAllChildrenNumber": 104,
    "setWatches2": 105, "addWatch": 106, "whoAmI": 107, "createSession": -10, "closeSession": -11,
}  # fmt: skip

_CREATE = "path:str data:buf acl:acls flags:int"
_WATCH = "path:str watch:bool"
_WATCHES = "relativeZxid:long dataWatches:strs existWatches:strs childWatches:strs"
REQUESTS = {
    "connect": "protocolVersion:int lastZxidSeen:long timeOut:int sessionId:long passwd:buf readOnly:flag",
    "create": _CREATE,
    "create2": _CREATE,
    "createContainer": _CREATE,
    "createTTL": f"{_CREATE} ttl:long",
    "delete": "path:str version:int",
    "exists": _WATCH,
    "getData": _WATCH,
    "getChildren": _WATCH,
    "getChildren2": _WATCH,
    "setData": "path:str data:buf version:int",
    "getACL": "path:str",
    "setACL": "path:str acl:acls version:int",
    "sync": "path:str",
    "ping": "",
    "check": "path:str version:int",
    "multi": "parts:parts",
    "multiRead": "parts:parts",
    "reconfig": "joiningServers:str leavingServers:str newMembers:str curConfigId:long",
    "checkWatches": "path:str type:int",
    "removeWatches": "path:str type:int",
    "deleteContainer": "path:str",
    "auth": "type:int scheme:str auth:buf",
    "setWatches": _WATCHES,
    "setWatches2": f"{_WATCHES} persistentWatches:strs persistentRecursiveWatches:strs",
    "sasl": "token:buf",
    "getEphemerals": "prefixPath:str",
    "getAllChildrenNumber": "path:str",
    "addWatch": "path:str mode:int",
    "whoAmI": "",
    "createSession": "",
    "closeSession": "",
}
RESULTS = {
    "connect": "protocolVersion:int timeOut:int sessionId:long passwd:buf readOnly:flag",
    "event": "type:int state:int path:str",
    "create": "path:str",
    "create2": "path:str stat:stat",
    "createContainer": "path:str stat:stat",
    "createTTL": "path:str stat:stat",
    "delete": "",
    "exists": "stat:stat",
    "getData": "data:buf stat:stat",
    "getChildren": "children:strs",
    "getChildren2": "children:strs stat:stat",
    "setData": "stat:stat",
    "getACL": "acl:acls stat:stat",
    "setACL": "stat:stat",
    "sync": "path:str",
    "ping": "",
    "check": "",
    "multi": "results:results",
    "multiRead": "results:results",
    "reconfig": "data:buf stat:stat",
    "checkWatches": "",
    "removeWatches": "",
    "auth": "",
    "setWatches": "",
    "setWatches2": "",
    "sasl": "token:buf",
    "getEphemerals": "ephemerals:strs",
    "getAllChildrenNumber": "totalNumber:int",
    "addWatch": "response:int",
    "whoAmI": "clientInfo:infos",
    "closeSession": "",
    "error": "",  # of any request: a header alone
}
NAMES = {code: name for name, code in CODES.items()}
RESULT_NAMES = {1: "create", 2: "delete", 4: "getData", 5: "setData", 8: "getChildren", 13: "check", 15: "create2"}


def int_(value: int) -> bytes:
    return struct.pack("!i", value)


def long_(value: int) -> bytes:
    return struct.pack("!q", value)


def buf(value: bytes | None) -> bytes:
    return b"\xff\xff\xff\xff" if value is None else int_(len(value)) + value


def str_(value: str | None) -> bytes:
    return buf(None if value is None else value.encode("utf-8", "surrogatepass"))


def vector(write: Callable[[Any], bytes]) -> Callable[[list[Any]], bytes]:
    return lambda values: int_(len(values)) + b"".join(map(write, values))


def acl(value: tuple[int, str, str]) -> bytes:
    return int_(value[0]) + str_(value[1]) + str_(value[2])


def header(code: int, done: bool, err: int) -> bytes:
    return int_(code) + bytes((done,)) + int_(err)


def parts(values: list[tuple[Any, ...]]) -> bytes:
    """Of a multi: (name, field, field, ...)."""
    rows = (header(CODES[name], False, -1) + fields(REQUESTS[name], list(rest)) for name, *rest in values)
    return b"".join(rows) + header(-1, True, -1)


def results(values: list[tuple[Any, ...]]) -> bytes:
    rows = b""
    for name, *rest in values:
        if name == "error":
            rows += header(-1, False, rest[0]) + int_(rest[0])
        else:
            rows += header(CODES[name], False, 0) + fields(RESULTS[name], rest)
    return rows + header(-1, True, -1)


WRITERS: dict[str, Callable[[Any], bytes]] = {
    "int": int_,
    "long": long_,
    "bool": lambda value: bytes((value,)),
    "flag": lambda value: b"" if value is None else bytes((value,)),  # None: it is not there
    "str": str_,
    "buf": buf,
    "strs": vector(str_),
    "acls": vector(acl),
    "infos": vector(lambda value: str_(value[0]) + str_(value[1])),
    "stat": lambda value: STAT.pack(*value),
    "parts": parts,
    "results": results,
}


def fields(layout: str, values: list[Any]) -> bytes:
    kinds = [field.split(":")[1] for field in layout.split()]
    return b"".join(WRITERS[kind](value) for kind, value in zip(kinds, values, strict=True))


def call(text: str) -> tuple[str, dict[str, Any]]:
    """`name(field=value, ...)`."""
    tree = ast.parse(text.strip(), mode="eval").body
    assert isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name), text
    return tree.func.id, {str(word.arg): ast.literal_eval(word.value) for word in tree.keywords}


def framed(body: bytes) -> bytes:
    return int_(len(body)) + body


def asked(text: str) -> bytes:
    """The frame of a client's message."""
    name, values = call(text)
    head = b"" if name == "connect" else int_(values.pop("xid")) + int_(CODES[name])
    return framed(head + _record(REQUESTS[name], values, text))


def told(text: str) -> bytes:
    """The frame of a server's message."""
    name, values = call(text)
    head = b""
    if name != "connect":
        head = int_(values.pop("xid")) + long_(values.pop("zxid")) + int_(values.pop("err"))
    return framed(head + _record(RESULTS[name], values, text))


def _record(layout: str, values: dict[str, Any], text: str) -> bytes:
    names = [field.split(":")[0] for field in layout.split()]
    assert list(values) == names, f"{text}: expected {names}"
    return fields(layout, list(values.values()))


# --- reading, to show what a server said


class Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, format: str) -> Any:
        value = struct.unpack_from("!" + format, self.data, self.at)
        self.at += struct.calcsize("!" + format)
        return value if len(value) > 1 else value[0]

    def buf(self) -> bytes | None:
        size = self.take("i")
        if size < 0:
            return None
        self.at += size
        return self.data[self.at - size : self.at]

    def str_(self) -> str | None:
        data = self.buf()
        return None if data is None else data.decode("utf-8", "surrogatepass")

    def many(self, read: Callable[[], Any]) -> list[Any]:
        return [read() for _ in range(self.take("i"))]

    def results(self) -> Iterator[tuple[Any, ...]]:
        while True:
            code, done, err = self.take("i?i")
            if done:
                return
            if code == -1:
                assert self.take("i") == err
                yield "error", err
            else:
                assert err == 0
                yield RESULT_NAMES[code], *self.values(RESULTS[RESULT_NAMES[code]])

    def values(self, layout: str) -> list[Any]:
        return [self.value(field.split(":")[1]) for field in layout.split()]

    def value(self, kind: str) -> Any:
        readers: dict[str, Callable[[], Any]] = {
            "int": lambda: self.take("i"),
            "long": lambda: self.take("q"),
            "bool": lambda: self.take("?"),
            "flag": lambda: self.take("?") if self.at < len(self.data) else None,
            "str": self.str_,
            "buf": self.buf,
            "strs": lambda: self.many(self.str_),
            "acls": lambda: self.many(lambda: (self.take("i"), self.str_(), self.str_())),
            "infos": lambda: self.many(lambda: (self.str_(), self.str_())),
            "stat": lambda: self.take("qqqqiiiqiiq"),
            "results": lambda: list(self.results()),
        }
        return readers[kind]()


def show(frame: bytes, name: str) -> str:
    """A server's frame as text; `name` of the request it answers, or `event`, or `connect`."""
    reader = Reader(frame[4:])
    shown: list[str] = []
    if name != "connect":
        xid, zxid, err = reader.take("iqi")
        shown = [f"xid={xid}", f"zxid={zxid:#x}", f"err={err}"]
        name = "error" if err else name
    layout = RESULTS[name]
    shown += [
        f"{field.split(':')[0]}={value!r}" for field, value in zip(layout.split(), reader.values(layout), strict=True)
    ]
    assert reader.at == len(frame) - 4, "bytes behind the record"
    return f"{name}({', '.join(shown)})"
