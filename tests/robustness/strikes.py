"""One fault after the other, each seen to begin, to bite, to end and to be over; and what was seen.

Rules: which faults strike, whom, and for how long is drawn from the seed. A fault that is not seen to bite, or to be
over, within its time is written down so; whether that spoils the run is for the gates (gates.py).
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from tests.robustness.bed import Bed
from tests.robustness.faults import Fault
from tests.robustness.load import Load
from tests.robustness.troubles import Site, Trouble
from tests.robustness.world import RealWorld

BITE_S = 15.0
OVER_S = 60.0
POLL_S = 0.05
REST_S = (0.8, 2.5)  # between two faults
in_thread = asyncio.to_thread
Tell = Callable[[str], None]


@dataclass(slots=True)
class Strike:
    """What became of one fault. Times are seconds since the run began; -1: never."""

    fault: str
    family: str
    victims: tuple[int, ...]
    began_s: float
    bit_s: float = -1.0
    ended_s: float = -1.0
    over_s: float = -1.0
    evidence: str = ""  # that it bit
    healed: str = ""  # that it was over
    new_leader: bool = False  # one was due
    majority: bool = True  # was left whole
    gap_s: float = 0.0  # the longest time without an answered write around it


class Striker:
    """Does the harm of one run."""

    def __init__(self, bed: Bed, world: RealWorld, load: Load, faults: Sequence[Fault], tell: Tell) -> None:
        self.bed = bed
        self.world = world
        self.load = load
        self.faults = list(faults)
        self.strikes: list[Strike] = []
        self._tell = tell
        self._chance = world.chance("strikes")
        self._deck: list[Fault] = []

    async def run(self, until_s: float, victims: int = 0) -> None:
        """Faults until that time of the world, and until so many nodes were struck. EnsembleError when the ensemble
        does not come back."""
        while self.faults and (self.world.now_s < until_s or self.struck < victims):
            await self.strike(self._draw())
            await in_thread(self.bed.wait_complete, OVER_S)
            await asyncio.sleep(self._chance.uniform(*REST_S))
        await asyncio.sleep(max(0.0, until_s - self.world.now_s))

    @property
    def struck(self) -> int:
        """Nodes, each time they were a victim."""
        return sum(len(strike.victims) for strike in self.strikes)

    def _draw(self) -> Fault:
        """Every fault once, in any order, before one comes again."""
        if not self._deck:
            self._deck = list(self.faults)
            self._chance.shuffle(self._deck)
        return self._deck.pop()

    async def strike(self, fault: Fault) -> Strike:
        chance = Random(self._chance.getrandbits(32))
        leader = (await in_thread(self.bed.health)).leader
        victims = tuple(fault.whom(self.bed.ids, (leader and leader.id) or self.bed.ids[0], chance))
        lasts_s = chance.uniform(*fault.seconds)
        trouble = fault.make(Site(self.bed, victims, chance))
        strike = Strike(fault.name, fault.family, victims, self.world.now_s)
        strike.new_leader, strike.majority = fault.new_leader, fault.majority
        self.strikes.append(strike)
        self._tell(f"{strike.began_s:6.1f} s  {fault.name}, {', '.join(map(str, victims))}")
        await in_thread(trouble.begin)
        strike.evidence = await self._see(trouble.bites, BITE_S, fault.wants_writes)
        strike.bit_s = self.world.now_s if strike.evidence else -1.0
        await asyncio.sleep(max(0.0, strike.began_s + lasts_s - self.world.now_s))
        await self._end(trouble, strike)
        return strike

    async def _end(self, trouble: Trouble, strike: Strike) -> None:
        await in_thread(trouble.end)
        strike.ended_s = self.world.now_s
        strike.healed = await self._see(trouble.over, OVER_S, False)
        strike.over_s = self.world.now_s if strike.healed else -1.0
        seen = strike.evidence or "NOT SEEN TO BITE"
        self._tell(f"{self.world.now_s:6.1f} s    {seen}; {strike.healed or 'NOT SEEN TO END'}")

    async def _see(self, look: Callable[[], str], limit_s: float, writes: bool) -> str:
        """The evidence, as soon as there is some."""
        deadline = self.world.now_s + limit_s
        while True:
            seen = await in_thread(look)
            if seen or self.world.now_s > deadline:
                return seen
            if writes:
                self.load.fat_write()
            await asyncio.sleep(POLL_S)
