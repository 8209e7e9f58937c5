"""The brain of a node: events in, an outbox out, and nothing else (docs/flow.md shows the way of a request).

Rules: it routes; each station lives in its own file. No clock, socket, file, thread or chance of its own: they arrive
as events, or as the generator given to the constructor. Nothing is executed that is not committed; entries are executed
whole, in order, each once. Whoever drives it steps events, then takes the outbox and carries it out in its order; what
is for other nodes is taken before what is committed is executed.
Beside that, a read may be answered from what is executed, when nothing is on its way that must reach its client first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from zooweeper.model.config import Config
from zooweeper.model.durable import Recovered
from zooweeper.model.entry import Batch
from zooweeper.model.errors import DataInconsistency
from zooweeper.model.members import of_settings
from zooweeper.model.zxid import follows
from zooweeper.ops.reconfig import membership_of
from zooweeper.replica import events
from zooweeper.replica.clients import Clients
from zooweeper.replica.execute import adopt, execute
from zooweeper.replica.inspect import Inspection
from zooweeper.replica.leadership import Leadership
from zooweeper.replica.liveness import pack_report
from zooweeper.replica.membership import membership_in, text_of
from zooweeper.replica.order import Gathering
from zooweeper.replica.outbox import Notice, Outbox
from zooweeper.replica.pace import HOLD_MS
from zooweeper.replica.plain import execute_plain, read_plain
from zooweeper.replica.snapshots import Snapshots
from zooweeper.replica.status import Status
from zooweeper.tree.snapshot import SnapshotBuilder
from zooweeper.tree.state import State
from zooweeper.tree.watches import WatchTable
from zooweeper.zab.broadcasting import PATIENCE_MS
from zooweeper.zab.following import Following
from zooweeper.zab.leading import Leading
from zooweeper.zab.looking import Looking
from zooweeper.zab.messages import SnapBegin, SnapChunk
from zooweeper.zab.peer import Peer
from zooweeper.zab.ready import Ready
from zooweeper.zab.vote import State as Role

if TYPE_CHECKING:
    from random import Random

FORWARDS_IN_FLIGHT = 4  # with one, what comes meanwhile waits for two batches more; with many, each is small
PARTING_SILENCES = 4  # by then who was connected has heard, and who was not has found others
ROLE_NAMES = {Role.LOOKING: "looking", Role.FOLLOWING: "follower", Role.LEADING: "leader"}


class Replica:
    """step(event) any number of times, then take(). The first event is a Tick."""

    def __init__(self, config: Config, recovered: Recovered, rng: Random) -> None:
        """ValueError when the snapshot in `recovered` is damaged."""
        self.config = config
        self.rng = rng
        self.now_ms = 0
        self.now_us = 0
        self._ticked_ms = 0  # of the last Tick; a Clock before it must not hide that the process stood still
        self.wall_ms = 0
        self.time_ms = 0  # of the last entry ordered or executed
        self.outbox = Outbox()
        self.state = _load(recovered)
        self.watches = WatchTable()
        membership = membership_in(self.state, of_settings(config.members, config.clients.announced))
        self.zab = Peer(config.id, membership, config.timing, recovered, rng.getrandbits(48), membership_of)
        self.clients = Clients(self, rng.getrandbits(62) | 1)
        self._barriers = self.clients.barriers
        self._gathering = Gathering()
        self._unexecuted: Ready | None = None  # said, and not carried out
        self._routed: Leading | Following | None = None  # the role that requests were gathered for
        self._leadership: Leadership | None = None
        self._forwarded: deque[int] = deque()  # tickets of the last requests of the Forwards in flight
        self._reported: dict[int, None] = {}
        self._builder: SnapshotBuilder | None = None
        self._installing: SnapBegin | None = None  # the snapshot being received
        self._quorum = False
        self._parted_ms: int | None = None  # since when the ensemble is known to go on without this node
        self._snapshots = Snapshots(self)
        committed = recovered.committed  # walks all batches
        for logged in recovered.batches:  # as far as it is known to be committed; the rest waits for a leader
            if self.state.zxid < logged.batch.first and logged.batch.last <= committed:
                self._execute(logged.batch)

    # --- the face

    def step(self, event: events.Event) -> None:
        """The only way in."""
        STEPS[type(event)](self, event)

    def take(self) -> Outbox:
        """The only way out: everything since the last take, or the part of it that others wait for (`more`)."""
        while self._turn():
            pass
        if not self.outbox.more and not self.outbox.stop and self._snapshots.pump():
            while self._turn():
                pass
        outbox, self.outbox = self.outbox, Outbox()
        if self._leadership is not None and self._leadership.holding:
            outbox.again_ms = HOLD_MS
        elif self.zab.role.holding:
            outbox.again_ms = PATIENCE_MS
        return outbox

    def read(self, connection: int, session: int, code: int, body: bytes) -> tuple[int, bytes] | None:
        """One of PLAIN_READS, answered at once: the zxid and the result that an Ask would be answered with next. None:
        it has to be asked, for it is not plain, or something else comes first."""
        clients, outbox, state = self.clients, self.outbox, self.state
        found = clients.attached.get(session)
        if found is None or found.id != connection or found.pending or outbox.deliver or outbox.stop:
            return None
        result = read_plain(state.tree, code, body)
        if result is None:
            return None
        clients.touched[session] = None
        return state.zxid, result

    def status(self) -> Status:
        """How this node is."""
        zab, state = self.zab, self.state
        return Status(
            id=self.config.id,
            role=self._role_name(),
            phase=zab.phase.name.lower(),
            leader=zab.leader,
            epoch=zab.current,
            accepted=zab.accepted,
            zxid=zab.history.last,
            committed=zab.history.committed,
            applied=state.zxid,
            quorum=zab.connected_quorum,
            serving=zab.serving,
            voting=zab.voting,
            digest=f"{state.digest():016x}",
            sessions=len(state.sessions),
            connections=len(self.clients),
            watches=self.watches.count(),
            znodes=len(state.tree),
            pending=len(self.clients.waiting),
            members=zab.memberships.settled,
        )

    def _role_name(self) -> str:
        observes = self.zab.state is Role.FOLLOWING and not self.zab.memberships.is_voter(self.config.id)
        return "observer" if observes else ROLE_NAMES[self.zab.state]

    @property
    def leadership(self) -> Leadership | None:
        """While it leads an established epoch."""
        return self._leadership

    def inspect(self) -> Inspection:
        """For operators' questions."""
        return Inspection(self)

    def stop(self, why: str) -> None:
        """This node cannot keep its promises: the driver must end it."""
        self.outbox.stop = self.outbox.stop or why

    # --- events

    def _tick(self, event: events.Tick) -> None:
        paused = event.now_ms - self._ticked_ms > self.config.timing.silence_ms
        self._ticked_ms = event.now_ms
        self._clock(events.Clock(event.now_ms, event.wall_ms))
        if self._leadership is not None:
            self._leadership.tick(self._gathering, paused)
        else:
            self._report()
        self._part()
        self._snapshots.look(event.now_ms)
        self.zab.step(event)

    def _part(self) -> None:
        """A node that was removed ends when the others can do without its word: they have a leader, and something is
        executed behind the membership that it is not in. Or when it has found none of them for a while, to tell them
        what it knows."""
        zab, version = self.zab, self.zab.memberships.settled.version
        gone = self.config.id not in zab.memberships.everybody().ids
        if not gone or zab.history.last <= version or zab.state is Role.LEADING:
            self._parted_ms = None
        elif zab.serving:
            self.outbox.removed = self.state.zxid > version
        elif self._parted_ms is None:
            self._parted_ms = self.now_ms
        else:
            self.outbox.removed = self.now_ms - self._parted_ms > PARTING_SILENCES * self.config.timing.silence_ms

    def _clock(self, event: events.Clock) -> None:
        self.now_ms = self.zab.now_ms = event.now_ms
        self.now_us = max(self.now_us, event.now_ms * 1000 + event.us)
        self.wall_ms = event.wall_ms
        self.clients.go_on()

    def _report(self) -> None:
        """Prepare what the next pong tells the leader; what no pong took yet is told again."""
        if not self.zab.report:
            self._reported.clear()
        self._reported.update(self.clients.touched)
        self.clients.touched.clear()
        self.zab.report = pack_report(self.state.zxid, self.state.digest(), self._reported)

    def _zab(self, event: Any) -> None:
        self.zab.step(event)

    def _snapshot_written(self, event: events.SnapshotWritten) -> None:
        self._snapshots.written(event)

    def _connect(self, event: events.Connect) -> None:
        self.clients.connect(event)

    def _ask(self, event: events.Ask) -> None:
        self.clients.ask(event.connection, (event,))

    def _asks(self, event: events.Asks) -> None:
        self.clients.ask(event.connection, event.asks)

    def _heard(self, event: events.Heard) -> None:
        self.clients.heard(event.connection)

    def _disconnect(self, event: events.Disconnect) -> None:
        self.clients.disconnect(event.connection)

    # --- stations 3 and 4: to the leader, into an order

    def gather(self, request: bytes, ticket: int) -> None:
        """A request of our own clients. Without a leader it waits among `clients.waiting`."""
        if self._routed is not None:
            self._gathering.add(1, request, ticket)

    def _turn(self) -> bool:
        """Order, let zab act, execute. False: nothing more can come of it, or nothing may any more, or others come
        first."""
        if self.outbox.stop:
            return False
        if self._unexecuted is not None:
            ready, self._unexecuted = self._unexecuted, None
            return self._carry_out(ready)
        self._route()
        if self._leadership is not None:
            self._leadership.order(self._gathering)
        elif isinstance(self._routed, Following) and self._gathering:
            self._forward(self._routed)
        if self._barriers.asking and self._routed is not None:
            self._barriers.ask(self._routed)
        ready = self.zab.take()
        if not ready:
            return False
        self._say(ready)
        if self.outbox.stop:
            return False
        if ready.state and (ready.now or ready.disk):
            self._unexecuted = ready
            self.outbox.more = True
            return False
        return self._carry_out(ready)

    def _forward(self, role: Following) -> None:
        """What gathered goes to the leader, unless enough is on its way there."""
        forwarded, waiting = self._forwarded, self.clients.waiting
        while forwarded and forwarded[0] not in waiting:
            forwarded.popleft()
        while self._gathering and len(forwarded) < FORWARDS_IN_FLIGHT:
            count, data, ticket = self._gathering.take()
            forwarded.append(ticket)
            role.forward(count, data)

    def _route(self) -> None:
        """Notice a change of leader. The next one gets everything that was not executed yet, in its order."""
        zab = self.zab
        role = zab.role if zab.serving and not isinstance(zab.role, Looking) else None
        if role is not self._routed:
            self._routed = role
            self._gathering.clear()
            self._forwarded.clear()
            self._leadership = Leadership(self, role) if isinstance(role, Leading) else None
            self._barriers.leader_lost()
            if role is not None:
                for ticket, request in self.clients.waiting.items():
                    self._gathering.add(1, request, ticket)
                self.clients.leader_found()
                self.clients.touched.update(dict.fromkeys(self.clients.sessions()))
        if self._quorum and not zab.connected_quorum:
            self._barriers.quorum_lost()
        self._quorum = zab.connected_quorum

    def _say(self, ready: Ready) -> None:
        """What zab wants to be done elsewhere."""
        outbox = self.outbox
        if ready.disk:
            outbox.lazy = ready.lazy and (outbox.lazy or not outbox.disk)
            outbox.disk += ready.disk
        outbox.now += ready.now
        outbox.after += ready.after
        outbox.stop = outbox.stop or ready.stop
        if ready.members is not None:
            outbox.members = ready.members

    def _carry_out(self, ready: Ready) -> bool:
        """What zab wants to be done here; whether there may be more to do for it."""
        for item in ready.state:
            if isinstance(item, Batch):
                self._execute(item)
            else:
                self._install(item)
            if self.outbox.stop:
                return False
        if ready.members is not None:
            self._agree_on_members()
        for forward in ready.forwards:
            if self._routed is self.zab.role:
                self._gathering.add(forward.count, forward.data)
        for learner, data in ready.reports:
            if self._leadership is not None and not self._leadership.report(learner, data):
                self._leadership.role.drop(learner)
        for answer in ready.barriers:
            self._barriers.answered(answer.token, answer.zxid)
        for learner in ready.snapshots:
            self._snapshots.want(learner)
        return bool(ready.state or ready.forwards or ready.barriers or ready.reports or ready.members is not None)

    def _agree_on_members(self) -> None:
        """What agreement goes by is what the tree shows."""
        settled = self.zab.memberships.settled
        if settled.version and self.state.zxid >= settled.version and text_of(self.state) != settled.shown():
            self.stop(f"the tree shows other members than agreement goes by since zxid {settled.version:#x}")

    # --- stations 9 to 11

    def _execute(self, batch: Batch) -> None:
        """Execute a committed batch: per entry first the events, then the answer."""
        state, clients, leadership, watches = self.state, self.clients, self._leadership, self.watches
        self.time_ms = max(self.time_ms, batch.time_ms)
        assert follows(state.zxid, batch.first), (state.zxid, batch.first)
        if changes := adopt(state, batch):
            self._notice(batch.first, changes)
        at, zxid, end = 0, batch.first, len(batch.data)
        while at < end:
            at, zxid = execute_plain(state, batch, at, zxid, clients, watches)
            if at < end:
                entry, at = batch.entry(at, zxid)
                result = execute(state, entry)
                if watches.watched and result.changes:
                    self._notice(zxid, result.changes)
                if entry.session in clients.attached or entry.code < 0:
                    clients.executed(entry, result)
                if entry.code < 0 and leadership is not None:
                    leadership.executed(entry, result)
                zxid += 1
        batch.ended(zxid)
        if leadership is not None:
            leadership.executed_batch()
        self._barriers.caught_up()
        self._snapshots.executed(batch.count, len(batch.data))

    def _notice(self, zxid: int, changes: list[Any]) -> None:
        deliver = self.outbox.deliver
        for connections, type, path in self.watches.trigger(changes, self.clients.identities):
            deliver.append(Notice(connections, zxid, type, path))

    def _install(self, item: SnapBegin | SnapChunk) -> None:
        """Take over the leader's state, piece by piece."""
        if isinstance(item, SnapBegin):
            self._snapshots.abandon()
            self._builder, self._installing = SnapshotBuilder(), item
            return
        assert self._builder is not None and self._installing is not None
        try:
            if not item.final:
                self._builder.feed(item.data)
                return
            state = self._builder.finish()
            if state.zxid != self._installing.zxid:
                raise ValueError(f"it is of {state.zxid:#x}, not of {self._installing.zxid:#x}")
            if text_of(state) != self._installing.members:
                raise ValueError("it is of another membership than was told")
        except ValueError as error:
            self.stop(f"the leader's snapshot is damaged: {error}")
            return
        self.state, self._builder = state, None
        self.clients.installed()


def _load(recovered: Recovered) -> State:
    """The state of the snapshot; the empty one without."""
    if not recovered.snapshot:
        return State()
    builder = SnapshotBuilder()
    for chunk in recovered.chunks:
        builder.feed(chunk)
    state = builder.finish()
    if state.zxid != recovered.snapshot:
        raise DataInconsistency(f"snapshot of {state.zxid:#x} is named {recovered.snapshot:#x}")
    return state


STEPS: dict[type, Callable[[Replica, Any], None]] = {
    events.Tick: Replica._tick,
    events.Clock: Replica._clock,
    events.Received: Replica._zab,
    events.PeerUp: Replica._zab,
    events.PeerDown: Replica._zab,
    events.HandOff: Replica._zab,
    events.SnapshotWritten: Replica._snapshot_written,
    events.Connect: Replica._connect,
    events.Ask: Replica._ask,
    events.Asks: Replica._asks,
    events.Heard: Replica._heard,
    events.Disconnect: Replica._disconnect,
}
