"""How a batch reaches the learners: at once those who make a quorum with us, the others together with its commit.

Rules: part of LEADING (leading.py). The *vanguard* is voters that make a quorum with us; first of all those whose
clients write, for they wait for it. The rest are told of a batch when it is committed, in one message: they learn of a
commit no later than ever, take half of the messages, and need not hurry to sync what is final (following.py). A
vanguard that has not acknowledged after PATIENCE_MS is not waited for any longer: the rest get the batch, and who was
slow belongs to no vanguard before its disk has caught up. Whoever still takes over the history gets all at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zooweeper.zab.learner import Learner, Stage
from zooweeper.zab.messages import Commit, Propose
from zooweeper.zab.sending import Sending
from zooweeper.zab.vote import Phase

if TYPE_CHECKING:
    from zooweeper.model.entry import Batch

PATIENCE_MS = 5  # several times what a disk takes; all loads beyond that are slower for other reasons


class Broadcasting(Sending):
    """The batch in flight, and who has it."""

    __slots__ = ("holding", "in_flight", "proposed_ms", "told", "vanguard")

    phase: Phase
    in_flight: int  # last zxid of the batch that waits for its quorum; 0: none
    proposed_ms: int  # when it was
    told: int  # the commit that the learners know of
    vanguard: tuple[int, ...]  # learners; empty: to be chosen anew
    holding: bool  # the batch in flight is held back from somebody

    def broadcast(self, batch: Batch, before: list[Batch]) -> None:
        """`batch` was appended to our history, behind `before` (the last one until then), which is final."""
        peer, committed = self.peer, self.peer.history.committed
        untold, self.told = committed > self.told, committed
        self.in_flight, self.proposed_ms, self.holding = batch.last, peer.now_ms, False
        vanguard = self.vanguard or self._choose_vanguard()
        for learner in self.at_least(Stage.SYNCING):
            ahead = learner.id in vanguard or learner.stage is Stage.SYNCING
            if learner.held:  # it was of the rest, the last time
                self._propose_to(learner, before[0])
            elif untold and not ahead:
                peer.send(learner.id, Commit(learner.attempt, self.epoch, committed))
            if ahead:
                self._propose_to(learner, batch)
            else:
                learner.held = self.holding = True

    def flush(self) -> None:
        """What a look at the time brings: nobody is waited for too long; and the learners hear of a commit that no
        proposal carried."""
        committed = self.peer.history.committed
        if self.holding and self.peer.now_ms - self.proposed_ms >= PATIENCE_MS:
            self.release()
        if self.phase is Phase.BROADCAST and committed > self.told:
            self.told = committed
            for learner in self.at_least(Stage.SYNCED):
                if learner.held:
                    self._propose_to(learner, self.peer.history.batches[-1])
                else:
                    self.peer.send(learner.id, Commit(learner.attempt, self.epoch, committed))

    def release(self) -> None:
        """Another vanguard is needed: who has not got the batch in flight gets it, who has not acknowledged it is slow,
        or there are others to choose from."""
        self.vanguard = ()
        if not self.holding:
            return
        self.holding = False
        for learner in self.at_least(Stage.SYNCED):
            if learner.held:
                self._propose_to(learner, self.peer.history.batches[-1])
            elif learner.durable < self.in_flight:
                learner.owes = self.in_flight

    def drop(self, id: int) -> None:
        super().drop(id)
        self.release()

    def prefer(self, learner: Learner) -> None:
        """Its clients write."""
        learner.asked = self.peer.history.last
        if learner.id not in self.vanguard:
            self.vanguard = ()

    def _choose_vanguard(self) -> tuple[int, ...]:
        peer = self.peer
        voters = [learner for learner in self.at_least(Stage.SYNCED) if peer.memberships.is_voter(learner.id)]
        voters.sort(key=lambda learner: (learner.durable < learner.owes, -learner.asked))
        count = 0
        while count < len(voters) and not peer.memberships.is_quorum([peer.id, *(one.id for one in voters[:count])]):
            count += 1
        self.vanguard = tuple(learner.id for learner in voters[:count])
        return self.vanguard

    def _propose_to(self, learner: Learner, batch: Batch) -> None:
        learner.held = False
        self.peer.send(learner.id, Propose(learner.attempt, self.epoch, batch, self.peer.history.committed))
