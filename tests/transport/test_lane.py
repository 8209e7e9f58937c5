"""A lane beside a real stream: who gets one, what it loses when it breaks (nothing), who does not get in.

Rules: both ends are real, on real sockets; a lane is broken by its connection or by a proxy, never by a call that the
product would not get. What is asserted is what the listener was told: everything once, in order, no end of the link.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.robustness.proxy import Proxies
from tests.transport.test_peers import Net, Recorder, free_ports, net, run
from zooweeper.model.config import FAST, GRPC, Address, Config, LaneSettings, Timing
from zooweeper.model.limits import LANE_STRANGERS_MAX
from zooweeper.pb import peer_pb2 as pb
from zooweeper.transport import joint
from zooweeper.transport.lane import HELLO_BYTES_MAX, LENGTH_BYTES, MAGIC, VERSION, Lane
from zooweeper.transport.link import Link
from zooweeper.transport.peers import Peers
from zooweeper.zab.messages import Commit, Message, SnapAck

ANY = LaneSettings()


def link_of(peers: Peers, peer: int) -> Link:
    return peers._links[peer]


async def start(n: Net, node: int, lanes: LaneSettings = ANY, silence_ms: int = 2000) -> Peers:
    """A node with these lanes."""
    seen = n.seen[node] = Recorder()
    config = Config(node, "test", n.members, "", Timing(silence_ms=silence_ms), lanes=lanes)
    peers = n.peers[node] = Peers(config, b"folder %d" % node, b"p", seen)
    await peers.start()
    return peers


async def both(n: Net, one: LaneSettings = ANY, two: LaneSettings = ANY, silence_ms: int = 2000) -> None:
    """Nodes 1 and 2, with their stream."""
    await start(n, 1, one, silence_ms)
    await start(n, 2, two, silence_ms)
    for node in (1, 2):
        await n.seen[node].until("up", 3 - node)


async def until(condition: Callable[[], Any], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


async def lanes_up(n: Net) -> None:
    await until(lambda: all(link_of(n.peers[node], 3 - node).lane is not None for node in (1, 2)))


def mixed(count: int) -> list[Message]:
    """Some of the broadcast, some not: half of them belong on the lane."""
    return [Commit(1, 1, k) if k % 3 else SnapAck(1, k) for k in range(count)]


def told(n: Net, node: int) -> list[Any]:
    return [event[2] for event in n.seen[node].events if event[0] == "received"]


def carriers(n: Net) -> list[str]:
    """What the broadcast travels on, as each side says."""
    return [n.peers[node].carrier(3 - node) for node in (1, 2)]


async def heard(n: Net, node: int, count: int, seconds: float = 10) -> None:
    """The node has been told so many messages."""
    await until(lambda: len(told(n, node)) >= count, seconds)


def never_down(n: Net) -> bool:
    return all(event[0] != "down" for seen in n.seen.values() for event in seen.events)


def test_both_sides_get_a_lane_and_messages_keep_their_order_over_both_carriers() -> None:
    async def main() -> None:
        async with net(2) as n:
            await both(n)
            await lanes_up(n)
            messages = mixed(300)
            for k, message in enumerate(messages):
                n.peers[1].send(2, message)
                n.peers[2].send(1, message)
                if k % 7 == 0:
                    await asyncio.sleep(0)
            for node in (1, 2):
                await heard(n, node, 300)
                assert told(n, node) == messages
            assert link_of(n.peers[1], 2).lanes.received == 300
            assert never_down(n)

    run(main())


def test_it_is_told_which_carrier_has_the_broadcast_now() -> None:
    async def main() -> None:
        async with net(2) as n:
            await both(n)
            await lanes_up(n)
            assert carriers(n) == [FAST, FAST]
            lane = link_of(n.peers[1], 2).lane
            assert lane is not None
            lane._transport.abort()
            await until(lambda: carriers(n) == [GRPC, GRPC])
            await until(lambda: carriers(n) == [FAST, FAST])
            assert n.peers[1].carrier(0) == n.peers[1].carrier(3) == "", "there is no stream"

    run(main())


@pytest.mark.parametrize(("one", "two"), [(FAST, GRPC), (GRPC, FAST), (GRPC, GRPC)])
def test_a_side_that_wants_no_lane_gets_none(one: str, two: str) -> None:
    async def main() -> None:
        async with net(2) as n:
            await both(n, LaneSettings(one), LaneSettings(two))
            for message in mixed(20):
                n.peers[1].send(2, message)
            await heard(n, 2, 20)
            await asyncio.sleep(0.3)
            assert carriers(n) == [GRPC, GRPC]
            assert told(n, 2) == mixed(20)

    run(main())


def test_a_lane_that_breaks_again_and_again_loses_nothing_and_comes_back() -> None:
    async def main() -> None:
        async with net(2) as n:
            await both(n)
            messages, broken = mixed(3000), 0
            for k, message in enumerate(messages):
                for node in (1, 2):
                    n.peers[node].send(3 - node, message)
                lane = link_of(n.peers[1 + broken % 2], 2 - broken % 2).lane
                if lane is not None and k % 500 > 250:
                    lane._transport.abort()
                    broken += 1
                    await asyncio.sleep(0.4)
                elif k % 20 == 0:
                    await asyncio.sleep(0.001)
            for node in (1, 2):
                await heard(n, node, len(messages))
                assert told(n, node) == messages
            assert broken >= 3 and never_down(n)
            await lanes_up(n)

    run(main())


@pytest.mark.parametrize("held", [[(1, 2)], [(2, 1)], [(1, 2), (2, 1)]])
def test_a_lane_that_stands_still_is_given_up_before_a_peer_would_be(held: list[tuple[int, int]]) -> None:
    silence_ms = 1600

    async def main() -> None:
        made = Net(2)
        (port,) = free_ports(1)
        home = Address("127.0.0.1", port)
        proxies = await asyncio.to_thread(
            Proxies, {member.id: member.peer for member in made.members}, 0, {1: home, 2: home}
        )
        route = ((1, Address("127.0.0.1", proxies.lane_port(2, 1))),)
        await both(made, replace(ANY, port=port), replace(ANY, routes=route), silence_ms)
        await lanes_up(made)
        proxies.hold(held, lane=True)
        messages = mixed(60)
        for message in messages:
            for node in (1, 2):
                made.peers[node].send(3 - node, message)
        for node in (1, 2):
            await heard(made, node, len(messages), silence_ms / 1000)
            assert told(made, node) == messages
        proxies.heal()
        await lanes_up(made)
        assert never_down(made)
        await made.close()
        await asyncio.to_thread(proxies.close)

    run(main())


def test_a_port_that_cannot_be_had_or_reached_leaves_the_stream(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with net(2) as n:
            taken = n.members[1].peer.port
            nobody = ((1, Address("127.0.0.1", free_ports(1)[0])),)
            await start(n, 2, replace(ANY, routes=nobody))
            await start(n, 1)
            for node in (1, 2):
                await n.seen[node].until("up", 3 - node)
            await until(lambda: "the stream carries all" in caplog.text)
            assert "ConnectionRefusedError" in caplog.text
            await n.peers[1].close()
            await start(n, 1, replace(ANY, port=taken))
            await n.seen[1].until("up", 2)
            assert "cannot be had" in caplog.text
            n.peers[1].send(2, Commit(1, 1, 7))
            await n.seen[2].until("received", 1, Commit(1, 1, 7))

    caplog.set_level("INFO")
    run(main())


# --- who does not get in

RIGHT: dict[str, Any] = {"version": VERSION, "cluster": "test", "id": 2, "to": 1, "serial": 1, "token": b"right" * 3}


def first_frame(**change: Any) -> bytes:
    frame = MAGIC + pb.PeerFrame(lane_hello=pb.LaneHello(**{**RIGHT, **change})).SerializeToString()
    return len(frame).to_bytes(LENGTH_BYTES) + frame


WRONG = {
    "a token that was not offered": first_frame(),
    "no token": first_frame(token=b""),
    "another version": first_frame(version=2),
    "another cluster": first_frame(cluster="other"),
    "another node": first_frame(id=9),
    "not for us": first_frame(to=3),
    "a long first frame": (HELLO_BYTES_MAX + 1).to_bytes(4) + bytes(HELLO_BYTES_MAX + 1),
    "another protocol": b"GET / HTTP/1.1\r\n\r\n",
    "no magic": (4).to_bytes(4) + b"\x0a\x00\x0a\x00",
    "no hello": (6).to_bytes(4) + MAGIC + b"\x12\x00",
    "garbage": (7).to_bytes(4) + MAGIC + b"\xff\xff\xff",
}


async def ends(port: int, data: bytes) -> None:
    """Whoever says this is hung up on, without an answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    async with asyncio.timeout(5):
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
    writer.close()


