"""Every target for a moment: inputs that are always the same, and some that never were.

Rules: counts of inputs, not seconds, so that a failure here fails everywhere. A failure prints the command that
repeats it.
"""

import random

import pytest

from fuzz.harness import Fuzzer
from fuzz.table import TARGETS

FIXED_SEED = 20_261
INPUTS = {
    "requests": 10_000,
    "results": 10_000,
    "peers": 1_200,
    "entries": 300,
    "reports": 10_000,
    "images": 1_000,
    "sheets": 5_000,
    "folders": 300,
    "records": 300,
    "doors": 200,
    "unary": 600,
    "http2": 10_000,
    "wire": 400,
    "proofs": 3_000,
    "answers": 350,
    "settings": 250,
    "grades": 3_000,
}


def test_every_target_has_its_share() -> None:
    assert INPUTS.keys() == TARGETS.keys()


@pytest.mark.parametrize("name", TARGETS)
def test_the_same_inputs(name: str) -> None:
    finding = Fuzzer(TARGETS[name], FIXED_SEED).run(INPUTS[name])
    assert finding is None, str(finding)


@pytest.mark.parametrize("name", TARGETS)
def test_new_inputs(name: str) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"python -m fuzz {name} --seed {seed} --inputs {INPUTS[name]}")
    fuzzer = Fuzzer(TARGETS[name], seed)
    seeds = len(fuzzer.target.seeds())  # those that the test above has tried
    fuzzer.skip(seeds)
    finding = fuzzer.run(INPUTS[name] // 4)
    assert finding is None, str(finding)


@pytest.mark.parametrize("name", TARGETS)
def test_valid_inputs_are_taken(name: str) -> None:
    """A target that refuses everything would find nothing."""
    target = TARGETS[name]
    fuzzer = Fuzzer(target, 1)
    assert fuzzer.run(min(len(target.seeds()), 40)) is None
    refused = [label for label in fuzzer.labels if isinstance(label, tuple) and label[0] in ("refused", "Refused")]
    assert len(refused) < len(fuzzer.labels)
