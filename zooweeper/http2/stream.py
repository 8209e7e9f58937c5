"""One gRPC call on an HTTP/2 connection: messages in their frames, status in its trailers.

Rules: pure. A call is told each message whole and in order, then that its client says no more; and once, if it comes
to that, that it is gone. What it sends while the windows are closed is queued, and counted. After `finish` it is told
nothing.
"""

from __future__ import annotations

from collections import deque
from struct import Struct
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

from zooweeper.http2.hpack import Headers, encode
from zooweeper.model.limits import PEER_MESSAGE_BYTES_MAX

if TYPE_CHECKING:
    from zooweeper.http2.connection import Connection

MESSAGE_BYTES_MAX = PEER_MESSAGE_BYTES_MAX
DETAIL_CHARS_MAX = 1000

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, END_HEADERS = 0x1, 0x4
RESOURCE_EXHAUSTED, UNIMPLEMENTED, INTERNAL = 8, 12, 13  # of gRPC's codes

FRAME = Struct("!BHBBI")  # length (high, low), type, flags, stream
_FRAMED = Struct("!BHBBIBI")  # and of the message that it holds: compressed, length
_PREFIX = Struct("!BI")
_INT = Struct("!I")

_PLAIN = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")
_BEGIN = b"\x88" + encode([(b"content-type", b"application/grpc")])  # 0x88: status 200


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """A frame's bytes."""
    length = len(payload)
    return FRAME.pack(length >> 16, length & 0xFFFF, kind, flags, stream) + payload


def refusal(stream: int, status: bytes) -> bytes:
    """The answer to what is not gRPC."""
    return frame(HEADERS, END_HEADERS | END_STREAM, stream, encode([(b":status", status)]))


class Call(Protocol):
    """Whoever serves a stream."""

    def message(self, data: bytes) -> None: ...

    def ended(self) -> None:
        """The client says no more, and may still want to hear."""

    def gone(self) -> None:
        """Nobody is there any more; nothing need be sent."""

    def drained(self) -> None:
        """What was queued has left."""


class Nobody:
    """The call of a stream that is finished."""

    def message(self, data: bytes) -> None:
        """It is not wanted any more."""

    ended = gone = drained = lambda self: None


NOBODY: Call = Nobody()


