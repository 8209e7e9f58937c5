"""Marks: the rare situations that a run has really reached, told from outside.

Rules: cheap, and they never steer. They are made of messages as they leave, of records as the disk reports them, of a
node's status after each turn, and, at the end, of what the clients saw. EXPECTED are those that any swarm of some size
must reach: one that it does not reach says that the faults, the workloads or the sizes have lost their bite.
"""

from collections.abc import Callable, Iterable
from typing import Any

from sim.twice import AT_ONCE
from sim.world import World
from zooweeper.model.durable import Cut, Installed, Logged, Record, Recovered, SnapshotBegin, SnapshotEnd
from zooweeper.model.zxid import epoch_of
from zooweeper.ops.multi import Multi
from zooweeper.replica.outbox import Answer, Notice, Welcome
from zooweeper.replica.pace import HOLD_MS
from zooweeper.zab import messages
from zooweeper.zab.broadcasting import PATIENCE_MS

LAZY = "a batch that was final already reached a disk without haste"
PATIENCE = "a batch was held back for so long that somebody looked at the time"
PACE = "a batch waited for more requests, for as long as it may"
AGAIN = {PATIENCE_MS: PATIENCE, HOLD_MS: PACE}
LARGE = 500  # seeds of a swarm that must reach all of them
EXPECTED = (
    "DIFF",
    "TRUNC",
    "TRUNC+DIFF",
    "SNAP",
    "a DIFF after a TRUNC",
    "a snapshot of many pieces",
    "entries were logged while a snapshot was written",
    "a leader was lost with an unacknowledged proposal",
    "a lost leader's proposal was committed",
    "a lost leader's proposal was cut",
    "two candidates for one epoch",
    "two believed that they lead",
    "an unexecuted tail was kept after a restart",
    "an unexecuted tail was cut after a restart",
    "everybody lost power",
    "every member led",
    "leadership was handed over",
    "an expiry came too late: its session had attached anew",
    "a request outlived its leader",
    "a read after a fail-over",
    "a missed event was told after a reconnect",
    "a multi failed behind its first part",
    "an entry stood in the log twice",
    "session moved",
    "session expired",
    "a node that had lost its memory was synchronized",
    "a torn tail was cut",
    "a leader was voted out",
    "a new node was synchronized",
    "without memory and without a vote, a node was taken in at once",
    "a removed node ended",
    AT_ONCE,
    LAZY,
    PATIENCE,
    PACE,
)


