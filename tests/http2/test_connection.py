"""The server's end of HTTP/2, spoken to frame by frame: what gRPC's own clients never or seldom do."""

import random
from struct import Struct

import pytest

from zooweeper.http2 import connection as h2
from zooweeper.http2.connection import PREFACE, STREAM_WINDOW, Connection
from zooweeper.http2.hpack import Decoder, encode
from zooweeper.http2.stream import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    FRAME,
    GOAWAY,
    HEADERS,
    MESSAGE_BYTES_MAX,
    PING,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Stream,
    frame,
)

INT, SETTING = Struct("!I"), Struct("!HI")
HELLO = PREFACE + frame(SETTINGS, 0, 0, b"")
BLOCK = encode(
    [(b":method", b"POST"), (b":path", b"/echo"), (b"content-type", b"application/grpc"), (b"te", b"trailers")]
)
OPEN = frame(HEADERS, END_HEADERS, 1, BLOCK)
WIDE = frame(SETTINGS, 0, 0, SETTING.pack(h2.INITIAL_WINDOW_SIZE, h2.WINDOW_MAX)) + frame(
    WINDOW_UPDATE, 0, 0, INT.pack(h2.WINDOW_MAX - 65535)
)


def message(data: bytes, compressed: int = 0) -> bytes:
    return bytes((compressed,)) + INT.pack(len(data)) + data


class Echo:
    """A call that notes what it is told."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.told: list[bytes] = []
        self.notes: list[str] = []
        self.holds = False

    def message(self, data: bytes) -> None:
        self.told.append(data)
        if self.holds:
            self.stream.hold(True)

    def ended(self) -> None:
        self.notes.append("ended")

    def gone(self) -> None:
        self.notes.append("gone")

    def drained(self) -> None:
        self.notes.append("drained")


class World:
    """A connection, its calls, and its frames as the client reads them."""

    def __init__(self, *said: bytes) -> None:
        self.calls: list[Echo] = []
        self.woken = 0
        self.connection = Connection("10.0.0.1", self.open, self.wake)
        self.decoder = Decoder()
        self.connection.take()
        self.say(*said)

    def open(self, path: bytes, stream: Stream) -> Echo | None:
        if path != b"/echo":
            return None
        self.calls.append(Echo(stream))
        return self.calls[-1]

    def wake(self) -> None:
        self.woken += 1

    def say(self, *said: bytes) -> None:
        for data in said:
            self.connection.received(data)

    def heard(self) -> list[tuple[int, int, int, bytes]]:
        """(type, flags, stream, payload) of all frames since the last time."""
        data, at, frames = self.connection.take(), 0, []
        while at < len(data):
            high, low, kind, flags, stream = FRAME.unpack_from(data, at)
            end = at + FRAME.size + (high << 16 | low)
            frames.append((kind, flags, stream, data[at + FRAME.size : end]))
            at = end
        return frames

    def kinds(self) -> list[int]:
        return [kind for kind, *_ in self.heard()]

    def status(self) -> str:
        """gRPC's, of the first call that has ended."""
        for kind, flags, _, payload in self.heard():
            if kind == HEADERS and flags & END_STREAM:
                fields = dict(self.decoder.decode(payload))
                return (fields.get(b"grpc-status") or fields[b":status"]).decode()
        return "none"

    def goaway(self) -> int | None:
        """The code of the error that ended the connection."""
        codes = [INT.unpack_from(payload, 4)[0] for kind, _, _, payload in self.heard() if kind == GOAWAY]
        return codes[0] if codes else None


def test_a_call_from_its_headers_to_its_trailers() -> None:
    world = World(HELLO, OPEN, frame(DATA, 0, 1, message(b"one")), frame(DATA, END_STREAM, 1, message(b"two")))
    (call,) = world.calls
    assert call.told == [b"one", b"two"] and call.notes == ["ended"] and call.stream.peer == "10.0.0.1"
    world.heard()
    call.stream.send(b"answer")
    call.stream.finish(5, "não", [(b"x", b"y")])
    begin, data, end = world.heard()
    assert dict(world.decoder.decode(begin[3])) == {b":status": b"200", b"content-type": b"application/grpc"}
    assert data == (DATA, 0, 1, message(b"answer"))
    assert end[:3] == (HEADERS, END_HEADERS | END_STREAM, 1)
    assert dict(world.decoder.decode(end[3])) == {b"grpc-status": b"5", b"grpc-message": b"n%C3%A3o", b"x": b"y"}
    assert not world.connection.streams


