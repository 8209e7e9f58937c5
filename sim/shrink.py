"""From a plan that fails to a small one that fails in the same way, to be read and kept.

Rules: only what breaks the same check counts as the same failure. Strikes and doings are taken away in halves, quarters
and one by one (delta debugging); then the options are made plain; and again, until nothing more goes. A smaller plan
meets other chances (delays, gathering), so each is tried under a few seeds of the world.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from sim.plan import Plan
from sim.scenario import Outcome
from sim.world import MS

RUNS_MAX = 2000
SEEDS = 3  # of the world, tried per candidate
PLAIN: tuple[dict[str, Any], ...] = (
    {"wire": False},
    {"shuffle": False},
    {"network": "LAN"},
    {"segment_bytes": 0},
    {"purges": False},
    {"snapshot_entries": 1000},
    {"window_entries": 50_000},
    {"disk_us": 100},
    {"timing": "usual"},
    {"timing": "quick"},
    {"voters": 3},
    {"voters": 1},
    {"observers": 0},
    {"spares": 0},
    {"clients": 1},
    {"clients": 2},
    {"milliseconds": 1500},
)


@dataclass(slots=True)
class Shrunk:
    """What is left, and what it took."""

    plan: Plan
    check: str
    runs: int


class Shrinker:
    """One failure."""

    def __init__(self, outcome: Outcome, run: Callable[[Plan], Outcome], runs_max: int = RUNS_MAX) -> None:
        """`outcome` must have a violation."""
        assert outcome.violation is not None
        self.check = outcome.violation.check
        self.plan = without_the_rest(outcome.plan, outcome.world.now_us)
        self.run = run
        self.runs = 0
        self.runs_max = runs_max
        if not self._still(self.plan):
            self.plan = outcome.plan

    def shrink(self) -> Shrunk:
        """Until nothing more goes, or the runs are used up."""
        before = None
        while before != self.plan and self.runs < self.runs_max:
            before = self.plan
            self._thin("strikes")
            self._thin("doings")
            for changes in PLAIN:
                simpler = plain(self.plan, changes)
                if simpler != self.plan:
                    self._still(simpler)
        return Shrunk(self.plan, self.check, self.runs)

    def _thin(self, name: str) -> None:
        """Take away half of them, quarters, ..., single ones."""
        width = max(1, len(getattr(self.plan, name)) // 2)
        while True:
            for piece in pieces(len(getattr(self.plan, name)), width):
                kept = [thing for at, thing in enumerate(getattr(self.plan, name)) if at not in piece]
                if len(kept) < len(getattr(self.plan, name)):
                    changes: dict[str, Any] = {name: tuple(kept)}
                    self._still(replace(self.plan, **changes))
            if width == 1:
                return
            width //= 2

    def _still(self, plan: Plan) -> bool:
        """Whether it fails in the same way, under one of a few seeds; then it is what we go on with."""
        for more in range(SEEDS):
            if self.runs >= self.runs_max:
                return False
            self.runs += 1
            candidate = replace(plan, seed=plan.seed + more)
            violation = self.run(candidate).violation
            if violation is not None and violation.check == self.check:
                self.plan = candidate
                return True
        return False


def pieces(length: int, width: int) -> Iterator[range]:
    """From the end to the beginning, so that what was taken away does not move what is still to come."""
    for end in range(length, 0, -width):
        yield range(max(0, end - width), end)


def without_the_rest(plan: Plan, until_us: int) -> Plan:
    """Nothing is planned behind the moment of the failure."""
    strikes = tuple(strike for strike in plan.strikes if strike.at_us <= until_us)
    doings = tuple(doing for doing in plan.doings if doing.at_us <= until_us)
    milliseconds = min(plan.options.milliseconds, until_us // MS + 1)
    return replace(plan, strikes=strikes, doings=doings).with_options(milliseconds=milliseconds)


def plain(plan: Plan, changes: dict[str, Any]) -> Plan:
    """The plan with plainer options; whom they leave out does nothing."""
    changed = plan.with_options(**changes)
    options = changed.options
    if options.milliseconds > plan.options.milliseconds or options.clients > plan.options.clients:
        return plan
    doings = tuple(doing for doing in plan.doings if doing.client <= options.clients)
    workloads = tuple(dict.fromkeys(doing.workload for doing in doings)) or options.workloads[:1]
    nemeses = tuple(dict.fromkeys(strike.nemesis for strike in plan.strikes))
    return replace(changed, doings=doings).with_options(workloads=workloads, nemeses=nemeses)
