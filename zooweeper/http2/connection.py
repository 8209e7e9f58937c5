"""The server's end of an HTTP/2 connection that carries gRPC (RFC 9113), without I/O: bytes in, messages out, and back.

Rules: pure; whoever drives it hands over bytes, and takes bytes away when it was woken. What breaks the protocol ends
the connection with a GOAWAY that says why; what breaks one call ends that call. Messages arrive whole, and none while
their stream is on hold. Nothing is buffered without bound: what comes in by the windows we grant, headers by hpack.py,
what goes out by whoever sends and looks at `Stream.queued`.
"""

from collections.abc import Callable
from struct import Struct
from typing import NoReturn

from zooweeper.http2.hpack import Decoder, Headers
from zooweeper.http2.stream import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    FRAME,
    GOAWAY,
    HEADERS,
    PING,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    UNIMPLEMENTED,
    WINDOW_UPDATE,
    Call,
    Stream,
    frame,
    refusal,
)

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
FRAME_BYTES_MAX = 16384  # what we take; nobody has to send larger ones
STREAM_WINDOW = 256 * 1024  # unread bytes of one call
CONNECTION_WINDOW = 16 * 1024 * 1024  # of all of them, not counting what is read and on hold
STREAMS_MAX = 256
BLOCK_BYTES_MAX = 16384  # of one header block
ODD_FRAMES_MAX = 1000  # between two ticks: resets, pings and the like, which cost us more than the client
WINDOW_MAX = 0x7FFFFFFF

NO_ERROR, PROTOCOL_ERROR, FLOW_CONTROL_ERROR, STREAM_CLOSED, FRAME_SIZE_ERROR = 0, 1, 3, 5, 6
REFUSED_STREAM, COMPRESSION_ERROR, ENHANCE_YOUR_CALM = 7, 9, 11
ACK, PADDED, HAS_PRIORITY = 0x1, 0x8, 0x20
MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE = 3, 4, 5, 6

_INT = Struct("!I")
_SETTING = Struct("!HI")
_GOAWAY = Struct("!II")
_MESSAGE = Struct("!BI")  # compressed, length

GREETING = frame(
    SETTINGS,
    0,
    0,
    _SETTING.pack(MAX_CONCURRENT_STREAMS, STREAMS_MAX)
    + _SETTING.pack(INITIAL_WINDOW_SIZE, STREAM_WINDOW)
    + _SETTING.pack(MAX_HEADER_LIST_SIZE, 8192),
) + frame(WINDOW_UPDATE, 0, 0, _INT.pack(CONNECTION_WINDOW - 65535))

Open = Callable[[bytes, Stream], Call | None]
"""The call of a path; None: there is no such method."""


class Broken(Exception):
    """The client does not speak the protocol."""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(why)
        self.code = code