def test_bytes_may_be_torn_anywhere() -> None:
    said = HELLO + OPEN + frame(DATA, 0, 1, message(b"a" * 10) + message(b"b")[:3]) + frame(PING, 0, 0, b"12345678")
    said += frame(DATA, END_STREAM, 1, message(b"b")[3:])
    for size in range(1, len(said)):
        world = World(*(said[at : at + size] for at in range(0, len(said), size)))
        assert world.calls[0].told == [b"a" * 10, b"b"] and world.calls[0].notes == ["ended"]
        assert world.kinds() == [SETTINGS, PING]


def test_padding_priority_and_continued_headers() -> None:
    padded = bytes((3,)) + bytes(5) + BLOCK[:9] + bytes(3)
    world = World(HELLO, frame(HEADERS, h2.PADDED | h2.HAS_PRIORITY, 1, padded), frame(CONTINUATION, 0, 1, BLOCK[9:20]),
                  frame(CONTINUATION, END_HEADERS, 1, BLOCK[20:]), frame(PRIORITY, 0, 1, bytes(5)),
                  frame(99, 255, 0, b"nobody knows"),
                  frame(DATA, h2.PADDED, 1, bytes((2,)) + message(b"hi") + bytes(2)))  # fmt: skip
    assert world.calls[0].told == [b"hi"] and not world.connection.ended


def test_a_message_larger_than_the_window_arrives_whole() -> None:
    world = World(HELLO, OPEN)
    data, granted, sent = message(random.Random(1).randbytes(1 << 20)), STREAM_WINDOW, 0
    while sent < len(data):
        assert granted > sent, "the window stays shut"
        piece = data[sent : min(sent + 16384, granted)]
        world.say(frame(DATA, 0, 1, piece))
        sent += len(piece)
        granted += sum(INT.unpack(payload)[0] for kind, _, id, payload in world.heard() if kind == WINDOW_UPDATE and id)
    assert world.calls[0].told == [data[5:]]


