"""A queue: put is a sequential create, take is to delete the first by its version; nothing lost or taken twice."""

from random import Random

from sim.history import History, Operation
from sim.workloads.base import Workload
from sim.world import Violation
from zooweeper.ops.create import SEQUENTIAL, Create
from zooweeper.ops.data import GetData
from zooweeper.ops.delete import Delete
from zooweeper.ops.read import GetChildren

ITEM = "/queue/item-"


class Queue(Workload):
    name = "queue"

    def act(self, chance: Random) -> None:
        if chance.random() < 0.5:
            self.create(ITEM, self.value(), SEQUENTIAL)
        else:
            self.ask(GetChildren, self.root, GetChildren.Request(self.root, False))

    def on_answer(self, operation: Operation) -> None:
        if not operation.ok or self.stopped:
            return
        if operation.code == GetChildren.code and operation.result.children:
            path = f"{self.root}/{min(operation.result.children)}"
            self.ask(GetData, path, GetData.Request(path, False))
        elif operation.code == GetData.code:
            request = Delete.Request(operation.path, operation.result.stat.version)
            self.ask(Delete, operation.path, request, note=operation.result.data)

    @classmethod
    def judge(cls, history: History) -> None:
        put = {operation.result.path: operation for operation in history.of(cls.name) if is_put(operation)}
        taken: dict[str, Operation] = {}
        for operation in history.of(cls.name):
            if operation.code == Delete.code and operation.ok:
                if taken.setdefault(operation.path, operation) is not operation:
                    raise Violation("queue", f"taken twice: {operation} and {taken[operation.path]}")
                giver = put.get(operation.path)
                if giver is not None and Create.Request.decode(giver.body).data != operation.note:
                    raise Violation("queue", f"not what was put: {operation} and {giver}")
        perhaps = {operation.path for operation in history.of(cls.name) if operation.code == Delete.code}
        left = history.model.children_at(cls.root, history.model.zxid)
        for path, operation in put.items():
            if path not in perhaps and path.rpartition("/")[2] not in left:
                raise Violation("queue", f"put, never taken, and gone: {operation}")
            if path in taken and path.rpartition("/")[2] in left:
                raise Violation("queue", f"taken and still there: {taken[path]}")


def is_put(operation: Operation) -> bool:
    return operation.code == Create.code and operation.path == ITEM and operation.ok