@pytest.mark.parametrize("data", WRONG.values(), ids=WRONG)
def test_who_cannot_show_the_token_is_hung_up_on(data: bytes) -> None:
    async def main() -> None:
        async with net(2) as n:
            await both(n)
            await lanes_up(n)
            await ends(n.peers[1]._lanes.port, data)
            assert link_of(n.peers[1], 2).lane is not None and never_down(n)

    run(main())


def test_a_token_is_good_for_one_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with net(2) as n:
            offered: list[pb.LaneOffer] = []
            monkeypatch.setattr(joint.Joint, "_take_offer", lambda self, offer: offered.append(offer))
            await both(n)
            await until(lambda: offered)
            offer = offered[0]
            data = first_frame(serial=offer.serial, token=offer.token[: joint.HALF_BYTES])
            reader, writer = await asyncio.open_connection("127.0.0.1", offer.port)
            writer.write(data)
            size = int.from_bytes(await reader.readexactly(LENGTH_BYTES))
            hello = joint.hello_from(await reader.readexactly(size))
            assert hello is not None and hello.token == offer.token[joint.HALF_BYTES :]
            await ends(offer.port, data)
            assert link_of(n.peers[1], 2).lane is not None
            writer.close()

    run(main())


def test_a_stranger_that_answers_a_dial_gets_nothing() -> None:
    async def main() -> None:
        heard: list[bytes] = []

        async def stranger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            heard.append(await reader.read(1000))
            writer.write(first_frame(id=1, to=2))
            heard.append(await reader.read(1000))
            writer.close()

        server = await asyncio.start_server(stranger, "127.0.0.1", 0)
        async with net(2) as n:
            route = ((1, Address("127.0.0.1", server.sockets[0].getsockname()[1])),)
            await both(n, two=replace(ANY, routes=route))
            await until(lambda: len(heard) >= 2)
            n.peers[2].send(1, Commit(1, 1, 7))
            await n.seen[1].until("received", 2, Commit(1, 1, 7))
            assert heard[0][LENGTH_BYTES:].startswith(MAGIC) and heard[1] == b""
        server.close()

    run(main())


