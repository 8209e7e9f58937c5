"""Membership: ephemerals of a few names, taken, given back, looked at; each is there exactly as long as its session."""

from random import Random

from sim.history import History
from sim.workloads.base import Workload
from sim.world import Violation
from zooweeper.model.acl import OPEN
from zooweeper.ops.create import EPHEMERAL, Create, Create2
from zooweeper.ops.delete import Delete
from zooweeper.ops.read import Exists, GetChildren2, GetEphemerals


class Ephemerals(Workload):
    name = "ephemerals"

    def act(self, chance: Random) -> None:
        what, path, root = chance.random(), f"{self.root}/{chance.randrange(4)}", self.root
        if what < 0.35:
            self.create(path, self.value(), EPHEMERAL)
        elif what < 0.5:
            self.ask(Create2, path, Create2.Request(path, self.value(), list(OPEN), EPHEMERAL))
        elif what < 0.65:
            self.ask(Delete, path, Delete.Request(path, -1))
        elif what < 0.75:
            self.ask(GetEphemerals, root, GetEphemerals.Request(root))
        elif what < 0.85:
            self.ask(GetChildren2, root, GetChildren2.Request(root, False))
        elif what < 0.95:
            self.ask(Exists, path, Exists.Request(path, False), linear=chance.random() < 0.3)
        else:
            self.create(f"{path}/below", b"")  # there can be none

    @classmethod
    def judge(cls, history: History) -> None:
        """Apart from the replay: by the operations and the ends of sessions alone."""
        model = history.model
        for path in (f"/{cls.name}/{index}" for index in range(4)):
            for zxid, node in model.past.get(path, ()):
                if node is None or zxid != node.czxid:
                    continue
                session = model.session(node.owner)
                if session is None or (session.ended and session.ended < zxid):
                    raise Violation("ephemerals", f"{path} was made by session {node.owner:x}, which was not there")
                if session.ended and model.at(path, session.ended) is node:
                    raise Violation("ephemerals", f"{path} outlives its session {node.owner:x}")
        for operation in history.of(cls.name):
            if operation.code == Create.code and operation.path.endswith("/below") and operation.ok:
                raise Violation("ephemerals", f"has a child: {operation}")
