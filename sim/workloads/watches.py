"""Watches of all kinds on a few znodes that come, change and go; judged by checks/watches.py.

One-shot watches of data, existence and children, persistent and recursive ones, taken back now and then, over sessions
that move from node to node.
"""

from random import Random

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

LASTING_MAX = 2  # of one session: they are never taken back, and every event costs


class Watches(Workload):
    name = "watches"
    lasting = 0

    def act(self, chance: Random) -> None:
        path = f"{self.root}/{chance.choice('ab')}"
        deep = chance.choice((path, path, f"{path}/x", f"{path}/y"))
        what = chance.random()
        if what < 0.15:
            self.ask(GetData, deep, GetData.Request(deep, True))
        elif what < 0.25:
            self.ask(Exists, deep, Exists.Request(deep, True), linear=chance.random() < 0.3)
        elif what < 0.35:
            kind = chance.choice((GetChildren, GetChildren2))
            self.ask(kind, path, kind.Request(path, True))
        elif what < 0.42 and self.lasting < LASTING_MAX:
            self.lasting += 1
            mode = chance.choice((WatchMode.PERSISTENT, WatchMode.RECURSIVE))
            where = chance.choice((path, self.root))
            self.ask(AddWatch, where, AddWatch.Request(where, mode))
        elif what < 0.65:
            self.create(deep, self.value())
        elif what < 0.8:
            self.ask(SetData, deep, SetData.Request(deep, self.value(), -1))
        elif what < 0.92:
            self.ask(Delete, deep, Delete.Request(deep, -1))
        elif what < 0.96:
            self.ask(DeleteRecursive, path, DeleteRecursive.Request(path, 0))
        else:
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
        self.lasting = 0
