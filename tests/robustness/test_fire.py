"""Real nodes under fire, for a short while; `python -m tests.robustness` does it for longer, with everything there is.

Rules: the ensemble must survive, and the same run with one safeguard gone must not: syncs that lie, and then a power
cut, is what a node without fsync would be. What this machine cannot do is skipped, with the reason.
"""

import asyncio
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.robustness.abilities import DISKS, SHIM, missing
from tests.robustness.facts import Facts
from tests.robustness.faults import FAULTS, Fault, everybody
from tests.robustness.gates import Verdict, judge
from tests.robustness.report import HTML_NAME, write
from tests.robustness.run import Options, run
from tests.robustness.troubles import PowerCut

LIES = 40  # syncs of each node, so that there is something to lose
PATIENCE_S = 20.0
pytestmark = pytest.mark.timeout(180)


def fire(faults: tuple[Fault, ...], victims: int, seed: int = 1) -> Facts:
    """One run, until so many nodes were struck."""
    options = Options(seconds=0.0, victims=victims, seed=seed, clients=5, warm_up_s=2.0)
    return asyncio.run(run(options, print, faults))


def named(*names: str) -> tuple[Fault, ...]:
    return tuple(FAULTS[name] for name in names)


def passed(facts: Facts) -> None:
    verdict, gates = judge(facts)
    assert verdict is Verdict.PASS, (facts.violations, [str(gate) for gate in gates if not gate.ok])


def test_kill_pause_and_a_one_way_partition(tmp_path: Path) -> None:
    unheard = replace(FAULTS["leader is not heard"], seconds=(3.0, 4.0))  # enough for another leader
    facts = fire((*named("leader killed", "one paused"), unheard), 3)
    passed(facts)
    assert facts.ledger.acknowledged == facts.ledger.recovered > 50
    assert facts.ledger.kills == 1 and len(facts.epochs) >= 2
    write(facts, tmp_path)
    assert "leader is not heard" in (tmp_path / HTML_NAME).read_text()


def test_votes_come_and_go() -> None:
    facts = fire(named("one loses its vote", "leader replaced"), 2)
    passed(facts)
    assert facts.ledger.acknowledged == facts.ledger.recovered > 50


@pytest.mark.skipif(bool(missing(DISKS)), reason=missing(DISKS))
def test_the_power_goes_everywhere() -> None:
    facts = fire(named("power cut at all"), 3)
    passed(facts)
    assert facts.ledger.cuts == 3 and facts.ledger.lost == 0


class LyingPowerCut(PowerCut):
    """Syncs only say that they are done, many of them; then the power goes."""

    def begin(self) -> None:
        shims = [self.site.bed.shims[node] for node in self.site.victims]
        for shim in shims:
            shim.set("sync_lies", 1)
        deadline = time.monotonic() + PATIENCE_S
        while min(shim.get("lied") for shim in shims) < LIES and time.monotonic() < deadline:
            time.sleep(0.01)
        super().begin()
        for shim in shims:
            shim.clear()


@pytest.mark.skipif(bool(missing(DISKS) or missing(SHIM)), reason=missing(DISKS) or missing(SHIM))
def test_without_fsync_writes_are_lost_and_that_is_seen() -> None:
    facts = fire((Fault("lying power cut", "power", everybody, LyingPowerCut, (0.0, 0.1), (DISKS, SHIM)),), 3)
    assert judge(facts)[0] is Verdict.FAIL
    assert facts.ledger.lost > 0, (facts.violations, facts.trouble)
