"""State transfer: what a server takes from another one when the log does not reach back to where it stopped.

The peer sends the entries that follow, if it still has them in memory, or else its whole copy at one moment. Then the
log may have moved on by more than it holds, while others kept writing; so the server asks again, and now the peer has
the entries in memory. Each round brings it nearer, for it reads faster than the others write, until the log goes on
where it is.

Rules: the receiver works on the thread of its store, where waiting hurts nobody; a copy becomes visible whole or not at
all, and is on disk before it counts. Every piece is bounded; a sender makes the next piece when the last one has left.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Iterator
from itertools import chain

import grpc

from grades.client import CHANNEL_OPTIONS
from grades.copy import Copy, apply_entries
from grades.layout import MAX_BATCH
from grades.pb import grades_pb2 as pb
from grades.pb.grades_pb2_grpc import GradesStub
from grades.store import BadCopy, Forgotten, Piece, Remembered, Store

DEADLINE_S = 600.0  # a copy of many gigabytes takes its time
SILENCE_CHECK: list[tuple[str, int]] = [("grpc.keepalive_time_ms", 5_000), ("grpc.keepalive_timeout_ms", 5_000)]


class TransferFailed(Exception):
    """The peer could not help; another one may, or the same one later."""


async def fetch(copy: Copy, address: str, database: str) -> int:
    """Take from the server at `address` what follows our copy; up to which entry we are then. TransferFailed."""
    channel = grpc.insecure_channel(address, options=[*CHANNEL_OPTIONS, *SILENCE_CHECK])
    request = pb.FetchRequest(after=copy.applied, database=database)
    try:
        call = GradesStub(channel).Fetch(request, timeout=DEADLINE_S)
        return await copy.change(lambda store: _take(store, call))
    except grpc.RpcError as error:
        raise TransferFailed(f"{address}: {error.details() if isinstance(error, grpc.Call) else error}") from None
    finally:
        channel.close()  # ends the call, and so the work on the thread, when nobody waits for it any more


def _take(store: Store, call: Iterable[pb.Piece]) -> int:
    pieces = iter(call)
    first = next(pieces, pb.Piece())
    if not first.database:
        for piece in chain([first], pieces):
            if piece.entries and piece.first != store.applied + 1:
                raise TransferFailed(f"entries from {piece.first} came, and ours end at {store.applied}")
            for at in range(0, len(piece.entries), MAX_BATCH):
                apply_entries(store, piece.first + at, piece.entries[at : at + MAX_BATCH])
            if piece.last:
                return store.applied
        raise TransferFailed("the entries were cut off")
    if first.applied <= store.applied:
        raise TransferFailed(f"the copy is at {first.applied}, ours at {store.applied}")
    try:
        store.load(_decode(piece) for piece in chain([first], pieces))
    except BadCopy as error:
        raise TransferFailed(str(error)) from None
    return store.applied


def _decode(piece: pb.Piece) -> Piece:
    return Piece(
        piece.applied,
        piece.database,
        piece.digest,
        tuple((row.id, tuple(row.events)) for row in piece.rows),
        tuple(Remembered(one.client, one.number, one.n, one.result) for one in piece.requests),
        tuple(Forgotten(one.client, one.number, one.n) for one in piece.clients),
        piece.last,
    )


def _encode(piece: Piece) -> pb.Piece:
    return pb.Piece(
        applied=piece.applied,
        database=piece.database,
        digest=piece.digest,
        rows=[pb.Row(id=id, events=events) for id, events in piece.rows],
        requests=[pb.Remembered(client=one.client, number=one.number, n=one.n, result=one.result)
                  for one in piece.requests],
        clients=[pb.Forgotten(client=one.client, number=one.number, n=one.n) for one in piece.clients],
        last=piece.last,
    )  # fmt: skip


async def pieces(copy: Copy, after: int) -> AsyncGenerator[pb.Piece, None]:
    """What `fetch` takes."""
    tail = copy.tail(after)
    if tail is not None:
        for first, entries in tail:
            yield pb.Piece(first=first, entries=entries)
        yield pb.Piece(last=True)
        return
    found = copy.store.dump()
    try:
        while (piece := await asyncio.to_thread(_next, found)) is not None:
            yield piece
    finally:
        await asyncio.to_thread(found.close)


def _next(found: Iterator[Piece]) -> pb.Piece | None:
    piece = next(found, None)
    return None if piece is None else _encode(piece)
