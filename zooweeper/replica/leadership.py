"""What a replica does only while it leads: stamps batches, ends silent sessions, sweeps, compares digests.

Rules: made anew for every epoch it wins, dropped with it. It proposes; execution decides: an expiry names the attach it
was decided for, a sweep names the znode's versions, and if they have changed the entry changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zooweeper.model.entry import Batch, Entry, pack_request
from zooweeper.model.errors import ErrorCode
from zooweeper.model.figures import Figure
from zooweeper.ops.delete import DeleteContainer
from zooweeper.ops.session import Attach, ExpireSession, OpenSession
from zooweeper.replica.execute import Executed
from zooweeper.replica.liveness import Agreement, Deadlines, unpack_report
from zooweeper.replica.membership import confirmation, decision, founding
from zooweeper.replica.order import Gathering, seal
from zooweeper.replica.pace import Pace
from zooweeper.zab.leading import Leading

if TYPE_CHECKING:
    from zooweeper.replica.replica import Replica

EXPIRY_TICKS = 2
SWEEP_MS = 1000  # ZooKeeper looks once a minute; who sets a TTL of a second expects seconds
SWEEP_NODES = 1000


class Leadership:
    """One won epoch."""

    def __init__(self, replica: Replica, role: Leading) -> None:
        self._replica = replica
        self.role = role
        self.since_ms = replica.now_ms
        self.proposal_bytes = Figure()
        self._pace = Pace()
        self._deadlines = Deadlines(replica.now_ms)
        self._ending: dict[int, int] = {}  # session -> when its end was proposed
        self._agreement = Agreement()
        self._tick = 0
        self._swept_ms = replica.now_ms

    def order(self, gathering: Gathering) -> None:
        """Propose what has gathered, unless a batch is in flight, or others are expected."""
        replica, role, pace = self._replica, self.role, self._pace
        if not role.can_propose or pace.holds(gathering.count, replica.now_us):
            return
        last, settled = role.peer.history.last, role.peer.memberships.settled
        if (gathering.alone or not settled.version) and replica.state.zxid != last:
            return  # a membership depends on what all before it has come to
        replica.time_ms = max(replica.time_ms, replica.wall_ms)
        first = role.next_zxid
        if not settled.version:
            batch = Batch(first, first, replica.time_ms, founding(settled))
        elif gathering:
            alone = gathering.alone
            batch = seal(gathering, first, replica.time_ms)
            if alone:
                (entry,) = batch.entries()
                batch.data = decision(entry, replica.state, settled, role.synced(), replica.config.reconfig)
        elif last == settled.version:
            batch = Batch(first, first, replica.time_ms, confirmation())
        else:
            return
        self.proposal_bytes.add(len(batch.data))
        pace.leaves(batch.count, replica.now_us)
        role.propose(batch)

    @property
    def holding(self) -> bool:
        """A batch waits for more: `order` has to look again after HOLD_MS."""
        return self._pace.holding and self.role.can_propose

    def tick(self, gathering: Gathering, paused: bool) -> None:
        """Propose the end of sessions whose time is over, and of containers and TTL nodes. `paused`: this process
        stood still, so that nobody could be heard. (It may have stood still between winning and beginning, too: the
        first tick tells when it began.)"""
        replica = self._replica
        if paused or not self._tick:
            self._deadlines.restart(replica.now_ms)
        self._deadlines.touch(replica.clients.touched, replica.now_ms)
        replica.clients.touched.clear()
        self._tick += 1
        if self._tick % EXPIRY_TICKS == 0:
            self._expire(gathering)
        if replica.now_ms - self._swept_ms >= SWEEP_MS:
            self._swept_ms = replica.now_ms
            for body in replica.state.tree.sweep(replica.wall_ms, SWEEP_NODES):
                gathering.add(1, pack_request(0, 0, 0, DeleteContainer.code, body))

    def _expire(self, gathering: Gathering) -> None:
        replica = self._replica
        sessions = replica.state.sessions
        if not self._deadlines.due(replica.now_ms):
            return
        timeouts = {session.id: session.timeout_ms for session in sessions.values()}
        for id in self._deadlines.expired(timeouts, replica.now_ms):
            if id not in self._ending:
                self._ending[id] = replica.now_ms
                body = ExpireSession.Request(id, sessions[id].attach).encode()
                gathering.add(1, pack_request(0, 0, 0, ExpireSession.code, body))

    def ends_ms(self, session: int, timeout_ms: int) -> int:
        """When the session's time is over, by our clock."""
        return self._deadlines.ends_ms(session, timeout_ms)

    def executed(self, entry: Entry, result: Executed) -> None:
        """Keep the deadlines with what entries of our own, which have codes below 0, do to sessions."""
        if entry.code in (OpenSession.code, Attach.code):
            id = entry.session or entry.zxid
            session = self._replica.state.sessions.get(id)
            if session is not None:
                self._deadlines.changed(id, session.timeout_ms, self._replica.now_ms)
        elif entry.code == ExpireSession.code and result.error != ErrorCode.MARSHALLING_ERROR:
            self._ending.pop(ExpireSession.Request.decode(entry.body).session, None)

    def executed_batch(self) -> None:
        state = self._replica.state
        self._agreement.record(state.zxid, state.digest())

    def report(self, learner: int, data: bytes) -> bool:
        """What a follower told with its pong. False: that is no report."""
        replica = self._replica
        try:
            executed, digest, touched = unpack_report(data)
        except ValueError:
            return False
        self._deadlines.touch(touched, replica.now_ms)
        self._agreement.compare(learner, executed, digest)
        for node, zxid in self._agreement.diverged(replica.config.id, replica.zab.voters):
            if node == replica.config.id:
                replica.stop(
                    f"the state differs from the majority's since zxid {zxid:#x}: keep this folder, start anew"
                )
            else:
                self._agreement.forget(node)
                self.role.diverged(node, zxid)
        return True
