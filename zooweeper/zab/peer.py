"""One node's side of the agreement: the durable facts, who is connected, and the role of the moment.

Rules: `step` in, `take` out, like every pure machine here. A role (looking.py, following.py, leading.py) owns only
what that role may have; a change of role makes a new object and drops the old one whole, so nothing stale survives an
election. Messages are dispatched by type through each role's tables: HANDLERS, or IGNORED with the reason; a test
demands that together they are exactly the messages there are.
"""

from collections.abc import Callable
from typing import Any

from zooweeper.model import durable
from zooweeper.model.config import Timing
from zooweeper.model.durable import Recovered
from zooweeper.model.entry import Batch
from zooweeper.model.members import Membership
from zooweeper.zab import events
from zooweeper.zab.following import Following
from zooweeper.zab.history import History
from zooweeper.zab.leading import Leading
from zooweeper.zab.looking import Looking
from zooweeper.zab.memberships import Memberships, Recognize
from zooweeper.zab.messages import FollowerInfo, Message, Vote
from zooweeper.zab.ready import Ready
from zooweeper.zab.vote import Phase, State

DOUBTED_TRIES = 3  # so many failing tries of others a doubt outlasts
QUIET_SILENCES = 4  # after so many nobody counts what an ended process promised: its stream is gone, or was silent


