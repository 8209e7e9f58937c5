"""HTTP/2 as a client of gRPC speaks it (RFC 9113): bytes in, events out; requests in, bytes out.

Rules: no I/O. What is to be sent gathers in `out`, and whoever owns the socket takes it. Both sides' flow control is
kept: what the server has no room for waits here, in order. Servers get large windows, so that they never wait for us.
"""

from collections import deque
from enum import IntEnum
from struct import Struct
from typing import NamedTuple

from zooweeper.bench.hpack import Encoder
from zooweeper.bench.load import BenchError
from zooweeper.http2.hpack import Decoder, Headers

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEAD = Struct("!BHBBI")  # length in two parts, type, flags, stream
HEAD_BYTES = 9
WORD = Struct("!I")
SETTING = Struct("!HI")
GRPC_HEAD = Struct("!BI")  # compressed, length

FIRST_WINDOW = 65_535
FRAME_BYTES = 16_384  # of a frame, until settings say otherwise
OUR_WINDOW = (1 << 31) - 1
OUR_FRAME_BYTES = 1 << 20
RENEW_BYTES = 1 << 29  # taken, before the server is told that there is room for them again


class Frame(IntEnum):
    DATA = 0
    HEADERS = 1
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9


class Setting(IntEnum):
    ENABLE_PUSH = 2
    INITIAL_WINDOW_SIZE = 4
    MAX_FRAME_SIZE = 5


NO_HEADERS: Headers = []
END_STREAM = ACK = 1
END_HEADERS, PADDED, PRIORITY = 4, 8, 32
OURS = {
    Setting.ENABLE_PUSH: 0,
    Setting.INITIAL_WINDOW_SIZE: OUR_WINDOW,
    Setting.MAX_FRAME_SIZE: OUR_FRAME_BYTES,
}


class Event(NamedTuple):
    """Something that came on a stream."""

    type: int  # DATA, HEADERS, RST_STREAM (payload: the code)
    stream: int
    payload: bytes
    end: bool  # nothing more comes on this stream
    headers: Headers


