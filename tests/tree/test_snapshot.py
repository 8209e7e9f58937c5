"""Snapshots: what a damaged stream is told, bounds of a chunk, one reader at a time, a large state."""

import pytest

from tests.tree.world import World
from zooweeper.model.acl import OPEN, Acl, Id
from zooweeper.model.limits import SNAPSHOT_CHUNK_BYTES
from zooweeper.ops.data import SetData
from zooweeper.ops.delete import DeleteRecursive
from zooweeper.tree.snapshot import SnapshotBuilder, SnapshotReader
from zooweeper.tree.state import State


def filled() -> World:
    world = World()
    s = world.open(results=3)
    world.identify(s, "digest", "bob:x")
    world.create(s, "/a", b"data")
    world.create(s, "/a/b", None, flags=1)
    world.create(s, "/a/c", acl=(Acl(31, Id("digest", "bob:x")),))
    return world


def read(state: State) -> bytes:
    reader = SnapshotReader(state)
    data = b""
    while (chunk := reader.next_chunk()) is not None:
        data += chunk
    return data


def build(data: bytes, size: int = 100) -> State:
    builder = SnapshotBuilder()
    for at in range(0, len(data), size):
        builder.feed(data[at : at + size])
    return builder.finish()


@pytest.mark.parametrize("size", [1, 7, 10**6])
def test_there_and_back(size: int) -> None:
    state = filled().state
    built = build(read(state), size)
    assert built.digest() == state.digest() and built.zxid == state.zxid
    assert read(built) == read(state), "the same state is the same stream"


def test_a_fresh_state() -> None:
    assert build(read(State())).digest() == State().digest()


def test_every_flipped_byte_is_found() -> None:
    data = read(filled().state)
    for at in range(len(data)):
        damaged = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        with pytest.raises(ValueError, match="snapshot: "):
            build(damaged)


def test_every_cut_is_found() -> None:
    data = read(filled().state)
    for at in range(len(data)):
        with pytest.raises(ValueError, match="snapshot: not complete"):
            build(data[:at])
    with pytest.raises(ValueError, match="after its end"):
        build(data + data)


def test_chunks_are_bounded_though_a_node_is_not() -> None:
    world = World()
    s = world.open()
    for number in range(3):
        world.create(s, f"/{number}", bytes(900_000))
    reader, sizes = SnapshotReader(world.state), []
    while (chunk := reader.next_chunk()) is not None:
        sizes.append(len(chunk))
    assert set(sizes[:-1]) == {SNAPSHOT_CHUNK_BYTES} and 0 < sizes[-1] <= SNAPSHOT_CHUNK_BYTES


def test_what_changes_while_it_streams_is_in_it_as_it_was() -> None:
    world = World()
    s = world.open()
    for number in range(2000):
        world.create(s, f"/n{number}", bytes(500))
    digest = world.state.digest()
    reader, builder = SnapshotReader(world.state), SnapshotBuilder()
    zxid = world.state.zxid
    chunk = reader.next_chunk()
    world.create(s, "/n1999/late", b"")
    world.send(s, SetData, SetData.Request("/n1998", b"changed", -1))
    world.send(s, SetData, SetData.Request("/n0", b"changed", -1))
    world.send(s, DeleteRecursive, DeleteRecursive.Request("/n1999"))
    world.open()
    while chunk is not None:
        builder.feed(chunk)
        chunk = reader.next_chunk()
    built = builder.finish()
    assert built.digest() == digest and built.zxid == zxid == reader.zxid
    assert world.state.digest() == world.state.recompute_digest()
    assert build(read(world.state)).digest() == world.state.digest(), "and the next one is of the new state"


def test_a_reader_that_is_closed_early_leaves_nothing_behind() -> None:
    world = filled()
    reader = SnapshotReader(world.state)
    with pytest.raises(AssertionError):
        SnapshotReader(world.state)
    reader.next_chunk()
    reader.close()
    reader.close()
    world.create(world.open(), "/after", acl=OPEN)
    assert build(read(world.state)).digest() == world.state.digest()
