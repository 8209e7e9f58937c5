"""Whole servers in this process, on one real node: what is seen while they are absent, slow, cut off, or not wanted."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from grades.client import Client, GradesError, Outcome, Row, append
from grades.copy import Copy
from grades.layout import MAX_LOG_SIZE, Paths
from grades.log import look
from grades.pb.grades_pb2_grpc import add_GradesServicer_to_server
from grades.server import JOINING, LEVEL, SUSPENDED, Options, Refused, Server
from grades.service import GradesService
from grades.sqlite import SqliteStore
from grades.store import Store, StoreError
from zooweeper_client.aio import Client as Coordination

from tests.doors.rig import Rig, free_address
from tests.grades.test_fence import Valve

TIMEOUT_S = 5.0  # of sessions: nothing here waits for one to end


class Member:
    """One database server."""

    def __init__(self, hosts: str, folder: Path, name: str, timeout: float = TIMEOUT_S) -> None:
        self.address = str(free_address())
        options = Options(name, hosts, self.address, session_timeout=timeout)
        self.server = Server(options, SqliteStore(folder / f"{name}.db"))
        self._service = GradesService(self.server, "sqlite")
        self._door = grpc.aio.server()
        add_GradesServicer_to_server(self._service, self._door)
        self._door.add_insecure_port(self.address)
        self.running: asyncio.Task[None] | None = None

    async def start(self) -> "Member":
        await self._door.start()
        self.running = asyncio.create_task(self.server.run())
        return self

    async def until(self, state: str) -> None:
        async with asyncio.timeout(20):
            while self.server.state != state:
                self.server.changed.clear()
                await self.server.changed.wait()

    async def stop(self) -> None:
        """Once; again is nothing."""
        running, self.running = self.running, None
        if running is None:
            return
        running.cancel()
        await asyncio.wait([running])
        with contextlib.suppress(asyncio.CancelledError, Refused):
            running.result()
        self._service.stop()
        await self._door.stop(0.2)
        await self.server.copy.close()


@asynccontextmanager
async def members(hosts: str, folder: Path, *names: str) -> AsyncIterator[list[Member]]:
    """Servers that are level."""
    made = [await Member(hosts, folder, name).start() for name in names]
    try:
        for one in made:
            await one.until(LEVEL)
        yield made
    finally:
        for one in made:
            await one.stop()


async def equal(*some: Member) -> None:
    """All copies come to the same entry and are the same there."""
    async with asyncio.timeout(20):
        for one in some:
            await one.server.copy.reach(max(other.server.copy.applied for other in some))
    assert len({one.server.copy.seen for one in some}) == 1


def run(scenario: Coroutine[Any, Any, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            await scenario

    asyncio.run(bounded())


class Gauge:
    """Looks at the log at every change of it."""

    def __init__(self, zk: Coordination, paths: Paths) -> None:
        self._zk, self._paths = zk, paths
        self.sizes: list[int] = []

    async def run(self) -> None:
        changed = asyncio.Event()
        while True:
            changed.clear()
            self.sizes.append((await look(self._zk, self._paths, changed=changed.set)).size)
            await changed.wait()


async def load(client: Client, first: int, count: int) -> None:
    """Appends first, first + 1, ... to rows in turn; all of them have to succeed."""
    answers = await client.execute_many([append(n % 7, [n]) for n in range(first, first + count)], deadline=30)
    assert not [answer for answer in answers if isinstance(answer, GradesError)]


def test_the_log_is_never_too_long_whoever_is_absent_slow_or_comes_back(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Rig() as rig, Coordination(rig.address) as zk, members(rig.address, tmp_path, "db1", "db2") as some:
            one, two = some
            gauge = Gauge(zk, one.server.paths)
            gauging = asyncio.create_task(gauge.run())
            three = await Member(rig.address, tmp_path, "db3").start()
            await three.until(LEVEL)
            async with Client([one.address, two.address]) as client:
                await load(client, 0, 500)
                await three.stop()  # absent: it matters no more when the log is full
                await load(client, 500, 1500)
                assert max(gauge.sizes) <= MAX_LOG_SIZE
                again = await Member(rig.address, tmp_path, "db3").start()
                await asyncio.gather(load(client, 2000, 3000), again.until(LEVEL))  # a transfer while others write
                await equal(one, two, again)
                slow = next(one for one in (one, two, again) if one.server.leadership is None)
                async with slow.server.copy._busy:  # it is registered, so everybody waits for its checkpoint
                    full = slow.server.copy.synced + MAX_LOG_SIZE  # that one may just be on its way
                    slowly = asyncio.create_task(load(client, 5000, 1000))
                    while (await look(zk, slow.server.paths)).head.last < full:
                        await asyncio.sleep(0.001)
                    await asyncio.sleep(0.1)
                    assert (await look(zk, slow.server.paths)).head.last == full and not slowly.done()
                await slowly
                await equal(one, two, again)
                rows = [row async for row in client.rows(consistency="linearizable")]
                assert rows == [Row(id, tuple(range(id, 6000, 7))) for id in range(7)]
                assert max(gauge.sizes) == MAX_LOG_SIZE
            gauging.cancel()
            await again.stop()

    run(scenario())


@pytest.mark.parametrize("leads", [False, True])
def test_nobody_waits_for_a_server_whose_store_stands_still(
    leads: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grades.server.STORE_S", 0.5)
    goes_on = threading.Event()

    async def scenario() -> None:
        async with Rig() as rig, Coordination(rig.address) as zk, members(rig.address, tmp_path, "db1", "db2") as some:
            held, free = sorted(some, key=lambda one: (one.server.leadership is not None) != leads)
            monkeypatch.setattr(held.server.copy.store, "sync", goes_on.wait)
            async with Client(free.address) as client:
                try:
                    await load(client, 0, 4 * MAX_LOG_SIZE)
                    assert held.server.state == JOINING and "has been at one thing for 0.5 s" in held.server.trouble
                    assert await zk.get_children(free.server.paths.servers) == [free.server.options.name]
                finally:
                    goes_on.set()
                await held.until(LEVEL)
                await load(client, 4 * MAX_LOG_SIZE, 100)
                await equal(held, free)

    run(scenario())


def test_nobody_waits_for_the_last_words_of_a_server_whose_store_stands_still(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("grades.server.STORE_S", 0.5)
    goes_on = threading.Event()

    async def scenario() -> None:
        async with Rig() as rig, Coordination(rig.address) as zk, members(rig.address, tmp_path, "db1", "db2") as some:
            ends, stays = sorted(some, key=lambda one: one.server.leadership is not None)
            monkeypatch.setattr(ends.server.copy.store, "sync", goes_on.wait)
            assert ends.running is not None
            try:
                ends.running.cancel()
                async with asyncio.timeout(20):
                    while await zk.get_children(stays.server.paths.servers) != [stays.server.options.name]:
                        await asyncio.sleep(0.01)
                async with Client(stays.address) as client:
                    await load(client, 0, 2 * MAX_LOG_SIZE)
            finally:
                goes_on.set()

    run(scenario())
    assert "no last checkpoint: the store stands still" in caplog.text


def test_a_store_that_failed_when_nobody_waited_any_more_is_not_used_again(tmp_path: Path) -> None:
    def fails(store: Store) -> None:
        raise StoreError("the disk is gone")

    async def scenario() -> None:
        copy = Copy(SqliteStore(tmp_path / "db1.db"))
        waiting = asyncio.ensure_future(copy.change(fails))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(StoreError, match="the disk is gone"):
            await copy.sync()
        await copy.close()

    run(scenario())


def test_a_server_that_is_cut_off_shows_what_it_has_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grades.writes.HOLD_S", 0.5)

    async def scenario() -> None:
        async with Rig() as rig, Valve(rig.address) as valve:
            one = await Member(valve.address, tmp_path, "db1", timeout=1.0).start()
            await one.until(LEVEL)
            async with Client(one.address, deadline=2.5) as client:
                await client.put(1, [90])
                valve.there.clear()
                valve.back.clear()
                await one.until(SUSPENDED)
                answer = await client.execute("SELECT * FROM grade WHERE id = 1")
                assert answer.stale and answer.rows == (Row(1, (90,)),)
                with pytest.raises(GradesError, match=r"does not answer: \w"):
                    await client.get(1, consistency="linearizable")
                with pytest.raises(GradesError) as error:
                    await client.append(1, [91])
                assert error.value.outcome is Outcome.UNKNOWN
                valve.let_go()
                await one.until(LEVEL)
                async with asyncio.timeout(20):
                    while not (answer := await client.execute("SELECT * FROM grade")).rows or answer.stale:
                        await asyncio.sleep(0.01)
                await client.append(
                    1,
                    [92],
                )
                assert await client.get(1, consistency="linearizable") in ((90, 92), (90, 91, 92))
            await one.stop()

    run(scenario())


def test_who_cannot_belong_is_refused_in_one_line(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Rig() as rig, Coordination(rig.address) as zk, members(rig.address, tmp_path, "db1") as (one,):
            twin = Member(rig.address, tmp_path / "other", "db1")
            await twin.start()
            async with asyncio.timeout(10):
                while "is registered" not in twin.server.trouble:
                    await asyncio.sleep(0.01)
            before = (await zk.get(one.server.paths.checkpoint("db1")))[0]
            await one.server.copy.change(lambda store: None)
            assert twin.server.state != LEVEL and (await zk.get(one.server.paths.checkpoint("db1")))[0] == before
            await one.stop()
            await twin.until(LEVEL)  # it was only early
            await twin.stop()
        async with Rig() as rig:
            stranger = await Member(rig.address, tmp_path, "db1").start()  # a copy of the other database
            assert stranger.running is not None
            with pytest.raises(Refused, match="a copy of another database"):
                await stranger.running
            await stranger.stop()
        async with Rig() as rig, Coordination(rig.address) as zk:
            await zk.create("/mydb", b"mine, too")
            early = await Member(rig.address, tmp_path / "new", "db1").start()
            assert early.running is not None
            with pytest.raises(Refused, match="is not the root of a grade database"):
                await early.running
            await early.stop()

    run(scenario())