class Stream:
    """`send` messages, then `finish`."""

    __slots__ = (
        "_begun",
        "_connection",
        "_ended",
        "_held",
        "_input",
        "_offset",
        "_queue",
        "_telling",
        "_trailers",
        "_window_in",
        "call",
        "half_closed",
        "id",
        "idle",
        "queued",
        "uncredited",
        "window",
    )

    def __init__(self, connection: Connection, id: int, window: int, window_in: int) -> None:
        self.id = id
        self.call: Call = NOBODY
        self.window = window  # of what may be sent; below 0 when the client has shrunk it
        self.queued = 0  # bytes that wait for the windows
        self.uncredited = 0  # bytes that came, and were not granted anew
        self.idle = True  # a message may be told at once: none is on its way, and the stream is not held
        self.half_closed = False  # the client says no more
        self._connection = connection
        self._window_in = window_in
        self._input = bytearray()  # of messages that are not whole, or on hold
        self._held = False
        self._telling = False
        self._ended = False  # the call was told so
        self._queue: deque[bytes] = deque()
        self._offset = 0  # so much of the first of them has left
        self._begun = False  # headers are sent
        self._trailers: bytes | None = None  # known: nothing can be sent any more

    @property
    def peer(self) -> str:
        """The client's address."""
        return self._connection.peer

    # --- in

    def feed(self, data: bytes, end: bool) -> None:
        """Bytes of messages; `end`: there are no more."""
        self._input += data
        self.half_closed = self.half_closed or end
        self._tell()

    def hold(self, held: bool) -> None:
        """Tell no messages for the time being; or go on."""
        self._held = held
        if held:
            self.idle = False
        else:
            self._tell()
            if self.uncredited >= self._window_in // 2:
                self.credit()

    def credit(self) -> None:
        """Let as much come as was read. Not on hold; nor is a message that is larger than the window held up."""
        if not self._held and not self.half_closed and self.uncredited:
            self._connection.put(frame(WINDOW_UPDATE, 0, self.id, _INT.pack(self.uncredited)))
            self.uncredited = 0

    def _tell(self) -> None:
        if not self._telling:  # else whoever is being told has gone on, and so does the loop that tells
            self._telling = True
            self._tell_all()
            self._telling = False

    def _tell_all(self) -> None:
        data, at = self._input, 0
        while not self._held and len(data) - at >= _PREFIX.size:
            compressed, length = _PREFIX.unpack_from(data, at)
            if compressed:
                self._break(UNIMPLEMENTED, "messages must not be compressed")
                return
            if length > MESSAGE_BYTES_MAX:
                self._break(RESOURCE_EXHAUSTED, f"a message of {length} bytes, {MESSAGE_BYTES_MAX} are allowed")
                return
            end = at + _PREFIX.size + length
            if end > len(data):
                break
            message = bytes(data[at + _PREFIX.size : end])
            at = end
            self.call.message(message)
        del data[:at]
        self.idle = not data and not self._held and not self.half_closed
        if self.half_closed and not self._held and not self._ended:
            self._ended = True
            if data:
                self._break(INTERNAL, "the last message is not whole")
            else:
                self.call.ended()

    def _break(self, code: int, detail: str) -> None:
        call = self.call
        self._input.clear()
        self.finish(code, detail)
        call.gone()

    def forget(self) -> None:
        """It was reset, or its connection is lost."""
        self._connection.streams.pop(self.id, None)
        self._connection.blocked.pop(self, None)
        self._queue.clear()
        self.queued = 0
        self._trailers = b""
        call, self.call = self.call, NOBODY
        call.gone()

    def reset(self, code: int) -> None:
        """Its end, at once: what is queued is thrown away. `code`: HTTP/2's."""
        if self.id in self._connection.streams:
            self._connection.put(frame(RST_STREAM, 0, self.id, _INT.pack(code)))
            self.forget()

    # --- out

    def send(self, message: bytes) -> None:
        """A message to the client."""
        if self._trailers is not None:
            return
        connection, size = self._connection, len(message) + _PREFIX.size
        if not self._begun:
            self._begun = True
            connection.put(frame(HEADERS, END_HEADERS, self.id, _BEGIN))
        fits = size <= self.window and size <= connection.window and size <= connection.frame_bytes
        if fits and not self._queue and not connection.congested:
            self.window -= size
            connection.window -= size
            connection.put(_FRAMED.pack(size >> 16, size & 0xFFFF, DATA, 0, self.id, 0, size - 5) + message)
        else:
            self._queue.append(_PREFIX.pack(0, len(message)) + message)
            self.queued += size
            connection.blocked[self] = None
            connection.pump()

    def finish(self, code: int = 0, detail: str = "", metadata: Headers | None = None) -> None:
        """The call's end, behind what was sent. `code`: gRPC's."""
        if self._trailers is not None:
            return
        self.call = NOBODY
        headers: Headers = [(b"grpc-status", b"%d" % code)]
        if detail:
            headers.append((b"grpc-message", quote(detail[:DETAIL_CHARS_MAX], _PLAIN).encode()))
        block = (b"" if self._begun else _BEGIN) + encode(headers + (metadata or []))
        self._trailers = frame(HEADERS, END_HEADERS | END_STREAM, self.id, block)
        if not self._queue:
            self._leave()

    def pump(self) -> bool:
        """A frame of what is queued; False: it cannot leave now."""
        connection = self._connection
        room = min(self.window, connection.window, connection.frame_bytes)
        if room <= 0 or connection.congested:
            return False
        first = self._queue[0]
        piece = first[self._offset : self._offset + room]
        self._offset += len(piece)
        if self._offset == len(first):
            self._queue.popleft()
            self._offset = 0
        size = len(piece)
        self.window -= size
        connection.window -= size
        self.queued -= size
        connection.put(frame(DATA, 0, self.id, piece))
        if not self._queue:
            del connection.blocked[self]
            if self._trailers is not None:
                self._leave()
            else:
                self.call.drained()
        return True

    def _leave(self) -> None:
        """Say the end."""
        assert self._trailers is not None
        self._connection.put(self._trailers)
        if not self.half_closed:  # it need not send what it still has
            self._connection.put(frame(RST_STREAM, 0, self.id, bytes(4)))
        self._connection.streams.pop(self.id, None)
