"""The replicated grade database: statements a second, recovery of a long absence, failover of its leader.

Method: three coordination nodes and three database servers with SQLite, default settings, all on this machine together
with the clients. Statements: CLIENTS clients, each with AT_ONCE appends under way through a server of their own choice,
counted when acknowledged. Recovery: a follower is killed, MISSED appends are acknowledged, the clock runs from its
start until it is level and has applied everything. Failover: the leader is killed under a light load; the gap is the
longest time in which no statement anywhere was acknowledged. At the end of each all copies must be equal, and hold as
many values as were acknowledged.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

from grades.client import Answer, Client, append
from grades.fleet import Fleet

from bench.figures import Bar, clock, longest_gap, median, milliseconds
from bench.load import Stuck
from bench.rig import in_thread
from bench.say import Say
from zooweeper.cli import ports
from zooweeper.cli.ensemble import Ensemble

CLIENTS, AT_ONCE = 6, 500
SECONDS, ROUNDS = 5.0, 3
MISSED = 100_000
KILLS = 10
SOME = 50  # answers that show that all goes on
ROWS = 500
RATE, RECOVERY_S, FAILOVER_S = 5_000, 10.0, 1.0


@contextlib.contextmanager
def running() -> Iterator[Fleet]:
    with Ensemble.temporary(3) as ensemble:
        with Fleet.create(ensemble, 3, first_port=ports.free_run(3, ensemble.members)) as fleet:
            ensemble.start()
            fleet.start()
            ensemble.wait_healthy()
            fleet.wait_level()
            yield fleet


class Load:
    """Clients that append, and count what is acknowledged."""

    def __init__(self, servers: str, clients: int, at_once: int, pause_s: float = 0.0) -> None:
        self.acknowledged = 0
        self.times: list[float] = []
        self._servers = servers
        self._clients = clients
        self._at_once = at_once
        self._pause_s = pause_s
        self._left = -1  # appends still to be sent; negative: no bound

    async def run(self, count: int) -> None:
        """Exactly so many."""
        self._left = count
        await asyncio.gather(*(self._append(number, asyncio.Event()) for number in range(self._clients)))

    @contextlib.asynccontextmanager
    async def going(self) -> AsyncIterator[None]:
        """While the block runs."""
        self._left = -1
        done = asyncio.Event()
        tasks = [asyncio.create_task(self._append(number, done)) for number in range(self._clients)]
        try:
            yield
        finally:
            done.set()
            await asyncio.gather(*tasks)

    async def more(self) -> None:
        """Until some more were acknowledged."""
        before = len(self.times)
        while len(self.times) < before + SOME:
            await asyncio.sleep(0.01)

    async def _append(self, number: int, done: asyncio.Event) -> None:
        turn = number
        async with Client(self._servers, deadline=60.0) as client:
            while not done.is_set() and self._left:
                count = self._at_once if self._left < 0 else min(self._at_once, self._left)
                self._left -= count if self._left > 0 else 0
                batch = [append(1 + (turn + i) % ROWS, [i]) for i in range(count)]
                turn += count
                answers = await client.execute_many(batch)
                if not all(isinstance(answer, Answer) for answer in answers):
                    raise Stuck(f"an append failed: {next(one for one in answers if not isinstance(one, Answer))}")
                self.acknowledged += count
                self.times.append(clock())
                await asyncio.sleep(self._pause_s)


async def prove(fleet: Fleet, acknowledged: int) -> str:
    """All copies are equal and hold what was acknowledged. Stuck otherwise."""
    rows = await in_thread(fleet.wait_equal, 60.0)
    async with Client(fleet.hosts, deadline=60.0) as client:
        values = sum([len(row.events) async for row in client.rows(consistency="linearizable")])
    if values != acknowledged:
        raise Stuck(f"{acknowledged} appends were acknowledged, and the table holds {values}")
    return f"{len(rows)} copies equal"


async def measure(say: Say) -> list[Bar]:
    return [await statements(say), await recovery(say), await failover(say)]


async def statements(say: Say) -> Bar:
    rates = []
    with running() as fleet:
        load = Load(fleet.hosts, CLIENTS, AT_ONCE)
        for _ in say.each(f"appends for {SECONDS:g} s", range(ROUNDS), ROUNDS):
            async with load.going():
                before, began = load.acknowledged, clock()
                await asyncio.sleep(SECONDS)
                rates.append((load.acknowledged - before) / (clock() - began))
        equal = await prove(fleet, load.acknowledged)
    shown = f"median {median(rates):,.0f}/s, {equal}"
    return Bar("grades: statements", f">= {RATE:,}/s", shown, median(rates) >= RATE, {"per second": rates})


async def recovery(say: Say) -> Bar:
    with running() as fleet:
        load = Load(fleet.hosts, CLIENTS, AT_ONCE)
        await load.run(1_000)
        leader = await in_thread(fleet.leader)
        absent = next(name for name in fleet.names if name != leader)
        await in_thread(fleet.kill, absent)
        say.line(f"{MISSED} appends while {absent} is down")
        await load.run(MISSED)
        began = clock()
        await in_thread(fleet.start, (absent,))
        await in_thread(fleet.wait_equal, 60.0)
        seconds = clock() - began
        equal = await prove(fleet, load.acknowledged)
        transferred = "state transfer" in fleet.log_tail(absent, 100)
    shown = f"{seconds:.1f} s {'by state transfer' if transferred else 'from the log'}, {equal}"
    return Bar(f"grades: {MISSED:,} missed", f"<= {RECOVERY_S:g} s", shown, seconds <= RECOVERY_S, {"seconds": seconds})


async def failover(say: Say) -> Bar:
    gaps = []
    with running() as fleet:
        load = Load(fleet.hosts, 6, 1, pause_s=0.005)
        async with load.going():
            await load.more()  # or the first gap would have no beginning
            for _ in say.each("kill -9 of the leader of the database", range(KILLS), KILLS):
                leader = await in_thread(fleet.leader)
                began = clock()
                await in_thread(fleet.kill, leader)
                others = [name for name in fleet.names if name != leader]
                await in_thread(fleet.wait_level, others)
                await load.more()
                gaps.append(longest_gap(load.times, began, clock()))
                await in_thread(fleet.start, (leader,))
                await in_thread(fleet.wait_level)
        equal = await prove(fleet, load.acknowledged)
    shown = f"median {milliseconds(median(gaps))}, max {milliseconds(max(gaps))}, {equal}"
    return Bar("grades: failover", f"max <= {FAILOVER_S:g} s", shown, max(gaps) <= FAILOVER_S, {"seconds": gaps})
