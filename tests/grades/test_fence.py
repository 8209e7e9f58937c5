"""The log under odd circumstances, on a real node: appends that come late, answers that never come, sessions that end.

A `Valve` stands between a client and the node and holds back what goes one way, so each of these really happens.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from grades.election import campaign
from grades.layout import APPENDS_MAX, MAX_LOG_SIZE, BadZnode, Entry, Head, Leader, Paths
from grades.log import Appender, Deposed, Follower, Gone, look, read
from grades.server import PATIENT
from zooweeper_client import ClientState
from zooweeper_client.aio import Client
from zooweeper_client.exceptions import ZkError
from zooweeper_client.messages import LinkDown

from tests.doors.rig import Rig, free_address
from tests.grades.world import write

PATHS = Paths("db")
SHORT_S, LONG_S = 0.5, 20.0


class Valve:
    """A port that leads to another one; each way can be held, and what is held leaves when it is let go."""

    def __init__(self, target: str) -> None:
        self._target = target
        self.address = str(free_address())
        self.there, self.back = asyncio.Event(), asyncio.Event()  # set: open
        self.let_go()

    def let_go(self) -> None:
        self.there.set()
        self.back.set()

    async def __aenter__(self) -> "Valve":
        host, _, port = self.address.rpartition(":")
        self._server = await asyncio.start_server(self._serve, host, int(port))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, _, port = self._target.rpartition(":")
        onward, far = await asyncio.open_connection(host, int(port))
        await asyncio.gather(self._pump(reader, far, self.there), self._pump(onward, writer, self.back))

    @staticmethod
    async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, flows: asyncio.Event) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                await flows.wait()
                writer.write(data)
                await writer.drain()
        writer.close()


def entries(who: str, first: int, count: int) -> list[bytes]:
    return [Entry(who, number, "DELETE FROM grade WHERE id = 1").encode() for number in range(first, first + count)]


async def elect(zk: Client, name: str) -> Appender:
    async with asyncio.timeout(10):
        token = await campaign(zk, PATHS, Leader(name, ""))
        appender = Appender(zk, PATHS, token)
        await appender.fence()
    return appender


async def contents(zk: Client) -> list[bytes]:
    """The entries' senders and numbers, in order; that the log has no hole is checked."""
    head = (await look(zk, PATHS, linearizable=True)).head
    names = sorted(await zk.get_children(PATHS.log))
    assert not names or (int(names[-1]) == head.last and int(names[0]) == head.last - len(names) + 1)
    return [(await zk.get(f"{PATHS.log}/{name}"))[0].partition(b" DELETE")[0] for name in names]


@asynccontextmanager
async def world(timeout: float) -> AsyncIterator[tuple[Valve, Client, Client]]:
    """A valve, the client behind it, and another one with a way of its own."""
    async with Rig() as rig, Valve(rig.address) as valve, Client(rig.address, retry=PATIENT, timeout=10) as other:
        for path in (PATHS.candidates, PATHS.servers):
            await other.create(path, makepath=True)
        await other.create(PATHS.log, Head(0, 0).encode())
        old = await Client(valve.address, retry=PATIENT, timeout=timeout).start()
        try:
            yield valve, old, other
        finally:
            valve.let_go()
            await old.close(keep_session=True)


def run(scenario: object) -> None:
    asyncio.run(scenario)  # type: ignore[arg-type]


def test_an_append_that_comes_late_finds_its_session_ended() -> None:
    async def scenario() -> None:
        async with world(SHORT_S) as (valve, zk, other):
            old = await elect(zk, "db1")
            assert await write(old, entries("a", 1, 2), 0) == 1
            valve.there.clear()  # from now on the old leader speaks into the void
            late = asyncio.ensure_future(write(old, entries("a", 3, 2), 0))
            new = await elect(other, "db2")  # when the old session has ended
            assert await write(new, entries("b", 1, 1), 0) == 3
            valve.let_go()
            with pytest.raises(ZkError):
                async with asyncio.timeout(10):
                    await late
            assert await contents(other) == [b"a 1", b"a 2", b"b 1"]
            with pytest.raises((Deposed, ZkError)):
                await write(old, entries("a", 3, 2), 0)  # in the session that the client library has opened since
            assert await contents(other) == [b"a 1", b"a 2", b"b 1"]

    run(scenario())


