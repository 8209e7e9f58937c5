"""Locks with fencing: who holds the first ephemeral of a line may write the guarded znode, showing its token.

The token is the czxid of the lock's znode; the write is a multi that checks that the lock is still there and that the
guarded znode is the one that was read. A holder that was paused and lost its session may believe what it likes: its
writes do nothing.
"""

from random import Random
from typing import Any

from sim.history import History, Operation
from sim.workloads.base import Workload
from sim.world import Violation
from zooweeper.model.acl import OPEN
from zooweeper.ops.create import EPHEMERAL_SEQUENTIAL, Create2
from zooweeper.ops.data import Check, GetData, SetData
from zooweeper.ops.delete import Delete
from zooweeper.ops.multi import Multi, Part
from zooweeper.ops.read import GetChildren
from zooweeper.replica.outbox import Notice

LINE, GUARDED = "/locks/line", "/locks/guarded"
HOLD = 3  # writes before it is given back


class Locks(Workload):
    name = "locks"
    roots = (LINE, GUARDED)

    def __init__(self, driver: Any) -> None:
        super().__init__(driver)
        self.on_lost()

    def on_lost(self) -> None:
        self.wanted = False
        self.mine = ""  # path of our place in the line
        self.token = 0
        self.writes = 0
        self.looking = False

    def act(self, chance: Random) -> None:
        if not self.wanted:
            self.wanted = True
            request = Create2.Request(f"{LINE}/l-", self.value(), list(OPEN), EPHEMERAL_SEQUENTIAL)
            self.ask(Create2, request.path, request)
        elif self.mine:
            self._look()

    def _look(self) -> None:
        if not self.looking:
            self.looking = True
            self.ask(GetChildren, LINE, GetChildren.Request(LINE, True))

    def on_event(self, notice: Notice) -> None:
        if self.mine and not self.stopped and notice.path == LINE:
            self._look()

    def on_answer(self, operation: Operation) -> None:
        if operation.code == GetChildren.code:
            self.looking = False
        if self.stopped:
            return
        if operation.code == Create2.code:
            self.wanted = operation.ok
            if operation.ok:
                self.mine, self.token = operation.result.path, operation.result.stat.czxid
                self._look()
        elif operation.code == GetChildren.code and operation.ok and self.mine:
            if operation.result.children and f"{LINE}/{min(operation.result.children)}" == self.mine:
                self.ask(GetData, GUARDED, GetData.Request(GUARDED, False), note=self.mine)
        elif operation.code == GetData.code and operation.ok and operation.note == self.mine:
            self._write(operation)
        elif operation.code == Delete.code:
            self.on_lost()

    def _write(self, read: Operation) -> None:
        if token_of(read.result.data) > self.token or self.writes == HOLD:
            self.ask(Delete, self.mine, Delete.Request(self.mine, -1))
            return
        self.writes += 1
        data = b"%d %s" % (self.token, self.value())
        parts = [
            Part(Check.code, Check.Request(self.mine, 0)),
            Part(SetData.code, SetData.Request(GUARDED, data, read.result.stat.version)),
        ]
        self.ask(Multi, GUARDED, Multi.Request(parts), note=(self.mine, self.token))

    @classmethod
    def judge(cls, history: History) -> None:
        model = history.model
        for operation, outcome in history.done(cls.name, Multi.code):
            if any(error for error, _ in outcome.answer):
                continue
            mine, token = operation.note
            line = model.children_at(LINE, outcome.zxid)
            if not line or f"{LINE}/{line[0]}" != mine:
                raise Violation("locks", f"written without the lock, which {line[:1]} has: {operation}")
            node = model.at(mine, outcome.zxid)
            if node is None or node.czxid != token:
                raise Violation("locks", f"not the token of that lock: {operation}")
        highest = 0
        for _, znode in model.past.get(GUARDED, ()):
            token = token_of(znode.data) if znode is not None else highest
            if token < highest:
                raise Violation("locks", f"the token fell from {highest} to {token}")
            highest = token


def token_of(data: bytes | None) -> int:
    return int((data or b"0").split()[0])
