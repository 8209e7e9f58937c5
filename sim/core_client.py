"""The real client core as a client of the simulated world.

Rules: the same face as `sessions.Client`, so that workloads and checks do not care. The core gets links that break,
nodes that are not there, and time that it asked for; what it does about running numbers, retries and watches is its
own. `program` tells what a program heard of its watchers, in order: checks/watches.py reads it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from zooweeper_client import messages
from zooweeper_client.core import ClientCore
from zooweeper_client.options import Options
from zooweeper_client.states import State
from zooweeper_client.watches import LASTING, EventType, WatchKind

from sim.history import Armed, Operation, Shown, Told, Unarmed
from sim.network import Quality
from sim.sessions import TIMEOUT_MS, Doors, Intruder, Link, identity_of
from sim.world import MS, NEVER_US, SECOND, Violation, World
from zooweeper.model.config import Address
from zooweeper.model.errors import ErrorCode
from zooweeper.model.events import WatchMode
from zooweeper.model.zxid import show
from zooweeper.ops.data import GetData
from zooweeper.ops.op import Kind, Nothing
from zooweeper.ops.read import Exists, GetChildren, GetChildren2
from zooweeper.ops.session import AddIdentity, Auth, CloseSession
from zooweeper.ops.table import OPS
from zooweeper.ops.watches import AddWatch
from zooweeper.replica import events
from zooweeper.replica.outbox import Alive, Answer, Hangup, Notice, Refused, Welcome

DEADLINE_MS = 3_600_000  # nobody gives up
MISSING = (ErrorCode.NO_NODE, WatchKind.EXIST)  # where there is no znode, the watch waits for it


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


ARMS: dict[int, WatchKind] = {
    GetData.code: WatchKind.DATA,
    Exists.code: WatchKind.EXIST,
    GetChildren.code: WatchKind.CHILD,
    GetChildren2.code: WatchKind.CHILD,
}


class CoreClient:
    """Drives one ClientCore at a time."""

    def __init__(
        self, world: World, doors: Doors, id: int, quality: Callable[[], Quality], timeout_ms: int = TIMEOUT_MS
    ) -> None:
        self.world = world
        self.doors = doors
        self.id = id
        self.name = f"c{id}"
        self.quality = quality
        self.timeout_ms = timeout_ms
        self.chance = world.chance(f"client {id}")
        self.calm_us = NEVER_US
        self.history: list[Operation] = []
        self.links: list[Link] = []
        self.program: list[Armed | Unarmed | Told | Shown | Notice | Welcome] = []
        self.pending: dict[int, Operation] = {}  # by their place in history
        self.sessions = 0
        self.expired: list[int] = []
        self.link: Link | None = None
        self.on_event: Callable[[Notice], None] = lambda notice: None
        self.on_answer: Callable[[Operation], None] = lambda operation: None
        self.on_lost: Callable[[], None] = lambda: None
        self._requests: dict[int, messages.Request] = {}
        self._orphans: list[Operation] = []
        self._watcher = 0
        self._lasting: dict[tuple[WatchKind, str], int] = {}  # the newest of each kind and path
        self._live_us = 0
        self._begin(0, b"")
        world.after(self.chance.randrange(300 * MS), self._start, self.core)

    def _begin(self, session: int, secret: bytes) -> None:
        """A new core, as in a new process."""
        hosts = tuple(Address("node", node.id) for node in self.doors.nodes)
        options = Options(hosts, timeout_ms=self.timeout_ms, session=session, secret=secret)
        self.core = ClientCore(options, self.chance)
        self.session = session
        self.closing = False
        self.identity = ""
        self._seen = 0
        self._wake_us = -1

    def _start(self, core: ClientCore) -> None:
        if core is self.core:
            self._step(messages.Start())

    # --- what workloads and checks use

    @property
    def live(self) -> bool:
        return self.core.state is State.CONNECTED

    @property
    def seen(self) -> int:
        return self.core.seen

    def ask(
        self, op: type[Any], path: str, request: Any, note: Any = None, linear: bool = False, owner: Any = None
    ) -> Operation:
        """Send a request when possible; the answer comes to `on_answer`."""
        operation = Operation(self.id, op.code, path, request.encode(), linear, note, owner, self.world.now_us)
        place = len(self.history)
        self.history.append(operation)
        self.pending[place] = operation
        self._submit(place, operation, self._arm(op, path, request))
        return operation

    def _arm(self, op: type[Any], path: str, request: Any) -> messages.Arm | None:
        if op is AddWatch:
            kind = WatchKind.PERSISTENT if request.mode == WatchMode.PERSISTENT else WatchKind.RECURSIVE
        elif op.code in ARMS and request.watch:
            kind = ARMS[op.code]
        else:
            return None
        self._watcher += 1
        if kind in LASTING:
            self._lasting[kind, path] = self._watcher
        return messages.Arm(kind, path, self._watcher)

    def _submit(self, place: int, operation: Operation, arm: messages.Arm | None) -> None:
        code = operation.code
        request = self._requests[place] = messages.Request(
            code,
            operation.body,
            numbered=OPS[code].kind is Kind.WRITE or code in (Auth.code, CloseSession.code),
            linear=operation.linear,
            deadline_ms=self.world.now_us // MS + DEADLINE_MS,
            arm=arm,
            owner=place,
        )
        self._step(messages.Submit(request))

    def close(self, owner: Any = None) -> None:
        """End the session; the next one follows."""
        if not self.closing:
            self.closing = True
            self.ask(CloseSession, "/", Nothing(), owner=owner)

    def abandon(self) -> None:
        """Forget the session without a word; the next one follows."""
        self._renew(0, b"")

    def restart(self) -> None:
        """As a new process that knows the session, but not what was asked."""
        self._orphans += self.pending.values()
        self._renew(self.core.session, self.core.secret)

    def _renew(self, session: int, secret: bytes) -> None:
        """The program and its core are gone; others begin."""
        if self.link is not None:
            self.link.close()
            self.link = None
        for place, operation in list(self.pending.items()):
            self._give_up(operation, self._requests.pop(place))
        self.pending.clear()
        self.program.append(Told(0, EventType.LOST, "", self.core.seen))
        self._lasting.clear()
        self._begin(session, secret)
        self.on_lost()
        self.world.after(self.chance.randrange(1 * MS, 300 * MS), self._start, self.core)

    def _give_up(self, operation: Operation, request: messages.Request) -> None:
        operation.lost = True
        operation.session, operation.number = self.session, request.number

    def intrude(self) -> None:
        """Somebody tries to take the session."""
        Intruder(self, self.session)

    def identify(self, name: str) -> None:
        """Prove to be somebody, now and on all later connections of the session."""
        if not self.identity:
            self.identity = name
            self.ask(Auth, "", Auth.Request(0, "digest", name.encode()))

    def unwatch(self, mode: WatchMode, path: str, owner: Any = None) -> None:
        """Take a lasting watch back: one of those that are set."""
        kind = WatchKind.PERSISTENT if mode == WatchMode.PERSISTENT else WatchKind.RECURSIVE
        watcher = self._lasting.pop((kind, path), 0)
        if watcher:
            self.program.append(Unarmed(watcher))
            self._step(messages.Unwatch(kind, path, watcher))

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
        core = self.core
        while core is self.core and (out := core.take()):
            if out.hangup and self.link is not None:
                self.link.close()
                self.link = None
            if out.connect is not None:
                self._dial(out.connect)
            for thing in out.send:
                self._send(thing)
            for delivery in out.deliver:
                if core is self.core:  # what the program does on hearing it may begin another
                    self._deliver(delivery)
        wake_us = self.core.wake_ms * MS
        if wake_us != self._wake_us and wake_us < self.world.now_us + 1000 * SECOND:
            self._wake_us = wake_us
            self.world.after(max(1 * MS, wake_us - self.world.now_us), self._wake, self.core, wake_us)

    def _wake(self, core: ClientCore, wake_us: int) -> None:
        if core is self.core and wake_us == self._wake_us:
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
                link.ask(self._at_door(link.number, thing))

    @staticmethod
    def _at_door(link: int, request: messages.Request) -> events.Ask:
        """A door turns a credential into an identity; everything else it passes on."""
        code, body = request.code, request.body
        if code == Auth.code:
            name = (Auth.Request.decode(body).auth or b"").decode()
            code, body = AddIdentity.code, AddIdentity.Request("digest", identity_of(name)).encode()
        return events.Ask(link, request.xid, code, body, request.number, request.linear)

    def on(self, delivery: Any) -> None:
        """What arrives on the link of the moment."""
        match delivery:
            case None:
                self.link = None
                self._step(messages.LinkDown("the node is gone"))
            case Alive():
                self._step(messages.Heard())
            case Welcome():
                self._welcomed(delivery)
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
                self.program.append(delivery)
                self._step(messages.Answered([Item(0, delivery.zxid, event=delivery.type, path=delivery.path)]))
            case Refused() | Hangup():
                if delivery.error.code == ErrorCode.SESSION_EXPIRED and self.core.session:
                    self._ended()
                self.link = None
                self._step(messages.LinkDown(str(delivery.error), delivery.error.code))

    def _ended(self) -> None:
        """The session has ended, says a node."""
        self.world.mark("session expired")
        self.expired.append(self.session)
        steady_us = self.world.now_us - max(self._live_us, self.calm_us)
        if self.live and steady_us > self.timeout_ms * MS and not self.closing:
            raise Violation("expiry", f"client {self.id} lives, and its session {self.session:x} was ended")

    def _monotone(self, zxid: int) -> None:
        if zxid < self._seen:
            raise Violation("monotone zxid", f"client {self.id} saw {show(self._seen)}, then {show(zxid)}")
        self._seen = zxid

    def _welcomed(self, welcome: Welcome) -> None:
        if self.core.session and welcome.session != self.core.session:
            raise Violation("session", f"client {self.id} attached {self.core.session:x}, got {welcome.session:x}")
        self.sessions += not self.core.session
        self.session = welcome.session
        self._live_us = self.world.now_us
        self.program.append(welcome)
        for operation in self._orphans:
            if operation.number > welcome.number and operation.session == welcome.session:
                operation.number = 0
        self._orphans.clear()

    # --- what the core hands to the program

    def _deliver(self, thing: Any) -> None:
        match thing:
            case messages.Changed():
                if self.world.traced:
                    self.world.note(self.name, f"is {thing.state.name}")
                if thing.state is State.LOST:
                    self.on_lost()
            case messages.Fired():
                self.program.append(Told(thing.watcher, thing.type, thing.path, thing.zxid))
                self.on_event(Notice((0,), thing.zxid, thing.type, thing.path))
            case messages.Request():
                self._settled(thing)

    def _settled(self, request: messages.Request) -> None:
        place: Any = request.owner
        operation = self.pending.pop(place)
        del self._requests[place]
        if request.error in (ErrorCode.CONNECTION_LOSS, ErrorCode.SESSION_EXPIRED, ErrorCode.NOT_CONNECTED):
            self._give_up(operation, request)
            operation.denied = request.error != ErrorCode.CONNECTION_LOSS
            if operation.code == CloseSession.code:
                self._renew(0, b"")
            return
        operation.session, operation.number, operation.again = self.session, request.number, request.unknown
        operation.return_us = self.world.now_us
        operation.zxid, operation.error, operation.stale = request.zxid, request.error, request.stale
        self.program.append(Shown(request.zxid))
        arm = request.arm
        if arm is not None and (not request.error or (request.error, arm.kind) == MISSING):
            there = arm.kind is WatchKind.EXIST and not request.error
            kind = WatchKind.DATA if there else arm.kind
            self.program.append(Armed(arm.watcher, kind, arm.path, request.zxid))
        if not request.error and operation.code != Auth.code:
            operation.result = OPS[operation.code].Result.decode(request.result)
        self.on_answer(operation)
        if operation.code == CloseSession.code:
            self.world.mark("session closed")
            self._renew(0, b"")
