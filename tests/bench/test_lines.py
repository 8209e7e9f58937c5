"""The generator's dialects on bytes: torn reads, errors, and servers that make no sense."""

import random
import struct
from collections.abc import Callable, Iterator

import pytest

from zooweeper.bench.etcd import EtcdLine
from zooweeper.bench.http2 import ACK, END_HEADERS, END_STREAM, GRPC_HEAD, HEAD, OUR_FRAME_BYTES, PREFACE, Frame
from zooweeper.bench.line import Ask, Line
from zooweeper.bench.load import BenchError
from zooweeper.bench.tally import Tally
from zooweeper.bench.zk import ZkLine
from zooweeper.bench.zw import ZwLine
from zooweeper.http2.hpack import Decoder
from zooweeper.model.config import Address
from zooweeper.pb.client_pb2 import Item, ServerMessage, Welcome

HERE = Address("127.0.0.1", 1)
ASKS = [Ask("get", "/a"), Ask("set", "/a", b"value"), Ask("get", "/b")]
SETTINGS = HEAD.pack(0, 0, Frame.SETTINGS, 0, 0)
CONNECTED = struct.pack("!iiiqi16s?", 37, 0, 30_000, 5, 16, bytes(16), False)
OK = b"\x00\x0bgrpc-status\x010"
UNAVAILABLE = b"\x00\x0bgrpc-status\x0214"


def frame(type: int, flags: int, stream: int, payload: bytes) -> bytes:
    return HEAD.pack(len(payload) >> 16, len(payload) & 0xFFFF, type, flags, stream) + payload


