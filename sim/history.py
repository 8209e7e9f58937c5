"""What happened, as judges see it: all operations of all clients, and what the committed entries made of them.

Rules: made once, at the end; operations in the order of their calls. An operation that was never answered is settled
by the log: `outcome` finds its entry by session, number and body, or tells that there is none.
"""

from collections.abc import Iterable
from typing import Any

from sim.model import Model, Outcome
from sim.sessions import Operation
from zooweeper.ops.op import Kind
from zooweeper.ops.session import Auth, CloseSession
from zooweeper.ops.table import OPS

NUMBERED = frozenset(
    op.code for op in OPS.values() if op.client and (op.kind is Kind.WRITE or op.code == CloseSession.code)
)


class History:
    """All of it."""

    def __init__(self, model: Model, clients: Iterable[Any]) -> None:
        self.model = model
        self.clients = list(clients)
        self.operations: list[Operation] = sorted(
            (operation for client in self.clients for operation in client.history if operation.code != Auth.code),
            key=called,
        )
        self.writes = [operation for operation in self.operations if operation.code in NUMBERED]
        self._by_workload: dict[str, list[Operation]] = {}
        for operation in self.operations:
            if operation.owner is not None:
                self._by_workload.setdefault(operation.owner.name, []).append(operation)

    def of(self, workload: str) -> list[Operation]:
        """The operations of a workload, of all its clients."""
        return self._by_workload.get(workload, [])

    def outcome(self, operation: Operation) -> Outcome | None:
        """What a write came to; None if it was never executed."""
        if not operation.number:
            return None
        outcome = self.model.outcome(operation.session, operation.number)
        same = outcome is not None and (outcome.code, outcome.body) == (operation.code, operation.body)
        return outcome if same else None

    def done(self, workload: str, code: int) -> Iterable[tuple[Operation, Outcome]]:
        """The writes of one kind that took effect, answered or not, in the order of the log."""
        found = [
            (operation, outcome)
            for operation in self.of(workload)
            if operation.code == code and (outcome := self.outcome(operation)) is not None and not outcome.error
        ]
        return sorted(found, key=committed)


def called(operation: Operation) -> int:
    return operation.call_us


def committed(pair: tuple[Operation, Outcome]) -> int:
    return pair[1].zxid
