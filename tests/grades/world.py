"""Real coordination nodes, real database servers, and writers with a ledger: what the tests of this folder share.

Rules: one ledger for the life of a world, so whatever was ever acknowledged is looked for at the end of every test. The
check is always the same: all copies, read from each server itself, are equal to each other and to the ledger.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence

from grades.client import Answer, Client, GradesError, Outcome, append
from grades.fleet import Fleet
from grades.layout import MAX_LOG_SIZE
from grades.log import Appender
from zooweeper_client.aio import Client as Coordination

from bench.figures import clock
from tests.grades.ledger import Fate, Ledger, Table, Verdict
from zooweeper.cli import ports
from zooweeper.cli.ensemble import Ensemble

AT_ONCE = 4  # appends in one call
PAUSE_S = 0.004  # between two calls of a writer: leaves the CPU to the servers
GAUGE_S = 0.005
WAIT_S = 30.0


def nothing(fate: Fate) -> None:
    """Whoever does not want to be told."""


async def append_some(
    client: Client, ledger: Ledger, writer: int, count: int, told: Callable[[Fate], None] = nothing
) -> int:
    """Appends `count` new values in one call, to row after row; how many were acknowledged."""
    sent = [ledger.value(writer) for _ in range(count)]
    answers: Sequence[Answer | GradesError]
    try:
        answers = await client.execute_many([append(row, [value]) for row, value in sent])
    except GradesError as error:
        answers = [error] * count
    for (row, value), answer in zip(sent, answers, strict=True):
        fate = fate_of(answer)
        ledger.tell(row, value, fate)
        told(fate)
    return sum(isinstance(answer, Answer) for answer in answers)


def fate_of(answer: Answer | GradesError) -> Fate:
    if isinstance(answer, Answer):
        return Fate.ACKNOWLEDGED
    return Fate.REFUSED if answer.outcome is Outcome.NOT_APPLIED else Fate.OPEN


class Writer:
    """One client that appends all the time."""

    def __init__(self, ledger: Ledger, servers: str) -> None:
        self.number = ledger.writer()
        self.last = 0.0  # when the newest answer came
        self._ledger = ledger
        self._servers = servers

    async def run(self, stopping: asyncio.Event) -> None:
        async with Client(self._servers) as client:
            while not stopping.is_set():
                await append_some(client, self._ledger, self.number, AT_ONCE, self._told)
                await asyncio.sleep(PAUSE_S)

    def _told(self, fate: Fate) -> None:
        if fate is Fate.ACKNOWLEDGED:
            self.last = clock()


class Load:
    """Writers at work."""

    def __init__(self, writers: Sequence[Writer]) -> None:
        self.writers = writers

    async def progress(self) -> float:
        """Until every writer has had an answer to something that it sent from now on; how long that took."""
        return await self._until(all)

    async def any_progress(self) -> float:
        """Until somebody has."""
        return await self._until(any)

    async def _until(self, enough: Callable[[list[bool]], bool]) -> float:
        began = clock()
        # an answer on its way now is not enough: the second one that comes was asked for later
        seen = {writer: [writer.last] for writer in self.writers}
        while not enough([len(times) > 2 for times in seen.values()]):
            for writer, times in seen.items():
                if writer.last > times[-1]:
                    times.append(writer.last)
            assert clock() - began < WAIT_S, "the writers get no answers"
            await asyncio.sleep(0.002)
        return clock() - began


class World:
    """An ensemble, database servers beside it, and all that was ever written."""

    def __init__(self, ensemble: Ensemble, fleet: Fleet) -> None:
        self.ensemble = ensemble
        self.fleet = fleet
        self.ledger = Ledger()

    @contextlib.asynccontextmanager
    async def load(self, writers: Sequence[str]) -> AsyncIterator[Load]:
        """Writers that begin now and have ended with the block; each has the servers that it may ask."""
        stopping = asyncio.Event()
        load = Load([Writer(self.ledger, servers) for servers in writers])
        async with asyncio.TaskGroup() as group:
            for writer in load.writers:
                group.create_task(writer.run(stopping))
            try:
                await load.progress()
                yield load
            finally:
                stopping.set()

    def everywhere(self, writers: int = 4) -> list[str]:
        """So many writers that may go to every server."""
        return [self.fleet.hosts] * writers

    def each(self) -> list[str]:
        """One writer for each server alone."""
        return list(self.fleet.addresses.values())

    def heal(self) -> None:
        """Everything runs, and every server is level."""
        self.ensemble.start()
        self.ensemble.wait_healthy()
        self.fleet.start()
        self.fleet.wait_level()

    def check(self) -> Verdict:
        """The end of every test; nobody writes any more. All copies equal each other and the ledger."""
        self.heal()
        rows = self.fleet.wait_equal()
        tables = asyncio.run(self._tables())
        assert all(table == tables[0] for table in tables), f"copies differ: {rows}"
        assert len({row.digest for row in rows}) == 1, rows
        assert all(row.rows == len(tables[0]) and (row.log or 0) <= MAX_LOG_SIZE for row in rows), rows
        verdict = self.ledger.judge(tables[0])
        assert verdict.good, verdict
        return verdict

    async def _tables(self) -> list[Table]:
        """Every server's own copy."""
        tables: list[Table] = []
        for address in self.each():
            async with Client(address) as client:
                tables.append({row.id: row.events async for row in client.rows()})
        return tables

    @contextlib.asynccontextmanager
    async def gauge(self, root: str = "/mydb") -> AsyncIterator[list[int]]:
        """Looks at the size of the log all the time; at the end there is what it saw. It must never be too large."""
        sizes: list[int] = []
        done = asyncio.Event()

        async def look() -> None:
            async with Coordination(self.ensemble.hosts) as zk:
                while not done.is_set():
                    _, stat = await zk.get(f"{root}/log")
                    sizes.append(stat.num_children)
                    await asyncio.sleep(GAUGE_S)

        async with asyncio.TaskGroup() as group:
            group.create_task(look())
            try:
                yield sizes
            finally:
                done.set()
        assert sizes and max(sizes) <= MAX_LOG_SIZE, max(sizes)


@contextlib.contextmanager
def running(servers: int = 3, nodes: int = 3, options: Sequence[str] = ()) -> Iterator[World]:
    """A fresh world, in which everything serves."""
    with Ensemble.temporary(nodes) as ensemble:
        first_port = ports.free_run(servers, ensemble.members)
        with Fleet.create(ensemble, servers, options, first_port) as fleet:
            ensemble.start()
            fleet.start()
            ensemble.wait_healthy()
            fleet.wait_level()
            yield World(ensemble, fleet)


async def write(leader: Appender, some: list[bytes], trim: int = 0) -> int:
    """Append and wait; the number of the first one."""
    first, done = leader.append(some, trim)
    await done
    return first
