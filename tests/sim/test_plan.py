"""Plans are values: what is written is read, and a failing plan gets small."""

from dataclasses import replace

import pytest

from sim.plan import Plan, plan_of
from sim.shrink import Shrinker, pieces
from sim.swarm import Ask

ILL = Ask(voters=3, ablation="commit_without_quorum")


def test_a_plan_survives_its_file() -> None:
    plan = plan_of(7)
    assert plan.strikes and plan.doings
    assert Plan.from_json(plan.to_json()) == plan


def test_what_is_drawn_from_can_be_named() -> None:
    plan = plan_of(8, voters=5, nemeses=("pause",), workloads=("registers",))
    assert plan.options.voters == 5
    assert {strike.nemesis for strike in plan.strikes} <= {"pause"}
    assert {doing.workload for doing in plan.doings} == {"registers"}


@pytest.mark.parametrize("text", ["", "{}", '{"seed": 1, "options": {}, "strikes": [], "doings": []}'])
def test_what_is_no_plan_is_refused(text: str) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        Plan.from_json(text)


@pytest.mark.parametrize(("length", "width"), [(0, 1), (1, 1), (7, 3), (8, 4), (5, 9)])
def test_pieces_cover_everything_once(length: int, width: int) -> None:
    assert sorted(at for piece in pieces(length, width) for at in piece) == list(range(length))


def test_a_failing_plan_gets_small_and_fails_in_the_same_way() -> None:
    outcome = next(outcome for seed in range(1, 50) if (outcome := ILL.run(seed)).violation is not None)
    assert outcome.violation is not None
    shrunk = Shrinker(outcome, ILL.run_plan, runs_max=150).shrink()
    again = ILL.run_plan(shrunk.plan)
    assert again.violation is not None
    assert again.violation.check == shrunk.check == outcome.violation.check
    assert len(shrunk.plan.strikes) + len(shrunk.plan.doings) < len(outcome.plan.strikes) + len(outcome.plan.doings)
    assert Ask(voters=3).run_plan(shrunk.plan).violation is None  # it is the safeguard that was missing


def test_a_smaller_plan_meets_the_same_dice() -> None:
    plan = plan_of(9)
    less = replace(plan, strikes=plan.strikes[1:])
    assert [strike.dice for strike in less.strikes] == [strike.dice for strike in plan.strikes[1:]]
    assert less.doings == plan.doings
