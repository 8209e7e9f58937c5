"""A small client of the ZooKeeper port: sessions that can be moved by hand, for the measurements.

Rules: bytes as ZooKeeper's own clients send them. Nothing is retried, re-registered or hidden: who measures decides
what happens when a connection ends. `Session` blocks and belongs to one thread; the functions above it do no I/O.
"""

import socket
import struct
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from bench.load import Stuck
from zooweeper.codec.record import Record
from zooweeper.model.config import Address
from zooweeper.ops.op import Op

NO_SECRET = bytes(16)
EVENT_XID, PING_XID = -1, -2
WAIT_S = 30.0

_LENGTH = struct.Struct("!i")
_CONNECT = struct.Struct("!iqiqi16s?")
_CONNECTED = struct.Struct("!iiqi16s?")
_REQUEST = struct.Struct("!ii")
_REPLY = struct.Struct("!iqi")
_EVENT = struct.Struct("!iii")  # type, state, bytes of the path


class Closed(Stuck):
    """The node closed the connection: it does not take this session, or not yet."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a request; `body` is empty with an error."""

    xid: int
    zxid: int
    error: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Event:
    """A watch event; its zxid is -1 when setWatches made it up for what was missed."""

    zxid: int
    type: int
    path: str


@dataclass(frozen=True, slots=True)
class Connected:
    """How the server answered the handshake; a timeout of 0: there is no such session."""

    timeout_ms: int
    session: int
    secret: bytes


def connect_frame(timeout_ms: int, session: int = 0, secret: bytes = NO_SECRET, seen: int = 0) -> bytes:
    """A handshake: for a new session, or for one that exists."""
    return framed(_CONNECT.pack(0, seen, timeout_ms, session, len(secret), secret, False))


def request_frame(xid: int, op: type[Op], request: Record | None = None) -> bytes:
    return framed(_REQUEST.pack(xid, op.code) + (request.encode() if request is not None else b""))


def framed(payload: bytes) -> bytes:
    return _LENGTH.pack(len(payload)) + payload


def read_connected(payload: bytes) -> Connected:
    _, timeout_ms, session, _, secret, _ = _CONNECTED.unpack(payload)
    return Connected(timeout_ms, session, secret)


def read_frame(payload: bytes) -> Reply | Event:
    """A frame after the handshake."""
    xid, zxid, error = _REPLY.unpack_from(payload)
    if xid != EVENT_XID:
        return Reply(xid, zxid, error, payload[_REPLY.size :])
    type, _, length = _EVENT.unpack_from(payload, _REPLY.size)
    start = _REPLY.size + _EVENT.size
    return Event(zxid, type, payload[start : start + length].decode())


class Frames:
    """Bytes in, frames out."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The frames that are complete now."""
        data, at = self._rest + data, 0
        while len(data) - at >= 4:
            end = at + 4 + _LENGTH.unpack_from(data, at)[0]
            if end > len(data):
                break
            yield data[at + 4 : end]
            at = end
        self._rest = data[at:]


class Connection:
    """One connection of a session; without one given, of a new session."""

    def __init__(
        self,
        address: Address,
        timeout_ms: int,
        session: int = 0,
        secret: bytes = NO_SECRET,
        seen: int = 0,
        wait_s: float = WAIT_S,
    ) -> None:
        """Connects and shakes hands. Closed, or Stuck when the session has expired, or an answer takes `wait_s`."""
        self._wait_s = wait_s
        try:
            self._socket = socket.create_connection((address.host, address.port), wait_s)
        except OSError as error:
            raise Closed(f"cannot connect to {address}: {error}") from None
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._frames = Frames()
        self._ready: deque[bytes] = deque()
        self._xid = 0
        self.seen = seen  # the highest zxid that was read here
        self.events: list[Event] = []  # in the order they came
        self._socket.sendall(connect_frame(timeout_ms, session, secret, seen))
        self.welcome = read_connected(self._next())
        if not self.welcome.timeout_ms:
            raise Stuck(f"{address} says that session {session:#x} has expired")

    def send(self, op: type[Op], request: Record | None = None) -> int:
        """Sends a request without waiting; its xid."""
        self._xid += 1
        self._socket.sendall(request_frame(self._xid, op, request))
        return self._xid

    def ask(self, op: type[Op], request: Record | None = None) -> Reply:
        """Sends a request and waits for its reply; events before it are added to `events`."""
        return self.reply(self.send(op, request))

    def reply(self, xid: int) -> Reply:
        """The next reply, which must be the one to `xid`. Stuck if it is another."""
        while True:
            one = read_frame(self._next())
            self.seen = max(self.seen, one.zxid)
            if isinstance(one, Reply):
                break
            self.events.append(one)
        if one.xid != xid:
            raise Stuck(f"a reply to {one.xid} came where that to {xid} was due")
        return one

    def close(self) -> None:
        """Cuts the connection; the session lives on."""
        self._socket.close()

    def last_words(self, op: type[Op], request: Record) -> None:
        """Sends one more request if that is possible, and waits until the node has closed the connection. Stuck when
        it does not."""
        try:
            self.send(op, request)
            while self._socket.recv(1 << 16):
                pass
        except TimeoutError:
            raise Stuck(f"the node did not close the connection within {self._wait_s:g} s") from None
        except OSError:
            pass  # closed with something of ours unread
        self.close()

    def _next(self) -> bytes:
        while not self._ready:
            try:
                data = self._socket.recv(1 << 16)
            except TimeoutError:
                raise Stuck(f"no answer within {self._wait_s:g} s") from None
            except OSError as error:
                raise Closed(f"the connection broke: {error}") from None
            if not data:
                raise Closed("the node closed the connection")
            self._ready.extend(self._frames.feed(data))
        return self._ready.popleft()