class Connection:
    """`received`, `take` when `wake` was called, `tick` now and then, `lost` at the end."""

    def __init__(self, peer: str, open: Open, wake: Callable[[], None]) -> None:
        """`peer`: the client's address."""
        self.peer = peer
        self.ended = False  # after what is to be taken, nothing more is said
        self.streams: dict[int, Stream] = {}
        self.window = 65535  # of what may be sent
        self.stream_window = 65535  # of what may be sent on a new stream
        self.frame_bytes = 16384  # the client takes
        self.congested = False
        self.blocked: dict[Stream, None] = {}  # with something queued
        self._open = open
        self._wake = wake
        self._out: list[bytes] = [GREETING]
        self._input = b""  # of a frame that is not whole yet
        self._decoder = Decoder()
        self.greeted = self._set = False  # the client has said the preface, and its first settings
        self._last = 0  # the last stream that it opened
        self._uncredited = 0
        self._unfinished: tuple[int, int, bytes] | None = None  # stream, flags and block of headers to be continued
        self._odd = 0

    # --- for the driver

    def received(self, data: bytes) -> None:
        """Bytes from the client."""
        if self.ended:
            return
        if self._input:
            data = self._input + data
        try:
            at = 0 if self.greeted else self._greet(data)
            self._input = data[self._frames(data, at) :] if self.greeted else data
        except Broken as broken:
            self._end(broken.code, str(broken))

    def take(self) -> bytes:
        """What is to be written now."""
        out, self._out = self._out, []
        return out[0] if len(out) == 1 else b"".join(out)

    def congest(self, congested: bool) -> None:
        """Whether the client does not take what was written: then what is sent waits on its stream."""
        self.congested = congested
        self.pump()

    def tick(self) -> None:
        """Some time has passed."""
        self._odd = 0

    def ping(self) -> None:
        """Ask for a sign of life."""
        self.put(frame(PING, 0, 0, bytes(8)))

    def close(self) -> None:
        """End it: what was sent still leaves."""
        self._end(NO_ERROR, "the node stops")

    def lost(self) -> None:
        """There is no connection any more."""
        self.ended = True
        for stream in list(self.streams.values()):
            stream.forget()

    # --- for the streams

    def put(self, data: bytes) -> None:
        """Say this when the turn is over."""
        if not self._out:
            self._wake()
        self._out.append(data)

    def pump(self) -> None:
        """Send what is queued as far as the windows allow, a frame of each stream in turn."""
        moved = True
        while moved and self.blocked:
            moved = False
            for stream in list(self.blocked):
                moved = stream.pump() or moved

    # --- from the client

    def _greet(self, data: bytes) -> int:
        """How many bytes the preface has."""
        if not PREFACE.startswith(data[: len(PREFACE)]):
            raise Broken(PROTOCOL_ERROR, "not HTTP/2")
        if len(data) >= len(PREFACE):
            self.greeted = True
        return len(PREFACE)

    def _frames(self, data: bytes, at: int) -> int:
        """Take the whole frames; where the rest begins."""
        size = len(data)
        streams = self.streams
        while size - at >= FRAME.size and not self.ended:
            high, low, kind, flags, id = FRAME.unpack_from(data, at)
            length = high << 16 | low
            if length > FRAME_BYTES_MAX:
                raise Broken(FRAME_SIZE_ERROR, f"a frame of {length} bytes")
            start = at + FRAME.size
            end = start + length
            if end > size:
                break
            at = end
            if kind == DATA and not flags and length >= _MESSAGE.size:
                stream = streams.get(id)
                if stream is not None and stream.idle and _MESSAGE.unpack_from(data, start) == (0, length - 5):
                    self._credit(length)  # the way of almost all: a frame that is one message
                    self._arrived(stream, length)
                    stream.call.message(data[start + _MESSAGE.size : end])
                    continue
            self._frame(kind, flags, id & WINDOW_MAX, data[start:end])
        return at

    def _frame(self, kind: int, flags: int, id: int, payload: bytes) -> None:
        """Any frame, in its own way."""
        if not self._set and (kind != SETTINGS or flags & ACK):
            raise Broken(PROTOCOL_ERROR, "settings come first")
        if self._unfinished is not None and (kind != CONTINUATION or id != self._unfinished[0]):
            raise Broken(PROTOCOL_ERROR, "headers are not finished")
        handler = HANDLERS.get(kind)
        if handler is not None:  # what nobody knows is ignored
            handler(self, flags, id, payload)

    def _on_data(self, flags: int, id: int, payload: bytes) -> None:
        length = len(payload)
        if not length:
            self._count_odd()
        self._credit(length)
        stream = self.streams.get(id)
        if stream is None:
            if id > self._last or not id & 1:
                raise Broken(PROTOCOL_ERROR, "data of a stream that is not open")
            return  # it ended meanwhile
        if stream.half_closed:
            raise Broken(STREAM_CLOSED, "data after the end of a stream")
        self._arrived(stream, length)
        stream.feed(_unpadded(flags, payload), bool(flags & END_STREAM))

    def _on_headers(self, flags: int, id: int, payload: bytes) -> None:
        payload = _unpadded(flags, payload)
        if flags & HAS_PRIORITY:
            payload = payload[5:]
        if flags & END_HEADERS:
            self._headers(id, flags, payload)
        else:
            self._unfinished = id, flags, payload

    def _on_continuation(self, flags: int, id: int, payload: bytes) -> None:
        if self._unfinished is None:
            raise Broken(PROTOCOL_ERROR, "nothing is to be continued")
        self._count_odd()
        _, first_flags, block = self._unfinished
        block += payload
        if len(block) > BLOCK_BYTES_MAX:
            raise Broken(ENHANCE_YOUR_CALM, f"a header block of more than {BLOCK_BYTES_MAX} bytes")
        if flags & END_HEADERS:
            self._unfinished = None
            self._headers(id, first_flags, block)
        else:
            self._unfinished = id, first_flags, block

    def _headers(self, id: int, flags: int, block: bytes) -> None:
        """A call begins; or its client's trailers, which say nothing but that it ends."""
        try:
            headers = self._decoder.decode(block)
        except ValueError as error:
            raise Broken(COMPRESSION_ERROR, str(error)) from None
        stream = self.streams.get(id)
        if stream is not None:
            if stream.half_closed or not flags & END_STREAM:
                raise Broken(PROTOCOL_ERROR, "headers in the middle of a stream")
            stream.feed(b"", True)
            return
        if id <= self._last:
            if id & 1:
                return  # trailers of a stream that ended meanwhile
            raise Broken(PROTOCOL_ERROR, "a stream of the server's")
        if not id & 1:
            raise Broken(PROTOCOL_ERROR, "a stream of the server's")
        self._last = id
        if len(self.streams) >= STREAMS_MAX:
            self._count_odd()
            self.put(frame(RST_STREAM, 0, id, _INT.pack(REFUSED_STREAM)))
        else:
            self._begin(id, headers, bool(flags & END_STREAM))

    def _begin(self, id: int, headers: Headers, half_closed: bool) -> None:
        fields = dict(headers)
        if fields.get(b":method") != b"POST":
            self.put(refusal(id, b"405"))
        elif not fields.get(b"content-type", b"").startswith(b"application/grpc"):
            self.put(refusal(id, b"415"))
        else:
            stream = self.streams[id] = Stream(self, id, self.stream_window, STREAM_WINDOW)
            call = self._open(fields.get(b":path", b""), stream)
            if call is None:
                stream.half_closed = half_closed
                stream.finish(UNIMPLEMENTED, "there is no such method")
                return
            stream.call = call
            if half_closed:
                stream.feed(b"", True)

    def _on_reset(self, flags: int, id: int, payload: bytes) -> None:
        self._count_odd()
        if len(payload) != _INT.size:
            raise Broken(FRAME_SIZE_ERROR, "a reset of another size")
        if id > self._last or not id & 1:
            raise Broken(PROTOCOL_ERROR, "a reset of a stream that is not open")
        stream = self.streams.get(id)
        if stream is not None:
            stream.forget()

    def _on_settings(self, flags: int, id: int, payload: bytes) -> None:
        if id or len(payload) % _SETTING.size or (flags & ACK and payload):
            raise Broken(FRAME_SIZE_ERROR, "settings of another size, or of a stream")
        self._set = True
        if flags & ACK:
            return
        self._count_odd()
        for name, value in _SETTING.iter_unpack(payload):
            if name == INITIAL_WINDOW_SIZE:
                if value > WINDOW_MAX:
                    raise Broken(FLOW_CONTROL_ERROR, "a window beyond every bound")
                for stream in self.streams.values():
                    stream.window += value - self.stream_window
                self.stream_window = value
            elif name == MAX_FRAME_SIZE:
                if not 16384 <= value < 1 << 24:
                    raise Broken(PROTOCOL_ERROR, "no size of frames")
                self.frame_bytes = value
        self.put(frame(SETTINGS, ACK, 0, b""))
        self.pump()

    def _on_ping(self, flags: int, id: int, payload: bytes) -> None:
        if id or len(payload) != 8:
            raise Broken(FRAME_SIZE_ERROR, "a ping of another size, or of a stream")
        if not flags & ACK:
            self._count_odd()
            self.put(frame(PING, ACK, 0, payload))

    def _on_window(self, flags: int, id: int, payload: bytes) -> None:
        if len(payload) != _INT.size:
            raise Broken(FRAME_SIZE_ERROR, "a window update of another size")
        more = _INT.unpack(payload)[0] & WINDOW_MAX
        if not more:
            raise Broken(PROTOCOL_ERROR, "a window that does not open")
        if not id:
            self.window += more
            if self.window > WINDOW_MAX:
                raise Broken(FLOW_CONTROL_ERROR, "a window beyond every bound")
            self.pump()
        elif id > self._last or not id & 1:
            raise Broken(PROTOCOL_ERROR, "a window of a stream that is not open")
        elif (stream := self.streams.get(id)) is not None:
            stream.window += more
            if stream.window > WINDOW_MAX:
                raise Broken(FLOW_CONTROL_ERROR, "a window beyond every bound")
            self.pump()

    def _on_goaway(self, flags: int, id: int, payload: bytes) -> None:
        """It opens no more streams; those that are open go on."""

    def _on_priority(self, flags: int, id: int, payload: bytes) -> None:
        self._count_odd()

    def _on_promise(self, flags: int, id: int, payload: bytes) -> NoReturn:
        raise Broken(PROTOCOL_ERROR, "clients promise nothing")

    # --- its windows, its patience, its end

    def _credit(self, length: int) -> None:
        """What arrived is read: let as much more come."""
        self._uncredited += length
        if self._uncredited >= CONNECTION_WINDOW // 2:
            if self._uncredited > CONNECTION_WINDOW:
                raise Broken(FLOW_CONTROL_ERROR, "more than the connection's window")
            self.put(frame(WINDOW_UPDATE, 0, 0, _INT.pack(self._uncredited)))
            self._uncredited = 0

    @staticmethod
    def _arrived(stream: Stream, length: int) -> None:
        stream.uncredited += length
        if stream.uncredited > STREAM_WINDOW:
            raise Broken(FLOW_CONTROL_ERROR, "more than the stream's window")
        if stream.uncredited >= STREAM_WINDOW // 2:
            stream.credit()

    def _count_odd(self) -> None:
        self._odd += 1
        if self._odd > ODD_FRAMES_MAX:
            raise Broken(ENHANCE_YOUR_CALM, "too many frames that ask for nothing")

    def _end(self, code: int, why: str) -> None:
        if not self.ended:
            self.put(frame(GOAWAY, 0, 0, _GOAWAY.pack(self._last, code) + why.encode()))
            self.lost()


HANDLERS: dict[int, Callable[[Connection, int, int, bytes], None]] = {
    DATA: Connection._on_data,
    HEADERS: Connection._on_headers,
    PRIORITY: Connection._on_priority,
    RST_STREAM: Connection._on_reset,
    SETTINGS: Connection._on_settings,
    PUSH_PROMISE: Connection._on_promise,
    PING: Connection._on_ping,
    GOAWAY: Connection._on_goaway,
    WINDOW_UPDATE: Connection._on_window,
    CONTINUATION: Connection._on_continuation,
}


def _unpadded(flags: int, payload: bytes) -> bytes:
    if not flags & PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise Broken(PROTOCOL_ERROR, "more padding than there is")
    return payload[1 : len(payload) - payload[0]]
