"""One node in this process for the tests of the doors: the real brain and loop, a disk that is always done at once."""

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc

from zooweeper.doors.server import SERVICE, GrpcDoor
from zooweeper.model.config import Address, ClientPort, Config, Member, Timing
from zooweeper.model.durable import Record, Recovered
from zooweeper.model.members import Membership
from zooweeper.pb import client_pb2 as pb
from zooweeper.replica.replica import Replica
from zooweeper.runtime import clock
from zooweeper.runtime.loop import Node
from zooweeper.zab.messages import Message

NOWHERE = Address("127.0.0.1", 1)


def free_address() -> Address:
    """Nobody's at this moment."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return Address("127.0.0.1", free.getsockname()[1])


class AtOnce:
    """A disk on which everything is durable by the next turn of the loop; it forgets."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def submit(self, records: Sequence[Record], token: Any) -> None:
        asyncio.get_running_loop().call_soon(self._node.report, token)


class NoPeers:
    def send(self, peer: int, message: Message) -> None:
        """There is nobody."""

    def set_members(self, membership: Membership) -> None:
        """Nor will there be."""

    def carrier(self, peer: int) -> str:
        return ""


class Rig:
    """A running node and its address."""

    def __init__(self, members: int = 1, super_digest: str = "", clients: ClientPort | None = None) -> None:
        grpc_at, wire_at = free_address(), free_address()
        self.address = str(grpc_at)
        everyone = tuple(Member(i + 1, NOWHERE, grpc_at, wire_at, NOWHERE) for i in range(members))
        settings = clients or ClientPort()
        self.config = Config(1, "test", everyone, "", Timing(tick_ms=20), super_digest=super_digest, clients=settings)
        nothing = Recovered(0, 0, 0, iter(()), 0, (), [])
        brain = Replica(self.config, nothing, random.Random(7))
        brain.step(clock.tick())
        self.ended: list[int] = []
        self.node = Node(1, brain, 20, self.ended.append)
        self.door = GrpcDoor(self.node, self.config, "1.2.3")

    async def __aenter__(self) -> "Rig":
        self.node.start(AtOnce(self.node), NoPeers())
        await self.door.start()
        async with asyncio.timeout(10):
            while len(self.config.members) == 1 and not self.node.status().serving:
                await asyncio.sleep(0.005)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.door.close()
        self.node.stop()
        assert self.ended == []


class Talk:
    """One Session stream, spoken by hand."""

    def __init__(self, call: Any) -> None:
        self.call = call

    async def say(self, **fields: Any) -> None:
        await self.call.write(pb.ClientMessage(**fields).SerializeToString())

    async def hello(self, **fields: Any) -> pb.Welcome:
        await self.say(hello=pb.Hello(**{"version": 1, "timeout_ms": 5000, **fields}))
        message = await self.hear()
        assert message.HasField("welcome"), message
        return message.welcome

    async def hear(self) -> pb.ServerMessage:
        """The next message; AssertionError at the end of the stream."""
        async with asyncio.timeout(10):
            data = await self.call.read()
        assert data is not grpc.aio.EOF, "the stream ended"
        return pb.ServerMessage.FromString(data)

    async def items(self, count: int) -> list[pb.Item]:
        """So many answers and events."""
        got: list[pb.Item] = []
        while len(got) < count:
            got.extend((await self.hear()).items)
        assert len(got) == count
        return got

    async def failure(self) -> pb.Failure:
        """The failure, after whatever else is on its way; then the stream's end."""
        while not (message := await self.hear()).HasField("failure"):
            pass
        async with asyncio.timeout(10):
            assert await self.call.read() is grpc.aio.EOF
        return message.failure


@asynccontextmanager
async def talk(address: str) -> AsyncIterator[Talk]:
    """A stream to a node."""
    async with grpc.aio.insecure_channel(address) as channel:
        call: Any = channel.stream_stream(f"/{SERVICE}/Session")()
        yield Talk(call)
        call.cancel()
