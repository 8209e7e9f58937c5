"""Watches of all kinds on a few znodes that come, change and go; judged by checks/watches.py.

One-shot watches of data, existence and children, persistent and recursive ones, taken back now and then, over sessions
that move from node to node.
"""

from random import Random
from typing import Any

from sim.history import Operation
from sim.workloads.base import Workload
from sim.world import Violation
from zooweeper.model.acl import OPEN
from zooweeper.model.events import WatchMode
from zooweeper.ops.create import Create
from zooweeper.ops.data import GetData, SetData
from zooweeper.ops.delete import Delete, DeleteRecursive
from zooweeper.ops.multi import Multi, Part
from zooweeper.ops.read import Exists, GetChildren, GetChildren2
from zooweeper.ops.watches import AddWatch
from zooweeper.replica.outbox import Notice

LASTING_MAX = 2  # of one session: every event costs


class Watches(Workload):
    name = "watches"
    roots = ("/watches/a", "/watches/b")

    def __init__(self, driver: Any) -> None:
        super().__init__(driver)
        self.lasting: list[tuple[WatchMode, str]] = []

    def act(self, chance: Random) -> None:
        path = chance.choice(self.roots)
        deep = chance.choice((path, f"{path}/x", f"{path}/y"))
        chance.choice(LOOKS)(self, path, deep, chance)
        chance.choice(CHANGES)(self, path, deep, chance)

    # --- what sets watches

    def _data(self, path: str, deep: str, chance: Random) -> None:
        self.ask(GetData, deep, GetData.Request(deep, True))

    def _exists(self, path: str, deep: str, chance: Random) -> None:
        self.ask(Exists, deep, Exists.Request(deep, True), linear=chance.random() < 0.3)

    def _children(self, path: str, deep: str, chance: Random) -> None:
        kind = chance.choice((GetChildren, GetChildren2))
        self.ask(kind, path, kind.Request(path, True))

    def _lasting(self, path: str, deep: str, chance: Random) -> None:
        if len(self.lasting) < LASTING_MAX:
            mode = chance.choice((WatchMode.PERSISTENT, WatchMode.RECURSIVE))
            where = chance.choice((path, self.root))
            self.lasting.append((mode, where))
            self.ask(AddWatch, where, AddWatch.Request(where, mode))
        elif chance.random() < 0.3:
            self.client.unwatch(*self.lasting.pop(), self)

    # --- what fires them

    def _nothing(self, path: str, deep: str, chance: Random) -> None:
        pass

    def _create(self, path: str, deep: str, chance: Random) -> None:
        self.create(deep, self.value())

    def _set(self, path: str, deep: str, chance: Random) -> None:
        self.ask(SetData, deep, SetData.Request(deep, self.value(), -1))

    def _delete(self, path: str, deep: str, chance: Random) -> None:
        self.ask(Delete, deep, Delete.Request(deep, -1))

    def _clear(self, path: str, deep: str, chance: Random) -> None:
        self.ask(DeleteRecursive, path, DeleteRecursive.Request(path, 0))
        self.create(path, self.value())

    def _both(self, path: str, deep: str, chance: Random) -> None:
        self._several(path)

    def _several(self, path: str) -> None:
        """Both a znode and its child, in one entry: their events must come together."""
        parts = [Part(SetData.code, SetData.Request(path, self.value(), -1))]
        for name in "xy":
            parts.append(Part(Create.code, Create.Request(f"{path}/{name}", self.value(), list(OPEN), 0)))
        self.ask(Multi, path, Multi.Request(parts))

    def on_event(self, notice: Notice) -> None:
        """Look at it at once, watching again: the answer must not be older than the event."""
        if not self.stopped and notice.type > 0:
            self.ask(Exists, notice.path, Exists.Request(notice.path, False), note=notice.zxid)

    def on_answer(self, operation: Operation) -> None:
        if operation.note is not None and operation.return_us >= 0 and operation.zxid < operation.note:
            raise Violation("watches", f"an answer older than the event before it: {operation}")

    def on_lost(self) -> None:
        self.lasting.clear()


LOOKS = (Watches._data, Watches._data, Watches._exists, Watches._children, Watches._lasting)
CHANGES = (
    Watches._nothing,
    Watches._create,
    Watches._create,
    Watches._set,
    Watches._set,
    Watches._delete,
    Watches._clear,
    Watches._both,
)