class Peer:
    """step(event), then take(). The batches in `Ready.state` are committed, in order, each once."""

    def __init__(
        self,
        id: int,
        membership: Membership,
        timing: Timing,
        recovered: Recovered,
        attempt: int,
        recognize: Recognize,
    ) -> None:
        """`membership`: of the recovered snapshot's state; without one, of the settings. `attempt`: where this process
        starts to number its tries of following (see messages.py)."""
        self.id = id
        self.timing = timing
        self.accepted = recovered.accepted
        self.current = recovered.current
        self.voting = recovered.voting
        self.history = History(
            recovered.base, recovered.epochs, [logged.batch for logged in recovered.batches], recovered.committed
        )
        self._recognize = recognize
        later = [found for logged in recovered.batches if (found := self._membership(logged.batch))]
        later = [found for found in later if found.version > recovered.snapshot]
        self.memberships = Memberships(membership, later, max(self.history.committed, self.history.penultimate))
        self.now_ms = 0
        self.connected_quorum = self.memberships.is_quorum([id])  # a majority, ourselves included, is connected
        self.up: dict[int, Vote | None] = {}  # connected peers, with the last vote of each
        self.voted_ms: dict[int, int] = {}  # when that came
        self.infos: dict[int, FollowerInfo] = {}  # came before we knew that we lead
        self.epoch_seen = self.accepted  # the highest promise heard of
        self.doubted_until_ms = 0  # our last try to lead has failed
        self.quiet_until_ms = 0  # without memory, we promise nothing before, unless we are sure to have no vote
        self.report = b""  # of the replica, for the next pong
        self.ready = Ready(members=self.memberships.everybody())
        self._attempt = attempt
        self._ticked_ms = 0  # when the role last looked at the time
        self.role: Looking | Following | Leading = Looking(
            self, False
        )  # starts with the first tick, which tells the time

    # --- the face

    def step(self, event: events.Event) -> None:
        """Take in one event."""
        STEPS[type(event)](self, event)

    def take(self) -> Ready:
        """Everything since the last take."""
        self.role.flush()
        ready = self.ready
        if ready:
            self.ready = Ready()
        return ready

    @property
    def state(self) -> State:
        return self.role.state

    @property
    def phase(self) -> Phase:
        return self.role.phase

    @property
    def leader(self) -> int:
        """Whom we follow, or ourselves; 0 while looking."""
        return self.role.leader

    @property
    def serving(self) -> bool:
        """Part of an established epoch: writes can be routed."""
        return self.role.phase is Phase.BROADCAST

    @property
    def voters(self) -> tuple[int, ...]:
        """Of the newest membership."""
        return self.memberships.newest.voters

    # --- events

    def _tick(self, event: events.Tick) -> None:
        self.now_ms = self._ticked_ms = event.now_ms
        if not self.voting and not self.quiet_until_ms:
            self.quiet_until_ms = event.now_ms + QUIET_SILENCES * self.timing.silence_ms
        self.role.on_tick()

    def _received(self, event: events.Received) -> None:
        sender, message = event.peer, event.message
        if self.now_ms - self._ticked_ms > self.timing.silence_ms:  # we stood still: first see who else did not
            self._ticked_ms = self.now_ms
            self.role.on_tick()
        if sender != self.id and sender not in self.up:
            return  # of a stream that is gone
        if type(message) is Vote:
            self._on_vote(sender, message)
        else:
            handler = self.role.HANDLERS.get(type(message))
            if handler is not None:
                handler(self.role, sender, message)
            else:
                assert type(message) in self.role.IGNORED, message

    def _on_vote(self, sender: int, vote: Vote) -> None:
        self.up[sender], self.voted_ms[sender] = vote, self.now_ms
        if self.memberships.confirm(vote.version):
            self._members_moved()
        if vote.state == State.LOOKING:
            self.infos.pop(sender, None)  # it gave up that try
            if self.state is not State.LOOKING:
                self.send(sender, self.vote())
        self.role.on_vote(sender, vote)

    def _peer_up(self, event: events.PeerUp) -> None:
        if event.peer != self.id:
            self.up[event.peer] = None
            self._count_connected()
            self.infos.pop(event.peer, None)
            self.send(event.peer, self.vote())
            self.role.on_peers()

    def _peer_down(self, event: events.PeerDown) -> None:
        if event.peer in self.up:
            del self.up[event.peer]
            self._count_connected()
            self.infos.pop(event.peer, None)
            self.role.on_peer_down(event.peer)

    def _hand_off(self, event: events.HandOff) -> None:
        self.role.on_hand_off()

    # --- what the replica asks for

    def commit(self, zxid: int) -> None:
        """Everything up to `zxid` is committed: hand what is newly so to the state machine."""
        if zxid > self.history.committed:
            self.ready.state.extend(self.history.commit(zxid))
            if self.memberships.pending and self.memberships.commit(self.history.committed):
                self._members_moved()

    # --- for the roles

    def vote(self) -> Vote:
        """Our own, as of now."""
        return Vote(
            int(self.state),
            self.current,
            self.history.last,
            self.eligible,
            self.role.choice,
            self.role.favoured,
            self.doubted,
            self.memberships.settled.version,
        )

    @property
    def eligible(self) -> bool:
        """Fit to lead: a voter in good standing that reaches a quorum."""
        return self.voting and self.connected_quorum and self.memberships.is_voter(self.id)

    @property
    def doubted(self) -> bool:
        """We could have led lately, and nothing came of it."""
        return self.now_ms < self.doubted_until_ms

    def send(self, to: int, message: Message) -> None:
        self.ready.now.append((to, message))

    def forget_the_silent(self) -> None:
        """A vote is worth as long as a leader may be silent: who is asked each tick and says nothing may be gone though
        its stream is not, and must be neither elected nor counted by what it said before."""
        for id, vote in self.up.items():
            if vote and self.now_ms - self.voted_ms[id] > self.timing.silence_ms:
                self.up[id] = None

    def broadcast_vote(self) -> None:
        vote = self.vote()
        for peer in sorted(self.up):
            self.send(peer, vote)

    def doubt(self) -> None:
        """We are the best that some hear, and do not come to lead: a node that is heard, and does not hear well enough,
        would be chosen again and again, and keep a healthy majority from its work (docs/decisions/doubt.md). So for a
        while it is the last choice, by its own word, which keeps the order the same for all who hear it."""
        self.doubted_until_ms = self.now_ms + DOUBTED_TRIES * self.timing.discovery_ms

    def next_attempt(self) -> int:
        self._attempt += 1
        return self._attempt

    # --- the log, and the memberships in it

    def append(self, batch: Batch) -> None:
        """The log grows. A membership counts from here on; what stands behind one confirms it."""
        if self.memberships.pending and self.memberships.commit(self.history.last):
            self._members_moved()
        self.history.append(batch)
        found = self._membership(batch)
        if found is not None:
            self.memberships.append(found)
            self._members_moved()

    def cut(self, zxid: int) -> None:
        """The log ends at `zxid` again."""
        self.history.cut(zxid)
        if self.memberships.cut(zxid):
            self._members_moved()

    def install(self, zxid: int, epochs: durable.Epochs, membership: Membership | None) -> None:
        """A leader's state at `zxid` takes the place of the log."""
        self.history.reset(zxid, epochs)
        self.memberships.reset(membership, zxid)
        self._members_moved()

    def _membership(self, batch: Batch) -> Membership | None:
        return self._recognize(batch) if batch.first == batch.last else None

    def _members_moved(self) -> None:
        self._count_connected()
        self.ready.members = self.memberships.everybody()
        self.role.on_members()

    def _count_connected(self) -> None:
        self.connected_quorum = self.memberships.is_quorum([self.id, *self.up])

    # --- changes of role

    def become_looking(self, favoured: bool = False) -> None:
        """Start an election; `favoured`: as the one to win a tie of histories."""
        # Who was with the leader that we leave now has to say so again: it must neither draw us back
        # (trace:follower_leaves_a_silent_leader) nor elect us once more by what it said before.
        for peer, vote in self.up.items():
            if vote and vote.state != State.LOOKING and vote.choice == self.leader:
                self.up[peer] = None
        self.role = Looking(self, favoured)
        self.role.start()

    def give_up(self) -> None:
        """We were elected, and no epoch came of it."""
        self.doubt()
        self.become_looking()

    def become_following(self, leader: int) -> None:
        self.role = Following(self, leader)
        self.role.start()

    def become_leading(self) -> None:
        self.role = Leading(self)
        self.role.start()


STEPS: dict[type, Callable[[Peer, Any], None]] = {
    events.Tick: Peer._tick,
    events.Received: Peer._received,
    events.PeerUp: Peer._peer_up,
    events.PeerDown: Peer._peer_down,
    events.HandOff: Peer._hand_off,
}
