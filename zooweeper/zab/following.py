"""FOLLOWING: promise the leader's epoch, take over its history, then log what it proposes (Zab phases 1-3, follower).

Rules: only messages of this leader and this try (`attempt`) count. The order of durability is the order of the disk
list: history first, then currentEpoch, then the acknowledgement of NEWLEADER (ZK-4643, ZK-3911); acknowledgements of
proposals leave after it (ZK-4685), since all of them leave through `after`, in order. What does not fit ends the
try; nothing is patched up.

    DISCOVERY: FollowerInfo → · ← NewEpoch · AckEpoch →
    SYNCHRONIZATION: ← Sync or SnapBegin, SnapChunk… · ← Propose… · ← NewLeader · AckNewLeader →
    BROADCAST: ← UpToDate · ← Propose · Ack → · ← Commit · ← Ping · Pong →
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from zooweeper.model import durable
from zooweeper.model.members import parse
from zooweeper.model.zxid import epoch_of, follows, show
from zooweeper.zab.messages import (
    Ack,
    AckEpoch,
    AckNewLeader,
    BarrierAnswer,
    BarrierAsk,
    Commit,
    Diverged,
    FollowerInfo,
    Forward,
    HandOver,
    NewEpoch,
    NewLeader,
    Ping,
    Pong,
    Propose,
    SnapAck,
    SnapBegin,
    SnapChunk,
    Sync,
    UpToDate,
    Vote,
)
from zooweeper.zab.vote import Phase, State

if TYPE_CHECKING:
    from zooweeper.zab.peer import Peer


class Following:
    """One try of following one leader."""

    __slots__ = (
        "_ack_due",
        "_acking",
        "_chunks",
        "_invitation",
        "_led",
        "_snapshot",
        "attempt",
        "epoch",
        "heard_ms",
        "leader",
        "peer",
        "phase",
    )

    state = State.FOLLOWING
    HANDLERS: ClassVar[dict[type, Callable[[Any, int, Any], None]]]
    IGNORED: ClassVar[dict[type, str]] = {
        Vote: "taken by Peer",
        FollowerInfo: "for a leader; the sender learns from our vote whom we follow",
        **dict.fromkeys(
            (AckEpoch, SnapAck, AckNewLeader, Ack, Pong, Forward, BarrierAsk), "for a leader; we lead no more"
        ),
    }

    def __init__(self, peer: Peer, leader: int) -> None:
        assert leader != peer.id
        self.peer = peer
        self.leader = leader
        self.phase = Phase.DISCOVERY
        self.attempt = peer.next_attempt()
        self.epoch = 0  # of the leader, once it said so
        self.heard_ms = peer.now_ms
        self._invitation: NewEpoch | None = None  # to be answered when the time of quiet is over
        self._acking = False  # NEWLEADER is acknowledged: proposals are acknowledged one by one from here
        self._ack_due = False
        self._snapshot: SnapBegin | None = None  # being received
        self._chunks = 0  # of it, so far
        vote = peer.up.get(leader)
        self._led = vote is not None and vote.state == State.LEADING  # it said that it leads

    favoured = holding = False

    @property
    def choice(self) -> int:
        return self.leader

    def start(self) -> None:
        """Called once, when this is the role."""
        peer = self.peer
        peer.broadcast_vote()
        peer.send(self.leader, FollowerInfo(self.attempt, peer.accepted, peer.voting))

    def forward(self, count: int, data: bytes) -> None:
        """Send requests to the leader to be ordered."""
        self.peer.send(self.leader, Forward(self.attempt, self.epoch, count, data))

    def barrier(self, token: int) -> None:
        """Ask how far to execute for a read that is not stale; answered in Ready.barriers."""
        self.peer.send(self.leader, BarrierAsk(self.attempt, self.epoch, token))

    # --- time and peers

    def on_tick(self) -> None:
        timing = self.peer.timing
        limit = timing.silence_ms if self.phase is Phase.BROADCAST else timing.discovery_ms
        if self.peer.now_ms - self.heard_ms > limit:
            self.peer.become_looking()
        elif self._invitation is not None:
            self.on_new_epoch(self._invitation)

    def on_vote(self, sender: int, vote: Vote) -> None:
        """The leader may still be looking, as long as it has not seen the quorum that chose it."""
        if sender != self.leader:
            return
        if vote.state == State.LEADING:
            self._led = True
        elif self._led or vote.choice not in (0, sender):
            self.peer.become_looking()

    def on_peers(self) -> None:
        """Somebody else came; we have a leader."""

    def on_peer_down(self, peer: int) -> None:
        if peer == self.leader:
            self.peer.become_looking()

    def on_hand_off(self) -> None:
        """A follower may stop without notice."""

    def on_members(self) -> None:
        """Whoever counts, we follow this leader."""

    def flush(self) -> None:
        """One acknowledgement for all that gathered since the last take; nobody waits for that of what is final."""
        if self._ack_due:
            self._ack_due = False
            ready, history = self.peer.ready, self.peer.history
            ready.after.append((self.leader, Ack(self.attempt, self.epoch, history.last)))
            final = history.committed == history.last
            ready.lazy = final and all(type(record) is durable.Logged for record in ready.disk)

    # --- messages; each handler runs for this leader and this try only

    def on_new_epoch(self, message: NewEpoch) -> None:
        peer = self.peer
        if message.epoch < peer.accepted:
            peer.become_looking()
            return
        quiet = not peer.voting and not message.observes and peer.now_ms < peer.quiet_until_ms
        self._invitation = message if quiet else None
        if quiet:
            return
        promised = message.epoch > peer.accepted and peer.voting
        if message.epoch > peer.accepted:
            peer.accepted = message.epoch
            peer.ready.disk.append(durable.Accepted(message.epoch))
        self.epoch = message.epoch
        self.phase = Phase.SYNCHRONIZATION
        history = peer.history
        ack = AckEpoch(
            self.attempt,
            message.epoch,
            promised,
            peer.current,
            history.last,
            tuple(history.epochs),
            history.committed,
        )
        peer.ready.after.append((self.leader, ack))

    def on_sync(self, message: Sync) -> None:
        history = self.peer.history
        final = max(history.committed, self.peer.memberships.settled.version)
        if message.cut < final:
            self.peer.ready.stop = (
                f"leader {self.leader} wants to cut the log at {show(message.cut)}, "
                f"but {show(final)} is committed here: keep this folder, compare it with the leader's"
            )
        elif not history.ends_at(message.cut):
            self.peer.become_looking()  # inside a batch, or beyond our end
        elif message.cut < history.last:
            self.peer.cut(message.cut)
            self.peer.ready.disk.append(durable.Cut(message.cut))

    def on_snap_begin(self, message: SnapBegin) -> None:
        if message.zxid < self.peer.history.committed or epoch_of(message.zxid) > self.epoch:
            self.peer.become_looking()  # no state of this epoch is behind what is executed here
            return
        self._snapshot, self._chunks = message, 0
        self.peer.ready.state.append(message)
        self.peer.ready.disk.append(durable.SnapshotBegin(message.zxid, message.epochs))

    def on_snap_chunk(self, message: SnapChunk) -> None:
        begun, ready = self._snapshot, self.peer.ready
        if begun is None or message.index != self._chunks:
            self.peer.become_looking()
            return
        self._chunks += 1
        ready.state.append(message)
        if message.final:
            ready.disk.append(durable.SnapshotEnd(begun.zxid, message.index))
            ready.disk.append(durable.Installed(begun.zxid, begun.epochs))
            self.peer.install(begun.zxid, begun.epochs, parse(begun.members) if begun.members else None)
            self._snapshot = None
        else:
            ready.disk.append(durable.SnapshotChunk(begun.zxid, message.index, message.data))
        ready.after.append((self.leader, SnapAck(self.attempt, message.index)))

    def on_propose(self, message: Propose) -> None:
        peer, batch = self.peer, message.batch
        history = peer.history
        epoch = epoch_of(batch.first)
        known = epoch == self.epoch or (epoch < self.epoch and not self._acking)  # older ones: of the initial history
        if self._snapshot is not None or not known or not follows(history.last, batch.first):
            peer.become_looking()  # a gap: the stream lost something
            return
        peer.append(batch)
        peer.ready.disk.append(durable.Logged(batch, history.committed))
        self._ack_due = self._acking
        if self.phase is Phase.BROADCAST:
            peer.commit(min(message.committed, history.last))
            history.trim(history.committed)

    def on_new_leader(self, message: NewLeader) -> None:
        peer = self.peer
        if peer.history.last != message.last or message.epoch != peer.accepted or self._snapshot is not None:
            peer.become_looking()
            return
        peer.current = message.epoch
        peer.voting = True  # it holds the initial history and the epoch now, whatever its disk had lost
        peer.ready.disk.append(durable.Current(message.epoch))
        peer.ready.after.append((self.leader, AckNewLeader(self.attempt, message.epoch, message.last)))
        self._acking = True

    def on_up_to_date(self, message: UpToDate) -> None:
        self.phase = Phase.BROADCAST
        self.peer.commit(min(message.committed, self.peer.history.last))

    def on_commit(self, message: Commit) -> None:
        self.peer.commit(min(message.committed, self.peer.history.last))

    def on_ping(self, message: Ping) -> None:
        peer = self.peer
        peer.send(self.leader, Pong(self.attempt, self.epoch, message.round, peer.report))
        peer.report = b""
        if self.phase is Phase.BROADCAST:
            peer.commit(min(message.committed, peer.history.last))

    def on_hand_over(self, message: HandOver) -> None:
        self.peer.become_looking(favoured=message.target == self.peer.id)

    def on_barrier_answer(self, message: BarrierAnswer) -> None:
        self.peer.ready.barriers.append(message)

    def on_diverged(self, message: Diverged) -> None:
        self.peer.ready.stop = (
            f"the state at {show(message.zxid)} differs from that of leader {self.leader}: "
            "keep this folder for inspection, then start the node with an empty one"
        )


Moments = tuple[tuple[Phase, bool], ...]
"""(phase, NEWLEADER is acknowledged): how far a try has come."""

DISCOVERING: Moments = ((Phase.DISCOVERY, False),)
TAKING_OVER: Moments = ((Phase.SYNCHRONIZATION, False),)  # the leader's history
TAKEN_OVER: Moments = ((Phase.SYNCHRONIZATION, True),)
SERVING: Moments = ((Phase.BROADCAST, True),)


def _of_this_try(handler: Callable[[Following, Any], None], moments: Moments) -> Callable[[Any, int, Any], None]:
    """Drop what comes from another node, or belongs to an earlier try. What comes at none of its `moments` (without
    any: it may come at all times), or speaks of another epoch than the one promised, ends the try."""
    promised = moments and moments is not DISCOVERING and handler is not Following.on_snap_chunk

    def guarded(role: Following, sender: int, message: Any) -> None:
        if sender != role.leader or message.attempt != role.attempt:
            return
        role.heard_ms = role.peer.now_ms
        if moments and ((role.phase, role._acking) not in moments or (promised and message.epoch != role.epoch)):
            role.peer.become_looking()
        else:
            handler(role, message)

    return guarded


Following.HANDLERS = {
    message: _of_this_try(handler, moments)
    for message, handler, moments in (
        (NewEpoch, Following.on_new_epoch, DISCOVERING),
        (Sync, Following.on_sync, TAKING_OVER),
        (SnapBegin, Following.on_snap_begin, TAKING_OVER),
        (SnapChunk, Following.on_snap_chunk, TAKING_OVER),
        (Propose, Following.on_propose, TAKING_OVER + TAKEN_OVER + SERVING),
        (NewLeader, Following.on_new_leader, TAKING_OVER),
        (UpToDate, Following.on_up_to_date, TAKEN_OVER),
        (Commit, Following.on_commit, SERVING),
        (HandOver, Following.on_hand_over, SERVING),
        # A leader says these to whoever follows it, however far that one has come in its new try.
        (Ping, Following.on_ping, ()),
        (BarrierAnswer, Following.on_barrier_answer, ()),
        (Diverged, Following.on_diverged, ()),
    )
}
