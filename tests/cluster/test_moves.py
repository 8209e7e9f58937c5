"""A session that moves between nodes over the ZooKeeper port: a short run of the bar, and mistakes that it must see."""

from random import Random

import pytest

from bench.bars.moves import move
from bench.moving import Broken, Changer, Mover
from bench.rig import running

ROUNDS = 12


class Forgetful(Mover):
    """Sets no watch again after a move."""

    def rearm(self) -> None:
        self._armed, armed = {}, self._armed
        super().rearm()
        self._armed = armed


class Confused(Mover):
    """Does not know what it has seen."""

    def rearm(self) -> None:
        self._left.seen = 0
        super().rearm()


class Absent(Mover):
    """Loses an ephemeral and does not know it."""

    def rearm(self) -> None:
        super().rearm()
        self._ephemerals.append("/moving/own/never")


def moves(kind: type[Mover]) -> None:
    with running(3) as ensemble:
        addresses = [member.wire for member in ensemble.members]
        changer, mover, rng = Changer(addresses[0]), kind(addresses[0]), Random(7)
        for round in range(ROUNDS):
            at = round % len(addresses)
            move(mover, changer, round, [*addresses[at:], *addresses[:at]], rng)
        assert mover.events > ROUNDS
        mover.close(changer)


def test_nothing_is_lost_or_doubled() -> None:
    moves(Mover)


@pytest.mark.parametrize(
    ("kind", "what"), [(Forgetful, "0 events, 1 due"), (Confused, "1 events, 0 due"), (Absent, "ephemerals lost")]
)
def test_a_mistake_is_seen(kind: type[Mover], what: str) -> None:
    with pytest.raises(Broken, match=what):
        moves(kind)
