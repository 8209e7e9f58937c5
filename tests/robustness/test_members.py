"""What counts as evidence that a node has lost its vote, or was replaced; no processes here."""

from dataclasses import dataclass, field
from random import Random
from typing import Any, cast

import pytest

from tests.robustness import members
from tests.robustness.bed import Bed
from tests.robustness.troubles import Site
from zooweeper.cli.settings import PORTS, make_member
from zooweeper.cli.status import NodeStatus
from zooweeper.model.config import Address, Member
from zooweeper.model.members import Membership, of_settings


def member(node: int, observer: bool = False) -> Member:
    return make_member(node, {door: Address("h", 10 * at + node) for at, (door, _) in enumerate(PORTS)}, observer)


@dataclass
class FakeBed:
    """Three nodes; node 2 is the victim."""

    roles: dict[int, str] = field(default_factory=lambda: {1: "leader", 2: "follower", 3: "follower"})
    log: str = ""
    runs: bool = True
    ids: tuple[int, ...] = (1, 2, 3)

    @property
    def ensemble(self) -> "FakeBed":
        return self

    def member(self, node: int) -> Member:
        return member(node)

    def pid(self, node: int) -> int | None:
        return 12 if self.runs else None

    def log_size(self, node: int) -> int:
        return 0

    def log_since(self, node: int, position: int) -> str:
        return self.log

    def rows(self) -> list[NodeStatus]:
        return [
            NodeStatus(id, role, 1, 1, 1, "", "", "", 1, 0, "", phase="broadcast") for id, role in self.roles.items()
        ]


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The changes that the ensemble was asked for; it takes them all."""
    asked: list[str] = []

    def change(bed: Any, joining: str = "", leaving: str = "") -> Membership:
        asked.append(joining or leaving)
        return of_settings(member(node) for node in (1, 2, 3)).changed(joining, leaving, "")

    monkeypatch.setattr(members, "change", change)
    return asked


def site(bed: FakeBed) -> Site:
    return Site(cast(Bed, cast(Any, bed)), (2,), Random(1))


def test_a_vote_is_taken_when_its_node_observes_and_over_when_it_follows_again(taken: list[str]) -> None:
    bed = FakeBed()
    trouble = members.VoteTaken(site(bed))
    trouble.begin()
    assert taken == ["server.2=h:22:12:observer;h:2"] and not trouble.bites()
    bed.roles[2] = "observer"
    assert trouble.bites()
    trouble.end()
    assert not trouble.over()
    bed.roles[2] = "leader"
    assert trouble.over()


def test_a_node_is_replaced_when_it_has_ended_by_itself_for_that_reason(taken: list[str]) -> None:
    bed = FakeBed()
    trouble = members.Replaced(site(bed))
    trouble.begin()
    assert taken == ["2"] and not trouble.bites()
    bed.runs = False
    assert not trouble.bites()
    bed.log = "removed: the ensemble goes on without this node, which ends"
    assert trouble.bites()


def test_a_replaced_node_gets_its_vote_once_it_observes(taken: list[str]) -> None:
    bed = FakeBed()
    trouble = members.Replaced(site(bed))
    trouble.begin()
    trouble.membership = of_settings([member(1), member(2, observer=True), member(3)])
    bed.roles[2] = "looking"
    assert not trouble.over() and len(taken) == 1
    bed.roles[2] = "observer"
    assert not trouble.over() and taken[1:] == ["server.2=h:22:12:participant;h:2"]
    bed.roles[2] = "follower"
    assert trouble.over() and len(taken) == 2
