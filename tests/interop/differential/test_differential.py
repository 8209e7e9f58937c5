"""The comparison itself: a little of it against a real ZooKeeper, and proof that it finds what it is made for."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.interop.differential import wire
from tests.interop.differential.__main__ import compare_seed
from tests.interop.differential.compare import Difference, Tally, play, shrink
from tests.interop.differential.differences import ROWS
from tests.interop.differential.generate import edges, script
from tests.interop.differential.play import Answer, Player
from tests.interop.differential.servers import ROOT, missing, zookeeper, zooweeper
from tests.interop.differential.session import Address
from tests.interop.differential.steps import Step, requests

STEPS = 250
needs_zookeeper = pytest.mark.skipif(bool(missing()), reason=missing())


@needs_zookeeper
@pytest.mark.parametrize(("against", "operations"), [("one", 2500), ("three", 1000)])
def test_every_answer_is_zookeepers(against: str, operations: int) -> None:
    tally = Tally()
    differs = compare_seed(1000, operations, against, tally)
    assert not differs, "\n" + differs
    assert tally.operations >= operations
    assert tally.events > 20


@needs_zookeeper
def test_the_largest_and_the_most_are_zookeepers() -> None:
    with zookeeper() as real, zooweeper(1) as one:
        tally = Tally()
        found = play(Player("ZooKeeper", real), Player("Zooweeper", one), edges(), tally)
    assert found is None, str(found)[-2000:]
    assert tally.events > 5000


def test_the_reasons_stand_in_the_documentation() -> None:
    text = (ROOT / "docs" / "zookeeper-port.md").read_text()
    for row in ROWS:
        assert f"| {row.name} | {row.theirs} | {row.ours} | {row.why} |\n" in text


# ---- ours against ours, with a mistake planted


class Planted(Player):
    """A player with a mistake."""

    def __init__(self, mistake: str, addresses: list[Address]) -> None:
        super().__init__(mistake, addresses)
        self._mistake = MISTAKES[mistake]

    def play(self, step: Step) -> Answer:
        return self._mistake(step, super().play(step))


def lost_event(step: Step, answer: Answer) -> Answer:
    return [item for item in answer if item[1].get("type") != 4]


def event_after_reply(step: Step, answer: Answer) -> Answer:
    mine = [item for item in answer if item[0] == step.session]
    late = [item for item in mine if "event" in item[1]]
    return [item for item in answer if item not in late] + late


def wrong_version(step: Step, answer: Answer) -> Answer:
    if not any(ask.code == wire.SET_DATA for ask in requests(step)):
        return answer
    return [(name, _changed(frame, "version", 1)) for name, frame in answer]


def other_error(step: Step, answer: Answer) -> Answer:
    return [(name, frame | {"error": -110} if frame.get("error") == -111 else frame) for name, frame in answer]


def stale_zxid(step: Step, answer: Answer) -> Answer:
    if not any(ask.code == wire.GET_DATA for ask in requests(step)):
        return answer
    return [(name, frame | {"zxid": "-"} if "reply" in frame else frame) for name, frame in answer]


def _changed(frame: dict[str, Any], key: str, by: int) -> dict[str, Any]:
    return frame | {"stat": frame["stat"] | {key: frame["stat"][key] + by}} if "stat" in frame else frame


MISTAKES = {
    mistake.__name__: mistake for mistake in (lost_event, event_after_reply, wrong_version, other_error, stale_zxid)
}


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[list[Address], list[Address]]]:
    with zooweeper(1) as first, zooweeper(1) as second:
        yield first, second


def test_ours_is_no_other_than_ours(pair: tuple[list[Address], list[Address]]) -> None:
    first, second = Player("first", pair[0]), Player("second", pair[1])
    tally = Tally()
    for number in range(4):
        assert play(first, second, script(2000, number, STEPS), tally) is None
    assert set(tally.explained) <= {"`/zookeeper/config` of a single node"}, "they have other ports"


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_planted_mistake_is_found_and_shrunk(mistake: str, pair: tuple[list[Address], list[Address]]) -> None:
    first, second = Player("first", pair[0]), Planted(mistake, pair[1])

    def again(steps: list[Step]) -> Difference | None:
        return play(first, second, steps, Tally())

    found = next(filter(None, (again(script(3000, number, STEPS)) for number in range(40))), None)
    assert found is not None, "40 scripts did not find it"
    small = shrink(found, again)
    assert len(small.script) <= 10, str(small)