def test_a_call_on_hold_is_told_nothing_and_gets_no_window() -> None:
    world = World(HELLO, OPEN)
    (call,) = world.calls
    call.holds = True
    for _ in range(STREAM_WINDOW // 1024):
        world.say(frame(DATA, 0, 1, message(bytes(1019))))
    assert len(call.told) == 1 and WINDOW_UPDATE not in world.kinds()
    for told in range(2, 5):
        call.stream.hold(False)  # each message holds it again
        assert len(call.told) == told
    call.holds = False
    call.stream.hold(False)
    assert len(call.told) == STREAM_WINDOW // 1024 and WINDOW_UPDATE in world.kinds()
    call.stream.hold(True)
    world.say(frame(DATA, END_STREAM, 1, message(b"last")))
    assert call.notes == []
    call.stream.hold(False)
    assert call.told[-1] == b"last" and call.notes == ["ended"]


def test_a_call_may_be_held_and_go_on_while_it_is_told() -> None:
    class Hasty(Echo):
        def message(self, data: bytes) -> None:
            super().message(data)
            self.stream.hold(True)
            self.stream.hold(False)

    world = World(HELLO, OPEN)
    stream = world.calls[0].stream
    call = stream.call = Hasty(stream)
    world.say(frame(DATA, END_STREAM, 1, message(b"a") + message(b"b") + message(b"c")))
    assert call.told == [b"a", b"b", b"c"] and call.notes == ["ended"]


def test_what_is_sent_keeps_to_the_windows() -> None:
    world = World(HELLO, OPEN, frame(SETTINGS, 0, 0, SETTING.pack(h2.INITIAL_WINDOW_SIZE, 10)))
    (call,) = world.calls
    world.heard()
    call.stream.send(b"x" * 95)
    call.stream.finish()
    assert [len(payload) for kind, *_, payload in world.heard() if kind == DATA] == [10]
    assert call.stream.queued == 90
    world.say(frame(SETTINGS, 0, 0, SETTING.pack(h2.INITIAL_WINDOW_SIZE, 5)))  # the window is below nothing now
    world.say(frame(WINDOW_UPDATE, 0, 1, INT.pack(5)))
    assert DATA not in world.kinds()
    world.say(frame(WINDOW_UPDATE, 0, 1, INT.pack(1000)))
    assert world.kinds() == [DATA, HEADERS, RST_STREAM]
    assert call.stream.queued == 0 and not world.connection.streams and not world.connection.blocked


def test_streams_share_the_connections_window_and_frames_have_the_clients_size() -> None:
    world = World(HELLO, OPEN, frame(HEADERS, END_HEADERS, 3, BLOCK), WIDE[: len(WIDE) - 13])
    first, second = (call.stream for call in world.calls)
    first.send(bytes(100_000))
    second.send(bytes(100))
    sizes = [(id, len(payload)) for kind, _, id, payload in world.heard() if kind == DATA]
    assert sum(size for _, size in sizes) == 65535 and max(size for _, size in sizes) == 16384
    world.say(frame(WINDOW_UPDATE, 0, 0, INT.pack(20_000)))
    assert 3 in [id for kind, _, id, _ in world.heard() if kind == DATA], "the second has its turn"
    world.say(frame(WINDOW_UPDATE, 0, 0, INT.pack(1 << 20)))
    assert first.queued == second.queued == 0 and world.calls[0].notes == world.calls[1].notes == ["drained"]


def test_while_the_socket_is_congested_messages_wait_on_their_stream() -> None:
    world = World(HELLO, OPEN)
    world.heard()
    world.connection.congest(True)
    world.calls[0].stream.send(b"late")
    assert world.kinds() == [HEADERS] and world.calls[0].stream.queued == 9
    world.connection.congest(False)
    assert world.kinds() == [DATA]


def test_a_reset_or_a_lost_connection_is_told_once() -> None:
    world = World(HELLO, OPEN, frame(HEADERS, END_HEADERS, 3, BLOCK), frame(RST_STREAM, 0, 1, INT.pack(8)))
    first, second = world.calls
    assert first.notes == ["gone"] and second.notes == []
    world.heard()
    first.stream.send(b"nobody hears it")
    first.stream.finish()
    assert world.heard() == []
    world.say(frame(DATA, 0, 1, message(b"late")), frame(WINDOW_UPDATE, 0, 1, INT.pack(1)))
    world.connection.lost()
    world.connection.lost()
    assert (first.told, first.notes, second.notes) == ([], ["gone"], ["gone"])


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (frame(HEADERS, END_HEADERS, 1, BLOCK.replace(b"/echo", b"/nope")), "12"),
        (frame(HEADERS, END_HEADERS | END_STREAM, 1, BLOCK.replace(b"/echo", b"/nope")), "12"),
        (frame(HEADERS, END_HEADERS, 1, BLOCK.replace(b"POST", b"HEAD")), "405"),
        (frame(HEADERS, END_HEADERS, 1, BLOCK.replace(b"n/grpc", b"n/json")), "415"),
        (OPEN + frame(DATA, 0, 1, message(b"zipped", 1)), "12"),
        (OPEN + frame(DATA, 0, 1, b"\0" + INT.pack(MESSAGE_BYTES_MAX + 1)), "8"),
        (OPEN + frame(DATA, END_STREAM, 1, message(b"half")[:7]), "13"),
    ],
    ids=["path", "path, no request", "method", "type", "compressed", "too large", "half"],
)
def test_a_call_that_cannot_be_ends_alone(said: bytes, status: str) -> None:
    world = World(HELLO, said)
    assert world.status() == status and not world.connection.streams and not world.connection.ended
    assert all(call.told == [] and call.notes == ["gone"] for call in world.calls)
    world.say(frame(HEADERS, END_HEADERS, 3, BLOCK), frame(DATA, 0, 3, message(b"goes on")))
    assert world.calls[-1].told == [b"goes on"]


