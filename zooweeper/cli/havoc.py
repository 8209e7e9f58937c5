"""Killing the leader of a running ensemble again and again, and measuring what the writers felt.

Rules: the kill is SIGKILL and the restart is a real restart. A gap is the longest time in which no write anywhere was
acknowledged, as the writers saw it. Blocking calls run on a thread, so that the writers' loop is never held up.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from zooweeper.cli.ensemble import Ensemble
from zooweeper.cli.status import NodeStatus, health

DOWN_S = 0.5  # how long a killed node stays away
SETTLE_S = 30.0
POLL_S = 0.05


@dataclass(slots=True)
class Kill:
    """One kill of a leader and the longest pause between two acknowledgements from then until the next kill."""

    node: int
    epoch: int
    at: float
    gap_s: float = 0.0


@dataclass(slots=True)
class Pulse:
    """When writes were acknowledged."""

    acknowledged: int = 0
    read_back: int = 0  # of them, at the last audit
    lost: int = 0  # of them, at any audit
    kills: list[Kill] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)
    _last: float = 0.0

    def beat(self) -> None:
        """A write was acknowledged just now."""
        now = time.monotonic()
        self.acknowledged += 1
        if self.kills:
            kill = self.kills[-1]
            kill.gap_s = max(kill.gap_s, now - max(self._last, self.began))
        self._last = now

    @property
    def gaps_ms(self) -> list[float]:
        return [kill.gap_s * 1000 for kill in self.kills]


async def kill_leaders(
    ensemble: Ensemble, pulse: Pulse, every_s: float, done: asyncio.Event, tell: Callable[[str], None]
) -> None:
    """Kills whoever leads every `every_s` seconds until `done`; each victim is started again half a second later, and
    has to be back before the next one dies: the ensemble is to lose a minority, again and again, never a majority."""
    while not await done_within(done, every_s):
        verdict = health(await asyncio.to_thread(ensemble.status))
        while not verdict.complete and not await done_within(done, POLL_S):
            verdict = health(await asyncio.to_thread(ensemble.status))
        leader = verdict.leader
        if done.is_set() or leader is None or leader.id is None:
            return
        kill = Kill(leader.id, leader.epoch or 0, time.monotonic())
        pulse.kills.append(kill)
        await asyncio.to_thread(ensemble.kill, leader.id)
        tell(f"killed node {leader.id}, leader of epoch {leader.epoch} (kill -9)")
        await done_within(done, DOWN_S)
        await asyncio.to_thread(ensemble.start, (leader.id,))
        tell(f"started node {leader.id} again; the kill cost {kill.gap_s * 1000:.0f} ms without a write")


async def done_within(done: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await done.wait()
    except TimeoutError:
        return False
    return True


def settle(ensemble: Ensemble) -> list[NodeStatus]:
    """Brings all nodes up and waits until they have executed the same log; returns their rows, equal or not."""
    ensemble.start()
    ensemble.wait_healthy(SETTLE_S)
    deadline = time.monotonic() + SETTLE_S
    while True:
        rows = ensemble.status()
        if len({row.applied for row in rows}) == 1 and all(row.serving for row in rows):
            return rows
        if time.monotonic() > deadline:
            return rows
        time.sleep(0.05)


def one_state(rows: list[NodeStatus]) -> bool:
    """Whether all nodes executed the same log to the same state."""
    return len({(row.applied, row.digest) for row in rows}) == 1 and all(row.up for row in rows)
