"""How a leader brings its learners to its history: batches, cuts, or the state, which the replica sends.

Rules: part of LEADING (leading.py), for one learner at a time. What to send is decided in catchup.py; deciding and
sending are one step. The replica pulls, so a snapshot keeps its own pace.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zooweeper.model import durable, limits
from zooweeper.zab.catchup import Mode, decide
from zooweeper.zab.learner import Learner, Stage
from zooweeper.zab.messages import Diverged, NewLeader, Propose, SnapAck, SnapBegin, SnapChunk, Sync

if TYPE_CHECKING:
    from zooweeper.zab.peer import Peer


class Sending:
    """The learners, and what they are sent."""

    __slots__ = ()

    peer: Peer
    epoch: int
    learners: dict[int, Learner]

    def at_least(self, stage: Stage) -> list[Learner]:
        return [learner for learner in self.learners.values() if learner.stage >= stage]

    def drop(self, id: int) -> None:
        """It follows no more, or must follow anew: its acknowledgements go with it."""
        self.learners.pop(id, None)

    def diverged(self, learner: int, zxid: int) -> None:
        """The replica found a learner's digest to be wrong at `zxid`."""
        association = self.learners.get(learner)
        if association is not None:
            self.drop(learner)
            self.peer.send(learner, Diverged(association.attempt, self.epoch, zxid))

    def synchronize(self, learner: Learner) -> None:
        """Decide and send in one step, so nothing is proposed in between (ZK-962)."""
        peer, history = self.peer, self.peer.history
        common = history.common(learner.epochs)
        mode = decide(common, history.base, history.last, learner.last, learner.executed)
        if mode is Mode.REFUSE:
            self.diverged(learner.id, common)
        elif mode is Mode.SNAP or not history.ends_at(common):  # it knows other batches than we do
            learner.stage = Stage.SNAPSHOT
            peer.ready.snapshots.append(learner.id)
        else:
            peer.send(learner.id, Sync(learner.attempt, self.epoch, common))
            self._send_history(learner, common)

    def _send_history(self, learner: Learner, zxid: int) -> None:
        """All batches after `zxid`, what is in flight too, then NewLeader; from here on it gets what is proposed."""
        peer, history = self.peer, self.peer.history
        for batch in history.after(zxid):
            peer.send(learner.id, Propose(learner.attempt, self.epoch, batch, history.committed))
        peer.send(learner.id, NewLeader(learner.attempt, self.epoch, history.last))
        learner.stage = Stage.SYNCING
        learner.snapshot = 0

    def on_snap_ack(self, learner: Learner, message: SnapAck) -> None:
        learner.chunks_acked = max(learner.chunks_acked, message.index + 1)

    def pinned(self) -> int:
        """Batches after this are needed to end the transfers of snapshots under way (which start anew when they take
        so long that the window would outgrow its bounds)."""
        if self.peer.history.oversized:
            return self.peer.history.last
        return min((one.snapshot for one in self.learners.values() if one.snapshot), default=self.peer.history.last)

    # --- the state, as the replica sends it

    def snapshot_begin(self, id: int, zxid: int, epochs: durable.Epochs, members: str) -> bool:
        """The state at `zxid`, with its membership, will be sent to learner `id`. False: it does not want it any
        more."""
        learner = self.learners.get(id)
        if learner is None or learner.stage is not Stage.SNAPSHOT:
            return False
        assert zxid >= self.peer.history.base
        learner.snapshot, learner.chunks_sent, learner.chunks_acked = zxid, 0, 0
        self.peer.send(id, SnapBegin(learner.attempt, self.epoch, zxid, epochs, members))
        return True

    def snapshot_wants(self, id: int) -> bool | None:
        """Whether another chunk may be sent now; None: the transfer is off."""
        learner = self.learners.get(id)
        if learner is None or learner.stage is not Stage.SNAPSHOT or not learner.snapshot:
            return None
        return learner.chunks_sent - learner.chunks_acked < limits.SNAPSHOT_CHUNKS_IN_FLIGHT

    def snapshot_chunk(self, id: int, data: bytes | None) -> None:
        """Send the next chunk; None: that was all, go on with the batches after it."""
        learner = self.learners[id]
        self.peer.send(id, SnapChunk(learner.attempt, learner.chunks_sent, data is None, data or b""))
        learner.chunks_sent += 1
        if data is None:
            if learner.snapshot < self.peer.history.base:  # it took longer than the window reaches back
                learner.snapshot = 0
                self.peer.ready.snapshots.append(id)
            else:
                self._send_history(learner, learner.snapshot)
