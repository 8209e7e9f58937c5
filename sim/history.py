"""What happened, as judges see it: all operations of all clients, and what the committed entries made of them.

Rules: plain records, filled in by whoever drives a client, simulated or real. The history is made once, at the end, in
the order of the calls. An operation that was never answered is settled by the log: `outcome` finds its entry by
session, number and body, or tells that there is none.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from sim.model import Model, Outcome
from zooweeper.model.errors import ErrorCode
from zooweeper.model.zxid import show
from zooweeper.ops.op import Kind
from zooweeper.ops.reconfig import Members, Reconfig
from zooweeper.ops.session import Auth, CloseSession
from zooweeper.ops.table import OPS

NUMBERED = frozenset(
    op.code for op in OPS.values() if op.client and (op.kind is Kind.WRITE or op.code == CloseSession.code)
)


class Operation:
    """One request of a client, from call to return."""

    __slots__ = (
        "again", "body", "call_us", "client", "code", "denied", "error", "linear", "lost", "note", "number", "owner",
        "path", "result", "return_us", "session", "stale", "zxid",
    )  # fmt: skip

    def __init__(
        self, client: int, code: int, path: str, body: bytes, linear: bool, note: Any, owner: Any, call_us: int
    ) -> None:
        self.client = client
        self.session = 0
        self.code = code
        self.path = path
        self.body = body
        self.linear = linear
        self.note = note  # the workload's own
        self.owner = owner  # the workload, or None: the client's own business
        self.call_us = call_us
        self.number = 0
        self.again = False  # sent more than once: the answer may be a remembered one
        self.return_us = -1
        self.zxid = 0
        self.error: int = 0
        self.result: Any = None
        self.lost = False  # its session, or its client, ended before the answer; with a number it may have happened
        self.denied = False  # lost, and said not to have been executed
        self.stale = False

    @property
    def ok(self) -> bool:
        return self.return_us >= 0 and not self.error

    def __repr__(self) -> str:
        name, number = OPS[self.code].name, f" number {self.number}" if self.number else ""
        end = f"{show(self.zxid)} {ErrorCode(self.error).name}" if self.return_us >= 0 else "unanswered"
        linear = " linear" if self.linear else ""
        request = OPS[self.code].Request.decode(self.body)
        return f"c{self.client} {self.session:x}{number}{linear} {name} {request} -> {end} {self.result}"


class Armed(NamedTuple):
    """A watcher of a program begins to watch."""

    watcher: int
    kind: int  # WatchKind of the client library; EXIST: there is no znode
    path: str
    zxid: int  # of the read that set it


class Unarmed(NamedTuple):
    """The program does not want a watcher any more."""

    watcher: int


class Told(NamedTuple):
    """A watcher is told something. Watcher 0: the program began anew, and all its watchers are gone."""

    watcher: int
    type: int  # EventType of the client library
    path: str
    zxid: int


class Shown(NamedTuple):
    """The program gets an answer."""

    zxid: int


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
        if outcome is not None and operation.code == Reconfig.code:
            return outcome if outcome.code == Members.code else None  # what the leader made of it
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
