"""The gates: what must have been seen in a run before its silence means anything.

Rules: pure. A run that breaks a promise FAILs; one that breaks none but misses a gate is INVALID, never green: its
faults did not bite, or nobody was looking. Each gate has a test in which it fails.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from tests.robustness.facts import Facts

OK_SHARE_MIN = 0.2
RATE_MIN = 20.0  # operations a second before the first fault
CHECKED_SHARE_MIN = 0.9


class Verdict(StrEnum):
    PASS = "PASS"
    FAIL = "FAIL"
    INVALID = "INVALID"


@dataclass(frozen=True, slots=True)
class Gate:
    """One condition, and what was measured."""

    name: str
    wanted: str
    measured: str
    ok: bool


def ok_share(facts: Facts) -> Gate:
    ok = sum(count.ok for count in facts.counts.values())
    share = ok / facts.asked if facts.asked else 0.0
    return Gate("operations answered well", f">= {OK_SHARE_MIN:.0%}", f"{share:.1%}", share >= OK_SHARE_MIN)


def rate_before(facts: Facts) -> Gate:
    calm = facts.seconds[1 : int(facts.began_s)]
    rate = sum(second.ok for second in calm) / len(calm) if calm else 0.0
    return Gate("rate before the first fault", f">= {RATE_MIN:g}/s", f"{rate:.0f}/s", rate >= RATE_MIN)


def bitten(facts: Facts) -> Gate:
    blunt = [strike.fault for strike in facts.strikes if strike.bit_s < 0]
    seen = f"{len(facts.strikes) - len(blunt)} of {len(facts.strikes)}"
    ok = bool(facts.strikes) and not blunt
    return Gate("faults seen to bite", "all, at least one", f"{seen}{': not ' if blunt else ''}{', '.join(blunt)}", ok)


def healed(facts: Facts) -> Gate:
    lasting = [strike.fault for strike in facts.strikes if strike.over_s < 0]
    seen = f"{len(facts.strikes) - len(lasting)} of {len(facts.strikes)}"
    return Gate("faults seen to end", "all", f"{seen}{': not ' if lasting else ''}{', '.join(lasting)}", not lasting)


def leaders(facts: Facts) -> Gate:
    """Only asked for when a fault struck that takes the leader away."""
    due = [strike for strike in facts.strikes if strike.new_leader]
    changes = max(0, len(facts.epochs) - 1)
    return Gate("leader changes", ">= 1" if due else "none is due", str(changes), changes >= 1 or not due)


def checked(facts: Facts) -> Gate:
    share = facts.checked / facts.asked if facts.asked else 0.0
    return Gate("operations the checks saw", f">= {CHECKED_SHARE_MIN:.0%}", f"{share:.1%}", share >= CHECKED_SHARE_MIN)


def on_time(facts: Facts) -> Gate:
    ok = facts.fire_s >= facts.planned_s and not facts.trouble
    measured = f"{facts.fire_s:.1f} s" + (f", {facts.trouble}" if facts.trouble else "")
    return Gate("planned time reached", f">= {facts.planned_s:g} s", measured, ok)


GATES: tuple[Callable[[Facts], Gate], ...] = (ok_share, rate_before, bitten, healed, leaders, checked, on_time)


def judge(facts: Facts) -> tuple[Verdict, list[Gate]]:
    gates = [gate(facts) for gate in GATES]
    if facts.violations:
        return Verdict.FAIL, gates
    return Verdict.PASS if all(gate.ok for gate in gates) else Verdict.INVALID, gates
