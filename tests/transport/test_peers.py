"""Streams between nodes on real gRPC: order, ends, who is taken and who is not."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from zooweeper.model.config import CARRIERS, Address, Config, LaneSettings, Member
from zooweeper.model.limits import PEER_QUEUE_BYTES_MAX
from zooweeper.pb import peer_pb2 as pb
from zooweeper.transport import wire
from zooweeper.transport.link import Link
from zooweeper.transport.peers import PROTOCOL_VERSION, SERVICE, Peers, PortTaken
from zooweeper.zab.messages import Commit, Message, SnapChunk

NOWHERE = Address("127.0.0.1", 0)
LANES = LaneSettings()


@pytest.fixture(params=CARRIERS)
def carrier(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With lanes, and without."""
    monkeypatch.setattr(sys.modules[__name__], "LANES", LaneSettings(request.param))
    return str(request.param)


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Recorder:
    """A listener that writes down what it is told."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []
        self.changed = asyncio.Event()

    def _note(self, *event: Any) -> None:
        self.events.append(event)
        self.changed.set()

    def peer_up(self, peer: int) -> None:
        self._note("up", peer)

    def peer_down(self, peer: int) -> None:
        self._note("down", peer)

    def received(self, peer: int, message: Message) -> None:
        self._note("received", peer, message)

    async def until(self, *event: Any, times: int = 1) -> None:
        """Wait until the event has been noted so many times."""
        async with asyncio.timeout(10):
            while self.events.count(event) < times:
                self.changed.clear()
                await self.changed.wait()


class Net:
    """A few nodes' transports in one process."""

    def __init__(self, count: int, cluster: str = "test") -> None:
        ports = free_ports(count)
        self.members = tuple(
            Member(i + 1, Address("127.0.0.1", port), NOWHERE, NOWHERE, NOWHERE) for i, port in enumerate(ports)
        )
        self.cluster = cluster
        self.peers: dict[int, Peers] = {}
        self.seen: dict[int, Recorder] = {}

    async def start(self, node: int, process: bytes = b"p", incarnation: bytes = b"", cluster: str = "") -> Peers:
        config = Config(node, cluster or self.cluster, self.members, "", lanes=LANES)
        seen = self.seen[node] = Recorder()
        peers = self.peers[node] = Peers(config, incarnation or b"folder %d" % node, process, seen)
        await peers.start()
        return peers

    async def close(self) -> None:
        for peers in self.peers.values():
            await peers.close()


@asynccontextmanager
async def net(count: int) -> AsyncIterator[Net]:
    made = Net(count)
    try:
        yield made
    finally:
        await made.close()


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


def test_messages_arrive_in_order_both_ways_after_up(carrier: str) -> None:
    async def main() -> None:
        async with net(3) as n:
            for node in (3, 2, 1):
                await n.start(node)
            for node in (1, 2, 3):
                for other in {1, 2, 3} - {node}:
                    await n.seen[node].until("up", other)
            for k in range(300):
                n.peers[1].send(3, Commit(1, 1, k))
                n.peers[3].send(1, Commit(3, 1, k))
                if k % 7 == 0:
                    await asyncio.sleep(0)
            await n.seen[3].until("received", 1, Commit(1, 1, 299))
            await n.seen[1].until("received", 3, Commit(3, 1, 299))
            for node, peer in ((3, 1), (1, 3)):
                about = [event for event in n.seen[node].events if event[1] == peer]
                assert about == [("up", peer)] + [("received", peer, Commit(peer, 1, k)) for k in range(300)]

    run(main())


def test_a_stopped_peer_is_down_and_back_soon_after_its_restart(carrier: str) -> None:
    async def main() -> None:
        async with net(2) as n:
            await n.start(1)
            await n.start(2)
            await n.seen[1].until("up", 2)
            await n.seen[2].until("up", 1)
            for stopped, other in ((1, 2), (2, 1)):
                await n.peers[stopped].close()
                await n.seen[other].until("down", stopped)
                await n.start(stopped, process=b"another")
                await n.seen[other].until("up", stopped, times=2 if stopped == 1 else 1)
                await n.seen[stopped].until("up", other)
                ups = [event for event in n.seen[other].events if event[0] != "received"]
                assert ups == [("up", stopped), ("down", stopped), ("up", stopped)][-len(ups) :]

    run(main())


