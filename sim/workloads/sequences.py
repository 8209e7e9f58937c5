"""Sequential creates below one znode: no name twice, names in the order of the log, none lost."""

from random import Random

from sim.history import History
from sim.workloads.base import Workload
from sim.world import Violation
from zooweeper.ops.create import SEQUENTIAL, Create
from zooweeper.ops.read import GetAllChildrenNumber, GetChildren, ListChildren

PREFIX = "/sequences/n-"


class Sequences(Workload):
    name = "sequences"

    def act(self, chance: Random) -> None:
        what, root = chance.random(), self.root
        if what < 0.7:
            self.create(PREFIX, self.value(), SEQUENTIAL)
        elif what < 0.8:
            self.ask(GetChildren, root, GetChildren.Request(root, False), linear=chance.random() < 0.5)
        elif what < 0.9:
            self.ask(GetAllChildrenNumber, root, GetAllChildrenNumber.Request(root))
        else:
            self.ask(ListChildren, root, ListChildren.Request(root, "", chance.randint(0, 3), True, True))

    @classmethod
    def judge(cls, history: History) -> None:
        names: dict[str, bytes] = {}
        for operation in history.of(cls.name):
            if operation.code == Create.code and operation.ok:
                name = operation.result.path
                if names.setdefault(name, operation.body) is not operation.body:
                    raise Violation("sequence", f"{name} was given twice")
                if history.model.at(name, history.model.zxid) is None:
                    raise Violation("sequence", f"{name} was acknowledged and is not there")
        order = [outcome.answer for _, outcome in history.done(cls.name, Create.code)]
        if order != sorted(order):
            raise Violation("sequence", f"the log has {order}")