def frames(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """What a client sent, without its preface."""
    data, at = data.removeprefix(PREFACE), 0
    while at < len(data):
        high, low, type, flags, stream = HEAD.unpack_from(data, at)
        at += HEAD.size + (high << 16 | low)
        yield type, flags, stream, data[at - (high << 16 | low) : at]


def zk_reply(xid: int, error: int = 0, body: bytes = b"") -> bytes:
    return struct.pack("!iiqi", 16 + len(body), xid, 7, error) + body


def zw_message(message: ServerMessage) -> bytes:
    data = message.SerializeToString()
    return frame(Frame.DATA, 0, 1, GRPC_HEAD.pack(0, len(data)) + data)


def zw_items(*items: Item) -> bytes:
    return zw_message(ServerMessage(items=items))


def etcd_reply(stream: int, trailers: bytes = OK) -> bytes:
    head = frame(Frame.HEADERS, END_HEADERS, stream, b"\x88")
    data = frame(Frame.DATA, 0, stream, GRPC_HEAD.pack(0, 3) + b"abc")
    return head + data + frame(Frame.HEADERS, END_HEADERS | END_STREAM, stream, trailers)


def zk() -> Line:
    return ready(ZkLine(HERE, Tally()), CONNECTED)


def zw() -> Line:
    return ready(ZwLine(HERE, Tally()), SETTINGS + zw_message(ServerMessage(welcome=Welcome(session=1))))


def etcd() -> Line:
    return ready(EtcdLine(HERE, Tally()), SETTINGS)


def ready(line: Line, hello: bytes) -> Line:
    assert line.greeting()
    line.take(hello, 0.0)
    assert line.ready
    line.ask(0.0)  # what the protocol wants to say
    return line


# What a server says to six requests, of which the fourth is refused.
ANSWERS: dict[str, tuple[Callable[[], Line], list[bytes], str]] = {
    "zk": (
        zk,
        [zk_reply(xid, error, bytes(80)) for xid, error in ((1, 0), (2, 0), (3, 0), (4, -101), (5, 0), (6, 0))],
        "NO_NODE",
    ),
    "zw": (
        zw,
        [
            zw_items(Item(xid=1), Item(xid=2), Item(xid=0, event=3, path="/a"), Item(xid=3)),
            zw_items(Item(xid=4, error=-101), Item(xid=5), Item(xid=6)),
        ],
        "NO_NODE",
    ),
    "etcd": (
        etcd,
        [etcd_reply(stream, UNAVAILABLE if stream == 7 else OK) for stream in (3, 1, 5, 11, 7, 9)],
        "UNAVAILABLE",
    ),
}


@pytest.mark.parametrize("scheme", ANSWERS)
@pytest.mark.parametrize("seed", range(8))
def test_torn_answers_are_counted_as_whole_ones(scheme: str, seed: int) -> None:
    make, answers, error = ANSWERS[scheme]
    line, rng = make(), random.Random(seed)
    line.use(ASKS, 6, 6)
    assert line.ask(1.0)
    assert not line.finished
    data = b"".join(answers)
    while data:
        some = rng.choice((1, 3, 9, 30, len(data)))
        line.take(data[:some], 1.5)
        line.ask(1.5)
        data = data[some:]
    assert line.finished
    assert (line.tally.reads.count, line.tally.writes.count) == (4, 2)
    assert line.tally.errors == {error: 1}
    assert line.tally.reads.percentile(50) == pytest.approx(500_000, rel=0.002)


@pytest.mark.parametrize("scheme", ANSWERS)
def test_no_more_is_in_flight_than_the_depth(scheme: str) -> None:
    line = ANSWERS[scheme][0]()
    line.use(ASKS[:2], 2, None)
    line.ask(0.0)
    assert (line.asked, line.done, line.room()) == (2, 0, 0)
    assert not line.ask(0.0)


# ---- the ZooKeeper port


def test_answers_that_are_alike_are_still_checked() -> None:
    line = zk()
    line.use(ASKS[:1], 4, None)
    line.ask(0.0)
    alike = [zk_reply(xid, 0, bytes(100)) for xid in (1, 2, 3, 4)]
    for _ in range(3):  # one by one, and then many at once
        line.take(b"".join(alike), 0.0)
        line.ask(0.0)
    assert line.tally.reads.count == 12 and not line.tally.errors
    line.take(b"".join([*alike[:2], zk_reply(3, -101, bytes(100)), alike[3]]), 0.0)
    assert line.tally.errors == {"NO_NODE": 1}
    line.ask(0.0)
    with pytest.raises(BenchError, match="answers 2 where 1 is due"):
        line.take(b"".join(alike[1:]), 0.0)


@pytest.mark.parametrize("size", [1, 100, 300])
def test_items_that_are_alike_are_still_checked(size: int) -> None:
    line = zw()
    line.use(ASKS[:1], 4, None)
    line.ask(0.0)
    alike = [Item(xid=xid, zxid=1 << 40, body=bytes(size)) for xid in (1, 2, 3, 4)]
    with pytest.MonkeyPatch.context() as patch:
        for _ in range(3):  # one by one, and then many at once
            line.take(zw_items(*alike), 0.0)
            line.ask(0.0)
            patch.setattr("zooweeper.bench.zw.ZwLine._read_messages", None)
    assert line.tally.reads.count == 12 and not line.tally.errors
    refused = Item(xid=3, zxid=1, error=5, body=bytes(size - 2) if size > 2 else b"")  # no longer than the others
    line.take(zw_items(*alike[:2], refused, alike[3]), 0.0)
    assert line.tally.errors == {"error 5": 1}
    line.ask(0.0)
    line.take(zw_items(*alike, Item(zxid=1, event=3, path="/" + "a" * size)), 0.0)
    assert line.tally.heard == 1
    line.ask(0.0)
    with pytest.raises(BenchError, match="answers 2 where 1 is due"):
        line.take(zw_items(*alike[1:]), 0.0)


def test_events_and_pings_are_no_answers() -> None:
    line = zk()
    line.use(ASKS, 1, None)
    line.ask(0.0)
    line.take(zk_reply(-2) + zk_reply(-1, 0, bytes(20)) + zk_reply(1), 0.0)
    assert (line.tally.heard, line.tally.count) == (1, 1)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (struct.pack("!iiiqi16s?", 37, 0, 0, 0, 16, bytes(16), False), "gives no session"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n" * 3, "does not speak ZooKeeper's protocol"),
        (CONNECTED + struct.pack("!iiqi", -5, 1, 0, 0), "does not speak ZooKeeper's protocol"),
        (CONNECTED + zk_reply(1), "answers what nobody asked|answers 1 where"),
    ],
)
def test_servers_of_another_kind(data: bytes, why: str) -> None:
    line = ZkLine(HERE, Tally())
    line.greeting()
    with pytest.raises(BenchError, match=why):
        line.take(data, 0.0)


