"""What must hold at every moment, seen from outside: the checks observe, they never steer.

Rules: written from docs/guarantees.md. A check raises Violation with the numbers that show it. Cheap ones after every
turn of a node's loop; the rest at the end (scenario.py).
"""

from itertools import pairwise
from typing import Any

from sim.checks.expiry import Ending
from sim.node import Node
from sim.world import Violation, World
from zooweeper.model.entry import Batch, pack_request
from zooweeper.model.members import Membership
from zooweeper.model.zxid import epoch_of, follows, show
from zooweeper.ops.reconfig import membership_of
from zooweeper.ops.session import ExpireSession
from zooweeper.zab.quorum import is_quorum

EXPIRES = pack_request(0, 0, 0, ExpireSession.code, b"")[:-4]


class Ledger:
    """Everything that was ever executed anywhere, and who led which epoch."""

    def __init__(self, world: World, nodes: list[Node], settings: Membership) -> None:
        self.world = world
        self.nodes = nodes
        self.memberships = [settings]  # that were committed, in their order
        self.batches: dict[int, Batch] = {}  # first zxid -> the committed batch
        self.ends: dict[int, int] = {}  # zxid of a batch's end -> first
        self.digests: dict[int, tuple[str, int]] = {}  # zxid -> digest, and who showed it first
        self.leaders: dict[int, int] = {}  # epoch -> the node that established it
        self.led_us: dict[int, int] = {}  # epoch -> since when
        self.endings: list[Ending] = []
        self.applied: dict[int, tuple[int, int]] = {}  # node -> (life, applied)
        self.committed = 0
        self.seen: dict[int, tuple[int, ...]] = {}  # node -> what it was like after its last turn

    def observe(self, node: Node) -> None:
        """After every turn of a node's loop; most of them change nothing of what is looked at here."""
        brain: Any = node.brain
        if brain is None:
            return
        zab, state = brain.zab, brain.state
        role, history = zab.role, zab.history
        seen = (
            *(node.life, len(self.leaders), role.state, role.phase, zab.current),
            *(history.last, history.committed, state.zxid, state.digest(), zab.memberships.settled.version),
        )
        if seen == self.seen.get(node.id):
            return
        self.seen[node.id] = seen
        status = brain.status()
        self._epochs(node, status)
        self._settled(node, zab.memberships.settled)
        if status.committed > self.committed:
            self._committed(node, status.committed)
        self._executed(node, status)
        self._digest(node, status)
        node.marks.observed(node.id, status, self.leaders, len(self.nodes))

    def _epochs(self, node: Node, status: Any) -> None:
        if status.role == "leader" and status.phase == "broadcast":
            owner = self.leaders.setdefault(status.epoch, node.id)
            self.led_us.setdefault(status.epoch, self.world.now_us)
            if owner != node.id:
                raise Violation("one leader per epoch", f"epoch {status.epoch}: {owner} and {node.id}")

    def _committed(self, node: Node, zxid: int) -> None:
        """A majority has it on disk; who has lost its disk since may have been one of them."""
        self.committed = zxid
        membership = next(one for one in reversed(self.memberships) if one.version <= zxid)
        self._durable(node, zxid, membership)

    def _durable(self, node: Node, zxid: int, membership: Membership) -> None:
        have = [one.id for one in self.nodes if one.kept.last >= zxid or (not one.new and (one.lost or one.harmed))]
        if not is_quorum(membership.voters, have):
            raise Violation(
                "committed is durable",
                f"node {node.id} commits {show(zxid)}, which {have} have, of {membership.voters}",
            )

    def _settled(self, node: Node, membership: Membership) -> None:
        """A node takes a membership for committed: a majority of it, and of the one before, has it on disk."""
        newest = self.memberships[-1]
        if membership.version > newest.version:
            self._durable(node, membership.version, newest)
            self._durable(node, membership.version, membership)
            self.memberships.append(membership)
            self.world.mark("a membership was committed")
            leader = self.leaders.get(epoch_of(membership.version))
            if leader is not None and leader not in membership.voters:
                self.world.mark("a leader was voted out")
        elif membership.version and membership not in self.memberships:
            if any(membership.version == one.version for one in self.memberships):
                raise Violation("members", f"node {node.id} goes by {membership}, not by what was committed")
            self.memberships.append(membership)  # who committed it died at once
            self.memberships.sort(key=lambda one: one.version)

    def newest(self) -> Membership:
        return self.memberships[-1]

    def in_force(self) -> list[Membership]:
        """Those whose majority may be asked: the newest, the one before as long as nothing behind the newest is
        committed, and what is in anybody's log."""
        logged = [membership_of(node.batches[-1]) for node in self.nodes if node.batches]
        pending = [one for one in logged if one is not None and one.version > self.memberships[-1].version]
        return self.memberships[-1 if self.committed > self.memberships[-1].version else -2 :] + pending

    def _executed(self, node: Node, status: Any) -> None:
        life, before = self.applied.get(node.id, (0, 0))
        if status.applied > status.committed:
            raise Violation("executed is committed", f"node {node.id}: {show(status.applied)} {show(status.committed)}")
        if life == node.life and status.applied < before:
            self.world.mark("state taken back by a snapshot")
        if life == node.life and status.applied == before:
            return
        start = before if life == node.life else 0
        for batch in reversed(node.batches):
            if batch.last <= start:
                break
            if batch.last <= status.applied:
                self._commit(node, batch)
        self.applied[node.id] = (node.life, status.applied)

    def _commit(self, node: Node, batch: Batch) -> None:
        known = self.batches.get(batch.first)
        if known is None:
            self.batches[batch.first] = batch
            if EXPIRES in batch.data:
                self._expires(batch)
            other = self.ends.setdefault(batch.last, batch.first)
            if other != batch.first:
                raise Violation("agreement", f"{batch} at node {node.id} ends where {self.batches[other]} ends")
        elif (known.last, known.time_ms, known.data) != (batch.last, batch.time_ms, batch.data):
            raise Violation("agreement", f"node {node.id} executed another {batch} than was executed before")

    def _expires(self, batch: Batch) -> None:
        led_us = self.led_us[epoch_of(batch.first)]
        clocks_true = all(node.clock_true for node in self.nodes)
        for entry in batch.entries():
            if entry.code == ExpireSession.code:
                session = ExpireSession.Request.decode(entry.body).session
                self.endings.append(Ending(self.world.now_us, entry.zxid, session, led_us, clocks_true))

    def _digest(self, node: Node, status: Any) -> None:
        digest, who = self.digests.setdefault(status.applied, (status.digest, node.id))
        if digest != status.digest:
            raise Violation(
                "equal digests", f"at {show(status.applied)}: node {who} {digest}, node {node.id} {status.digest}"
            )

    def history(self) -> list[Batch]:
        """All committed batches in order. Violation if two overlap: somebody executed what was cut elsewhere."""
        batches = [self.batches[first] for first in sorted(self.batches)]
        for before, after in pairwise(batches):
            if not follows(before.last, after.first):
                raise Violation("total order", f"{after} does not follow {before}")
            if after.time_ms < before.time_ms and epoch_of(after.first) == epoch_of(before.last):
                raise Violation("time", f"{after} is of {after.time_ms}, {before} of {before.time_ms}")
        return batches

    def complete(self, nodes: list[Node]) -> None:
        """At the end, in calm: everybody has executed everything, and whatever was taken for a membership is one."""
        history = self.history()
        for membership in self.memberships[1:]:
            batch = self.batches.get(membership.version)
            if batch is None or membership_of(batch) != membership:
                raise Violation("members", f"somebody went by {membership}, which was never committed")
        highest = history[-1].last if history else 0
        for node in nodes:
            if node.brain is None or node.brain.status().applied < highest:
                raise Violation("convergence", f"node {node.id} ends before {show(highest)}")