def test_an_append_that_comes_late_in_a_session_that_lives_is_refused_by_the_token() -> None:
    async def scenario() -> None:
        async with world(LONG_S) as (valve, zk, other):
            old = await elect(zk, "db1")
            valve.there.clear()
            late = asyncio.ensure_future(write(old, entries("a", 1, 2), 0))
            for name in await other.get_children(PATHS.candidates):  # an operator's mistake
                await other.delete(f"{PATHS.candidates}/{name}")
            await other.delete(PATHS.leader)
            new = await elect(other, "db2")
            assert await write(new, entries("b", 1, 1), 0) == 1
            valve.let_go()
            with pytest.raises(Deposed):
                async with asyncio.timeout(10):
                    await late
            assert zk.state is ClientState.CONNECTED and await contents(other) == [b"b 1"]
            with pytest.raises(Deposed):
                await old.fence()
            assert await write(new, entries("b", 2, 1), 0) == 2

    run(scenario())


def test_all_appends_that_come_behind_a_fence_are_refused() -> None:
    async def scenario() -> None:
        async with world(LONG_S) as (valve, zk, other):
            old = await elect(zk, "db1")
            assert await write(old, entries("a", 1, 2)) == 1
            valve.there.clear()
            late = [old.append(entries("a", 3 + n, 1), 0)[1] for n in range(APPENDS_MAX)]
            for name in await other.get_children(PATHS.candidates):
                await other.delete(f"{PATHS.candidates}/{name}")
            await other.delete(PATHS.leader)
            new = await elect(other, "db2")  # it has written nothing yet: the version is all that stands in the way
            valve.let_go()
            async with asyncio.timeout(10):
                assert [type(error) for error in await asyncio.gather(*late, return_exceptions=True)] == (
                    [Deposed] * APPENDS_MAX
                )
            assert await contents(other) == [b"a 1", b"a 2"]
            with pytest.raises(Deposed):
                old.append(entries("a", 5, 1), 0)  # nothing is sent behind an append that failed
            assert await write(new, entries("b", 1, 1)) == 3

    run(scenario())


def test_an_append_that_comes_before_the_fence_counts() -> None:
    async def scenario() -> None:
        async with world(SHORT_S) as (valve, zk, other):
            old = await elect(zk, "db1")
            valve.back.clear()  # the append arrives, its answer does not
            unknown = asyncio.ensure_future(write(old, entries("a", 1, 2), 0))
            new = await elect(other, "db2")
            assert new.last == 2, "the next leader knows what became of it"
            assert await write(new, entries("b", 1, 1), 0) == 3
            valve.let_go()
            with pytest.raises(ZkError):
                async with asyncio.timeout(10):
                    await unknown
            assert await contents(other) == [b"a 1", b"a 2", b"b 1"]

    run(scenario())


def test_an_append_whose_connection_breaks_is_done_once() -> None:
    async def scenario() -> None:
        async with world(LONG_S) as (valve, zk, other):
            old = await elect(zk, "db1")
            assert await write(old, entries("a", 1, 2), 0) == 1
            assert zk._engine is not None
            valve.back.clear()
            unknown = asyncio.ensure_future(write(old, entries("a", 3, 2), 0))
            while len(await other.get_children(PATHS.log)) < 4:
                await asyncio.sleep(0.001)
            zk._engine.tell(LinkDown("broken by the test"))
            valve.let_go()
            async with asyncio.timeout(20):
                assert await unknown == 3
            assert await contents(other) == [b"a 1", b"a 2", b"a 3", b"a 4"]
            assert await write(old, entries("a", 5, 1), 2) == 5
            assert await contents(other) == [b"a 3", b"a 4", b"a 5"]

    run(scenario())


def test_readers_get_every_entry_in_order_or_know_that_they_cannot() -> None:
    async def scenario() -> None:
        async with world(LONG_S) as (_, zk, other):
            leader = await elect(zk, "db1")
            follower, found = Follower(other, PATHS), list[bytes]()

            async def follow() -> None:
                while len(found) < 1000:
                    found.extend(await follower.next(len(found)))

            following = asyncio.ensure_future(follow())
            sizes, count = [], 0
            while count < 1000:
                batch = entries("a", count + 1, 1 + count % 100)[: 1000 - count]
                while len(found) < count - 200:
                    await asyncio.sleep(0.001)
                await write(leader, batch, max(0, count - 300))
                count += len(batch)
                sizes.append(len(await zk.get_children(PATHS.log)))
            async with asyncio.timeout(10):
                await following
            assert found == entries("a", 1, 1000) and max(sizes) <= MAX_LOG_SIZE
            with pytest.raises(Gone):
                await read(other, PATHS, 5)
            with pytest.raises(Gone):
                await Follower(other, PATHS).next(0)
            assert await read(other, PATHS, 1000) == []
            again = Appender(zk, PATHS, leader._token)
            await again.fence()
            assert (again.first, again.last) == (leader.first, leader.last)
            await other.delete(PATHS.entry(leader.last - 1))  # somebody else's hand
            with pytest.raises(BadZnode, match="entries between"):
                await again.fence()

    run(scenario())