UNFINISHED = frame(HEADERS, 0, 1, BLOCK)
BROKEN = {
    "no http2": (b"GET / HTTP/1.1\r\n\r\n" + bytes(20), h2.PROTOCOL_ERROR),
    "no settings": (PREFACE + frame(PING, 0, 0, bytes(8)), h2.PROTOCOL_ERROR),
    "frame too large": (HELLO + bytes((0xFF, 0, 0, DATA, 0, 0, 0, 0, 1)), h2.FRAME_SIZE_ERROR),
    "data of no stream": (HELLO + frame(DATA, 0, 1, b"x"), h2.PROTOCOL_ERROR),
    "data of the connection": (HELLO + OPEN + frame(DATA, 0, 0, message(b"")), h2.PROTOCOL_ERROR),
    "data after the end": (HELLO + OPEN + frame(DATA, END_STREAM, 1, b"") + frame(DATA, 0, 1, message(b"x")),
                           h2.STREAM_CLOSED),
    "padding": (HELLO + OPEN + frame(DATA, h2.PADDED, 1, b"\x05abc"), h2.PROTOCOL_ERROR),
    "even stream": (HELLO + frame(HEADERS, END_HEADERS, 2, BLOCK), h2.PROTOCOL_ERROR),
    "headers": (HELLO + frame(HEADERS, END_HEADERS, 1, b"\x80"), h2.COMPRESSION_ERROR),
    "headers twice": (HELLO + OPEN + OPEN, h2.PROTOCOL_ERROR),
    "unfinished headers": (HELLO + UNFINISHED + frame(PING, 0, 0, bytes(8)), h2.PROTOCOL_ERROR),
    "another's headers": (HELLO + UNFINISHED + frame(CONTINUATION, 0, 3, b""), h2.PROTOCOL_ERROR),
    "endless headers": (HELLO + UNFINISHED + 2 * frame(CONTINUATION, 0, 1, bytes(9000)), h2.ENHANCE_YOUR_CALM),
    "nothing to continue": (HELLO + frame(CONTINUATION, 0, 1, b""), h2.PROTOCOL_ERROR),
    "reset of no stream": (HELLO + frame(RST_STREAM, 0, 1, bytes(4)), h2.PROTOCOL_ERROR),
    "reset": (HELLO + OPEN + frame(RST_STREAM, 0, 1, bytes(5)), h2.FRAME_SIZE_ERROR),
    "settings": (HELLO + frame(SETTINGS, 0, 0, bytes(5)), h2.FRAME_SIZE_ERROR),
    "window setting": (HELLO + frame(SETTINGS, 0, 0, SETTING.pack(4, 1 << 31)), h2.FLOW_CONTROL_ERROR),
    "frame setting": (HELLO + frame(SETTINGS, 0, 0, SETTING.pack(5, 100)), h2.PROTOCOL_ERROR),
    "ping": (HELLO + frame(PING, 0, 0, bytes(7)), h2.FRAME_SIZE_ERROR),
    "window": (HELLO + frame(WINDOW_UPDATE, 0, 0, bytes(3)), h2.FRAME_SIZE_ERROR),
    "no window": (HELLO + frame(WINDOW_UPDATE, 0, 0, bytes(4)), h2.PROTOCOL_ERROR),
    "window of no stream": (HELLO + frame(WINDOW_UPDATE, 0, 1, INT.pack(1)), h2.PROTOCOL_ERROR),
    "window of the connection": (HELLO + 2 * frame(WINDOW_UPDATE, 0, 0, INT.pack(h2.WINDOW_MAX)),
                                 h2.FLOW_CONTROL_ERROR),
    "window of a stream": (HELLO + OPEN + 2 * frame(WINDOW_UPDATE, 0, 1, INT.pack(h2.WINDOW_MAX)),
                           h2.FLOW_CONTROL_ERROR),
    "promise": (HELLO + frame(PUSH_PROMISE, END_HEADERS, 1, bytes(4)), h2.PROTOCOL_ERROR),
    "pings": (HELLO + frame(PING, 0, 0, bytes(8)) * (h2.ODD_FRAMES_MAX + 1), h2.ENHANCE_YOUR_CALM),
    "empty data": (HELLO + OPEN + frame(DATA, 0, 1, b"") * (h2.ODD_FRAMES_MAX + 1), h2.ENHANCE_YOUR_CALM),
}  # fmt: skip


