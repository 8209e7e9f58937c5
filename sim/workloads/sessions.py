"""Sessions that come and go: opened, closed, left without a word, taken up again by a new process, cut off.

What other workloads of the client were doing ends with it, at any moment. Judged by checks/sessions.py and by what
becomes of the ephemerals.
"""

from random import Random

from sim.history import History
from sim.workloads.base import Workload
from sim.world import Violation
from zooweeper.ops.create import EPHEMERAL_SEQUENTIAL, Create
from zooweeper.ops.read import GetEphemerals


class Sessions(Workload):
    name = "sessions"

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
            self.client.abandon()
        elif what < 0.9:
            self.world.mark("a session was taken up again")
            self.client.restart()
        else:
            self.client.drop()

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
