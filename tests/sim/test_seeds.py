"""Seeds of the simulated world: fixed ones, one by chance, and the same seed twice."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from sim.scenario import run_agreement, run_service

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("seed", [19, *range(100, 122)])
def test_the_service_keeps_its_promises(seed: int) -> None:
    outcome = run_service(seed)
    assert outcome.violation is None, outcome.report()


@pytest.mark.parametrize("seed", [*range(100, 106), 1052, 1121])
def test_the_agreement_keeps_its_promises(seed: int) -> None:
    outcome = run_agreement(seed)
    assert outcome.violation is None, outcome.report()


def test_a_seed_nobody_has_seen() -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    outcome = run_service(seed)
    print(f"seed {seed}")
    assert outcome.violation is None, outcome.report()


def test_a_seed_is_the_same_in_every_process() -> None:
    lines = []
    for hash_seed in ("1", "2"):
        ran = subprocess.run(
            [sys.executable, "-m", "sim", "7"],
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
