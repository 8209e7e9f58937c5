"""The tables of zab: every input has one row, every role knows every message."""

from itertools import product

import pytest

from zooweeper.zab import catchup, messages
from zooweeper.zab.catchup import Mode, decide
from zooweeper.zab.following import Following
from zooweeper.zab.leading import Leading
from zooweeper.zab.looking import Looking


def test_catchup_has_exactly_one_row_for_every_input() -> None:
    for inputs in product((False, True), repeat=5):
        assert len(catchup.matching(inputs)) == 1, inputs


@pytest.mark.parametrize(
    ("common", "base", "last", "learner_last", "executed", "mode"),
    [
        (0, 0, 0, 0, 0, Mode.DIFF),  # two empty ones
        (0, 0, 9, 0, 0, Mode.DIFF),  # a new learner, all in memory
        (0, 5, 9, 0, 0, Mode.SNAP),  # a new learner, too late for that
        (9, 5, 9, 9, 9, Mode.DIFF),  # equal
        (7, 5, 9, 7, 7, Mode.DIFF),
        (7, 5, 7, 8, 7, Mode.TRUNC),
        (7, 5, 9, 8, 7, Mode.TRUNC_DIFF),
        (3, 5, 9, 3, 3, Mode.SNAP),
        (3, 5, 9, 4, 3, Mode.SNAP),
        (7, 5, 9, 8, 8, Mode.REFUSE),  # it executed what the leader does not have
    ],
)
def test_catchup_cases(common: int, base: int, last: int, learner_last: int, executed: int, mode: Mode) -> None:
    assert decide(common, base, last, learner_last, executed) is mode


@pytest.mark.parametrize("role", [Looking, Following, Leading])
def test_a_role_handles_or_ignores_every_message(role: type[Looking] | type[Following] | type[Leading]) -> None:
    assert not role.HANDLERS.keys() & role.IGNORED.keys()
    assert role.HANDLERS.keys() | role.IGNORED.keys() == set(messages.MESSAGES)
    assert all(role.IGNORED.values()), "each with its reason"
