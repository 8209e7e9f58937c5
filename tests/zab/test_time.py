"""What a node makes of time: silent voters, a process that stood still, a node that has lost its memory."""

import pytest

from sim.members import membership
from zooweeper.model.config import Timing
from zooweeper.model.durable import Recovered
from zooweeper.ops.reconfig import membership_of
from zooweeper.zab.events import PeerUp, Received, Tick
from zooweeper.zab.messages import FollowerInfo, Vote
from zooweeper.zab.peer import QUIET_SILENCES, Peer
from zooweeper.zab.vote import State

TIMING = Timing()
BEGIN_MS = 1_000_000


def peer_of(voting: bool = True) -> Peer:
    """Node 1 of three, connected to both others, at BEGIN_MS."""
    peer = Peer(1, membership((1, 2, 3)), TIMING, Recovered(0, 0, 0, iter(()), 0, (), [], voting), 1, membership_of)
    peer.step(Tick(BEGIN_MS, 0))
    peer.step(PeerUp(2))
    peer.step(PeerUp(3))
    return peer


def looks(choice: int, eligible: bool = True) -> Vote:
    return Vote(int(State.LOOKING), 0, 0, eligible, choice, False)


def leads(leader: int) -> Vote:
    return Vote(int(State.LEADING), 0, 0, True, leader, False)


def pass_by(peer: Peer, milliseconds: int) -> None:
    end_ms = peer.now_ms + milliseconds
    while peer.now_ms < end_ms:
        peer.step(Tick(min(end_ms, peer.now_ms + TIMING.tick_ms), 0))


@pytest.mark.parametrize("silent", [False, True])
def test_who_is_silent_is_not_elected_by_what_it_said_before(silent: bool) -> None:
    peer = peer_of()
    peer.step(Received(3, looks(0)))
    if silent:
        pass_by(peer, TIMING.silence_ms + 2 * TIMING.tick_ms)
    peer.step(Received(2, looks(3)))
    pass_by(peer, 2 * TIMING.finalize_ms)
    assert (peer.leader == 3) is not silent


def test_who_stood_still_looks_at_the_time_before_it_counts_anybody() -> None:
    peer = peer_of()
    peer.step(Received(2, looks(1, eligible=False)))
    peer.step(Received(3, looks(1, eligible=False)))
    assert peer.state is State.LEADING
    peer.step(Received(2, FollowerInfo(7, 0, True)))
    assert sorted(peer.role.learners) == [2]  # type: ignore[union-attr]
    peer.now_ms += TIMING.silence_ms + 1  # no tick came: the process was stopped
    peer.step(Received(3, FollowerInfo(9, 0, True)))
    assert 2 not in getattr(peer.role, "learners", {})


def test_without_memory_nobody_is_followed_for_a_while() -> None:
    peer = peer_of(voting=False)
    quiet_ms = QUIET_SILENCES * TIMING.silence_ms
    while peer.now_ms < BEGIN_MS + quiet_ms - TIMING.tick_ms:
        pass_by(peer, TIMING.tick_ms)
        peer.step(Received(3, leads(3)))
        assert peer.state is State.LOOKING
    pass_by(peer, TIMING.tick_ms)
    peer.step(Received(3, leads(3)))
    assert peer.leader == 3
