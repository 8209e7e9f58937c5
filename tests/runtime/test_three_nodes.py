"""Three whole nodes in one process: real brain, real disks, real gRPC between them and to the clients."""

import asyncio
import secrets
import shutil
import socket
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.doors.rig import Talk, talk
from zooweeper.cli.node import EXIT_FOLDER, EXIT_PEER_PORT, EXIT_UNEXPECTED, CannotStart, RunningNode
from zooweeper.model.acl import OPEN
from zooweeper.model.config import Address, Config, Member, Timing
from zooweeper.ops.create import Create
from zooweeper.ops.data import GetData, SetData
from zooweeper.pb import client_pb2 as pb
from zooweeper.replica.status import Status
from zooweeper.storage.disk import OsDisk
from zooweeper.storage.folder import format_folder

TIMING = Timing(tick_ms=50)


class Trio:
    """The nodes of an ensemble, in this process."""

    def __init__(self, folder: Path) -> None:
        sockets = [socket.socket() for _ in range(9)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        ports = [Address("127.0.0.1", each.getsockname()[1]) for each in sockets]
        for each in sockets:
            each.close()
        unused = Address("127.0.0.1", 1)
        self.members = tuple(Member(i + 1, ports[i], ports[i + 3], ports[i + 6], unused) for i in range(3))
        self.folder = folder
        self.nodes: dict[int, RunningNode] = {}
        self.ended: list[int] = []

    def config(self, node: int) -> Config:
        return Config(node, "trio", self.members, str(self.folder / str(node)), TIMING)

    def format(self, node: int) -> None:
        disk = OsDisk(self.folder / str(node))
        format_folder(disk, "trio", node, secrets.token_bytes(16))
        disk.close()

    async def start(self, node: int) -> None:
        running = RunningNode(self.config(node), self.ended.append)
        try:
            await running.start()
        except CannotStart:
            await running.close()
            raise
        self.nodes[node] = running

    async def stop(self, node: int) -> None:
        """As a crash would: no hand-off."""
        await self.nodes.pop(node).close()

    def status(self, node: int) -> Status:
        return self.nodes[node].node.status()

    async def leader(self) -> int:
        """The id of the one that leads, as soon as it is one of the running nodes and all of them serve."""
        async with asyncio.timeout(20):
            while True:
                statuses = [self.status(node) for node in self.nodes]
                leaders = [one.id for one in statuses if one.role == "leader"]
                if len(leaders) == 1 and all(one.serving and one.leader == leaders[0] for one in statuses):
                    return leaders[0]
                await asyncio.sleep(0.01)

    async def equal(self) -> None:
        """Wait until all have executed the same; their digests must be one."""
        async with asyncio.timeout(20):
            while len({self.status(node).applied for node in self.nodes}) > 1:
                await asyncio.sleep(0.01)
        assert len({self.status(node).digest for node in self.nodes}) == 1

    def grpc(self, node: int) -> str:
        return str(self.members[node - 1].grpc)


@asynccontextmanager
async def trio(folder: Path) -> AsyncIterator[Trio]:
    made = Trio(folder)
    for node in (1, 2, 3):
        made.format(node)
        await made.start(node)
    try:
        yield made
    finally:
        for node in list(made.nodes):
            await made.stop(node)
        assert made.ended == []


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


async def write(one: Talk, first: int, count: int) -> None:
    """Creates /n-first and so on, all in one message; every one must be acknowledged."""
    requests = [pb.Request(xid=n, code=Create.code, body=Create.Request(f"/n-{n}", b"x", list(OPEN), 0).encode())
                for n in range(first, first + count)]  # fmt: skip
    await one.say(requests=requests)
    items = await one.items(count)
    assert [(item.xid, item.error) for item in items] == [(n, 0) for n in range(first, first + count)]


def test_they_elect_write_on_every_node_and_survive_the_leader(tmp_path: Path) -> None:
    async def main() -> None:
        async with trio(tmp_path) as nodes:
            leader = await nodes.leader()
            for node in (1, 2, 3):
                async with talk(nodes.grpc(node)) as one:
                    await one.hello()
                    await write(one, 100 * node, 50)
            await nodes.equal()

            survivor = next(node for node in nodes.nodes if node != leader)
            async with talk(nodes.grpc(survivor)) as one:
                await one.hello(results=50)
                await nodes.stop(leader)
                await write(one, 1000, 50)  # asked while nobody leads, on a connection that stays
                assert await nodes.leader() != leader
                await nodes.start(leader)
                await write(one, 2000, 50)
                await nodes.equal()
            assert nodes.status(1).znodes == 3 * 50 + 100 + 4

    run(main())


def test_what_was_acknowledged_is_there_after_all_nodes_stopped(tmp_path: Path) -> None:
    async def main() -> None:
        async with trio(tmp_path) as nodes:
            async with talk(nodes.grpc(await nodes.leader())) as one:
                await one.hello()
                await write(one, 1, 100)
            for node in (1, 2, 3):
                await nodes.stop(node)
            for node in (1, 2, 3):
                await nodes.start(node)
            await nodes.leader()
            for node in (1, 2, 3):
                async with talk(nodes.grpc(node)) as one:
                    await one.hello()
                    body = GetData.Request("/n-100", False).encode()
                    await one.say(requests=[pb.Request(xid=1, code=GetData.code, body=body, linear=True)])
                    (item,) = await one.items(1)
                    assert GetData.Result.decode(item.body).data == b"x"
            await nodes.equal()

    run(main())


def test_a_leader_that_stops_in_order_hands_over_first(tmp_path: Path) -> None:
    async def main() -> None:
        async with trio(tmp_path) as nodes:
            leader = await nodes.leader()
            await nodes.nodes[leader].hand_off()
            assert nodes.status(leader).role != "leader"
            await nodes.stop(leader)
            assert await nodes.leader() != leader

    run(main())


def test_a_damaged_folder_begins_anew_without_vote_and_catches_up(tmp_path: Path) -> None:
    async def main() -> None:
        async with trio(tmp_path) as nodes:
            leader = await nodes.leader()
            hurt = next(node for node in nodes.nodes if node != leader)
            async with talk(nodes.grpc(leader)) as one:
                await one.hello()
                await write(one, 1, 200)
                await nodes.equal()
                await nodes.stop(hurt)
                log = max((tmp_path / str(hurt)).glob("log*"))
                data = bytearray(log.read_bytes())
                middle = data.index(b"/n-1")  # in a record with sound ones behind it
                data[middle] ^= 0xFF
                log.write_bytes(data)
                await write(one, 300, 10)
                await nodes.start(hurt)
                await nodes.leader()
                await nodes.equal()
                assert nodes.status(hurt).voting
                assert list((tmp_path / str(hurt)).glob("aside.*"))

    run(main())


def test_what_keeps_a_node_from_starting_is_one_line_and_a_code(tmp_path: Path) -> None:
    async def main() -> None:
        nodes = Trio(tmp_path)
        with pytest.raises(CannotStart, match="no such folder") as missing:
            await nodes.start(1)
        assert missing.value.code == EXIT_FOLDER
        for node in (1, 2, 3):
            nodes.format(node)
        await nodes.start(1)
        with pytest.raises(CannotStart, match="another process is using it") as used:
            await nodes.start(1)
        assert used.value.code == EXIT_FOLDER
        shutil.rmtree(tmp_path / "3")
        shutil.copytree(tmp_path / "2", tmp_path / "3")
        with pytest.raises(CannotStart, match="belongs to node 2") as foreign:
            await nodes.start(3)
        assert foreign.value.code == EXIT_FOLDER
        for door, code in (("peer", EXIT_PEER_PORT), ("grpc", EXIT_UNEXPECTED)):
            address: Address = getattr(nodes.members[1], door)
            with socket.socket() as taken:
                taken.bind((address.host, address.port))
                taken.listen()
                with pytest.raises(CannotStart, match=f"{address.port} is taken") as port:
                    await nodes.start(2)
                assert port.value.code == code
        await nodes.start(2)
        await nodes.leader()
        for node in (1, 2):
            await nodes.stop(node)

    run(main())


def test_a_value_as_large_as_allowed_reaches_all_nodes(tmp_path: Path) -> None:
    async def main() -> None:
        async with trio(tmp_path) as nodes:
            await nodes.leader()
            async with talk(nodes.grpc(1)) as one:
                await one.hello()
                await write(one, 1, 1)
                body = SetData.Request("/n-1", bytes(1_000_000)).encode()
                for xid in range(2, 8):
                    await one.say(requests=[pb.Request(xid=xid, code=SetData.code, body=body)])
                assert not any(item.error for item in await one.items(6))
            await nodes.equal()

    run(main())
