"""ELECTION: find the node that should lead (Zab phase 0).

Rules: every node tells every connected peer its own history and whom it would follow; it would follow the best of
those it hears *directly*, so a vote never travels through a third node, cannot name one that is gone, and needs no
rounds (docs/decisions). It is a pre-vote by nature: no epoch is consumed and nobody who follows a living leader is
disturbed, whatever a returning node says. A quorum of equal choices decides; at once when all connected voters agree,
else after `finalize_ms`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from zooweeper.zab import messages
from zooweeper.zab.messages import FollowerInfo, Vote
from zooweeper.zab.vote import Phase, State, knows_more, rank

if TYPE_CHECKING:
    from zooweeper.zab.peer import Peer


class Looking:
    """Votes until a leader is found."""

    __slots__ = ("agreed_ms", "choice", "favoured", "offered_ms", "peer", "told")

    state = State.LOOKING
    phase = Phase.ELECTION
    leader = 0

    holding = False

    def __init__(self, peer: Peer, favoured: bool) -> None:
        self.peer = peer
        self.favoured = favoured  # told with our vote, so that the order is the same for all who hear it (ZK-1419)
        self.choice = 0
        self.agreed_ms: int | None = None  # since when a quorum agrees with us
        self.told: Vote | None = None  # our vote as the peers know it
        self.offered_ms = peer.now_ms  # since when we are our own choice

    def start(self) -> None:
        """Called once, when this is the role."""
        self.peer.forget_the_silent()
        self._evaluate()

    def on_tick(self) -> None:
        self.told = None  # say it again, whoever missed it
        peer = self.peer
        if self.choice != peer.id or peer.doubted:
            self.offered_ms = peer.now_ms
        elif peer.now_ms - self.offered_ms > peer.timing.discovery_ms:
            peer.doubt()
        peer.forget_the_silent()
        self._evaluate()

    def on_vote(self, sender: int, vote: Vote) -> None:
        self._evaluate()

    def on_peers(self) -> None:
        self._evaluate()

    def on_peer_down(self, peer: int) -> None:
        self._evaluate()

    def on_hand_off(self) -> None:
        """Nothing to hand over."""

    def on_members(self) -> None:
        """Looked at with every vote."""

    def on_follower_info(self, sender: int, message: FollowerInfo) -> None:
        """It saw the quorum before we did; kept until we see it too."""
        self.peer.infos[sender] = message

    def flush(self) -> None:
        """Nothing waits to be sent."""

    def _evaluate(self) -> None:
        peer = self.peer
        leader = self._established()
        if leader:  # before our choice among those who look is told: it would make the leader doubt us
            peer.become_following(leader)
            return
        ours = peer.vote()
        known = {id: vote for id, vote in peer.up.items() if vote}
        candidates = [(id, vote) for id, vote in known.items() if vote.state == State.LOOKING and vote.eligible]
        if peer.eligible:
            candidates.append((peer.id, ours))
        ranks = [rank(vote, id) for id, vote in candidates if self._could_lead(vote)]
        self.choice = max(ranks)[-1] if ranks and peer.voting else 0
        vote = peer.vote()
        if vote != self.told:
            self.told = vote
            peer.broadcast_vote()
        if self.choice:
            # Who follows our choice already agrees as well. Otherwise: 1. A waits for C's word, B does not and follows
            # A; 2. A misses B's vote and waits for ever, B gives up, looks, and follows before A has looked again. But
            # who knows more than our choice does not go on following: it said so before it learned of the try's end.
            chosen = known.get(self.choice, ours)
            self._maybe_decide(
                [
                    id
                    for id, vote in known.items()
                    if vote.choice == self.choice
                    and (
                        vote.state == State.LOOKING or (vote.state == State.FOLLOWING and not knows_more(vote, chosen))
                    )
                ]
            )

    def _could_lead(self, candidate: Vote) -> bool:
        """Without those who are known to know more than it does, there is still a quorum."""
        peer = self.peer
        votes = {peer.id: peer.vote(), **peer.up}
        more = [id for id, vote in votes.items() if vote and knows_more(vote, candidate)]
        return peer.memberships.leave_quorum(more)

    def _established(self) -> int:
        """A connected peer that leads; of several that claim to, the one with more followers."""
        claims = [id for id, vote in self.peer.up.items() if vote and vote.state == State.LEADING]
        followers = [vote.choice for vote in self.peer.up.values() if vote and vote.state == State.FOLLOWING]
        return max(claims, key=lambda id: (followers.count(id), id), default=0)

    def _maybe_decide(self, agreeing: list[int]) -> None:
        peer = self.peer
        if not peer.memberships.is_quorum([peer.id, *agreeing]):
            self.agreed_ms = None
            return
        if self.agreed_ms is None:
            self.agreed_ms = peer.now_ms
        everybody = all(id in agreeing for id in peer.up if peer.memberships.is_voter(id))
        if not everybody and peer.now_ms - self.agreed_ms < peer.timing.finalize_ms:
            return
        if self.choice == peer.id:
            peer.become_leading()
        else:
            peer.become_following(self.choice)

    HANDLERS: ClassVar[dict[type, Callable[[Any, int, Any], None]]] = {FollowerInfo: on_follower_info}
    IGNORED: ClassVar[dict[type, str]] = {
        Vote: "taken by Peer",
        **dict.fromkeys(
            (message for message in messages.MESSAGES if message not in (FollowerInfo, Vote)),
            "of an association that this node has left",
        ),
    }
