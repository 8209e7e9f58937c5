"""The content of a snapshot, as a leader sends it or a disk holds it: items behind one another, with a checksum.

A share of the inputs gets a right checksum, so that what lies behind it is reached, too. A stream makes a state whose
digest is right, or a ValueError; a state can be executed on, and be read out again.
"""

from collections.abc import Hashable, Sequence
from struct import Struct
from struct import error as StructError
from zlib import crc32

from fuzz.mutator import Mutator
from fuzz.target import Run, Target
from fuzz.values import SECRET, TIME_MS, play
from zooweeper.model.entry import Entry
from zooweeper.model.zxid import EPOCH_MAX, epoch_of, make
from zooweeper.ops.session import ExpireSession, OpenSession
from zooweeper.replica.execute import execute
from zooweeper.tree.snapshot import SnapshotBuilder, SnapshotReader
from zooweeper.tree.state import State

ITEM = Struct("!BI")
END = 4
CHUNKS = (1 << 20, 300, 7)  # sizes in which a stream is fed


def read_out(state: State) -> bytes:
    """The whole stream of a state."""
    reader, chunks = SnapshotReader(state), []
    while (chunk := reader.next_chunk()) is not None:
        chunks.append(chunk)
    return b"".join(chunks)


def build(data: bytes, chunk_bytes: int = 1 << 20) -> State:
    """The state of a stream, fed in pieces."""
    builder = SnapshotBuilder()
    for at in range(0, len(data), chunk_bytes):
        builder.feed(data[at : at + chunk_bytes])
    return builder.finish()


def items(data: bytes) -> list[bytes]:
    """The whole items at the start of a stream."""
    found, at = [], 0
    while len(data) - at >= ITEM.size:
        end = at + ITEM.size + ITEM.unpack_from(data, at)[1]
        if end > len(data):
            break
        found.append(data[at:end])
        at = end
    return found


class Images(Target):
    name = "images"
    about = "the content of a snapshot, from any bytes to a state"
    refusals = (ValueError,)
    bytes_max = 256 * 1024  # an empty state, and a dict of each kind

    def seeds(self) -> Sequence[bytes]:
        return [read_out(State()), read_out(play(State()))]

    def mutate(self, data: bytes, mutator: Mutator, others: Sequence[bytes]) -> bytes:
        rng = mutator.rng
        found = items(data)
        if len(found) < 2 or rng.random() < 0.2:
            return mutator.mutate(data, others)
        at = rng.randrange(len(found))
        way = rng.random()
        if way < 0.6:
            body = mutator.mutate(found[at][ITEM.size :], [one[ITEM.size :] for one in found])
            found[at] = ITEM.pack(found[at][0], len(body)) + body
        elif way < 0.8:
            found.insert(rng.randrange(len(found)), found[at])
        else:
            del found[at]
        if rng.random() < 0.9:
            found = _consistent([one for one in found if one[:1] != bytes((END,))])
        return b"".join(found)

    def prepare(self) -> Run:
        return self._run

    @staticmethod
    def _run(data: bytes) -> Hashable:
        state = build(data)
        assert state.recompute_digest() == state.digest(), "the digest is not that of the state"
        again = build(read_out(state), CHUNKS[len(data) % 3])
        assert again.digest() == state.digest() and len(again.tree) == len(state.tree), "read out and in again differs"
        if 0 <= epoch_of(state.zxid) < EPOCH_MAX:
            _live(state)
        return len(state.tree), len(state.sessions), len(state.tree.ephemerals)


def _consistent(found: list[bytes]) -> list[bytes]:
    """The items with the counts and digests in their header that they have, and the checksum behind them."""
    if found and found[0][:1] == b"\x01":
        found = [_with_sums(found), *found[1:]]
    end = crc32(b"".join(found)).to_bytes(8)
    return [*found, ITEM.pack(END, len(end)) + end]


def _with_sums(found: list[bytes]) -> bytes:
    """The header, with what the builder counts."""
    header, body = Struct("!iqqqqqq"), found[0][ITEM.size :]
    builder = SnapshotBuilder()
    try:
        version, zxid, chain = Struct("!iqq").unpack_from(body)
        fixed = header.pack(version, zxid, chain, 0, 0, 0, 0)
        builder.feed(ITEM.pack(1, len(fixed)) + fixed + b"".join(found[1:]))
        state = builder._state
        for run in sorted(builder._orphans, key=lambda run: run.prefix.count("/")):
            builder._adopt(run)
        for session in builder._sessions:
            state.sessions.adopt(session)
    except (ValueError, StructError):
        return found[0]
    sums = (number - (1 << 64) if number >> 63 else number for number in (state.tree.total, state.sessions.total))
    fixed = header.pack(version, zxid, chain, *sums, len(state.tree), len(state.sessions))
    return ITEM.pack(1, len(fixed)) + fixed


def _live(state: State) -> None:
    """Everybody leaves, and somebody comes."""
    zxid = make(epoch_of(state.zxid) + 1, 0)
    entries = [
        (ExpireSession.code, ExpireSession.Request(session.id, session.attach).encode())
        for session in state.sessions.values()[:20]
    ]
    for code, body in [*entries, (OpenSession.code, OpenSession.Request(SECRET, 5000, 10, "").encode())]:
        zxid += 1
        execute(state, Entry(zxid, TIME_MS, 0, 1 << 40, 3, code, body))
    assert state.recompute_digest() == state.digest()
