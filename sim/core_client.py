"""The real client core as a client of the simulated world.

Rules: the same face as `sessions.Client`, so that workloads and checks do not care. The core gets links that break,
nodes that are not there, and time that it asked for; what it does about running numbers, retries and watches is its
own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from zooweeper_client import messages
from zooweeper_client.core import ClientCore
from zooweeper_client.options import Options
from zooweeper_client.states import State
from zooweeper_client.watches import EventType, WatchKind

from sim.network import Quality
from sim.sessions import Doors, Link, Operation
from sim.world import MS, SECOND, Violation, World
from zooweeper.model.config import Address
from zooweeper.model.errors import ErrorCode
from zooweeper.model.zxid import show
from zooweeper.ops.data import GetData
from zooweeper.ops.op import Kind
from zooweeper.ops.table import OPS
from zooweeper.replica import events
from zooweeper.replica.outbox import Alive, Answer, Hangup, Notice, Refused, Welcome

TIMEOUT_MS = 4000
DEADLINE_MS = 3_600_000  # nobody gives up


@dataclass(slots=True)
class Item:
    """An answer or an event, as the servers' message would have it."""

    xid: int
    zxid: int
    error: int = 0
    body: bytes = b""
    stale: bool = False
    detail: str = ""
    event: int = 0
    path: str = ""


class CoreClient:
    """Drives one ClientCore."""

    def __init__(self, world: World, doors: Doors, id: int, quality: Callable[[], Quality]) -> None:
        self.world = world
        self.doors = doors
        self.id = id
        self.name = f"c{id}"
        self.quality = quality
        self.chance = world.chance(f"client {id}")
        self.calm = False
        self.history: list[Operation] = []
        self.pending: dict[int, Operation] = {}  # by their place in history
        self.welcomes = 0  # lives of the watch table: it survives links, and ends with its session
        self.link: Link | None = None
        self.on_event: Callable[[Notice], None] = lambda notice: None
        self.on_answer: Callable[[Operation], None] = lambda operation: None
        hosts = tuple(Address("node", node.id) for node in doors.nodes)
        self.core = ClientCore(Options(hosts, timeout_ms=TIMEOUT_MS), self.chance)
        self._seen = 0
        self._wake_us = -1
        self._watcher = 0
        self._fired = ("", 0)
        world.after(self.chance.randrange(300 * MS), self._step, messages.Start())

    # --- what workloads and checks use

    @property
    def live(self) -> bool:
        return self.core.state is State.CONNECTED

    @property
    def seen(self) -> int:
        return self.core.seen

    def ask(self, op: type[Any], path: str, request: Any, note: Any = None, linear: bool = False) -> Operation:
        """Send a request when possible; the answer comes to `on_answer`."""
        body = request.encode()
        operation = Operation(self.id, 0, op.code, path, body, linear, note, self.world.now_us)
        self.pending[len(self.history)] = operation
        self.history.append(operation)
        arm = None
        if op is GetData and request.watch:
            self._watcher += 1
            arm = messages.Arm(WatchKind.DATA, path, self._watcher)
        wanted = messages.Request(
            op.code,
            body,
            numbered=OPS[op.code].kind is Kind.WRITE,
            linear=linear,
            deadline_ms=self.world.now_us // MS + DEADLINE_MS,
            arm=arm,
            owner=len(self.history) - 1,
        )
        self._step(messages.Submit(wanted))
        return operation

    def drop(self) -> None:
        """The connection breaks."""
        if self.link is not None:
            self.link.close()
            self.link = None
            self._step(messages.LinkDown("broken"))

    # --- the core, its time, its link

    def _step(self, event: messages.Event) -> None:
        self.core.step(messages.Tick(self.world.now_us // MS))
        self.core.step(event)
        self._drain()

    def _drain(self) -> None:
        while out := self.core.take():
            if out.hangup and self.link is not None:
                self.link.close()
                self.link = None
            if out.connect is not None:
                self._dial(out.connect)
            for thing in out.send:
                self._send(thing)
            for delivery in out.deliver:
                self._deliver(delivery)
        wake_us = self.core.wake_ms * MS
        if wake_us != self._wake_us and wake_us < self.world.now_us + 1000 * SECOND:
            self._wake_us = wake_us
            self.world.after(max(1 * MS, wake_us - self.world.now_us), self._wake, wake_us)

    def _wake(self, wake_us: int) -> None:
        if wake_us == self._wake_us:
            self._wake_us = -1
            self.core.step(messages.Tick(self.world.now_us // MS))
            self._drain()

    def _dial(self, address: Address) -> None:
        node = next(node for node in self.doors.nodes if node.id == address.port)
        self.link = self.doors.open(self, node)
        if not node.alive:
            self.link.down.push(None)

    def _send(self, thing: Any) -> None:
        link = self.link
        if link is None:
            return
        match thing:
            case messages.Hello():
                link.up.push(
                    events.Connect(
                        link.number, thing.session, thing.secret, thing.timeout_ms, thing.seen, thing.results, ""
                    )
                )
            case messages.Ping():
                link.up.push(events.Heard(link.number))
            case messages.Request():
                link.up.push(events.Ask(link.number, thing.xid, thing.code, thing.body, thing.number, thing.linear))

    def on(self, delivery: Any) -> None:
        """What arrives on the link of the moment."""
        match delivery:
            case None:
                self.link = None
                self._step(messages.LinkDown("the node is gone"))
            case Alive():
                self._step(messages.Heard())
            case Welcome():
                self._step(
                    messages.Welcomed(
                        delivery.session, delivery.secret, delivery.timeout_ms, delivery.number, delivery.zxid
                    )
                )
            case Answer():
                self._monotone(delivery.zxid)
                item = Item(delivery.xid, delivery.zxid, delivery.error, delivery.body, delivery.stale, delivery.detail)
                self._step(messages.Answered([item]))
            case Notice():
                self._monotone(delivery.zxid)
                self._step(messages.Answered([Item(0, delivery.zxid, event=delivery.type, path=delivery.path)]))
            case Refused() | Hangup():
                self.link = None
                self._step(messages.LinkDown(str(delivery.error), delivery.error.code))

    def _monotone(self, zxid: int) -> None:
        if zxid < self._seen:
            raise Violation("monotone zxid", f"client {self.id} saw {show(self._seen)}, then {show(zxid)}")
        self._seen = zxid

    # --- what the core hands to the program

    def _deliver(self, thing: Any) -> None:
        match thing:
            case messages.Changed():
                self.world.note(self.name, f"is {thing.state.name}")
                if thing.state is State.LOST:
                    self._lost()
            case messages.Fired():
                fired = (thing.path, thing.zxid)
                if thing.type != EventType.LOST and fired != self._fired:  # one event, whoever watches
                    self._fired = fired
                    self.on_event(Notice(0, thing.zxid, thing.type, thing.path))
            case messages.Request():
                self._settled(thing)

    def _lost(self) -> None:
        self.world.mark("session expired")
        self.welcomes += 1
        if self.calm:
            raise Violation("expiry", f"client {self.id} lives, and its session was ended")

    def _settled(self, request: messages.Request) -> None:
        operation = self.pending.pop(request.owner)  # type: ignore[call-overload]
        if request.error in (ErrorCode.CONNECTION_LOSS, ErrorCode.SESSION_EXPIRED):
            operation.lost = True
            return
        operation.session, operation.number = self.core.session, request.number
        operation.return_us = self.world.now_us
        operation.zxid, operation.error, operation.stale = request.zxid, request.error, request.stale
        if not request.error:
            operation.result = OPS[operation.code].Result.decode(request.result)
        self.on_answer(operation)