def test_a_taken_port_is_a_typed_error() -> None:
    async def main() -> None:
        async with net(1) as n:
            await n.start(1)
            with pytest.raises(PortTaken, match=str(n.members[0].peer.port)):
                await Peers(Config(1, "test", n.members, ""), b"x", b"y", Recorder()).start()

    run(main())


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"cluster": "other"}, "another cluster"),
        ({"version": 1}, "peer protocol version 1"),
        ({"id": 9}, "no member"),
        ({"id": 1}, "second node claims the id 1"),
        ({"to": 2}, "this is node 1, not node 2"),
        ({"incarnation": b"folder 1"}, "copies of one data folder"),
        ({"process": b"impostor"}, "another process runs as node 2"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_who_does_not_belong_is_told_why_and_changes_nothing(change: dict[str, Any], why: str) -> None:
    hello = {
        "version": PROTOCOL_VERSION,
        "cluster": "test",
        "id": 2,
        "to": 1,
        "incarnation": b"folder 2",
        "process": b"p",
        **change,
    }

    async def main() -> None:
        async with net(2) as n:
            await n.start(1)
            await n.start(2)
            await n.seen[1].until("up", 2)
            replies = await talk(n.members[0].peer, [pb.PeerFrame(hello=pb.PeerHello(**hello)).SerializeToString()])
            assert why in pb.PeerFrame.FromString(replies[0]).refused
            assert n.seen[1].events == [("up", 2)]

    run(main())


async def talk(address: Address, frames: list[bytes]) -> list[bytes]:
    """Send frames on a stream of one's own; what came back until its end."""
    replies: list[bytes] = []
    async with grpc.aio.insecure_channel(str(address)) as channel:
        call: Any = channel.stream_stream(f"/{SERVICE}/Stream")()
        for frame in frames:
            await call.write(frame)
        async with asyncio.timeout(10):
            try:
                while (data := await call.read()) is not grpc.aio.EOF:
                    replies.append(data)
            except grpc.aio.AioRpcError:
                pass
    return replies


HELLO_OF_2 = pb.PeerFrame(
    hello=pb.PeerHello(version=PROTOCOL_VERSION, cluster="test", id=2, to=1, incarnation=b"folder 2", process=b"p")
).SerializeToString()


@pytest.mark.parametrize("garbage", [b"\xff\xff\xff", b"\x12\x00", b"\x12\x03\x9a\x06\x00"])
def test_garbage_closes_its_stream_and_the_node_goes_on(garbage: bytes) -> None:
    async def main() -> None:
        async with net(2) as n:
            await n.start(1)
            assert "first frame" in str(await talk(n.members[0].peer, [b"\x12\x00"]))
            await talk(n.members[0].peer, [b"\xff\xff\xff"])
            await talk(n.members[0].peer, [HELLO_OF_2, garbage])
            assert ("down", 2) in n.seen[1].events
            await n.start(2)
            await n.seen[2].until("up", 1)

    run(main())


def test_a_new_stream_of_the_same_process_replaces_the_old_one() -> None:
    async def main() -> None:
        async with net(2) as n:
            await n.start(1)
            async with grpc.aio.insecure_channel(str(n.members[0].peer)) as channel:
                calls: list[Any] = []
                for k in range(2):
                    call: Any = channel.stream_stream(f"/{SERVICE}/Stream")()
                    await call.write(HELLO_OF_2)
                    await n.seen[1].until("up", 2, times=k + 1)
                    calls.append(call)
                assert n.seen[1].events == [("up", 2), ("down", 2), ("up", 2)]
                (frame,) = wire.frames([Commit(1, 1, 1)])
                await calls[1].write(frame)
                await n.seen[1].until("received", 2, Commit(1, 1, 1))

    run(main())


def test_a_peer_that_does_not_take_its_messages_is_dropped() -> None:
    async def main() -> None:
        ended: list[bool] = []
        link = Link(2, b"p", lambda: ended.append(True), lambda peer, message: None)
        chunk = SnapChunk(1, 0, False, bytes(1 << 20))
        for _ in range(PEER_QUEUE_BYTES_MAX // (1 << 20) - 1):
            link.send(chunk)
        assert not link.closed
        link.send(chunk)
        assert link.closed and ended == [True] and "does not take" in link.reason
        link.send(chunk)
        assert len(link.queue) == PEER_QUEUE_BYTES_MAX // (1 << 20) - 1

    run(main())


def test_the_other_side_learns_that_it_was_dropped_for_not_reading(carrier: str) -> None:
    async def main() -> None:
        async with net(2) as n:
            node = await n.start(1)
            async with grpc.aio.insecure_channel(str(n.members[0].peer)) as channel:
                call: Any = channel.stream_stream(f"/{SERVICE}/Stream")()
                await call.write(HELLO_OF_2)
                await n.seen[1].until("up", 2)
                for _ in range(80):
                    node.send(2, SnapChunk(1, 0, False, bytes(1 << 20)))
                    await asyncio.sleep(0)
                await n.seen[1].until("down", 2)
                async with asyncio.timeout(10):
                    while await call.read() is not grpc.aio.EOF:
                        pass

    run(main())


Writer = Callable[[bytes], Awaitable[None]]


def test_what_gathers_while_one_frame_is_written_leaves_as_the_next() -> None:
    async def main() -> None:
        written: list[list[Message]] = []
        gate = asyncio.Event()

        async def write(data: bytes) -> None:
            written.append(wire.messages_from(wire.frame_from(data)))
            await gate.wait()

        link = Link(2, b"p", lambda: None, lambda peer, message: None)
        pump = asyncio.create_task(link.pump(write, b""))
        await asyncio.sleep(0)
        link.send(Commit(1, 1, 1))
        link.send(Commit(1, 1, 2))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        link.send(Commit(1, 1, 3))
        link.send(Commit(1, 1, 4))
        gate.set()
        async with asyncio.timeout(5):
            while len(written) < 2:
                await asyncio.sleep(0)
        assert written == [[Commit(1, 1, 1), Commit(1, 1, 2)], [Commit(1, 1, 3), Commit(1, 1, 4)]]
        pump.cancel()

    run(main())
