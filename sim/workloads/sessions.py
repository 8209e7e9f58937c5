"""Sessions that come and go: opened, closed, left without a word, taken up again by a new process, cut off.

What other workloads of the client were doing ends with it, at any moment. Judged by checks/sessions.py and by what
becomes of the ephemerals.
"""

from random import Random
from typing import Any

from sim.history import History, Operation
from sim.workloads.base import Workload
from sim.world import Violation
from zooweeper.model.errors import ErrorCode
from zooweeper.ops.create import EPHEMERAL_SEQUENTIAL, Create
from zooweeper.ops.read import Exists, GetEphemerals

LOOK_US = 250_000  # between two looks at what a session that was left has left behind


class Sessions(Workload):
    name = "sessions"

    def __init__(self, driver: Any) -> None:
        super().__init__(driver)
        self.mine = ""  # an ephemeral of this session
        self.ghost = ""  # one of a session that was left; it must go when its time is over
        self.looked_us = 0

    def act(self, chance: Random) -> None:
        what = chance.random()
        if what < 0.5:
            self.create(f"{self.root}/s-", self.value(), EPHEMERAL_SEQUENTIAL)
        elif what < 0.65:
            self.ask(GetEphemerals, self.root, GetEphemerals.Request(self.root))
        elif what < 0.75:
            self.client.close(self)
        elif what < 0.82:
            self.world.mark("a session was left")
            self.ghost = self.mine
            self.client.abandon()
        elif what < 0.86:
            self.client.intrude()
        elif what < 0.93:
            self.world.mark("a session was taken up again")
            self.client.restart()
        else:
            self.client.drop()

    def on_answer(self, operation: Operation) -> None:
        if operation.code == Create.code and operation.ok and operation.path.endswith("/s-"):
            self.mine = operation.result.path
        elif operation.code == Exists.code and operation.error == ErrorCode.NO_NODE:
            self.ghost = ""

    def on_lost(self) -> None:
        self.mine = ""

    def idle(self) -> bool:
        """A session that was left ends by itself, and its ephemerals with it."""
        if self.ghost and self.world.now_us - self.looked_us > LOOK_US:
            self.looked_us = self.world.now_us
            self.ask(Exists, self.ghost, Exists.Request(self.ghost, False), linear=True)
        return not self.ghost

    @classmethod
    def judge(cls, history: History) -> None:
        """An ephemeral that was acknowledged goes with its session and with nothing else."""
        model = history.model
        for operation, outcome in history.done(cls.name, Create.code):
            if not operation.path.endswith("/s-"):
                continue
            session = model.session(operation.session)
            assert session is not None
            gone = next(zxid for zxid in model.family[cls.root][outcome.answer.rpartition("/")[2]][1:] or [0])
            if gone != session.ended:
                raise Violation("ephemerals", f"gone at {gone:#x}, its session at {session.ended:#x}: {operation}")
