"""The replay: every operation that any client was told something about, against the model of the committed entries.

Rules: from docs/guarantees.md. A write must be in the log under its number, with the result that was told; one that
was said not to have been executed must not be. A read must show the state at the zxid of its answer. What returned
before another was called comes before it. Nothing here searches: with a zxid on every answer, sorting is enough.
"""

from collections.abc import Iterable

from sim.history import History, Operation
from sim.model import Refusal
from sim.views import READS, Moment, request_of, shape
from sim.world import Violation
from zooweeper.model.errors import ErrorCode
from zooweeper.model.zxid import show
from zooweeper.ops.session import Auth, CloseSession, Sync

REFUSALS = (ErrorCode.NO_QUORUM, ErrorCode.THROTTLED_OP)  # nothing happened


def judge_replay(history: History) -> int:
    """All of it; returns how many writes were acknowledged."""
    acknowledged = []
    for operation in history.writes:
        if operation.return_us >= 0 and operation.error not in REFUSALS:
            judge_write(history, operation)
            acknowledged.append(operation)
        elif operation.denied or operation.return_us >= 0:
            judge_denied(history, operation)
    judge_time(acknowledged)
    for operation in history.operations:
        if operation.code in READS and operation.return_us >= 0 and operation.error not in REFUSALS:
            judge_read(history, operation)
    judge_linear(history, acknowledged)
    for client in history.clients:
        judge_order(client.history)
    return len(acknowledged)


def judge_write(history: History, operation: Operation) -> None:
    """It is there, under its number, with the result that was told."""
    outcome = history.outcome(operation)
    if outcome is None:
        raise Violation("durability", f"acknowledged and not committed: {operation}")
    if outcome.error != operation.error:
        raise Violation("results", f"the model says {ErrorCode(outcome.error).name}: {operation}")
    if outcome.zxid != operation.zxid and not (operation.again and outcome.zxid < operation.zxid):
        raise Violation("results", f"committed as {show(outcome.zxid)}: {operation}")
    operation.zxid = outcome.zxid  # a repeated answer carries a later one
    if operation.code != CloseSession.code and not operation.error:
        told = shape(operation.code, operation.result)
        if told != outcome.answer:
            raise Violation("results", f"the model says {outcome.answer}: {operation}")


def judge_order(operations: Iterable[Operation]) -> None:
    """A session's writes take effect in the order in which they were asked for. (Proofs of identity are given again on
    every connection.)"""
    written: dict[int, int] = {}  # session -> zxid
    for operation in operations:
        counts = operation.number and operation.code != Auth.code
        if counts and operation.return_us >= 0 and operation.error not in REFUSALS:
            before = written.get(operation.session, 0)
            if operation.zxid <= before:
                raise Violation("order of a session", f"{show(before)} was asked for before: {operation}")
            written[operation.session] = operation.zxid


def judge_denied(history: History, operation: Operation) -> None:
    """A client was told that it was not executed."""
    outcome = history.outcome(operation)
    if outcome is not None:
        raise Violation("not applied", f"committed as {show(outcome.zxid)}: {operation}")


def judge_time(acknowledged: Iterable[Operation]) -> None:
    """What returned before another was called has the smaller zxid."""
    moments: list[tuple[int, int, Operation]] = []
    for operation in acknowledged:
        moments.append((operation.call_us, 1, operation))
        moments.append((operation.return_us, 0, operation))
    moments.sort(key=early)
    highest = 0
    for _, is_call, operation in moments:
        if is_call and operation.zxid <= highest:
            raise Violation("real time", f"called after {show(highest)} was acknowledged: {operation}")
        if not is_call:
            highest = max(highest, operation.zxid)


def judge_read(history: History, operation: Operation) -> None:
    """It is the state at the zxid of its answer."""
    if operation.zxid > history.model.zxid:
        raise Violation("reads", f"committed is {show(history.model.zxid)}: {operation}")
    moment = Moment(history.model, operation.session, operation.zxid)
    error, answer = 0, None
    try:
        answer = READS[operation.code](moment, request_of(operation.code, operation.body))
    except Refusal as refusal:
        error = refusal.error
    if error != operation.error:
        raise Violation("reads", f"the model says {ErrorCode(error).name}: {operation}")
    if not error and shape(operation.code, operation.result) != answer:
        raise Violation("reads", f"the model says {answer}: {operation}")


def judge_linear(history: History, acknowledged: Iterable[Operation]) -> None:
    """A linear read shows everything that was acknowledged before it was asked, by writes and by linear reads."""
    moments: list[tuple[int, int, Operation]] = []
    for operation in acknowledged:
        moments.append((operation.return_us, 0, operation))
    for operation in history.operations:
        if operation.ok and (operation.code == Sync.code or operation.linear):
            moments.append((operation.return_us, 0, operation))
            moments.append((operation.call_us, 1, operation))
    moments.sort(key=early)
    highest = 0
    for _, is_call, operation in moments:
        if not is_call:
            highest = max(highest, operation.zxid)
        elif operation.zxid < highest:
            raise Violation("linear reads", f"{show(highest)} was acknowledged before: {operation}")


def early(moment: tuple[int, int, Operation]) -> tuple[int, int]:
    return moment[:2]
