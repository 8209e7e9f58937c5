"""A workload is what programs do with the service; a driver is one client and its workloads.

Rules: few znodes, so that clients meet; every written value is unique, so that one that comes back twice, or never,
shows. What a workload begins in `act` it may go on with in `on_answer` and `on_event`, until the driver stops. It
keeps what it knows of its session in itself and forgets it in `on_lost`. It knows of the world and of clients only
what is used here: the same workloads run against real processes.
"""

from collections.abc import Sequence
from random import Random
from typing import Any, ClassVar, Protocol

from sim.history import History, Operation
from zooweeper.model.acl import OPEN, Acl
from zooweeper.model.events import WatchMode
from zooweeper.ops.create import Create
from zooweeper.ops.data import GetData, SetData
from zooweeper.replica.outbox import Notice

UNANSWERED_MAX = 6  # then a client does nothing new
PROBE = "/"  # is always there, and anybody may write it


class World(Protocol):
    """What workloads and drivers use of a world."""

    now_us: int

    def mark(self, situation: str) -> None: ...


class Client(Protocol):
    """What they use of a client."""

    id: int
    history: list[Operation]
    pending: Any  # as long as anything is unanswered
    closing: bool  # the session's end was asked for
    calm_us: int  # since when nothing is broken any more
    on_event: Any
    on_answer: Any
    on_lost: Any

    def ask(
        self, op: type[Any], path: str, request: Any, note: Any = None, linear: bool = False, owner: Any = None
    ) -> Operation: ...

    def close(self, owner: Any = None) -> None: ...

    def abandon(self) -> None: ...

    def restart(self) -> None: ...

    def intrude(self) -> None: ...

    def identify(self, name: str) -> None: ...

    def unwatch(self, mode: WatchMode, path: str, owner: Any = None) -> None: ...

    def drop(self) -> None: ...


class Workload:
    """One client's part in one kind of work."""

    name: ClassVar[str]
    root: ClassVar[str]  # /<name>: all that it does is below
    roots: ClassVar[tuple[str, ...]] = ()  # znodes that must be there, besides the root

    def __init_subclass__(cls) -> None:
        cls.root = f"/{cls.name}"

    def __init__(self, driver: "Driver") -> None:
        self.driver = driver
        self.client = driver.client
        self.world = driver.world

    def act(self, chance: Random) -> None:
        """One doing."""
        raise NotImplementedError

    def on_answer(self, operation: Operation) -> None:
        """To a request of ours, refused ones included."""

    def on_event(self, notice: Notice) -> None:
        """Of a path below our root."""

    def on_word(self, path: str) -> None:
        """Another client says, not by way of the service, that it has changed this znode: look, at once."""
        self.ask(GetData, path, GetData.Request(path, False), linear=True)

    def on_lost(self) -> None:
        """The session has ended, or the program was started anew: watches, locks and ephemerals are gone."""

    def idle(self) -> bool:
        """Whether there is nothing that must still come about by itself; asked again and again after `stop`."""
        return True

    @classmethod
    def judge(cls, history: History) -> None:
        """At the end: Violation unless what all clients of this workload saw fits together."""

    # --- for those below

    @property
    def stopped(self) -> bool:
        return self.driver.stopped

    def value(self) -> bytes:
        """One that nobody ever wrote."""
        return self.driver.value()

    def ask(self, op: type[Any], path: str, request: Any, note: Any = None, linear: bool = False) -> Operation:
        return self.client.ask(op, path, request, note, linear, self)

    def create(self, path: str, data: bytes, flags: int = 0, note: Any = None, acl: Sequence[Acl] = OPEN) -> Operation:
        return self.ask(Create, path, Create.Request(path, data, list(acl), flags), note)

    def set_up(self) -> None:
        """Make the znodes that must be there; that others have made them already is all right."""
        for path in (self.root, *self.roots):
            self.client.ask(Create, path, Create.Request(path, b"", list(OPEN), 0))


class Driver:
    """One client."""

    def __init__(self, world: World, client: Client, names: Sequence[str]) -> None:
        from sim.workloads import WORKLOADS

        self.world = world
        self.client = client
        self.stopped = False
        self.others: Sequence[Driver] = ()  # whom this client can talk to
        self._count = 0
        self.workloads: dict[str, Workload] = {name: WORKLOADS[name](self) for name in names}
        self._ready: dict[str, None] = {}
        self._told = 0
        client.on_answer = self._on_answer
        client.on_event = self._on_event
        client.on_lost = self._on_lost

    def act(self, name: str, chance: Random) -> None:
        """One doing of a workload, unless the client has enough to wait for."""
        if self.stopped or self.client.closing or len(self.client.pending) >= UNANSWERED_MAX:
            return
        workload = self.workloads[name]
        if name not in self._ready:
            self._ready[name] = None
            workload.set_up()
        workload.act(chance)

    def tell(self, name: str, path: str) -> None:
        """Another client, in turn, learns at once that a znode of this workload was changed: nothing finds a stale
        read as surely."""
        if self.others:
            self._told += 1
            self.others[self._told % len(self.others)].hear(name, path)

    def hear(self, name: str, path: str) -> None:
        if name in self._ready and not self.stopped and len(self.client.pending) < UNANSWERED_MAX:
            self.workloads[name].on_word(path)

    def stop(self) -> None:
        """Start nothing new."""
        self.stopped = True

    @property
    def idle(self) -> bool:
        """Nothing is unanswered, and nothing is waited for."""
        return not self.client.pending and all(workload.idle() for workload in self.workloads.values())

    def probe(self) -> Operation:
        """A small write, to see whether there is an answer."""
        return self.client.ask(SetData, PROBE, SetData.Request(PROBE, self.value(), -1))

    def value(self) -> bytes:
        self._count += 1
        return b"%d.%d" % (self.client.id, self._count)

    def _on_answer(self, operation: Operation) -> None:
        if operation.owner is not None:
            operation.owner.on_answer(operation)
            if operation.code == SetData.code and operation.ok:
                self.tell(operation.owner.name, operation.path)

    def _on_event(self, notice: Notice) -> None:
        workload = self.workloads.get(notice.path.split("/", 2)[1])
        if workload is not None:
            workload.on_event(notice)

    def _on_lost(self) -> None:
        for workload in self.workloads.values():
            workload.on_lost()
