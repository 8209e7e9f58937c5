"""Random faults on real processes, under load, for a while; and whether anything that was promised broke.

Method: writers as in load.py, one pinned to each node and two that may move; a register (register.py) with readers of
every kind on every node. One fault after another is drawn from FAULTS with the given seed; after each, all nodes are
started again, must become healthy, and every writer must get an answer. At the end every acknowledged write is read
back from every node, and the digests are compared. The faults of a seed are the same each time, their moments are not.
"""

import asyncio
import random
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from zooweeper_client.aio import Client

from bench.figures import as_table, clock, longest_gap, median, milliseconds
from bench.load import Load
from bench.register import READS, Register
from bench.rig import agreed, each_node, in_thread, running
from bench.say import Say
from zooweeper.cli.ensemble import Ensemble

TIMEOUT_S = 30.0  # of the sessions; no fault may last as long


class Faults:
    """What can be done to an ensemble; each leaves it with nodes down, or whole."""

    def __init__(self, ensemble: Ensemble, rng: random.Random) -> None:
        self.ensemble = ensemble
        self.rng = rng

    async def strike(self) -> str:
        """Does one of FAULTS; its name."""
        name, fault = self.rng.choice(sorted(FAULTS.items()))
        await fault(self)
        return name

    def _nodes(self, count: int) -> list[int]:
        return self.rng.sample(self.ensemble.ids, count)

    async def _wait(self, most_s: float) -> None:
        await asyncio.sleep(self.rng.random() * most_s)

    async def kill_one(self) -> None:
        await in_thread(self.ensemble.kill, self._nodes(1))
        await self._wait(1.0)

    async def kill_leader(self) -> None:
        await in_thread(self.ensemble.kill, await in_thread(self.ensemble.leader))
        await self._wait(1.0)

    async def kill_two(self) -> None:
        await in_thread(self.ensemble.kill, self._nodes(2))
        await self._wait(1.0)

    async def kill_all(self) -> None:
        await in_thread(self.ensemble.kill)

    async def stop_leader(self) -> None:
        await in_thread(self.ensemble.restart, await in_thread(self.ensemble.leader))

    async def pause_one(self) -> None:
        await self._pause(self._nodes(1)[0])

    async def pause_leader(self) -> None:
        await self._pause(await in_thread(self.ensemble.leader))

    async def _pause(self, node: int) -> None:
        self.ensemble.pause(node)
        await self._wait(4.0)
        self.ensemble.resume(node)

    async def pause_one_kill_another(self) -> None:
        paused, killed = self._nodes(2)
        self.ensemble.pause(paused)
        await in_thread(self.ensemble.kill, killed)
        await self._wait(3.0)
        self.ensemble.resume(paused)

    async def lose_a_disk(self) -> None:
        (node,) = self._nodes(1)
        await in_thread(self.ensemble.kill, node)
        shutil.rmtree(self.ensemble.node_folder(node) / "data")
        await in_thread(self.ensemble.rejoin, node)


FAULTS: dict[str, Callable[[Faults], Awaitable[None]]] = {
    "one killed": Faults.kill_one,
    "leader killed": Faults.kill_leader,
    "two killed": Faults.kill_two,
    "all killed": Faults.kill_all,
    "leader restarted": Faults.stop_leader,
    "one paused": Faults.pause_one,
    "leader paused": Faults.pause_leader,
    "one paused, another killed": Faults.pause_one_kill_another,
    "disk lost, rejoined": Faults.lose_a_disk,
}


@dataclass(frozen=True, slots=True)
class Report:
    """What was done, and what broke."""

    seed: int
    gaps: dict[str, list[float]]  # by fault: the longest time without any acknowledged write
    verdict: str
    reads: dict[str, int]
    violations: tuple[str, ...]

    @property
    def good(self) -> bool:
        return not self.violations


async def run(say: Say, nodes: int, seconds: float, seed: int) -> Report:
    """Strike for about `seconds`. Stuck, or EnsembleError, when the ensemble does not come back."""
    rng = random.Random(seed)
    gaps: dict[str, list[float]] = {}
    with running(nodes) as ensemble:
        hosts = each_node(ensemble)
        async with Client(ensemble.hosts, timeout=TIMEOUT_S) as writer:
            readers = [Client(host, timeout=TIMEOUT_S) for host in hosts for _ in READS]
            for reader in readers:
                await reader.start()
            register = Register(writer, readers)
            await register.start()
            async with Load([*hosts, ensemble.hosts, ensemble.hosts]) as load:
                await load.progress()
                await strikes(say, Faults(ensemble, rng), load, seconds, gaps)
                await register.stop()
                await load.settle()
                verdicts = await load.verdicts(hosts)
                broken = load.broken
            for reader in readers:
                await reader.close()
        await in_thread(agreed, ensemble)
    bad = [str(verdict) for verdict in verdicts if not verdict.good]
    violations = (*broken, *register.violations, *bad)
    return Report(seed, gaps, bad[0] if bad else str(verdicts[0]), dict(register.reads), violations)


async def strikes(say: Say, faults: Faults, load: Load, seconds: float, gaps: dict[str, list[float]]) -> None:
    end = clock() + seconds
    while clock() < end:
        begin = clock()
        name = await faults.strike()
        await in_thread(faults.ensemble.start)
        await in_thread(faults.ensemble.wait_healthy)
        await load.progress()
        gaps.setdefault(name, []).append(longest_gap(load.times, begin, clock()))
        say.line(f"{name}: gap {milliseconds(gaps[name][-1])}")


def table(report: Report) -> str:
    rows = [
        (name, str(len(found)), milliseconds(median(found)), milliseconds(max(found)))
        for name, found in report.gaps.items()
    ]
    lines = [as_table(sorted(rows), ("fault", "times", "median gap", "longest")), f"writes: {report.verdict}"]
    lines.append("reads: " + ", ".join(f"{count} {kind}" for kind, count in sorted(report.reads.items())))
    lines += [f"VIOLATION (seed {report.seed}): {text}" for text in report.violations]
    return "\n".join(lines)
