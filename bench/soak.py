"""Load for a long time: does anything grow that should not?

Method: three nodes; every TURN_S a burst of sets, creates, deletes of what was created before, reads and watches, at a
rate that leaves the machine room; every CHURN_S a client that opens a session, leaves ephemerals and watches in it, and
goes. The number of znodes and sessions stays the same, so memory, descriptors, threads and folder should: looked at
every LOOK_S; what the first sixth of the time shows is the warm-up.

Rules: a write that fails ends the run. At its end all nodes have executed the same, and their digests are equal.
"""

import asyncio
import contextlib
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from random import Random

from zooweeper_client.aio import Client

from bench.figures import Bar, as_table, clock, percentile
from bench.rig import agreed, in_thread, pids, resident_bytes, running
from bench.say import Say
from zooweeper.cli.ensemble import Ensemble

TURN_S, CHURN_S, LOOK_S = 0.1, 3.0, 10.0
KEYS, KEPT = 1000, 2000  # znodes that are set; that are created, before the oldest go
EPHEMERALS = 20  # of each session that comes and goes
VALUE = b"x" * 100
GROWTH_MAX = 1.2
SPARE = 8  # descriptors and threads more than after the warm-up: connections that come and go


@dataclass(frozen=True, slots=True)
class Look:
    """All nodes at one moment; of each figure the largest."""

    minutes: float
    megabytes: float  # resident
    descriptors: int
    threads: int
    folder_megabytes: float
    operations: int  # since the look before
    p50_ms: float  # of a burst
    p99_ms: float


class Load:
    """What the ensemble has to do."""

    def __init__(self, zk: Client, rate: int) -> None:
        self._zk = zk
        self._count = max(1, round(rate * TURN_S / 5))
        self._rng = Random(1)
        self._made: deque[str] = deque()
        self.operations = 0
        self.times: list[float] = []
        self.fired = 0

    async def prepare(self) -> None:
        for path in ("/soak/keys", "/soak/made", "/soak/gone"):
            await self._zk.ensure_path(path)
        await asyncio.gather(*(self._zk.create(f"/soak/keys/{key}", VALUE) for key in range(KEYS)))

    async def burst(self) -> None:
        """As many sets, creates, deletes, reads and watches, all in flight together."""
        zk, count, begin = self._zk, self._count, clock()
        keys = [f"/soak/keys/{self._rng.randrange(KEYS)}" for _ in range(3 * count)]
        old = [self._made.popleft() for _ in range(min(count, max(0, len(self._made) - KEPT)))]
        making = asyncio.gather(*(zk.create("/soak/made/n-", VALUE, sequence=True) for _ in range(count)))
        await asyncio.gather(
            *(zk.set(key, VALUE) for key in keys[:count]),
            *(zk.get(key) for key in keys[count : 2 * count]),
            *(zk.get(key, self._on_event) for key in keys[2 * count :]),
            *(zk.delete(path) for path in old),
        )
        self._made.extend(await making)
        self.operations += 4 * count + len(old)
        self.times.append(clock() - begin)

    def _on_event(self, event: object) -> None:
        self.fired += 1


async def churn(hosts: str) -> None:
    """A session that comes, leaves something, and goes."""
    async with Client(hosts) as zk:
        for at in range(EPHEMERALS):
            await zk.create(f"/soak/gone/{zk.session:x}-{at}", VALUE, ephemeral=True)
            await zk.exists(f"/soak/keys/{at}", lambda event: None)


def used_bytes(folder: Path) -> int:
    """What the files below a folder take of the disk."""
    total = 0
    for file in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # it was purged meanwhile
            total += file.stat().st_blocks * 512
    return total


def look(ensemble: Ensemble, began: float, load: Load) -> Look:
    processes = [Path(f"/proc/{pid}") for pid in pids(ensemble)]
    times, load.times = load.times or [0.0], []
    operations, load.operations = load.operations, 0
    return Look(
        round((clock() - began) / 60, 2),
        max(resident_bytes(int(one.name)) for one in processes) / 1e6,
        max(len(list((one / "fd").iterdir())) for one in processes),
        max(len(list((one / "task").iterdir())) for one in processes),
        used_bytes(ensemble.folder) / 1e6,
        operations,
        percentile(times, 50) * 1000,
        percentile(times, 99) * 1000,
    )


async def soak(say: Say, minutes: float, rate: int) -> list[Look]:
    """The looks, one every LOOK_S."""
    looks: list[Look] = []
    with running(3) as ensemble:
        async with Client(ensemble.hosts) as zk:
            load, began = Load(zk, rate), clock()
            await load.prepare()
            looked = churned = clock()
            while (now := clock()) - began < minutes * 60:
                await load.burst()
                if now - churned >= CHURN_S:
                    churned = now
                    await churn(ensemble.hosts)
                if now - looked >= LOOK_S:
                    looked = now
                    looks.append(await in_thread(look, ensemble, began, load))
                    last = looks[-1]
                    say.line(f"{last.minutes:.1f} min: {last.megabytes:.1f} MB, {last.descriptors} descriptors")
                await asyncio.sleep(max(0.0, TURN_S - (clock() - now)))
        await in_thread(agreed, ensemble)
    return looks


def judged(looks: list[Look]) -> list[Bar]:
    """Whether anything has grown since the warm-up."""
    warm = looks[: max(1, len(looks) // 6)]
    rest = looks[len(warm) :] or warm
    base, most = max(one.megabytes for one in warm), max(one.megabytes for one in rest)
    bars = [Bar("memory", f"<= {GROWTH_MAX}x", f"{base:.1f} to {most:.1f} MB", most <= GROWTH_MAX * base)]
    for name in ("descriptors", "threads"):
        before, after = max(getattr(one, name) for one in warm), getattr(rest[-1], name)
        bars.append(Bar(name, f"<= {SPARE} more", f"{before} to {after}", after <= before + SPARE))
    half = len(rest) // 2
    early, late = (max(one.folder_megabytes for one in part) for part in (rest[: half + 1], rest[half:]))
    steady = late <= GROWTH_MAX * early
    bars.append(Bar("folders", f"<= {GROWTH_MAX}x", f"{early:.0f} to {late:.0f} MB", steady))
    return bars


def table(looks: list[Look], rows: int = 13) -> str:
    """Some of the looks, from the first to the last."""
    step = max(1, -(-len(looks) // (rows - 1)))
    shown = [*looks[:-1:step], looks[-1]]
    header = ("minutes", "MB", "descriptors", "threads", "folders MB", "operations/s", "burst p50 ms", "p99 ms")
    return as_table(
        [
            (
                f"{one.minutes:.1f}",
                f"{one.megabytes:.1f}",
                str(one.descriptors),
                str(one.threads),
                f"{one.folder_megabytes:.0f}",
                f"{one.operations / LOOK_S:.0f}",
                f"{one.p50_ms:.1f}",
                f"{one.p99_ms:.1f}",
            )
            for one in shown
        ],
        header,
    )
