"""Entries of any content, executed: what a peer may forward, and what a door lets through.

An input is packed requests (model/entry.py), with the session's next number where a number is 0. Each is held against
the door, then executed or read on a small state; all of them also go through a follower as one committed batch. Only
typed errors come of it; an error changes nothing; what the door takes is never undecodable afterwards.
"""

import pickle
from collections.abc import Hashable, Sequence

from fuzz.mutator import Mutator
from fuzz.records import odd_body
from fuzz.subject import BEST, following
from fuzz.target import Run, Target
from fuzz.values import TIME_MS, play, requests
from zooweeper.model.entry import REQUEST, REQUEST_SIZE, Batch, Entry, pack_request
from zooweeper.model.errors import ErrorCode, ZkError
from zooweeper.model.limits import BATCH_REQUESTS_MAX
from zooweeper.ops.admit import admit
from zooweeper.ops.op import Kind, View, encoded
from zooweeper.ops.table import OPS
from zooweeper.replica.execute import execute
from zooweeper.transport import wire
from zooweeper.tree.state import State
from zooweeper.tree.watches import WatchTable
from zooweeper.zab.messages import Commit, Message, Propose

UNDECODABLE = (ErrorCode.MARSHALLING_ERROR, ErrorCode.UNIMPLEMENTED)
CONNECTION = 1
FOLLOWER = pickle.dumps(following())


class Entries(Target):
    name = "entries"
    about = "packed requests of any content, through the door and through execution"
    refusals = ()
    bytes_max = 512 * 1024
    calls_max = 60_000
    words = (b"/a", b"/a/b", b"/zookeeper", b"\xed\xa0\x80", b"\0\0\0\0", b"\xff\xff\xff\xff", b"/", b"digest", b"ip")

    def seeds(self) -> Sequence[bytes]:
        (session,) = play(State()).sessions.values()
        one_by_one = [
            pack_request(session.id if OPS[op_code].numbered else 0, session.attach, 0, op_code, request.encode())
            for op_code, request in requests()
        ]
        return [*one_by_one, *(one_by_one[n] + one_by_one[-n] for n in range(len(one_by_one)))]

    def mutate(self, data: bytes, mutator: Mutator, others: Sequence[bytes]) -> bytes:
        """Mostly one body or one head, so that the structure stays whole."""
        pieces = split(data)
        if not pieces or mutator.rng.random() < 0.1:
            return mutator.mutate(data, others)
        at = mutator.rng.randrange(len(pieces))
        head, body = pieces[at][:REQUEST_SIZE], pieces[at][REQUEST_SIZE:]
        if mutator.rng.random() < 0.8:
            body = odd_body(REQUEST.unpack(head)[3], body, mutator)
        else:
            head = mutator.mutate(head, (head,))[:REQUEST_SIZE].ljust(REQUEST_SIZE, b"\0")
        pieces[at] = head[:-4] + len(body).to_bytes(4) + body
        if mutator.rng.random() < 0.2:
            pieces += split(mutator.rng.choice(others))
        return b"".join(pieces)

    def prepare(self) -> Run:
        return self._run

    @staticmethod
    def _run(data: bytes) -> Hashable:
        pieces = split(data)[:BATCH_REQUESTS_MAX]
        label = _execute_all(pieces)
        _follow(pieces)
        return label


def split(data: bytes) -> list[bytes]:
    """The whole requests at the start of `data`."""
    pieces, at = [], 0
    while len(data) - at >= REQUEST_SIZE:
        end = at + REQUEST_SIZE + int.from_bytes(data[at + REQUEST_SIZE - 4 : at + REQUEST_SIZE])
        if end > len(data):
            break
        pieces.append(data[at:end])
        at = end
    return pieces


def _execute_all(pieces: Sequence[bytes]) -> Hashable:
    state, watches = play(State()), WatchTable()
    label: Hashable = ()
    for piece in pieces:
        session, attach, number, code, _ = REQUEST.unpack_from(piece)
        known = state.sessions.get(session)
        number = number or (known.number + 1 if known is not None else 0)
        label = _one(
            state, watches, Entry(state.zxid + 1, TIME_MS, session, attach, number, code, piece[REQUEST_SIZE:])
        )
    assert state.recompute_digest() == state.digest(), "the digest is not that of the state"
    return label


def _one(state: State, watches: WatchTable, entry: Entry) -> Hashable:
    op = OPS.get(entry.code)
    try:
        request = admit(entry.code, entry.body)
        taken = True
    except ZkError as error:
        _tellable(error.about)
        taken = False
    if taken and op is not None and op.kind is Kind.READ:
        view = View(state, state.sessions.get(entry.session), watches, CONNECTION)
        before = state.digest()
        try:
            body = encoded(op.read(request, view))
        except ZkError as error:
            _tellable(error.about)
            body = b""
        assert state.digest() == before, "a read changed the state"
        for _, path in view.events:
            _tellable(path)
        return entry.code, len(body), len(view.events)
    before = state.tree.total
    result = execute(state, entry)
    _tellable(result.detail)
    assert not result.error or state.tree.total == before, "an error changed the tree"
    if taken and op is not None and op.kind is not Kind.LOCAL:
        assert result.error not in UNDECODABLE, f"the door took what execution answers with {result.error}"
    return entry.code, result.error, len(result.changes)


def _tellable(text: str) -> None:
    """What goes to a client as text of a protobuf message."""
    text.encode()


def _follow(pieces: Sequence[bytes]) -> None:
    """The same as one batch that a leader proposed and committed."""
    if not pieces:
        return
    node = pickle.loads(FOLLOWER)
    role = node.replica.zab.role
    first = node.replica.zab.history.last + 1
    batch = Batch(first, first + len(pieces) - 1, TIME_MS, b"".join(pieces))
    said: list[Message] = [Propose(role.attempt, role.epoch, batch, 0), Commit(role.attempt, role.epoch, batch.last)]
    for frame in wire.frames(said):
        node.hear(BEST, *wire.messages_from(wire.frame_from(frame)))
    assert node.replica.state.zxid == batch.last and not node.stopped, "committed and not executed"
