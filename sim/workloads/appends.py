"""A list in one znode, appended to by version: every acknowledged append once, none twice, none lost."""

from random import Random

from sim.history import History, Operation
from sim.workloads.base import Workload
from sim.world import Violation
from zooweeper.ops.data import GetData, SetData

LIST = "/appends/list"


class Appends(Workload):
    name = "appends"
    roots = (LIST,)

    def act(self, chance: Random) -> None:
        self.ask(GetData, LIST, GetData.Request(LIST, False), note="append" if chance.random() < 0.8 else None)

    def on_answer(self, operation: Operation) -> None:
        if operation.note == "append" and operation.ok and not self.stopped:
            value = self.value()
            data = (operation.result.data or b"") + value + b" "
            self.ask(SetData, LIST, SetData.Request(LIST, data, operation.result.stat.version), note=value)

    @classmethod
    def judge(cls, history: History) -> None:
        node = history.model.at(LIST, history.model.zxid)
        values = node.data.split() if node is not None else []
        if len(set(values)) != len(values):
            raise Violation("exactly once", f"{LIST} holds a value twice: {values!r}")
        for operation in history.of(cls.name):
            if operation.code == SetData.code and operation.ok and operation.note not in values:
                raise Violation("exactly once", f"{LIST} lost {operation.note!r}")