def test_strangers_are_few_and_do_not_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zooweeper.transport.lane.HELLO_MS", 300)

    async def main() -> None:
        async with net(1) as n:
            port = (await start(n, 1))._lanes.port
            opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(LANE_STRANGERS_MAX)]
            await ends(port, b"")
            async with asyncio.timeout(5):
                for reader, writer in opened:
                    assert await reader.read() == b""
                    writer.close()

    run(main())


def test_garbage_on_a_lane_ends_the_link() -> None:
    async def main() -> None:
        async with net(2) as n:
            await both(n)
            await lanes_up(n)
            lane = link_of(n.peers[2], 1).lane
            assert lane is not None
            lane.write(b"\xff\xff\xff")
            await n.seen[1].until("down", 2)
            await n.seen[1].until("up", 2, times=2)

    run(main())


# --- frames


class Pipe:
    """A transport that remembers."""

    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data

    def abort(self) -> None: ...


@pytest.mark.parametrize("size", [1, 3, 7, 1000, 100_000])
def test_frames_come_out_as_they_went_in_whatever_the_pieces(size: int) -> None:
    async def main() -> None:
        frames = [b"", b"a", bytes(3), b"b" * 999, b"c" * 70_000, b"d"]
        pipe, taken = Pipe(), list[bytes]()
        lane = Lane(lambda lane, data: None, lambda lane, reason: None)
        lane.connection_made(pipe)  # type: ignore[arg-type]
        lane.met(lambda lane, data: taken.append(data))
        for frame in frames:
            lane.write(frame)
        for begin, end in pairwise([*range(0, len(pipe.written), size), len(pipe.written)]):
            lane.data_received(pipe.written[begin:end])
        assert taken == frames

    run(main())


def test_a_frame_of_any_length_is_not_waited_for() -> None:
    async def main() -> None:
        lost: list[str] = []
        lane = Lane(lambda lane, data: None, lambda lane, reason: lost.append(reason))
        lane.connection_made(Pipe())  # type: ignore[arg-type]
        lane.met(lambda lane, data: None)
        lane.data_received(b"\xff\xff\xff\xff")
        assert lane.closed and lost == ["a frame of 4294967295 bytes"]

    run(main())


PIECES = st.lists(
    st.binary(max_size=40) | st.sampled_from([b"\x20\x02", b"\x28\x01", b"\x32\x02\x08\x01", b"\x38\x01"])
)


@given(PIECES)
def test_any_bytes_on_either_carrier_are_taken_or_a_value_error(pieces: list[bytes]) -> None:
    link = Link(2, b"p", lambda: None, lambda peer, message: None)
    for piece in pieces:
        for lane in (False, True):
            with contextlib.suppress(ValueError):
                link.take(piece, lane)
    assert not link.closed


def numbers(words: Sequence[bytes]) -> list[int]:
    return [pb.PeerFrame.FromString(word).number for word in words]


def test_what_a_lost_lane_had_goes_first() -> None:
    async def main() -> None:
        link = Link(2, b"p", lambda: None, lambda peer, message: None)
        lane = Lane(lambda lane, data: None, lambda lane, reason: None)
        lane.connection_made(Pipe())  # type: ignore[arg-type]
        link.attach(lane)
        for message in mixed(6):  # the first and the fourth take the stream
            link.send(message)
        link.lanes.confirmed(2)
        link.detach()
        written: list[bytes] = []

        async def write(data: bytes) -> None:
            written.append(data)

        pump = asyncio.create_task(link.pump(write, b""))
        await until(lambda: len(written) >= 4)
        pump.cancel()
        assert numbers(written) == [3, 5, 1, 4]
        assert link.queued_bytes == 0

    run(main())
