"""What lies where below /mydb, and what each znode says; look at it with `zooweeper tree /mydb`.

    /mydb                     id of the database
    /mydb/servers/<name>      ephemeral: a server that counts; where it is, and whether it is level
    /mydb/candidates/c-<seq>  ephemeral, sequential: who would lead, in this order
    /mydb/leader              ephemeral: who leads; its czxid is the fencing token
    /mydb/log                 token of the leader that wrote last, number of the last entry
    /mydb/log/<n>             an entry: request id and statement
    /mydb/checkpoint/<name>   the last entry that is safely on that server's disk

Rules: pure; the only place that knows a path or the form of a znode's data. All data is text that a person can read.
Whatever cannot be read as what it should be is a `BadZnode`: somebody else writes below our root.
"""

import json
import re
from dataclasses import dataclass
from typing import Any, NamedTuple

MAX_LOG_SIZE = 400  # entries in the log, at every moment
MAX_BATCH = 100  # entries of one append, and of one read of the log
APPENDS_MAX = 2  # of one leader on their way to the log; the same for all servers, see log.py
BATCH_BYTES_MAX = 512 * 1024  # of the entries of one append: a request has at most 1 MiB
CHECKPOINT_EVERY = 100  # entries applied

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class BadZnode(Exception):
    """A znode does not hold what this application writes there."""


def is_name(text: str) -> bool:
    """Whether a server, or a database, may be called so."""
    return NAME.fullmatch(text) is not None


def entry_name(n: int) -> str:
    """Names are in the order of their numbers."""
    return f"{n:010d}"


class Paths:
    """The znodes of one database."""

    def __init__(self, database: str = "mydb") -> None:
        if not is_name(database):
            raise ValueError(f"{database!r} is not the name of a database: letters, digits and . _ -, at most 64")
        self.root = f"/{database}"
        self.servers = f"{self.root}/servers"
        self.candidates = f"{self.root}/candidates"
        self.candidate = f"{self.candidates}/c-"  # the service adds the number
        self.leader = f"{self.root}/leader"
        self.log = f"{self.root}/log"
        self.checkpoints = f"{self.root}/checkpoint"

    def server(self, name: str) -> str:
        return f"{self.servers}/{name}"

    def checkpoint(self, name: str) -> str:
        return f"{self.checkpoints}/{name}"

    def entry(self, n: int) -> str:
        return f"{self.log}/{entry_name(n)}"


# --- what they hold


@dataclass(frozen=True, slots=True)
class Server:
    """/mydb/servers/<name>. One that is not level yet is on its way through the log: it counts when the log is
    trimmed, and does not take clients."""

    address: str
    since: float  # seconds since 1970
    level: bool

    def encode(self) -> bytes:
        return json.dumps({"address": self.address, "since": self.since, "level": self.level}).encode()

    @classmethod
    def decode(cls, data: bytes) -> "Server":
        found = _fields(data, address=str, since=(int, float), level=bool)
        return cls(found["address"], float(found["since"]), found["level"])


@dataclass(frozen=True, slots=True)
class Leader:
    """/mydb/leader."""

    name: str
    address: str

    def encode(self) -> bytes:
        return json.dumps({"name": self.name, "address": self.address}).encode()

    @classmethod
    def decode(cls, data: bytes) -> "Leader":
        found = _fields(data, name=str, address=str)
        return cls(found["name"], found["address"])


@dataclass(frozen=True, slots=True)
class Head:
    """/mydb/log."""

    token: int  # czxid of the /mydb/leader of whoever wrote last; 0: nobody did
    last: int  # number of the last entry; 0: none

    def encode(self) -> bytes:
        return json.dumps({"token": self.token, "last": self.last}).encode()

    @classmethod
    def decode(cls, data: bytes) -> "Head":
        found = _fields(data, token=int, last=int)
        return cls(found["token"], found["last"])


def encode_number(n: int) -> bytes:
    """/mydb/checkpoint/<name>."""
    return b"%d" % n


def decode_number(data: bytes) -> int:
    if not (data.isdigit() and len(data) <= 19):
        raise BadZnode(f"not a number: {data[:40]!r}")
    return int(data)


class Entry(NamedTuple):
    """/mydb/log/<n>: `alice 17 UPDATE grade SET events = events + [85] WHERE id = 123`. A client's name has no blanks;
    the door sees to that."""

    client: str
    number: int
    text: str

    def encode(self) -> bytes:
        return f"{self.client} {self.number} {self.text}".encode()

    @classmethod
    def decode(cls, data: bytes) -> "Entry":
        client, _, rest = data.decode(errors="replace").partition(" ")  # what is replaced, no statement has in it
        number, mark, text = rest.partition(" ")
        if not mark:
            raise BadZnode(f"not an entry of the log: {data[:40]!r}")
        return cls(client, decode_number(number.encode()), text)


def _fields(data: bytes, **kinds: Any) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or any(not isinstance(found.get(key), kind) for key, kind in kinds.items()):
        raise BadZnode(f"expected {', '.join(kinds)}, found {data[:80]!r}")
    return found