# ---- HTTP/2


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak HTTP/2"),
        (SETTINGS + HEAD.pack(0xFF, 0xFFFF, Frame.DATA, 0, 1), "does not speak HTTP/2"),
        (SETTINGS + frame(Frame.GOAWAY, 0, 0, struct.pack("!II", 1, 11) + b"calm down"), "calm down"),
        (SETTINGS + frame(Frame.HEADERS, END_HEADERS | END_STREAM, 1, b"\x00\x0bgrpc-status\x0212"), "gRPC status 12"),
        (SETTINGS + frame(Frame.RST_STREAM, 0, 1, struct.pack("!I", 8)), "HTTP/2 error 8"),
        (SETTINGS + frame(Frame.HEADERS, END_HEADERS | END_STREAM, 1, b"\xff\xff"), "cannot be read"),
        (SETTINGS + frame(Frame.DATA, 0, 1, b"\x01\x00\x00\x00\x02xx"), "no message"),
    ],
)
def test_streams_that_end_badly(data: bytes, why: str) -> None:
    line = ZwLine(HERE, Tally())
    line.greeting()
    with pytest.raises(BenchError, match=why):
        line.take(data, 0.0)


def test_pings_and_settings_are_answered() -> None:
    line = etcd()
    line.take(frame(Frame.PING, 0, 0, b"12345678") + SETTINGS + frame(Frame.PING, ACK, 0, b"12345678"), 0.0)
    said = [(type, flags, payload) for type, flags, _, payload in frames(bytes(line.ask(0.0)))]
    assert said == [(Frame.PING, ACK, b"12345678"), (Frame.SETTINGS, ACK, b"")]


def test_what_the_server_has_no_room_for_waits() -> None:
    value = b"v" * 150_000
    line = etcd()
    line.use([Ask("set", "/a", value)], 2, None)

    def sent() -> dict[int, bytes]:
        bodies: dict[int, bytes] = {}
        for type, _, stream, payload in frames(bytes(line.ask(0.0))):
            assert len(payload) <= 16_384
            if type == Frame.DATA:
                bodies[stream] = bodies.get(stream, b"") + payload
        return bodies

    first = sent()
    assert sum(map(len, first.values())) == 65_535, "the window of a connection, until the server opens it"
    assert not sent()
    line.take(frame(Frame.WINDOW_UPDATE, 0, 0, struct.pack("!I", 1 << 20)), 0.0)
    assert not sent(), "the stream has a window, too"
    for stream in (1, 3):
        line.take(frame(Frame.WINDOW_UPDATE, 0, stream, struct.pack("!I", 1 << 20)), 0.0)
        for name, more in sent().items():
            first[name] = first.get(name, b"") + more
    for body in first.values():
        assert body[5:].endswith(value) and GRPC_HEAD.unpack_from(body) == (0, len(body) - 5)


def test_the_server_hears_that_its_bytes_were_taken() -> None:
    line = zw()
    line.use(ASKS, 1, None)
    line.ask(0.0)
    payload = GRPC_HEAD.pack(0, OUR_FRAME_BYTES - 5) + bytes(OUR_FRAME_BYTES - 5)
    renewed = {0: 0, 1: 0}
    noise = frame(Frame.DATA, 0, 1, payload[:OUR_FRAME_BYTES])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("zooweeper.bench.zw.ZwLine._read_messages", lambda self, now: self._message.clear())
        for _ in range(600):
            line.take(noise, 0.0)
            for type, _, stream, data in frames(bytes(line.ask(0.0))):
                assert type == Frame.WINDOW_UPDATE
                renewed[stream] += int.from_bytes(data)
    assert renewed[0] >= 500 << 20 and renewed[1] >= 500 << 20


def test_a_call_says_what_begins_with_a_colon_first() -> None:
    line, decoder = etcd(), Decoder()
    for _ in range(3):  # in full, and twice in short
        line.use(ASKS, 3, None)
        for type, _, stream, block in frames(bytes(line.ask(0.0))):
            if type == Frame.HEADERS:
                names = [name for name, _ in decoder.decode(block)]
                assert sorted(names, key=lambda name: not name.startswith(b":")) == names and len(names) == 6
                line.take(etcd_reply(stream), 0.0)
