"""The command says in its exit code what the reports say, and refuses what it does not know."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.robustness import __main__ as command
from tests.robustness.facts import Facts
from tests.robustness.report import verdict_in, write
from tests.robustness.run import Options
from tests.robustness.test_gates import blunt, good


def broken(facts: Facts) -> None:
    facts.violations = ["durability: acknowledged and not committed"]


def nothing(facts: Facts) -> None: ...


def done(folder: Path, seed: int, spoil: Callable[[Facts], None]) -> command.Done:
    facts = good()
    spoil(facts)
    return command.Done(Options(seed=seed), facts, verdict_in(write(facts, folder / str(seed))), folder)


@pytest.mark.parametrize(
    ("spoilt", "exit_code", "words"),
    [
        ({}, 0, "20 runs, 100% valid, 0 failed"),
        ({3: blunt}, 0, "20 runs, 95% valid, 0 failed"),
        ({3: blunt, 4: blunt}, 3, "20 runs, 90% valid, 0 failed"),
        ({7: broken}, 1, "VIOLATION (seed 7): durability"),
    ],
)
def test_a_campaign_is_as_good_as_its_runs(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    spoilt: dict[int, Callable[[Facts], None]],
    exit_code: int,
    words: str,
) -> None:
    runs = [done(tmp_path, seed, spoilt.get(seed, nothing)) for seed in range(20)]
    assert command.conclude(runs, tmp_path) == exit_code
    assert words in capsys.readouterr().out


def test_rounds_make_up_the_count() -> None:
    assert list(command.shares(120)) == [50, 50, 20]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "--faults", "earthquake"], "earthquake"),
        (["kills", "--count", "0"], "not a number from 1"),
        (["run", "--nodes", "2"], "--nodes"),
        ([], "command"),
    ],
)
def test_what_it_does_not_know_is_one_clear_line(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        command.parser().parse_args(arguments)
    assert ended.value.code == 2
    assert words in capsys.readouterr().err.splitlines()[-1]
