"""What clients do, and what must be true of it: registers, sequences, appends by version, ephemerals, watches.

Rules: few znodes, so that clients meet; every written value is unique, so that one that comes back twice, or never,
shows. `judge` compares everything that clients saw with the model of what was committed.
"""

from typing import Any

from sim.core_client import CoreClient
from sim.model import Model
from sim.sessions import Client, Operation, is_write
from sim.world import MS, Violation, World
from zooweeper.model.acl import OPEN
from zooweeper.model.errors import ErrorCode
from zooweeper.model.zxid import show
from zooweeper.ops.create import EPHEMERAL, PERSISTENT, SEQUENTIAL, Create
from zooweeper.ops.data import GetData, SetData
from zooweeper.ops.delete import Delete
from zooweeper.ops.session import Sync
from zooweeper.replica.outbox import Notice

REGISTERS = 3
UNANSWERED_MAX = 6
REFUSALS = (ErrorCode.NO_QUORUM, ErrorCode.THROTTLED_OP)  # nothing happened
LIST = "/list"


class Workload:
    """One client's doings."""

    def __init__(self, world: World, client: Client | CoreClient) -> None:
        self.world = world
        self.client = client
        self.chance = world.chance(f"workload {client.id}")
        self.stopped = False
        self.count = 0
        self.armed: dict[str, tuple[int, int]] = {}  # path -> (welcomes, zxid of the read that set the watch)
        self.set_up = False
        client.on_event = self.on_event
        client.on_answer = self.on_answer
        world.after(400 * MS, self._act)

    def _act(self) -> None:
        self.world.after(self.chance.randrange(2 * MS, 120 * MS), self._act)
        if self.stopped or len(self.client.pending) >= UNANSWERED_MAX:
            return
        if not self.set_up:
            self.set_up = True
            for path in ("/q", "/e", LIST, *(f"/r{index}" for index in range(REGISTERS))):
                self._create(path, PERSISTENT, b"")
        self.chance.choice(DOINGS)(self)

    def _value(self) -> bytes:
        self.count += 1
        return b"%d.%d " % (self.client.id, self.count)

    def _create(self, path: str, flags: int, data: bytes) -> None:
        self.client.ask(Create, path, Create.Request(path, data, list(OPEN), flags), data)

    def _register(self) -> str:
        return f"/r{self.chance.randrange(REGISTERS)}"

    def _set(self) -> None:
        path, value = self._register(), self._value()
        self.client.ask(SetData, path, SetData.Request(path, value, -1), value)

    def _get(self) -> None:
        path = self.chance.choice((self._register(), LIST))
        watch = self.chance.random() < 0.3 and path not in self.armed
        linear = self.chance.random() < 0.3
        self.client.ask(GetData, path, GetData.Request(path, watch), ("get", watch), linear)

    def _sequential(self) -> None:
        self._create("/q/n-", SEQUENTIAL, self._value())

    def _append(self) -> None:
        self.client.ask(GetData, LIST, GetData.Request(LIST, False), ("append", False))

    def _ephemeral(self) -> None:
        self._create(f"/e/{self.chance.randrange(4)}", EPHEMERAL, self._value())

    def _delete(self) -> None:
        path = f"/e/{self.chance.randrange(4)}"
        self.client.ask(Delete, path, Delete.Request(path, -1))

    def _sync(self) -> None:
        self.client.ask(Sync, "/", Sync.Request("/"))

    # --- what comes back

    def on_event(self, notice: Notice) -> None:
        if notice.path not in self.armed:
            raise Violation("watch fires once", f"client {self.client.id} got {notice} and watches {self.armed}")
        del self.armed[notice.path]

    def on_answer(self, operation: Operation) -> None:
        self.armed = {path: armed for path, armed in self.armed.items() if armed[0] == self.client.welcomes}
        if operation.code != GetData.code or operation.error:
            return
        stat = operation.result.stat
        armed = self.armed.get(operation.path)
        if armed is not None and stat.mzxid > armed[1]:
            raise Violation(
                "event before answer",
                f"client {self.client.id} reads {operation.path} of {show(stat.mzxid)}, watched since {show(armed[1])}",
            )
        what, watch = operation.note
        if watch:
            self.armed.setdefault(operation.path, (self.client.welcomes, operation.zxid))
        if what == "append" and not self.stopped:
            value = self._value()
            data = (operation.result.data or b"") + value
            self.client.ask(SetData, LIST, SetData.Request(LIST, data, stat.version), value)


DOINGS = (
    Workload._set,
    Workload._set,
    Workload._get,
    Workload._get,
    Workload._sequential,
    Workload._append,
    Workload._ephemeral,
    Workload._delete,
    Workload._sync,
)


