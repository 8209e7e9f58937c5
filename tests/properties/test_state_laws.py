"""The laws of the replicated state, over random entries.

1. The same entries give the same digest and the same answers on every replica.
2. The digest that is kept along is the one computed from scratch.
3. A failed operation, and a multi that failed, leave nothing but their result.
4. A snapshot at k, taken while entries go on, plus the entries after k, equals all entries.
"""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.properties.entries import Player
from zooweeper.model.acl import OPEN
from zooweeper.model.errors import ErrorCode
from zooweeper.ops.multi import FAILED, Multi
from zooweeper.replica.execute import execute
from zooweeper.tree.snapshot import SnapshotBuilder, SnapshotReader
from zooweeper.tree.state import State

SMALL = settings(max_examples=20, deadline=None, derandomize=True)
SEEDS = st.integers(0, 2**32 - 1)
STEPS = 120


def nodes(state: State) -> list[object]:
    """All that the tree holds."""
    found: list[object] = []
    for path, node in sorted(state.tree.walk(), key=lambda found: found[0]):
        assert state.tree.get(path) is node
        children = state.tree.children(node)
        found.append((path, node.data, node.acl, node.owner, node.cversion, node.stat(), children))
    found.extend((id, sorted(paths)) for id, paths in sorted(state.tree.ephemerals.items()))
    found.append(sorted(state.tree.reapable))
    return found


def images(state: State) -> list[object]:
    """All that a state holds, for comparing without trusting the digest."""
    found = [state.zxid, state.chain, *nodes(state)]
    for session in state.sessions.values():
        facts = {slot: getattr(session, slot) for slot in session.__slots__ if slot not in ("seen", "base")}
        found.append({**facts, "results": list(session.results or ())})
    return found


@SMALL
@given(SEEDS)
def test_replicas_agree_and_the_digest_is_true(seed: int) -> None:
    player, other = Player(seed), State()
    world = player.world
    for _ in range(STEPS):
        before, total = len(world.entries), world.state.tree.total
        player.step()
        for entry in world.entries[before:]:
            done = execute(other, entry)
        assert images(other) == images(world.state)
        assert other.digest() == world.state.digest() == world.state.recompute_digest()
        assert world.state.journal.empty
        if len(world.entries) == before + 1:
            assert done == world.last or (done.error, done.body) == (world.last.error, world.last.body)
            assert not (done.error or done.repeat) or (world.state.tree.total == total and not done.changes)


@SMALL
@given(SEEDS)
def test_a_failed_multi_is_as_if_it_had_not_been(seed: int) -> None:
    player, failed = Player(seed), 0
    world = player.world
    for _ in range(STEPS):
        before, count = nodes(world.state), len(world.entries)
        player.step()
        if len(world.entries) != count + 1 or world.entries[-1].code != Multi.code or world.last.error:
            continue
        codes = [part.error for part in Multi.Result.decode(world.last.body).parts if part.code == FAILED]
        if codes:
            failed += 1
            at = next(index for index, code in enumerate(codes) if code)
            assert codes[at] != ErrorCode.RUNTIME_INCONSISTENCY
            assert codes[at + 1 :] == [ErrorCode.RUNTIME_INCONSISTENCY] * (len(codes) - at - 1)
            assert nodes(world.state) == before and world.last.changes == []
    assert failed, "or the test tests nothing"


@SMALL
@given(SEEDS, st.integers(20, 4000), st.integers(0, 2))
def test_a_snapshot_and_the_rest_is_everything(seed: int, chunk_bytes: int, chunks_per_step: int) -> None:
    player = Player(seed)
    world = player.world
    for _ in range(STEPS):
        player.step()
    at, digest, expected = len(world.entries), world.state.digest(), images(world.state)
    builder = SnapshotBuilder()
    reader = SnapshotReader(world.state, chunk_bytes)
    for _ in range(STEPS):
        for _ in range(chunks_per_step):
            if (chunk := reader.next_chunk()) is not None:
                assert 0 < len(chunk) <= chunk_bytes
                builder.feed(chunk)
        player.step()
    while (chunk := reader.next_chunk()) is not None:
        builder.feed(chunk)
    built = builder.finish()
    assert built.digest() == digest == built.recompute_digest()
    assert images(built) == expected
    for entry in world.entries[at:]:
        execute(built, entry)
    assert images(built) == images(world.state)
    assert built.digest() == world.state.digest() == world.state.recompute_digest()


@SMALL
@given(SEEDS, st.lists(st.integers(0, 3), min_size=5, max_size=30))
def test_undo_restores_everything(seed: int, changes: list[int]) -> None:
    """Many changes under one mark, taken back at once."""
    player = Player(seed)
    for _ in range(STEPS):
        player.step()
    state = player.world.state
    tree = state.tree
    before, mark = images(state), state.journal.mark()
    for turn, kind in enumerate(changes):
        path, node = player.rng.choice(list(tree.walk()))
        if kind == 0:
            tree.create(f"{path.rstrip('/')}/new{turn}", b"x", OPEN, turn % 3, 99, 99)
        elif kind == 1 and not node.children and path != "/":
            tree.delete(path, 99)
        elif kind == 2:
            tree.set_data(path, b"other", 99, 99)
        else:
            tree.set_acl(path, OPEN)
    assert images(state) != before
    tree.undo(mark)
    assert images(state) == before
    assert state.digest() == state.recompute_digest()
