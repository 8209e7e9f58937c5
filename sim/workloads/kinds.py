"""Containers and znodes with a time to live: made, used, and removed by whoever leads when their time has come."""

from random import Random

from sim.workloads.base import Workload
from zooweeper.model.acl import OPEN
from zooweeper.ops.create import CONTAINER_FLAG, TTL_FLAG, TTL_SEQUENTIAL, CreateContainer, CreateTtl
from zooweeper.ops.data import SetData
from zooweeper.ops.delete import Delete
from zooweeper.ops.read import Exists, GetChildren2

TTL_MS = (50, 400, 60_000)


class Kinds(Workload):
    name = "kinds"

    def act(self, chance: Random) -> None:
        container, child = f"{self.root}/box", f"{self.root}/box/in"
        brief, what = f"{self.root}/brief", chance.random()
        if what < 0.15:
            request = CreateContainer.Request(container, b"", list(OPEN), CONTAINER_FLAG)
            self.ask(CreateContainer, container, request)
        elif what < 0.35:
            self.create(child, self.value())
        elif what < 0.55:
            self.ask(Delete, child, Delete.Request(child, -1))
        elif what < 0.75:
            flags = chance.choice((TTL_FLAG, TTL_SEQUENTIAL))
            request_ttl = CreateTtl.Request(brief, self.value(), list(OPEN), flags, chance.choice(TTL_MS))
            self.ask(CreateTtl, brief, request_ttl)
        elif what < 0.85:
            self.ask(SetData, brief, SetData.Request(brief, self.value(), -1))
        elif what < 0.95:
            self.ask(GetChildren2, self.root, GetChildren2.Request(self.root, False))
        else:
            self.ask(Exists, container, Exists.Request(container, True))