@pytest.mark.parametrize(("said", "code"), BROKEN.values(), ids=BROKEN)
def test_what_breaks_the_protocol_ends_the_connection_with_the_reason(said: bytes, code: int) -> None:
    world = World(said)
    assert world.connection.ended and world.goaway() == code
    assert all("gone" in call.notes for call in world.calls)
    world.say(OPEN)
    assert world.heard() == []


def test_more_data_than_the_window_ends_the_connection() -> None:
    world = World(HELLO, OPEN)
    world.calls[0].stream.hold(True)
    for _ in range(STREAM_WINDOW // 16384 + 1):
        world.say(frame(DATA, 0, 1, bytes(16384)))
    assert world.goaway() == h2.FLOW_CONTROL_ERROR


def test_a_flood_of_resets_is_ended_and_a_trickle_is_not() -> None:
    def resets(world: World, ticks: bool) -> None:
        for id in range(1, 2 * h2.ODD_FRAMES_MAX + 3, 2):
            world.say(frame(HEADERS, END_HEADERS, id, BLOCK), frame(RST_STREAM, 0, id, INT.pack(8)))
            if ticks and id % 99 == 0:
                world.connection.tick()

    flood, trickle = World(HELLO), World(HELLO)
    resets(flood, False)
    resets(trickle, True)
    assert flood.goaway() == h2.ENHANCE_YOUR_CALM and not trickle.connection.ended


def test_too_many_streams_are_refused_one_by_one() -> None:
    world = World(HELLO, *(frame(HEADERS, END_HEADERS, 1 + 2 * place, BLOCK) for place in range(h2.STREAMS_MAX)))
    assert len(world.calls) == h2.STREAMS_MAX and RST_STREAM not in world.kinds()
    world.say(frame(HEADERS, END_HEADERS, 1 + 2 * h2.STREAMS_MAX, BLOCK))
    assert world.heard() == [(RST_STREAM, 0, 1 + 2 * h2.STREAMS_MAX, INT.pack(h2.REFUSED_STREAM))]
    world.say(frame(DATA, 0, 1, message(b"still here")))
    assert world.calls[0].told == [b"still here"]


def test_a_close_says_so_and_ends_all_calls() -> None:
    world = World(HELLO, OPEN)
    world.heard()
    world.connection.close()
    assert world.goaway() == h2.NO_ERROR and world.connection.ended and world.calls[0].notes == ["gone"]


def test_any_frames_end_in_order_or_with_a_reason() -> None:
    """Whatever comes, nothing is raised; and what was ended stays so."""
    rng = random.Random(5)
    endings = set()
    for _ in range(1500):
        world = World(HELLO)
        for _ in range(rng.randrange(1, 12)):
            payload = rng.choice((BLOCK, bytes(4), bytes(8), message(b"abc"), rng.randbytes(rng.randrange(12))))
            kind = rng.choice((DATA, HEADERS, rng.randrange(12)))
            world.say(frame(kind, rng.choice((0, 1, 4, 5, 8, 32, 255)), rng.choice((0, 1, 1, 1, 2, 3)), payload))
            for call in world.calls:
                if rng.random() < 0.2:
                    call.stream.send(b"x" * rng.choice((1, 70_000)))
                if rng.random() < 0.1:
                    call.stream.hold(rng.random() < 0.5)
                if rng.random() < 0.1:
                    call.stream.finish(rng.randrange(3))
        endings.add(world.goaway())
        if world.connection.ended:
            assert not world.connection.streams and not world.connection.blocked
    assert {None, h2.PROTOCOL_ERROR, h2.COMPRESSION_ERROR, h2.FRAME_SIZE_ERROR} <= endings
