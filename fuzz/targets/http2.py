"""A connection to the gRPC port: frames, headers and messages of gRPC, as bytes.

An input is all that a client sends, in pieces of odd sizes. Each call answers what it is told, and ends when its client
does. Whatever comes, the connection goes on or ends with a GOAWAY, and nothing of a call that ended is left.
"""

from collections.abc import Hashable, Sequence
from struct import Struct

from fuzz.target import Run, Target
from zooweeper.http2.connection import INITIAL_WINDOW_SIZE, PADDED, PREFACE, Connection
from zooweeper.http2.hpack import encode
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
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Stream,
    frame,
)

PIECE = 61
FIELDS = [(b":method", b"POST"), (b":path", b"/echo"), (b"content-type", b"application/grpc"), (b"te", b"trailers")]
BLOCK = encode(FIELDS)
CODED = (
    bytes.fromhex("83048562313ce3ff") + encode(FIELDS[2:]) + bytes.fromhex("408825a849e95ba97d7f8925a849e95bb8e8b4bf")
)

_SETTING = Struct("!HI")


class Echo:
    """A call that says what it was told."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.over = False

    def message(self, data: bytes) -> None:
        assert not self.over, "told something after its end"
        self.stream.hold(len(data) % 3 == 1)
        self.stream.send(data)
        self.stream.hold(False)

    def ended(self) -> None:
        assert not self.over, "ended twice"
        self.over = True
        self.stream.finish(len(self.stream.peer))

    def gone(self) -> None:
        assert not self.over, "gone after its end"
        self.over = True

    def drained(self) -> None:
        assert not self.over, "drained after its end"


def _message(data: bytes) -> bytes:
    return b"\0" + len(data).to_bytes(4) + data


def _open(stream: int, flags: int = 0) -> bytes:
    return frame(HEADERS, END_HEADERS | flags, stream, BLOCK)


class Http2(Target):
    name = "http2"
    about = "what a client of the gRPC port sends, below the messages"
    refusals = ()
    bytes_max = 1 << 20
    words = (BLOCK, CODED, _open(1), frame(DATA, END_STREAM, 1, _message(b"a")), frame(SETTINGS, 0, 0, b""))

    def seeds(self) -> Sequence[bytes]:
        hello = PREFACE + frame(SETTINGS, 0, 0, _SETTING.pack(INITIAL_WINDOW_SIZE, 20))
        data = frame(DATA, END_STREAM, 1, _message(b"abc"))
        more = frame(WINDOW_UPDATE, 0, 1, (100).to_bytes(4)) + frame(WINDOW_UPDATE, 0, 0, (100).to_bytes(4))
        return [
            hello + _open(1) + data,
            hello + _open(1) + frame(DATA, 0, 1, _message(b"abcd" * 9)) + more + _open(3, END_STREAM),
            hello + frame(HEADERS, 0, 1, BLOCK[:7]) + frame(CONTINUATION, END_HEADERS, 1, BLOCK[7:]) + data,
            hello + frame(HEADERS, END_HEADERS, 1, CODED) + frame(HEADERS, END_HEADERS | END_STREAM, 3, b"\x83\xbe"),
            hello + _open(1) + frame(DATA, PADDED, 1, b"\x02" + _message(b"x") + bytes(2)),
            hello + _open(1) + frame(RST_STREAM, 0, 1, bytes(4)) + frame(PING, 0, 0, bytes(8)),
            hello + frame(PRIORITY, 0, 1, bytes(5)) + _open(1) + data + frame(GOAWAY, 0, 0, bytes(8)),
        ]

    def prepare(self) -> Run:
        return _converse


def _converse(data: bytes) -> Hashable:
    calls: list[Echo] = []

    def open(path: bytes, stream: Stream) -> Echo | None:
        if path != b"/echo":
            return None
        calls.append(Echo(stream))
        return calls[-1]

    connection = Connection("10.0.0.1", open, lambda: None)
    for at in range(0, len(data), PIECE):
        connection.received(data[at : at + PIECE])
    said, at, kinds = connection.take(), 0, []
    while at < len(said):
        high, low, kind, flags, _ = FRAME.unpack_from(said, at)
        kinds.append((kind, flags))
        at += FRAME.size + (high << 16 | low)
    assert connection.ended == (kinds[-1][0] == GOAWAY), "an end without a reason"
    assert not (connection.ended and connection.streams), "calls of no connection"
    connection.lost()
    assert all(call.over or not call.stream.half_closed for call in calls)
    return tuple(dict.fromkeys(kinds)), len(calls)
