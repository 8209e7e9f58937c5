"""What a node makes of time: silent voters, a process that stood still, a node that has lost its memory."""

from itertools import groupby

import pytest

from sim.members import membership
from zooweeper.model.config import Timing
from zooweeper.model.durable import Recovered
from zooweeper.ops.reconfig import membership_of
from zooweeper.zab.events import PeerUp, Received, Tick
from zooweeper.zab.messages import AckEpoch, AckNewLeader, FollowerInfo, NewEpoch, Ping, Vote
from zooweeper.zab.peer import DOUBTED_TRIES, QUIET_SILENCES, Peer
from zooweeper.zab.vote import Phase, State

TIMING = Timing()
BEGIN_MS = 1_000_000


def peer_of(voting: bool = True) -> Peer:
    """Node 1 of three, connected to both others, at BEGIN_MS."""
    peer = Peer(1, membership((1, 2, 3)), TIMING, recovered(voting), 1, membership_of)
    peer.step(Tick(BEGIN_MS, 0))
    peer.step(PeerUp(2))
    peer.step(PeerUp(3))
    return peer


def recovered(voting: bool = True) -> Recovered:
    """What a node finds on an empty disk."""
    return Recovered(0, 0, 0, iter(()), 0, (), [], voting)


def asked(peer: Peer) -> int:
    """The try in which it asked its leader to be followed."""
    (info,) = [message for _, message in peer.take().now if isinstance(message, FollowerInfo)]
    return info.attempt


def lead(peer: Peer, followers: tuple[int, ...]) -> int:
    """Establishes an epoch with these, and returns it."""
    for one in followers:
        peer.step(Received(one, FollowerInfo(1, 0, True)))
    written(peer)
    for one in followers:
        peer.step(Received(one, AckEpoch(1, peer.accepted, True, 0, 0, (), 0)))
    written(peer)
    for one in followers:
        peer.step(Received(one, AckNewLeader(1, peer.accepted, 0)))
    assert peer.phase is Phase.BROADCAST
    return peer.accepted


def written(peer: Peer) -> None:
    """The disk is done, and what it says to itself arrives."""
    for to, message in peer.take().after:
        if to == peer.id:
            peer.step(Received(to, message))


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


def test_a_doubt_passes_though_nobody_better_is_found() -> None:
    """Else a node that was not heard for a while, and has the most recent history, stays the last choice of those who
    hear it well by now, while they try others in vain."""
    peer = peer_of()
    doubted = []
    for _ in range(DOUBTED_TRIES * 5):
        doubted.append(peer.vote().doubted)
        for _ in range(TIMING.discovery_ms // TIMING.tick_ms + 2):
            pass_by(peer, TIMING.tick_ms)
            peer.step(Received(2, looks(0, eligible=False)))
            peer.step(Received(3, looks(0, eligible=False)))
    assert peer.state is State.LOOKING and peer.role.choice == 1
    assert doubted[:2] == [False, True]
    assert [len(list(times)) for value, times in groupby(doubted[2:]) if not value][:-1] == [1, 1]


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


def test_without_memory_a_voter_promises_nothing_for_a_while() -> None:
    """It may have promised something else before it forgot; who goes by that does so for four silences at most."""
    peer = peer_of(voting=False)
    peer.step(Received(3, leads(3)))
    assert peer.leader == 3
    attempt = asked(peer)
    peer.step(Received(3, NewEpoch(attempt, 5)))
    while peer.now_ms < BEGIN_MS + QUIET_SILENCES * TIMING.silence_ms - TIMING.tick_ms:
        assert (peer.leader, peer.accepted, peer.phase) == (3, 0, Phase.DISCOVERY)
        pass_by(peer, TIMING.tick_ms)
        peer.step(Received(3, Ping(attempt, 5, 1, 0)))
    pass_by(peer, TIMING.tick_ms)
    assert (peer.accepted, peer.phase) == (5, Phase.SYNCHRONIZATION)


@pytest.mark.parametrize(("voting", "observes"), [(False, True), (True, False), (True, True)])
def test_who_has_its_memory_or_no_vote_promises_at_once(voting: bool, observes: bool) -> None:
    peer = peer_of(voting)
    peer.step(Received(3, leads(3)))
    peer.step(Received(3, NewEpoch(asked(peer), 5, observes)))
    assert (peer.accepted, peer.phase) == (5, Phase.SYNCHRONIZATION)


@pytest.mark.parametrize("looks_for_another", [False, True])
def test_an_invitation_ends_with_the_try(looks_for_another: bool) -> None:
    peer = peer_of(voting=False)
    peer.step(Received(3, leads(3)))
    peer.step(Received(3, NewEpoch(asked(peer), 5)))
    if looks_for_another:
        peer.step(Received(3, looks(2)))
        peer.step(Received(2, leads(2)))
        assert peer.leader == 2
    else:
        pass_by(peer, TIMING.discovery_ms + 2 * TIMING.tick_ms)  # the leader says nothing
        assert peer.leader == 0
    pass_by(peer, QUIET_SILENCES * TIMING.silence_ms)
    assert peer.accepted == 0


@pytest.mark.parametrize("voting", [False, True])
def test_who_has_lost_its_memory_keeps_no_leader(voting: bool) -> None:
    """Of five, node 1 leads 2 and 3; both leave, and 4 and 5 come, one of them without memory."""
    peer = Peer(1, membership((1, 2, 3, 4, 5)), TIMING, recovered(), 1, membership_of)
    peer.step(Tick(BEGIN_MS, 0))
    for other in (2, 3, 4, 5):
        peer.step(PeerUp(other))
        peer.step(Received(other, looks(1, eligible=False)))
    epoch = lead(peer, (2, 3))
    for other, memory in ((4, voting), (5, True)):
        peer.step(Received(other, FollowerInfo(1, 0, memory)))
    for other in (2, 3):
        peer.step(Received(other, looks(other)))
    pass_by(peer, TIMING.tick_ms)
    assert (peer.state is State.LEADING) is voting
    assert peer.accepted == epoch
