"""Seeds of the simulated world: fixed ones, some that nobody has seen, kept scripts; each seed is the same twice."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from sim.plan import Plan, plan_of
from sim.scenario import run_agreement, run_service

ROOT = Path(__file__).parent.parent.parent
SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.json"))
BUNCH = 25


@pytest.mark.parametrize("first", range(100, 500, BUNCH))
def test_the_service_keeps_its_promises(first: int) -> None:
    for seed in range(first, first + BUNCH):
        outcome = run_service(plan_of(seed))
        assert outcome.violation is None, run_service(plan_of(seed), traced=True).report()


@pytest.mark.parametrize("first", range(100, 150, BUNCH))
def test_the_agreement_keeps_its_promises(first: int) -> None:
    for seed in range(first, first + BUNCH):
        outcome = run_agreement(plan_of(seed))
        assert outcome.violation is None, run_agreement(plan_of(seed), traced=True).report()


def test_seeds_nobody_has_seen() -> None:
    first = random.SystemRandom().randrange(1 << 32)
    print(f"from seed {first}")
    for seed in range(first, first + 2 * BUNCH):
        outcome = run_service(plan_of(seed))
        assert outcome.violation is None, run_service(plan_of(seed), traced=True).report()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: str(script.stem))
def test_what_failed_once_does_not_fail_again(script: Path) -> None:
    outcome = run_service(Plan.from_json(script.read_text()), traced=True)
    assert outcome.violation is None, outcome.report()


def test_a_seed_is_the_same_in_every_process() -> None:
    lines = []
    for hash_seed in ("1", "2"):
        ran = subprocess.run(
            [sys.executable, "-m", "sim", "107"],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        lines.append(ran.stdout)
    assert lines[0] == lines[1]
    assert "trace" in lines[0]


def test_a_trace_does_not_change_what_happens() -> None:
    plan = plan_of(101)
    quiet, traced = run_service(plan), run_service(plan, traced=True)
    assert (quiet.world.steps, quiet.world.now_us) == (traced.world.steps, traced.world.now_us)
    assert quiet.acknowledged == traced.acknowledged > 0
