"""Entries that no door makes, committed all the same: each is executed, answered with an error, and the node lives.

Rules: each row broke every node of the ensemble before it was dealt with; found by `python -m fuzz entries`.
"""

import pytest

from fuzz.subject import BEST, OTHER, Subject, following, serving
from fuzz.values import TIME_MS
from zooweeper.model.entry import Batch, pack_request
from zooweeper.model.errors import BadArguments
from zooweeper.ops.reconfig import Founding, Members
from zooweeper.ops.session import CloseSession, ExpireSession
from zooweeper.zab.messages import Ack, Commit, Forward, Propose

REFUSED = Members.Request(-8, "\ud800", "").encode()
ODD = {
    "closeSession without a session": pack_request(0, 0, 0, CloseSession.code, b""),
    "expireSession without a body": pack_request(0, 0, 0, ExpireSession.code, b""),
    "members refused with half a character": pack_request(0, 0, 0, Founding.code, REFUSED),
}


@pytest.mark.parametrize("name", ODD)
def test_a_follower_lives(name: str) -> None:
    node = following()
    role, first = node.replica.zab.role, node.replica.zab.history.last + 1
    batch = Batch(first, first, TIME_MS, ODD[name])
    node.hear(BEST, Propose(node.attempt, role.epoch, batch, 0), Commit(node.attempt, role.epoch, first))  # type: ignore[union-attr]
    assert node.replica.state.zxid == first
    assert not node.stopped


@pytest.mark.parametrize("name", ODD)
def test_the_leader_lives(name: str) -> None:
    node = serving()
    _acknowledge(node)
    _acknowledge(node)  # the membership, a new leader's first entry
    before = node.replica.state.zxid
    node.hear(OTHER, Forward(21, node.replica.zab.current, 1, ODD[name]))
    _acknowledge(node)
    assert node.replica.state.zxid == before + 1


def _acknowledge(node: Subject) -> None:
    node.hear(OTHER, Ack(21, node.replica.zab.current, node.replica.zab.history.last))


def test_whatever_was_refused_can_be_told() -> None:
    with pytest.raises(BadArguments) as caught:
        Members.Request.decode(REFUSED).decided()
    assert caught.value.about.encode()
