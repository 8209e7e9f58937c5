"""LEADING: win an epoch, bring a quorum to one history, then broadcast (Zab phases 1-3, leader).

Rules: our own disk is one voter among the others, and votes by mail: what we need durable goes to the disk, and a
message to ourselves comes back when it is. One batch is in flight at a time; the next gathers above us. A commit rides
on the next proposal, or goes alone when there is none; who gets a proposal when is told in broadcasting.py.
Acknowledgements belong to a learner's try and vanish with it.
Whoever leads without hearing a quorum for `silence_ms` stops leading (check-quorum).

    DISCOVERY: FollowerInfo of a quorum → epoch above all promises → NewEpoch · AckEpoch of a quorum, none more recent
    SYNCHRONIZATION: DIFF / TRUNC / SNAP to each (catchup.py), NewLeader · AckNewLeader of a quorum → established
    BROADCAST: Propose · Ack of a quorum → Commit
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from zooweeper.model import durable
from zooweeper.model.entry import Batch
from zooweeper.model.zxid import COUNTER_MAX, EPOCH_MAX, counter_of, epoch_of, make
from zooweeper.zab.broadcasting import Broadcasting
from zooweeper.zab.learner import Learner, Stage, of_its_try
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
from zooweeper.zab.rounds import Rounds
from zooweeper.zab.vote import Phase, State

if TYPE_CHECKING:
    from zooweeper.zab.peer import Peer

INVITATION = 0  # among the tokens of questions, which begin with 1
COUNTER_LAST = COUNTER_MAX - (1 << 20)  # hand over well before the counter would wrap (ZK-1277)


class Leading(Broadcasting):
    """One try of leading, and the epoch won with it."""

    __slots__ = (
        "attempt", "durable", "epoch", "handing_over", "learners", "peer", "phase", "promised", "rounds", "since_ms",
    )  # fmt: skip

    state = State.LEADING
    HANDLERS: ClassVar[dict[type, Callable[[Any, int, Any], None]]]
    IGNORED: ClassVar[dict[type, str]] = {
        Vote: "taken by Peer",
        **dict.fromkeys(
            (Sync, SnapBegin, SnapChunk, Propose, UpToDate, Commit, Ping, HandOver, BarrierAnswer, Diverged),
            "of a leader that this node followed before",
        ),
    }

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.phase = Phase.DISCOVERY
        self.attempt = peer.next_attempt()  # marks our mail to ourselves
        self.epoch = 0  # 0: not chosen yet
        self.promised = False  # our own promise is durable
        self.durable = -1  # the last zxid that our own disk has acknowledged; -1: not even the epoch
        self.learners: dict[int, Learner] = {}
        self.since_ms = peer.now_ms  # of the last step forward before the epoch is established
        self.in_flight = self.proposed_ms = self.told = 0
        self.vanguard = ()
        self.holding = False
        self.handing_over = False
        self.rounds = Rounds()

    favoured = False

    @property
    def choice(self) -> int:
        return self.peer.id

    leader = choice

    def start(self) -> None:
        """Called once, when this is the role."""
        self.peer.broadcast_vote()
        infos, self.peer.infos = self.peer.infos, {}
        for sender, info in infos.items():
            self.on_follower_info(sender, info)
        self._maybe_choose_epoch()

    # --- what the replica asks for

    @property
    def can_propose(self) -> bool:
        """A batch may be proposed now; not while handing over, so that somebody catches up, unless nobody can."""
        if self.phase is not Phase.BROADCAST or self.in_flight:
            return False
        return not self.handing_over or not self._heirs()

    @property
    def next_zxid(self) -> int:
        """The zxid of the next entry."""
        last = self.peer.history.last
        return last + 1 if epoch_of(last) == self.epoch else make(self.epoch, 1)

    def propose(self, batch: Batch) -> None:
        """Broadcast `batch`: to the learners before our own disk has it (zab-protocol 19.3)."""
        peer, history = self.peer, self.peer.history
        assert self.can_propose and batch.first == self.next_zxid, str(batch)
        assert history.committed == history.last, "all before a batch is final (memberships.py)"
        before = history.batches[-1:]
        peer.append(batch)
        peer.ready.disk.append(durable.Logged(batch, history.committed))
        peer.ready.after.append((peer.id, Ack(self.attempt, self.epoch, batch.last)))
        self.broadcast(batch, before)
        history.trim(self.pinned())
        if counter_of(batch.last) >= COUNTER_LAST:
            self.on_hand_off()

    def synced(self) -> list[int]:
        """Who has the history of this epoch and is connected, ourselves included."""
        return [self.peer.id, *(learner.id for learner in self.at_least(Stage.SYNCED))]

    def barrier(self, token: int) -> None:
        """A question of our own for a read that must not be stale; answered in Ready.barriers."""
        self._ask_barrier(self.peer.id, token)

    # --- time and peers

    def on_tick(self) -> None:
        peer, now = self.peer, self.peer.now_ms
        for learner in list(self.learners.values()):
            silent = now - learner.heard_ms > peer.timing.silence_ms
            if silent or learner.stalled(peer.history.last, now) > 2 * peer.timing.silence_ms:
                self.drop(learner.id)
        if self.phase is Phase.BROADCAST:
            if not peer.memberships.is_quorum([peer.id, *(id for id in self.learners if not self._voteless(id))]):
                peer.become_looking()
                return
            if self._outbid():
                peer.become_looking()
                return
            self._ping()
            self._maybe_hand_over()
        elif self._hopeless():
            peer.give_up()
        else:
            self._ping()

    def _hopeless(self) -> bool:
        """Before the epoch is established: no step forward for too long, unless a learner receives a snapshot, which
        takes as long as it takes (ZK-1521); or a quorum has changed its mind (ZK-3109). Looked at once a tick, or nodes
        that see different others could change their minds at each other for ever."""
        peer = self.peer
        if self.phase is Phase.DISCOVERY:
            ours = [
                id for id, vote in peer.up.items() if not vote or (vote.choice == peer.id and not self._voteless(id))
            ]
            if not peer.memberships.is_quorum([peer.id, *ours]):
                return True
        receiving = any(learner.stage is Stage.SNAPSHOT for learner in self.learners.values())
        return peer.now_ms - self.since_ms > peer.timing.discovery_ms and not receiving

    def _outbid(self) -> bool:
        """Somebody promised an epoch above ours in somebody's failed try, and cannot join us: win a higher one."""
        return any(learner.accepted > self.epoch for learner in self.learners.values())

    def on_vote(self, sender: int, vote: Vote) -> None:
        """A node that looks, or follows another, has left us."""
        if vote.state == State.LOOKING or vote.choice != self.peer.id:
            self.drop(sender)

    def on_peers(self) -> None:
        """It will send its vote."""

    def on_peer_down(self, peer: int) -> None:
        self.drop(peer)
        if not self.peer.connected_quorum:
            self.peer.become_looking()

    def on_hand_off(self) -> None:
        self.handing_over = True
        self._maybe_hand_over()

    def on_members(self) -> None:
        """Who is no voter any more leads until that is committed, then one of those who are."""
        self.release()
        if not self.peer.memberships.is_voter(self.peer.id):
            self.handing_over = True

    def _maybe_hand_over(self) -> None:
        peer = self.peer
        if not self.handing_over or self.in_flight or self.phase is not Phase.BROADCAST:
            return
        ready = [one.id for one in self._heirs() if one.durable == peer.history.last]
        if not ready:
            if peer.voters == (peer.id,) and counter_of(peer.history.last) >= COUNTER_LAST:
                peer.become_looking()  # to itself, with a new epoch
            return
        self.flush()
        for learner in self.at_least(Stage.SYNCED):
            peer.send(learner.id, HandOver(learner.attempt, self.epoch, max(ready)))
        peer.become_looking()

    def _heirs(self) -> list[Learner]:
        """Who could lead in our place."""
        voters = self.peer.voters
        return [learner for learner in self.at_least(Stage.SYNCED) if learner.id in voters]

    def _voteless(self, id: int) -> bool:
        """It follows, and has no memory that would let it count. Nobody leads for its sake."""
        learner = self.learners.get(id)
        return learner is not None and not learner.voting and learner.stage is Stage.INFORMED

    # --- DISCOVERY

    def on_follower_info(self, sender: int, message: FollowerInfo) -> None:
        peer = self.peer
        if message.accepted >= EPOCH_MAX:
            return  # no epoch is above it: it can never follow anybody again
        self.drop(sender)  # what it was in an earlier try
        learner = Learner(sender, message.attempt, message.accepted, message.voting, peer.now_ms)
        self.learners[sender] = learner
        peer.epoch_seen = max(peer.epoch_seen, message.accepted)
        if not self.epoch:
            self._maybe_choose_epoch()
        elif self.promised:
            self._invite(learner)

    def _invite(self, learner: Learner) -> None:
        """Ask for its promise. Who has lost its memory may have promised a later epoch: when a quorum of others has
        confirmed since that it follows us, we know that it has not, and it may count again."""
        if learner.accepted > self.epoch:
            return
        if learner.voting:
            self._send_new_epoch(learner)
        elif self.phase is Phase.BROADCAST and self.rounds.ask(learner.id, INVITATION, learner.attempt):
            self._ping()

    def _send_new_epoch(self, learner: Learner) -> None:
        observes = not self.peer.memberships.is_voter(learner.id)
        self.peer.send(learner.id, NewEpoch(learner.attempt, self.epoch, observes))

    def _maybe_choose_epoch(self) -> None:
        peer = self.peer
        voting = [learner.id for learner in self.learners.values() if learner.voting]
        if self.epoch or not peer.memberships.is_quorum([peer.id, *voting]):
            return
        if peer.accepted >= EPOCH_MAX:
            peer.ready.stop = f"epoch {peer.accepted} was promised, which is the last: nobody can be elected any more"
            return
        self.epoch = max(peer.epoch_seen, peer.accepted) + 1
        peer.accepted = peer.epoch_seen = self.epoch
        self.since_ms = peer.now_ms
        peer.ready.disk.append(durable.Accepted(self.epoch))
        peer.ready.after.append((peer.id, NewEpoch(self.attempt, self.epoch)))

    def on_new_epoch(self, sender: int, message: NewEpoch) -> None:
        """Our own promise is durable; only now anybody may hear of the epoch (D1)."""
        if sender != self.peer.id or message.attempt != self.attempt:
            return
        self.promised = True
        for learner in self.learners.values():
            self._invite(learner)
        self._maybe_synchronize()

    def on_ack_epoch(self, learner: Learner, message: AckEpoch) -> None:
        peer = self.peer
        if message.epoch != self.epoch or learner.stage is not Stage.INFORMED:
            return
        more = (message.current, message.last) > (peer.current, peer.history.last)
        if more and peer.memberships.is_voter(learner.id):
            peer.give_up()  # it knows more than we do: we must not lead it
            return
        learner.stage = Stage.PROMISED
        learner.promised = message.promised
        learner.accepted, learner.last = message.epoch, message.last
        learner.epochs, learner.executed = message.epochs, message.executed
        if self.phase is Phase.DISCOVERY:
            self._maybe_synchronize()
        else:
            self.synchronize(learner)

    def _maybe_synchronize(self) -> None:
        peer = self.peer
        promises = [one.id for one in self.learners.values() if one.promised and one.voting]
        if self.phase is not Phase.DISCOVERY or not self.promised:
            return
        if not peer.memberships.is_quorum([peer.id, *promises]):
            return
        self.phase = Phase.SYNCHRONIZATION
        self.since_ms = peer.now_ms
        peer.current = self.epoch
        peer.ready.disk.append(durable.Current(self.epoch))
        peer.ready.after.append((peer.id, NewLeader(self.attempt, self.epoch, peer.history.last)))
        for learner in self.at_least(Stage.PROMISED):
            self.synchronize(learner)

    # --- SYNCHRONIZATION

    def on_new_leader(self, sender: int, message: NewLeader) -> None:
        """Our own history and currentEpoch are durable: our vote for the epoch (D7)."""
        if sender == self.peer.id and message.attempt == self.attempt:
            self.durable = message.last
            self._maybe_establish()

    def on_ack_new_leader(self, learner: Learner, message: AckNewLeader) -> None:
        if message.epoch != self.epoch or learner.stage is not Stage.SYNCING:
            return
        learner.stage = Stage.SYNCED
        self.vanguard = ()
        learner.durable = max(learner.durable, message.last)
        if self.phase is Phase.SYNCHRONIZATION:
            self.since_ms = self.peer.now_ms
            self._maybe_establish()
        else:
            self.peer.send(learner.id, UpToDate(learner.attempt, self.epoch, self.peer.history.committed))
            self._maybe_commit()

    def _maybe_establish(self) -> None:
        """A quorum has the initial history and the epoch: both are final."""
        peer = self.peer
        synced = self.at_least(Stage.SYNCED)
        ours = self.phase is Phase.SYNCHRONIZATION and self.durable == peer.history.last
        if not ours or not peer.memberships.is_quorum([peer.id, *(learner.id for learner in synced)]):
            return
        self.phase = Phase.BROADCAST
        peer.commit(peer.history.last)
        self.told = peer.history.committed
        for learner in synced:
            peer.send(learner.id, UpToDate(learner.attempt, self.epoch, self.told))
        for learner in self.learners.values():
            if not learner.voting:
                self._invite(learner)

    # --- BROADCAST

    def on_ack(self, sender: int, message: Ack) -> None:
        if sender != self.peer.id:
            OF_LEARNERS[Ack](self, sender, message)
        elif message.attempt == self.attempt:
            self.durable = message.zxid
            self._maybe_commit()

    def on_ack_of_learner(self, learner: Learner, message: Ack) -> None:
        if message.epoch == self.epoch and message.zxid > learner.durable:
            learner.durable = message.zxid
            self._maybe_commit()

    def _maybe_commit(self) -> None:
        peer = self.peer
        if self.phase is not Phase.BROADCAST or peer.history.committed == peer.history.last:
            return
        reached = {learner.id: learner.durable for learner in self.at_least(Stage.SYNCED)}
        reached[peer.id] = self.durable
        zxid = min(peer.memberships.reached(reached), peer.history.last)
        if epoch_of(zxid) == self.epoch:
            done = 0 < self.in_flight <= zxid
            if done:  # first, for with the members the vanguard may change: nobody is slow in what is final
                self.in_flight, self.holding = 0, False
            peer.commit(zxid)
            if done:
                self._maybe_hand_over()

    def on_forward(self, learner: Learner, message: Forward) -> None:
        if self.phase is Phase.BROADCAST:
            self.peer.ready.forwards.append(message)
            self.prefer(learner)

    # --- pings, and reads that must not be stale (zab-protocol 19.1)

    def _ping(self) -> None:
        number, committed = self.rounds.start(), self.peer.history.committed
        for learner in self.learners.values():
            self.peer.send(learner.id, Ping(learner.attempt, self.epoch, number, committed))
        self._maybe_confirm()

    def on_pong(self, learner: Learner, message: Pong) -> None:
        learner.round = max(learner.round, message.round)
        if message.report:
            self.peer.ready.reports.append((learner.id, message.report))
        self._maybe_confirm()

    def on_barrier_ask(self, learner: Learner, message: BarrierAsk) -> None:
        if self.phase is not Phase.BROADCAST:
            return
        peer = self.peer
        if learner.stage >= Stage.SYNCED and peer.memberships.is_quorum((peer.id, learner.id)):
            # Neither it, when it asked, nor we, who still lead, had promised another epoch: no round has more to say.
            answer = BarrierAnswer(learner.attempt, self.epoch, message.token, peer.history.committed)
            peer.send(learner.id, answer)
        else:
            self._ask_barrier(learner.id, message.token)

    def _ask_barrier(self, asker: int, token: int) -> None:
        assert self.phase is Phase.BROADCAST
        if self.rounds.ask(asker, token, self.peer.history.committed):
            self._ping()

    def _maybe_confirm(self) -> None:
        if not self.rounds.waiting:
            return
        peer = self.peer
        rounds = {learner.id: learner.round for learner in self.at_least(Stage.SYNCED)}
        rounds[peer.id] = self.rounds.current
        answered = self.rounds.answered(peer.memberships.reached(rounds))
        for question in answered:
            learner = self.learners.get(question.asker)
            if question.token == INVITATION:
                if learner is not None and learner.attempt == question.zxid:
                    self._send_new_epoch(learner)
            elif question.asker == peer.id:
                peer.ready.barriers.append(BarrierAnswer(self.attempt, self.epoch, question.token, question.zxid))
            elif learner is not None:
                answer = BarrierAnswer(learner.attempt, self.epoch, question.token, question.zxid)
                peer.send(question.asker, answer)
        if answered and self.rounds.waiting:
            self._ping()


OF_LEARNERS: dict[type, Callable[[Any, int, Any], None]] = {
    message: of_its_try(handler)
    for message, handler in (
        (AckEpoch, Leading.on_ack_epoch),
        (SnapAck, Leading.on_snap_ack),
        (AckNewLeader, Leading.on_ack_new_leader),
        (Ack, Leading.on_ack_of_learner),
        (Pong, Leading.on_pong),
        (Forward, Leading.on_forward),
        (BarrierAsk, Leading.on_barrier_ask),
    )
}
Leading.HANDLERS = {
    **OF_LEARNERS,
    FollowerInfo: Leading.on_follower_info,
    NewEpoch: Leading.on_new_epoch,
    NewLeader: Leading.on_new_leader,
    Ack: Leading.on_ack,
}