class Http2:
    """One connection."""

    __slots__ = (
        "_block",
        "_blocks",
        "_credit",
        "_decoder",
        "_encoder",
        "_frame_bytes",
        "_host",
        "_initial",
        "_rest",
        "_taken",
        "_waiting",
        "_window",
        "out",
        "ready",
    )

    def __init__(self, host: str) -> None:
        self.out = bytearray(PREFACE)
        self.ready = False  # the server has said its settings
        self._host = host.encode()
        self._encoder = Encoder()
        self._decoder = Decoder()
        self._blocks: dict[str, bytes] = {}  # what opens a call, while nothing new is said
        self._rest = b""
        self._block: tuple[int, bytes, bool] | None = None  # a header block that goes on in the next frame
        self._window = self._initial = FIRST_WINDOW
        self._frame_bytes = FRAME_BYTES
        self._credit: dict[int, int] = {}  # what open streams may still send
        self._waiting: deque[tuple[int, bytes, bool]] = deque()
        self._taken: dict[int, int] = {}  # bytes since the last renewal, by stream; 0: all
        settings = b"".join(SETTING.pack(name, value) for name, value in OURS.items())
        self._put(Frame.SETTINGS, 0, 0, settings)
        self._put(Frame.WINDOW_UPDATE, 0, 0, WORD.pack(OUR_WINDOW - FIRST_WINDOW))

    # ---- to the server

    def open(self, stream: int, path: str) -> None:
        """Begins a gRPC call; streams are odd and rise."""
        block = self._blocks.get(path)
        if block is None:
            size = self._encoder.size
            block = self._encoder.encode(self._call(path))
            self._blocks = {} if self._encoder.size > size else self._blocks | {path: block}
        self._credit[stream] = self._initial
        self._put(Frame.HEADERS, END_HEADERS, stream, block)

    def _call(self, path: str) -> Headers:
        return [  # what begins with a colon stands first, or the server breaks the stream
            (b":method", b"POST"),
            (b":scheme", b"http"),
            (b":path", path.encode()),
            (b":authority", self._host),
            (b"content-type", b"application/grpc"),
            (b"te", b"trailers"),
        ]

    def say(self, stream: int, message: bytes, end: bool = False) -> None:
        """A gRPC message; `end`: the last one."""
        data = GRPC_HEAD.pack(0, len(message)) + message
        size = len(data)
        if self._waiting or size > self._window or size > self._credit[stream] or size > self._frame_bytes:
            self._waiting.append((stream, data, end))
            self._send_waiting()
            return
        self._window -= size
        self._credit[stream] -= size
        self.out += HEAD.pack(size >> 16, size & 0xFFFF, Frame.DATA, end, stream)
        self.out += data

    def _send_waiting(self) -> None:
        """What there is room for now; an empty rest would be no frame of its own."""
        while self._waiting:
            stream, data, end = self._waiting[0]
            room = min(len(data), self._window, self._credit.get(stream, len(data)), self._frame_bytes)
            if room <= 0:
                return
            part, rest = data[:room], data[room:]
            if stream in self._credit:  # else the server has ended it, and wants no more
                self._window -= room
                self._credit[stream] -= room
                self._put(Frame.DATA, end and not rest, stream, part)
            self._waiting.popleft()
            if rest:
                self._waiting.appendleft((stream, rest, end))

    def _put(self, type: int, flags: int, stream: int, payload: bytes) -> None:
        self.out += HEAD.pack(len(payload) >> 16, len(payload) & 0xFFFF, type, flags, stream) + payload

    # ---- from the server

    def feed(self, data: bytes) -> list[Event]:
        """What these bytes bring. BenchError for what is no HTTP/2, or ends the connection."""
        if self._rest:
            data = self._rest + data
        at, size = 0, len(data)
        events: list[Event] = []
        while size - at >= HEAD_BYTES:
            high, low, type, flags, stream = HEAD.unpack_from(data, at)
            length = high << 16 | low
            if length > OUR_FRAME_BYTES or not (self.ready or type == Frame.SETTINGS):
                raise BenchError("the server does not speak HTTP/2")
            begin = at + HEAD_BYTES
            if begin + length > size:
                break
            at = begin + length
            payload = data[begin:at]
            if type == Frame.DATA:
                self._take(stream, length)
                if flags & PADDED:
                    payload = payload[1 : length - payload[0]]
                events.append(Event(type, stream, payload, bool(flags & END_STREAM), NO_HEADERS))
            else:
                self._control(type, flags, stream, payload, events)
        self._rest = data[at:]
        for event in events:
            if event.end:
                self._credit.pop(event.stream, None)
                self._taken.pop(event.stream, None)
        return events

    def _control(self, type: int, flags: int, stream: int, payload: bytes, events: list[Event]) -> None:
        """A frame that carries no data."""
        if type == Frame.HEADERS:
            if flags & PADDED:
                payload = payload[1 : len(payload) - payload[0]]
            if flags & PRIORITY:
                payload = payload[5:]
            self._headers(stream, payload, bool(flags & END_STREAM), flags, events)
        elif type == Frame.CONTINUATION and self._block is not None:
            stream, before, end = self._block
            self._headers(stream, before + payload, end, flags, events)
        elif type == Frame.SETTINGS and not flags & ACK:
            self.ready = True
            self._settle(payload)
            self._put(Frame.SETTINGS, ACK, 0, b"")
        elif type == Frame.PING and not flags & ACK:
            self._put(Frame.PING, ACK, 0, payload)
        elif type == Frame.WINDOW_UPDATE:
            (more,) = WORD.unpack(payload)
            if stream == 0:
                self._window += more
            elif stream in self._credit:
                self._credit[stream] += more
            self._send_waiting()
        elif type == Frame.RST_STREAM:
            events.append(Event(type, stream, payload, True, NO_HEADERS))
        elif type == Frame.GOAWAY:
            why = payload[8:].decode("ascii", "replace")[:200]
            raise BenchError(f"the server ends the connection: {why or WORD.unpack_from(payload, 4)[0]}")

    def _headers(self, stream: int, block: bytes, end: bool, flags: int, events: list[Event]) -> None:
        if len(block) > OUR_FRAME_BYTES:
            raise BenchError("the server's headers do not end")
        whole = flags & END_HEADERS
        self._block = None if whole else (stream, block, end)
        if whole:
            try:
                headers = self._decoder.decode(block)
            except ValueError:
                raise BenchError("the server's headers cannot be read") from None
            events.append(Event(Frame.HEADERS, stream, b"", end, headers))

    def _settle(self, payload: bytes) -> None:
        for at in range(0, len(payload) - SETTING.size + 1, SETTING.size):
            name, value = SETTING.unpack_from(payload, at)
            if name == Setting.INITIAL_WINDOW_SIZE:
                for stream in self._credit:
                    self._credit[stream] += value - self._initial
                self._initial = value
            elif name == Setting.MAX_FRAME_SIZE:
                self._frame_bytes = value
        self._send_waiting()

    def _take(self, stream: int, length: int) -> None:
        """Tells the server now and then that what it sent has been taken."""
        taken = self._taken
        for one in (0, stream):
            taken[one] = taken.get(one, 0) + length
            if taken[one] >= RENEW_BYTES:
                self._put(Frame.WINDOW_UPDATE, 0, one, WORD.pack(taken[one]))
                taken[one] = 0


def status_of(headers: Headers) -> tuple[int, str]:
    """(grpc-status, grpc-message) of a call's last headers; status 2, UNKNOWN, where they say none."""
    status, text = 2, ""
    for name, value in headers:
        if name == b"grpc-status" and value.isdigit():
            status = int(value)
        elif name == b"grpc-message":
            text = value[:200].decode("ascii", "replace")
    return status, text
