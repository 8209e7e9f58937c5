"""A request is what a client wants ordered, an entry is a request with its place, a batch is what travels together.

Rules: the bytes of a request are made once, at the door's node, and pass untouched through forwarding, ordering, the
peers and the log (DESIGN D1, D3). The leader only puts batches of them in order: entry i of a batch has the zxid
`first + i`, and all entries of a batch share one time. Decoding happens at execution, and for people.

    request := session i64, attach i64, number i64, code i32, length u32, body
"""

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct
from struct import error as StructError
from typing import NamedTuple

from zooweeper.model.zxid import show

REQUEST = Struct("!qqqiI")
REQUEST_SIZE = REQUEST.size
_BODY_LENGTH = Struct("!I")
_LENGTH_AT = REQUEST_SIZE - _BODY_LENGTH.size
CODE = slice(_LENGTH_AT - 4, _LENGTH_AT)
"""Where a packed request says what kind of operation it asks for."""


class Entry(NamedTuple):
    """One operation of the log. What it does depends on these fields and on the state alone."""

    zxid: int
    time_ms: int  # the leader's wall clock, never backwards
    session: int  # 0: no session (openSession, and what the leader itself orders)
    attach: int  # zxid of the openSession or attach entry the request was sent under
    number: int  # the session's running number, from 1
    code: int  # operation code, see ops/table.py
    body: bytes  # the operation's request record


def pack_request(session: int, attach: int, number: int, code: int, body: bytes) -> bytes:
    """The bytes of one request, as they are forwarded, proposed and logged."""
    return REQUEST.pack(session, attach, number, code, len(body)) + body


def check_requests(data: bytes, count: int) -> None:
    """ValueError unless `data` is exactly `count` packed requests: asked once of what another node sent, before
    anything relies on it (what is logged is executed by every node, and must be executable)."""
    at = found = 0
    try:
        while at < len(data):
            (length,) = _BODY_LENGTH.unpack_from(data, at + _LENGTH_AT)
            at += REQUEST_SIZE + length
            found += 1
    except StructError:
        at = -1
    if at != len(data) or found != count:
        raise ValueError(f"{len(data)} bytes that are not {count} whole requests")


@dataclass(slots=True)
class Batch:
    """Entries first..last of one epoch, the unit of proposal, log record, acknowledgement and cutting."""

    first: int
    last: int
    time_ms: int
    data: bytes  # the requests, one after the other

    @property
    def count(self) -> int:
        return self.last - self.first + 1

    @property
    def code(self) -> int:
        """Of its first entry."""
        return int.from_bytes(self.data[CODE], signed=True)

    def entry(self, at: int, zxid: int) -> tuple[Entry, int]:
        """The entry `zxid`, whose request is at `at`, and where the next one is. ValueError when `data` ends before."""
        data, begin = self.data, at + REQUEST_SIZE
        if begin > len(data):
            raise ValueError(f"batch {self} ends inside a request")
        session, attach, number, code, length = REQUEST.unpack_from(data, at)
        end = begin + length
        if end > len(data):
            raise ValueError(f"batch {self} ends inside a body")
        return Entry(zxid, self.time_ms, session, attach, number, code, data[begin:end]), end

    def entries(self) -> Iterator[Entry]:
        """The entries in order. ValueError when `data` does not hold exactly `count` requests."""
        at, zxid = 0, self.first
        while at < len(self.data):
            entry, at = self.entry(at, zxid)
            yield entry
            zxid += 1
        self.ended(zxid)

    def ended(self, zxid: int) -> None:
        """ValueError unless `zxid` is what comes behind the last entry."""
        if zxid != self.last + 1:
            raise ValueError(f"batch {self} holds {zxid - self.first} requests")

    def __str__(self) -> str:
        return show(self.first) if self.first == self.last else f"{show(self.first)}–{show(self.last)}"
