"""The node's loop: what arrived in one turn is stepped, then one drain carries out what the brain wants done.

Rules: what leaves, leaves in the outbox's order: now, disk, deliver; when the disk has reported, after and written.
What the disk may take later (`lazy`) waits for something that may not, for LAZY_S at most.
Nothing else in the process may send or deliver. No task, future or closure per request. Whatever breaks here ends the
process: a brain that stopped in the middle of an event must not go on.

Sources call `step` (doors through gateway.py, the transport as its Listener, the disk thread through `report`).
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from logging import getLogger
from typing import Any, Protocol

from zooweeper.model.durable import Cut, Installed, Record
from zooweeper.model.members import Membership
from zooweeper.model.zxid import show
from zooweeper.replica.events import Disconnect, Event, PeerDown, PeerUp, Received, SnapshotWritten
from zooweeper.replica.inspect import Inspection
from zooweeper.replica.outbox import Outbox
from zooweeper.replica.status import Status
from zooweeper.runtime import clock
from zooweeper.runtime.gateway import Sink
from zooweeper.runtime.outgoing import PAUSE_S, Outgoing
from zooweeper.zab.messages import Message

LAZY_S = 0.002  # long enough for some lone writes to share a sync
LAZY_MOST = 64  # batches that may wait

EXIT_BROKEN = 1  # a mistake in the program
EXIT_STOPPED = 10  # the brain cannot keep its promises
EXIT_DISK = 75  # writing failed; what is on disk decides at the next start

SHOWN: dict[type, str] = {Cut: "synced by=trunc", Installed: "synced by=snap"}  # in the log; DIFF is the rule

log = getLogger("zooweeper.node")


class Brain(Protocol):
    """replica/replica.py:Replica."""

    def step(self, event: Event) -> None: ...

    def take(self) -> Outbox: ...

    def read(self, connection: int, session: int, code: int, body: bytes) -> tuple[int, bytes] | None: ...

    def status(self) -> Status: ...

    def inspect(self) -> Inspection: ...


class Disk(Protocol):
    """storage/writer.py:Writer."""

    def submit(self, records: Sequence[Record], token: Any) -> None: ...


class Net(Protocol):
    """transport/peers.py:Peers."""

    def send(self, peer: int, message: Message) -> None: ...

    def set_members(self, membership: Membership) -> None: ...

    def carrier(self, peer: int) -> str: ...


class Held:
    """What waits until the disk has everything submitted before it."""

    __slots__ = ("after", "token", "written")

    def __init__(self, token: int, outbox: Outbox) -> None:
        self.token = token
        self.after = outbox.after
        self.written = outbox.written


class Node:
    """One replica, its disk, its peers and its clients, on one event loop."""

    def __init__(self, id: int, brain: Brain, tick_ms: int, fatal: Callable[[int], None]) -> None:
        """`fatal` ends the process with that exit code; it should not return, but nothing is done after it."""
        self.id = id
        self.brain = brain
        self.disk: Disk
        self.net: Net
        self.removed = False  # the ensemble goes on without this node
        self.on_removed: Callable[[], None] = lambda: None  # called once when that is so
        self._fatal = fatal
        self._tick_s = tick_ms / 1000
        self._loop = asyncio.get_running_loop()
        self._clients = Outgoing()
        self._telling = False  # a call of _tell is on its way
        self._draining = False  # a drain is scheduled, or
        self._carrying = False  # under way
        self._behind: list[Callable[[], None]] = []  # to be called at its end
        self._stopped = False
        self._held: deque[Held] = deque()
        self._lazy: list[Record] = []  # for the disk, with the next submission
        self._lazy_timer = False  # is on its way
        self._again_ms = 0  # as the last outbox said
        self._again: asyncio.TimerHandle | None = None
        self._again_s = 0.0  # when that is due
        self._token = 0  # of what the disk was, or will be, given last
        self._reported: deque[int] = deque()  # filled by the disk thread
        self._waking = False  # a call of _on_reported is on its way
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._shown = ("", "", 0, 0)

    def start(self, disk: Disk, net: Net) -> None:
        """Begin to tick. The brain has had its first Tick."""
        self.disk = disk
        self.net = net
        self._due = self._loop.time()
        self._on_timer()

    def stop(self) -> None:
        """Do nothing any more, whatever arrives. What the disk was to take, it takes."""
        self._stopped = True
        self._submit()
        if self._timer is not None:
            self._timer.cancel()

    # --- the way in

    def step(self, event: Event) -> None:
        """One event; its consequences are carried out when the loop's turn is over."""
        if self._stopped:
            return
        try:
            if not self._draining:
                self._draining = True
                self._loop.call_soon(self._drain)
                self.brain.step(clock.now())
            self.brain.step(event)
        except BaseException:
            self._break(f"broken event={type(event).__name__}")
            raise

    def read(self, connection: int, session: int, code: int, body: bytes) -> tuple[int, bytes] | None:
        """As the gateway says."""
        if self._stopped or self._clients.waiting:
            return None
        try:
            return self.brain.read(connection, session, code, body)
        except BaseException:
            self._break("broken event=read")
            raise

    def _on_timer(self) -> None:
        self._due = max(self._due + self._tick_s, self._loop.time())  # after a pause: no ticks to make up for
        self._timer = self._loop.call_at(self._due, self._on_timer)
        self.step(clock.tick())
        self._show()

    # --- as the listener of the transport

    def peer_up(self, peer: int) -> None:
        self.step(PeerUp(peer))

    def peer_down(self, peer: int) -> None:
        self.step(PeerDown(peer))

    def received(self, peer: int, message: Message) -> None:
        self.step(Received(peer, message))

    # --- as the gateway of the doors

    def after_turn(self, call: Callable[[], None]) -> None:
        if self._draining or self._carrying:
            self._behind.append(call)
        else:
            self._loop.call_soon(call)

    def register(self, sink: Sink) -> int:
        return self._clients.register(sink)

    def disconnect(self, connection: int) -> None:
        if self._clients.forget(connection):
            self.step(Disconnect(connection))

    def status(self) -> Status:
        return self.brain.status()

    def inspect(self) -> Inspection:
        return self.brain.inspect()

    def carrier(self) -> str:
        return self.net.carrier(self.brain.status().leader)

    # --- the disk

    def report(self, token: int) -> None:
        """Called on the disk thread: all that was submitted up to `token` is durable."""
        self._reported.append(token)
        if not self._waking:
            self._waking = True
            self._loop.call_soon_threadsafe(self._on_reported)

    def disk_failed(self, error: BaseException) -> None:
        """Called on the disk thread: nothing more will become durable, so nothing more may be promised."""
        log.error("disk.failed reason=%r; the node stops", str(error))
        self._fatal(EXIT_DISK)

    def _on_reported(self) -> None:
        self._waking = False  # first, so that a report from here on calls again
        while self._reported:
            token = self._reported.popleft()
            while self._held and self._held[0].token <= token:
                held = self._held.popleft()
                self._release(held.after, held.written)

    def _release(self, after: list[tuple[int, Message]], written: list[SnapshotWritten]) -> None:
        for peer, message in after:
            if peer == self.id:
                self.step(Received(peer, message))
            else:
                self.net.send(peer, message)
        for event in written:
            self.step(event)

    # --- the way out

    def _drain(self) -> None:
        self._draining = False
        if not self._stopped:
            self._carrying = True
            try:
                more = True
                while more:
                    outbox = self.brain.take()
                    self._carry_out(outbox)
                    more = outbox.more
            except BaseException:
                self._break("broken event=drain")
                raise
            self._carrying = False
        behind, self._behind = self._behind, []
        for call in behind:
            call()

    def _carry_out(self, outbox: Outbox) -> None:
        if outbox.stop:
            log.error("stopped reason=%r", outbox.stop)
            self.stop()
            self._fatal(EXIT_STOPPED)
            return
        if outbox.members is not None:
            log.info("members version=%s voters=%s observers=%s", show(outbox.members.version),
                     outbox.members.voters, outbox.members.observers)  # fmt: skip
            self.net.set_members(outbox.members)
        # Before the disk: its thread, once woken, waits for the interpreter anyway, and others are further away.
        for peer, message in outbox.now:
            self.net.send(peer, message)
        if outbox.disk:
            for record in outbox.disk:
                if type(record) in SHOWN:
                    log.info("%s zxid=%s", SHOWN[type(record)], show(record.zxid))  # type: ignore[union-attr]
            self._token += 1
            self._held.append(Held(self._token, outbox))
            self._lazy += outbox.disk
            if not outbox.lazy or len(self._lazy) > LAZY_MOST:
                self._submit()
            elif not self._lazy_timer:
                self._lazy_timer = True
                self._loop.call_later(LAZY_S, self._on_lazy_timer)
        self._clients.deliver(outbox.deliver)
        self._tell_later()
        if not outbox.disk and (outbox.after or outbox.written):
            if self._held:
                self._held.append(Held(self._token, outbox))
            else:
                self._release(outbox.after, outbox.written)
        self._again_ms = outbox.again_ms
        if outbox.again_ms:
            self._look_again(outbox.again_ms / 1000)
        if outbox.removed:
            log.warning("removed: the ensemble goes on without this node, which ends")
            self.removed = True
            self.stop()
            self.on_removed()

    def _submit(self) -> None:
        if self._lazy:
            records, self._lazy = self._lazy, []
            self.disk.submit(records, self._token)

    def _on_lazy_timer(self) -> None:
        self._lazy_timer = False
        self._submit()

    def _look_again(self, after_s: float) -> None:
        due_s = self._loop.time() + after_s
        if self._again is not None:
            if self._again_s <= due_s:
                return
            self._again.cancel()
        self._again, self._again_s = self._loop.call_later(after_s, self._on_again), due_s

    def _on_again(self) -> None:
        self._again = None
        if self._again_ms:  # or what waited has gone meanwhile
            self.step(clock.now())

    def _tell_later(self) -> None:
        if self._clients.waiting and not self._telling:
            self._telling = True
            self._loop.call_later(PAUSE_S, self._tell)

    def _tell(self) -> None:
        """Some of those who wait for an event that many watch."""
        self._telling = False
        if self._stopped:
            return
        try:
            self._clients.tell_some()
        except BaseException:
            self._break("broken event=tell")
            raise
        self._tell_later()

    # --- what the log says

    def _show(self) -> None:
        status = self.brain.status()
        shown = (status.role, status.phase, status.epoch, status.leader)
        if shown != self._shown:
            self._shown = shown
            log.info("role.%s phase=%s epoch=%d leader=%d", *shown)

    def _break(self, what: str) -> None:
        log.exception("%s; the node stops", what)
        self.stop()
        self._fatal(EXIT_BROKEN)