class Marks:
    """What one run has reached; of all nodes."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._synchronizing: dict[tuple[int, int], bool] = {}  # (leader, learner) -> a cut was asked for
        self._cut: dict[int, None] = {}  # nodes that have cut their log
        self._epochs: dict[int, int] = {}  # epoch -> who was the first to stand for it
        self._writing: dict[int, None] = {}  # nodes that write a snapshot
        self._led: dict[int, None] = {}
        self._forgetful: dict[int, None] = {}  # nodes that started without memory
        self._proposed: dict[int, int] = {}  # node -> the end of what it has proposed, and not committed, as a leader
        self._orphans: dict[int, int] = {}  # node -> the same, of one that leads no more
        self._tails: dict[int, tuple[int, int]] = {}  # node -> (executed, end of the log) when it started
        self._committed = 0

    # --- messages

    def sent(self, source: int, to: int, message: Any, kept: int) -> None:
        """`kept`: the end of the receiver's history on disk."""
        note = SENT.get(type(message))
        if note is not None:
            note(self, source, to, message, kept)

    def _sync(self, source: int, to: int, message: messages.Sync, kept: int) -> None:
        self._synchronizing[source, to] = message.cut < kept

    def _propose(self, source: int, to: int, message: messages.Propose, kept: int) -> None:
        if self._synchronizing:
            cut = self._synchronizing.pop((source, to), None)
            if cut is not None:
                self.world.mark("TRUNC+DIFF" if cut else "DIFF")
                if to in self._cut:
                    self.world.mark("a DIFF after a TRUNC")

    def _new_leader(self, source: int, to: int, message: messages.NewLeader, kept: int) -> None:
        if self._synchronizing.pop((source, to), False):
            self.world.mark("TRUNC")

    def _chunk(self, source: int, to: int, message: messages.SnapChunk, kept: int) -> None:
        if message.final:
            self.world.mark("SNAP")
        elif message.index == 2:
            self.world.mark("a snapshot of many pieces")

    def _new_epoch(self, source: int, to: int, message: messages.NewEpoch, kept: int) -> None:
        if self._epochs.setdefault(message.epoch, source) != source:
            self.world.mark("two candidates for one epoch")
        if message.observes and to in self._forgetful:
            self.world.mark("without memory and without a vote, a node was taken in at once")

    def _hand_over(self, source: int, to: int, message: messages.HandOver, kept: int) -> None:
        self.world.mark("leadership was handed over")

    # --- the disk

    def wrote(self, node: int, records: Iterable[Record]) -> None:
        """The disk of a node has reported these."""
        for record in records:
            note = WROTE.get(type(record))
            if note is not None:
                note(self, node, record)

    def _logged(self, node: int, record: Logged) -> None:
        if self._writing and node in self._writing:
            self.world.mark("entries were logged while a snapshot was written")

    def _was_cut(self, node: int, record: Cut) -> None:
        self._cut[node] = None
        executed, end = self._tails.pop(node, (0, 0))
        if executed <= record.zxid < end:
            self.world.mark("an unexecuted tail was cut after a restart")
        if self._orphans.pop(node, 0) > record.zxid:
            self.world.mark("a lost leader's proposal was cut")

    def _installed(self, node: int, record: Installed) -> None:
        self._tails.pop(node, None)
        self._orphans.pop(node, None)

    def _begun(self, node: int, record: SnapshotBegin) -> None:
        self._writing[node] = None

    def _ended(self, node: int, record: SnapshotEnd) -> None:
        self._writing.pop(node, None)

    # --- nodes

    def started(self, node: int, recovered: Recovered) -> None:
        self._writing.pop(node, None)
        self._forgetful.pop(node, None)
        if not recovered.voting:
            self._forgetful[node] = None
        if recovered.committed < recovered.last:
            self._tails[node] = (recovered.committed, recovered.last)

    def left(self, node: int) -> None:
        """It died, or leads no more."""
        if self._proposed:
            proposed = self._proposed.pop(node, 0)
            if proposed > self._committed:
                self._orphans[node] = proposed
                self.world.mark("a leader was lost with an unacknowledged proposal")

    def observed(self, node: int, status: Any, leaders: dict[int, int], count: int) -> None:
        """After every turn; `leaders`, of each epoch."""
        if status.committed > self._committed:
            self._committed = status.committed
            for lost, proposed in list(self._orphans.items()):
                if epoch_of(proposed) <= epoch_of(self._committed) and proposed <= self._committed:
                    del self._orphans[lost]
                    self.world.mark("a lost leader's proposal was committed")
        if status.role != "leader":
            self.left(node)
            tail = self._tails.get(node)
            if tail is not None and status.applied >= tail[1]:
                del self._tails[node]
                self.world.mark("an unexecuted tail was kept after a restart")
        elif status.phase == "broadcast":
            if status.zxid > status.committed:
                self._proposed[node] = status.zxid
            else:
                self._proposed.pop(node, None)
            if status.epoch < max(leaders):
                self.world.mark("two believed that they lead")
            if node not in self._led:
                self._led[node] = None
                if len(self._led) == count > 1:
                    self.world.mark("every member led")


SENT: dict[type, Callable[[Marks, int, int, Any, int], None]] = {
    messages.Sync: Marks._sync,
    messages.Propose: Marks._propose,
    messages.NewLeader: Marks._new_leader,
    messages.SnapChunk: Marks._chunk,
    messages.NewEpoch: Marks._new_epoch,
    messages.HandOver: Marks._hand_over,
}
WROTE: dict[type, Callable[[Marks, int, Any], None]] = {
    Logged: Marks._logged,
    Cut: Marks._was_cut,
    Installed: Marks._installed,
    SnapshotBegin: Marks._begun,
    SnapshotEnd: Marks._ended,
}


def mark_history(world: Any, clients: Iterable[Any], led_us: dict[int, int]) -> None:
    """At the end: what the clients lived through. `led_us`: since when each epoch had its leader."""
    for client in clients:
        for operation in client.history:
            if operation.return_us < 0:
                continue
            since_us = led_us.get(epoch_of(operation.zxid), 0)
            if operation.call_us < since_us < operation.return_us:
                world.mark("a request outlived its leader" if operation.number else "a read after a fail-over")
            if operation.code == Multi.code and operation.result is not None and not operation.error:
                parts = operation.result.parts
                if len(parts) > 1 and parts[-1].record is None and not parts[0].error:
                    world.mark("a multi failed behind its first part")
        for link in client.links:
            kinds = [type(one) for one in link.heard[:2]]
            if kinds == [Welcome, Notice] and any(type(one) is Answer for one in link.heard):
                world.mark("a missed event was told after a reconnect")


def missing(marks: Iterable[str]) -> list[str]:
    """What a large swarm should have reached, and has not."""
    reached = set(marks)
    return [mark for mark in EXPECTED if mark not in reached]
