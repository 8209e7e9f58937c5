"""One entry, executed: the only place where the replicated state changes.

Rules: a pure function of state and entry, equal on every replica. Errors are results; a failed operation is an entry
like any other. Anything raised but a ZkError is a defect and must stop the node: a replica that is not sure must not
go on.
"""

from typing import NamedTuple

from zooweeper.model.entry import Batch, Entry
from zooweeper.model.errors import ResultForgotten, Unimplemented, ZkError
from zooweeper.model.paths import CONFIG
from zooweeper.model.zxid import follows
from zooweeper.ops.op import Kind, encoded
from zooweeper.ops.reconfig import membership_of
from zooweeper.ops.table import OPS
from zooweeper.tree.journal import Change
from zooweeper.tree.state import State


class Executed(NamedTuple):
    """What an entry came to."""

    error: int  # ErrorCode.OK or another
    body: bytes  # the result record; empty with an error
    detail: str  # of an error, for people
    changes: list[Change]  # of the tree, in order
    repeat: bool  # the session had executed this number before: nothing changed now


_ORDERED = {code: op for code, op in OPS.items() if op.kind in (Kind.WRITE, Kind.SESSION)}
_new = tuple.__new__  # the constructor of a NamedTuple takes twice the time


def adopt(state: State, batch: Batch) -> list[Change]:
    """Before the entries of `batch`: if it is a membership, the tree shows it from here on, whatever its entry comes to
    for the session that asked. So the tree and agreement, which go by the same batches, never differ."""
    found = membership_of(batch) if batch.first == batch.last else None
    if found is None:
        return []
    state.tree.set_data(CONFIG, found.shown().encode(), batch.first, batch.time_ms)
    return state.journal.take()


def execute(state: State, entry: Entry) -> Executed:
    """Execute the entry that comes next after `state.zxid`."""
    zxid = entry.zxid
    assert follows(state.zxid, zxid), (state.zxid, zxid)
    state.zxid = zxid
    error, body, detail, repeat, counted = 0, b"", "", False, False
    op = _ORDERED.get(entry.code)
    try:
        # An operation this version does not know is the session's next request all the same.
        if op is None or op.numbered:
            known = state.sessions.expect(entry)
            if known is not None:
                return Executed(known[0], known[1], "", [], True)
            counted = True
        if op is None:
            raise Unimplemented(f"no operation {entry.code} to execute")
        body = encoded(op.execute(op.Request.decode(entry.body), state, entry))
    except ZkError as refusal:
        assert state.journal.empty, refusal  # its checks came before its first change
        error, detail, repeat = int(refusal.code), refusal.about, isinstance(refusal, ResultForgotten)
    if counted:
        state.sessions.remember(entry, error, body)
    if error or op is None or not op.shown:
        state.answered(error, body)
    return _new(Executed, (error, body, detail, state.journal.take(), repeat))
