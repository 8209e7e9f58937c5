"""Registers: set, get, and set by version, of a few znodes; some reads are linear.

Judged by the replay, and apart from it by a search for an order that explains what the clients saw (checks/wgl.py).
"""

from random import Random

from sim.checks.wgl import Call, Register, linearizable
from sim.history import History, Operation
from sim.workloads.base import Workload
from sim.world import Violation
from zooweeper.model.errors import ErrorCode
from zooweeper.ops.create import Create
from zooweeper.ops.data import GetData, SetData
from zooweeper.ops.session import Sync

PATHS = ("/registers/a", "/registers/b", "/registers/c")
REFUSALS = (ErrorCode.NO_QUORUM, ErrorCode.THROTTLED_OP)


class Registers(Workload):
    name = "registers"
    roots = PATHS

    def act(self, chance: Random) -> None:
        path, what = chance.choice(PATHS), chance.random()
        if what < 0.3:
            value = self.value()
            self.ask(SetData, path, SetData.Request(path, value, -1))
        elif what < 0.75:
            linear = chance.random() < 0.5
            self.ask(GetData, path, GetData.Request(path, False), linear=linear)
        elif what < 0.95:
            self.ask(GetData, path, GetData.Request(path, False), note="swap", linear=chance.random() < 0.3)
        else:
            self.ask(Sync, path, Sync.Request(path))

    def on_answer(self, operation: Operation) -> None:
        if operation.note == "swap" and operation.ok and not self.stopped:
            request = SetData.Request(operation.path, self.value(), operation.result.stat.version)
            self.ask(SetData, operation.path, request)

    @classmethod
    def judge(cls, history: History) -> None:
        for path in PATHS:
            calls = [call for one in history.operations if one.path == path and (call := call_of(one)) is not None]
            if linearizable(Register(), calls) is False:
                told = "\n".join(str(call) for call in calls)
                raise Violation("linearizability", f"no order of these explains them:\n{told}")


def call_of(operation: Operation) -> Call | None:
    """The operation as the search sees it; None for one that says nothing."""
    answered = operation.return_us >= 0
    if answered and operation.error in REFUSALS:
        return None
    end_us = operation.return_us if answered else None
    if operation.code == Create.code:
        result = not operation.error
        return Call(operation.call_us, end_us, ("create", b""), result, operation.client)
    if operation.code == SetData.code:
        request = SetData.Request.decode(operation.body)
        version = operation.result.stat.version if operation.ok else operation.error
        return Call(operation.call_us, end_us, ("set", request.data, request.version), version, operation.client)
    if operation.code == GetData.code and operation.linear and answered:
        seen = (operation.result.data or b"", operation.result.stat.version) if operation.ok else None
        return Call(operation.call_us, end_us, ("get",), seen, operation.client)
    return None
