"""A brain with zab alone: no sessions, no tree; what was committed is a list.

Rules: for exploring agreement fast, and without the floors above it. Its state machine is the chain of a hash over
the committed batches, which is what its snapshots hold.
"""

import zlib
from dataclasses import dataclass
from typing import Any

from sim.members import proposal
from zooweeper.model.config import Timing
from zooweeper.model.durable import Recovered
from zooweeper.model.entry import Batch, pack_request
from zooweeper.model.members import Membership, parse
from zooweeper.model.zxid import show
from zooweeper.ops.reconfig import membership_of
from zooweeper.replica.events import Clock
from zooweeper.replica.membership import confirmation
from zooweeper.replica.outbox import Outbox
from zooweeper.zab.broadcasting import PATIENCE_MS
from zooweeper.zab.leading import Leading
from zooweeper.zab.messages import SnapBegin, SnapChunk
from zooweeper.zab.peer import Peer
from zooweeper.zab.quorum import is_quorum
from zooweeper.zab.vote import Phase


@dataclass(slots=True)
class Wish:
    """A client's wish; done if this node leads and may propose, else nothing."""

    value: bytes


@dataclass(slots=True)
class Change:
    """An operator's wish: other members. As in replica/membership.py: only if a quorum of them has everything."""

    membership: Membership


@dataclass(slots=True)
class View:
    """What the checks want to know; the same names as replica.status.Status."""

    role: str
    phase: str
    epoch: int
    zxid: int
    committed: int
    applied: int
    digest: str
    serving: bool


class Chain:
    """The state: a hash over everything committed, in order."""

    def __init__(self) -> None:
        self.zxid = 0
        self.sum = 0

    def execute(self, batch: Batch) -> None:
        assert batch.last > self.zxid, (show(self.zxid), str(batch))
        self.sum = zlib.crc32(batch.data, zlib.crc32(str(batch.first).encode(), self.sum))
        self.zxid = batch.last

    def digest(self) -> int:
        return self.sum


class AgreementBrain:
    """step, take, status."""

    def __init__(self, id: int, settings: Membership, timing: Timing, recovered: Recovered, life: int) -> None:
        self.state = Chain()
        self.settings = settings
        chunks = list(recovered.chunks)
        membership = self._restore(chunks[0]) if chunks else settings
        self.zab = Peer(id, membership, timing, recovered, life << 32, membership_of)
        self.taking: tuple[SnapBegin, list[bytes]] | None = None
        for logged in recovered.batches:
            if self.state.zxid < logged.batch.last <= recovered.committed:
                self.state.execute(logged.batch)

    def step(self, event: Any) -> None:
        if isinstance(event, Wish):
            self._propose(pack_request(0, 0, 0, 0, event.value))
        elif isinstance(event, Change):
            role = self.zab.role
            if isinstance(role, Leading) and is_quorum(event.membership.voters, role.synced()):
                self._propose(proposal(event.membership))
        elif isinstance(event, Clock):
            self.zab.now_ms = event.now_ms
        else:
            self.zab.step(event)

    def _propose(self, request: bytes) -> None:
        role = self.zab.role
        if isinstance(role, Leading) and role.can_propose:
            first = role.next_zxid
            role.propose(Batch(first, first, 0, request))

    def take(self) -> Outbox:
        if 0 < self.zab.memberships.settled.version == self.zab.history.last:
            self._propose(confirmation())
        ready = self.zab.take()
        for piece in ready.state:
            if isinstance(piece, Batch):
                self.state.execute(piece)
            elif isinstance(piece, SnapBegin):
                self.taking = (piece, [])
            else:
                self._take_over(piece)
        for learner in ready.snapshots:
            self._send_state(learner)
        return Outbox(
            disk=ready.disk, lazy=ready.lazy, now=ready.now, after=ready.after, members=ready.members,
            again_ms=PATIENCE_MS if self.zab.role.holding else 0, stop=ready.stop,
        )  # fmt: skip

    def _take_over(self, piece: SnapChunk) -> None:
        assert self.taking is not None
        begun, chunks = self.taking
        if not piece.final:
            chunks.append(piece.data)
            return
        membership = self._restore(chunks[0])
        assert self.state.zxid == begun.zxid
        assert begun.members == (membership.shown() if membership.version else "")
        self.taking = None

    def _send_state(self, learner: int) -> None:
        role = self.zab.role
        zxid, members = self.state.zxid, self.zab.memberships.settled
        epochs = tuple(self.zab.history.epochs)
        told = members.shown() if members.version else ""
        if isinstance(role, Leading) and role.snapshot_begin(learner, zxid, upto_zxid(epochs, zxid), told):
            role.snapshot_chunk(learner, b"%d %d %s" % (zxid, self.state.sum, told.encode()))
            role.snapshot_chunk(learner, None)

    def _restore(self, image: bytes) -> Membership:
        """Take over a state, and the membership in it."""
        zxid, sum, told = image.split(b" ", 2)
        self.state.zxid, self.state.sum = int(zxid), int(sum)
        return parse(told.decode()) if told else self.settings

    def status(self) -> View:
        peer = self.zab
        return View(
            {0: "looking", 1: "follower", 2: "leader"}[int(peer.state)],
            peer.phase.name.lower(),
            peer.current,
            peer.history.last,
            peer.history.committed,
            self.state.zxid,
            f"{self.state.sum:08x}",
            peer.phase is Phase.BROADCAST,
        )


def upto_zxid(epochs: tuple[tuple[int, int], ...], zxid: int) -> tuple[tuple[int, int], ...]:
    """The part of an epoch table that covers the history up to `zxid`, the end of a batch."""
    from zooweeper.zab.history import upto

    return upto(epochs, zxid)