def judge(model: Model, workloads: list[Workload]) -> int:
    """Everything the clients saw against what was committed; returns how many writes were acknowledged."""
    operations = [operation for workload in workloads for operation in workload.client.history]
    writes = [operation for operation in operations if is_write(operation)]
    acknowledged = [operation for operation in writes if operation.return_us >= 0]
    for operation in acknowledged:
        judge_write(model, operation)
    judge_time(acknowledged)
    judge_sequences(acknowledged)
    for operation in operations:
        if operation.code == GetData.code and operation.return_us >= 0 and operation.error not in REFUSALS:
            judge_read(model, operation)
    judge_linear(model, operations)
    for workload in workloads:
        judge_watches(model, workload)
    judge_list(model, writes)
    return len(acknowledged)


def judge_write(model: Model, operation: Operation) -> None:
    """It is there, under its number, with the result that was told."""
    outcome = model.outcome(operation.session, operation.number)
    if outcome is None:
        raise Violation("durability", f"acknowledged and not committed: {operation}")
    if outcome.error != operation.error:
        raise Violation("results", f"the model says {ErrorCode(outcome.error).name}: {operation}")
    if outcome.zxid > operation.zxid:
        raise Violation("results", f"answered before {show(outcome.zxid)} was executed: {operation}")
    operation.zxid = outcome.zxid  # a repeated answer carries a later one
    if operation.code == Create.code and not operation.error and outcome.path != operation.result.path:
        raise Violation("results", f"the model says {outcome.path}: {operation}")
    if operation.code == SetData.code and not operation.error and outcome.version != operation.result.stat.version:
        raise Violation("results", f"the model says version {outcome.version}: {operation}")


def judge_time(acknowledged: list[Operation]) -> None:
    """What returned before another was called has the smaller zxid."""
    moments: list[tuple[int, int, Operation]] = []
    for operation in acknowledged:
        moments.append((operation.call_us, 1, operation))
        moments.append((operation.return_us, 0, operation))
    moments.sort(key=lambda moment: moment[:2])
    highest = 0
    for _, is_call, operation in moments:
        if is_call and operation.zxid <= highest:
            raise Violation("real time", f"called after {show(highest)} was acknowledged: {operation}")
        if not is_call:
            highest = max(highest, operation.zxid)


def judge_sequences(acknowledged: list[Operation]) -> None:
    """No name twice."""
    names: dict[str, Operation] = {}
    for operation in acknowledged:
        if operation.code == Create.code and operation.path == "/q/n-" and not operation.error:
            other = names.setdefault(operation.result.path, operation)
            if other is not operation:
                raise Violation("sequence", f"{operation.result.path} was given twice")


def judge_read(model: Model, operation: Operation) -> None:
    """It is the state at the zxid of its answer."""
    _, data, version = model.at(operation.path, operation.zxid)
    if data is None:
        if operation.error != ErrorCode.NO_NODE:
            raise Violation("reads", f"there is no such znode at {show(operation.zxid)}: {operation}")
    elif operation.error or (operation.result.data or b"", operation.result.stat.version) != (data, version):
        raise Violation("reads", f"the model has {data[-30:]!r} version {version}: {operation}")


def judge_linear(model: Model, operations: list[Operation]) -> None:
    """A linear read shows everything that was acknowledged before it was asked, by writes and by linear reads."""
    moments: list[tuple[int, int, Operation]] = []
    for operation in operations:
        if operation.return_us >= 0 and (is_write(operation) or operation.code == Sync.code or operation.linear):
            moments.append((operation.return_us, 0, operation))
            if not is_write(operation) and not operation.error:
                moments.append((operation.call_us, 1, operation))
    moments.sort(key=lambda moment: moment[:2])
    highest = 0
    for _, is_call, operation in moments:
        if not is_call and not operation.error:
            highest = max(highest, operation.zxid)
        elif is_call and operation.zxid < highest:
            raise Violation("linear reads", f"{show(highest)} was acknowledged before: {operation}")


def judge_watches(model: Model, workload: Workload) -> None:
    """No event is missing at the end."""
    client = workload.client
    for path, (welcomes, since) in workload.armed.items():
        changed, _, _ = model.at(path, client.seen)
        if welcomes == client.welcomes and client.live and changed > since:
            raise Violation("lost event", f"client {client.id}: {path} changed at {show(changed)}, after {show(since)}")


def judge_list(model: Model, writes: list[Operation]) -> None:
    """Appends: every acknowledged one once, none twice, in no other order."""
    _, data, _ = model.at(LIST, model.zxid)
    values: list[Any] = (data or b"").split()
    if len(set(values)) != len(values):
        raise Violation("exactly once", f"{LIST} holds a value twice: {values}")
    appends = [operation for operation in writes if operation.path == LIST and operation.code == SetData.code]
    for operation in appends:
        if operation.return_us >= 0 and not operation.error and operation.note.strip() not in values:
            raise Violation("exactly once", f"{LIST} lost {operation.note!r}")
