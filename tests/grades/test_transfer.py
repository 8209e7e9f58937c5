"""State transfer without a network: what one copy tells, another one takes, and never half of it."""

import asyncio
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from grades import copy as copies
from grades.copy import Copy
from grades.layout import Entry
from grades.pb import grades_pb2 as pb
from grades.sqlite import SqliteStore
from grades.store import StoreError
from grades.transfer import TransferFailed, _take, pieces

DATABASE = "0123456789abcdef"


def entries(first: int, last: int) -> list[bytes]:
    return [
        Entry("a", n, f"UPDATE grade SET events = events + [{n}] WHERE id = {n % 7}").encode()
        for n in range(first, last + 1)
    ]


async def told(folder: Path, last: int, after: int) -> tuple[str, list[pb.Piece]]:
    """The digest of a copy at `last`, and what it tells a server that is at `after`."""
    store = SqliteStore(folder / "peer.db")
    store.join(DATABASE)
    copy = Copy(store)
    while copy.applied < last:
        await copy.apply(copy.applied + 1, entries(copy.applied + 1, min(copy.applied + 100, last)))
    found = [piece async for piece in pieces(copy, after)]
    digest = store.digest
    await copy.close()
    return digest, found


def mine(folder: Path, last: int) -> SqliteStore:
    store = SqliteStore(folder / "mine.db")
    store.join(DATABASE)
    if last:
        copies.apply_entries(store, 1, entries(1, last))
    return store


@pytest.mark.parametrize("after", [0, 1, 100, 250, 499, 500])
def test_entries_that_are_in_memory_are_told_as_they_are(after: int, tmp_path: Path) -> None:
    digest, found = asyncio.run(told(tmp_path, 500, after))
    assert sum(len(piece.entries) for piece in found) == 500 - after and not any(piece.rows for piece in found)
    with closing(mine(tmp_path, after)) as store:
        assert _take(store, found) == store.applied == 500
        assert store.digest == digest


def test_a_whole_copy_is_told_when_memory_does_not_reach_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "TAIL_ENTRIES", 200)
    digest, found = asyncio.run(told(tmp_path, 500, 250))
    assert found[0].database == DATABASE and found[0].applied == 500
    with closing(mine(tmp_path, 250)) as store:
        assert _take(store, found) == 500
        assert store.digest == digest
        copies.apply_entries(store, 501, entries(401, 500) + entries(501, 510))
        assert store.get(401 % 7) == [n for n in range(1, 511) if n % 7 == 401 % 7], "what was executed is known"


def test_half_of_it_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, some = asyncio.run(told(tmp_path / "entries", 500, 250))
    monkeypatch.setattr(copies, "TAIL_ENTRIES", 200)
    _, whole = asyncio.run(told(tmp_path / "whole", 500, 250))
    lies: Sequence[tuple[Sequence[pb.Piece], str]] = (
        ((), "cut off"),
        (some[1:], "entries from 301 came, and ours end at 250"),
        (whole[:-1], "not whole"),
        ([whole[0], *whole[2:]], "not whole"),
    )
    with closing(mine(tmp_path, 250)) as store:
        for lie, says in lies:
            before = store.digest
            with pytest.raises(TransferFailed, match=says):
                _take(store, lie)
            assert (store.applied, store.digest) == (250, before)
        with pytest.raises(TransferFailed, match="cut off"):
            _take(store, some[:1])
        assert store.applied == 300, "entries that came are executed for good"
        _, old = asyncio.run(told(tmp_path / "old", 300, 0))
        with pytest.raises(TransferFailed, match="the copy is at 300, ours at 300"):
            _take(store, old)


def test_a_failed_disk_is_not_the_peers_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "TAIL_ENTRIES", 200)
    _, whole = asyncio.run(told(tmp_path, 500, 0))
    with closing(mine(tmp_path, 0)) as store:
        (size,) = store._write.execute("PRAGMA page_count").fetchone()
        store._write.execute(f"PRAGMA max_page_count = {size + 1}")
        with pytest.raises(StoreError, match="full"):
            _take(store, whole)
        assert (store.applied, store.rows()) == (0, [])
