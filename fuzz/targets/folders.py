"""A data folder of which one file was changed: recovery says whole, torn or damaged, and never what was not written.

An input is a file's place in the folder and that file's bytes. `folders` changes bytes as a disk may: what is recovered
is a part of what was written, up to an acknowledged end or beyond. `records` makes the checksums right again, so that
what lies behind them is reached: any content, and still no other error than the documented ones.
"""

from collections.abc import Hashable, Sequence
from random import Random
from typing import ClassVar
from zlib import crc32

from fuzz.folder import MemoryDisk
from fuzz.mutator import Mutator
from fuzz.target import Run, Target
from fuzz.targets.images import read_out
from fuzz.targets.sheets import resealed
from fuzz.values import EPOCH, batch, play
from zooweeper.model.durable import Accepted, Current, Cut, Logged, Record, SnapshotBegin, SnapshotChunk, SnapshotEnd
from zooweeper.model.zxid import counter_of, make
from zooweeper.storage.dump import dump
from zooweeper.storage.folder import Damaged, FolderError, begin_repair, format_folder, read_identity
from zooweeper.storage.log import HINT_NAME
from zooweeper.storage.records import END_INDEX, MARK_CRC, PIECE, RECORD, sheet_size
from zooweeper.storage.storage import Storage
from zooweeper.tree.snapshot import SnapshotBuilder
from zooweeper.tree.state import State

SEGMENT_BYTES = 2048
COUNT = 3  # entries in a batch


def written() -> tuple[dict[str, bytes], list[Logged], tuple[int, int]]:
    """A folder with several segments and a snapshot: (files, batches that are in its history, epochs)."""
    disk = MemoryDisk()
    identity = format_folder(disk, "fuzz", 1, bytes(range(16)), segment_bytes=SEGMENT_BYTES)
    storage, _ = Storage.open(disk, identity, SEGMENT_BYTES)
    logged = [Logged(batch(make(EPOCH, 1 + COUNT * n), COUNT, Random(n)), 0) for n in range(12)]
    state = play(State())
    epochs = ((EPOCH, counter_of(state.zxid)),)
    storage.write([Accepted(EPOCH), Current(EPOCH)])
    for one in logged[:4]:
        storage.write([one])
    storage.write([Cut(logged[2].batch.last), logged[3]])
    snapshot: list[Record] = [SnapshotBegin(state.zxid, epochs), SnapshotChunk(state.zxid, 0, read_out(state))]
    storage.write([*snapshot, SnapshotEnd(state.zxid, 1)])
    storage.write(logged[4:8])
    for one in logged[8:]:
        storage.write([one])
    storage.write([Accepted(EPOCH + 1)])
    return disk.image(), logged, (EPOCH + 1, EPOCH)


FILES, LOGGED, EPOCHS = written()
NAMES = sorted(FILES)
INCARNATION = bytes(range(1, 17))


class Folders(Target):
    name = "folders"
    about = "a data folder with one file changed, as a disk may change it"
    refusals = (FolderError, ValueError)
    bytes_max = 512 * 1024  # the other files of the folder
    calls_max = 60_000
    believed: ClassVar[bool] = False  # whether what is found may be what was never written

    def seeds(self) -> Sequence[bytes]:
        return [bytes((place,)) + FILES[name] for place, name in enumerate(NAMES)]

    def mutate(self, data: bytes, mutator: Mutator, others: Sequence[bytes]) -> bytes:
        same = [other[1:] for other in others if other[:1] == data[:1]]
        return data[:1] + mutator.mutate(data[1:], mutator.rng.sample(same, min(3, len(same))))

    def prepare(self) -> Run:
        disk = MemoryDisk(FILES)
        return lambda data: self._run(disk, data)

    def _run(self, disk: MemoryDisk, data: bytes) -> Hashable:
        name = NAMES[(data[0] if data else 0) % len(NAMES)]
        disk.files[name] = bytearray(data[1:])
        for line in dump(disk):
            assert "\n" not in line
        identity = read_identity(disk)
        try:
            storage, recovered = Storage.open(disk, identity, SEGMENT_BYTES)
        except Damaged:
            begin_repair(disk, identity, INCARNATION, SEGMENT_BYTES)
            _, repaired = Storage.open(disk, read_identity(disk), SEGMENT_BYTES)
            assert not repaired.voting and not repaired.batches and not repaired.snapshot, "a repair that remembers"
            raise
        state = None
        if recovered.snapshot:
            builder = SnapshotBuilder()
            for chunk in recovered.chunks:
                builder.feed(chunk)
            state = builder.finish()
        if not self.believed:
            assert all(one in LOGGED for one in recovered.batches), "an entry that was not written"
            assert (recovered.accepted, recovered.current) == EPOCHS or name not in (HINT_NAME,), "the hint decides"
            assert recovered.accepted in (0, EPOCH, EPOCH + 1) and recovered.voting
            assert state is None or state.digest() == play(State()).digest(), "a state that was not written"
        storage.write([Accepted(recovered.accepted)])
        storage.close()
        again = Storage.open(MemoryDisk(disk.image()), identity, SEGMENT_BYTES)[1]
        assert (again.accepted, again.last, again.epochs) == (recovered.accepted, recovered.last, recovered.epochs)
        return name, len(recovered.batches), recovered.accepted, recovered.snapshot


class Records(Folders):
    name = "records"
    about = "a data folder with one file changed, and its checksums made right again"
    believed = True

    def mutate(self, data: bytes, mutator: Mutator, others: Sequence[bytes]) -> bytes:
        changed = super().mutate(data, mutator, others)
        name, body = NAMES[data[0] % len(NAMES)], changed[1:]
        if name.startswith("log."):
            body = _sealed_records(resealed(body))
        elif name.startswith("snapshot."):
            body = _sealed_pieces(resealed(body))
        else:
            body = resealed(body)
        return data[:1] + body


def _start(data: bytes) -> int:
    """Where the sheet ends; 0 where there is none."""
    try:
        return sheet_size(data)
    except ValueError:
        return 0


def _sealed_records(data: bytes) -> bytes:
    """Every record with its checksum, its place and its predecessor's checksum right."""
    out, at = bytearray(data), _start(data)
    previous = index = 0
    while at and at + RECORD.size <= len(out):
        mark, _, before, length, back, kind, number, zxid = RECORD.unpack_from(out, at)
        end = at + RECORD.size + length
        if not mark or end > len(out):
            break
        if index:
            before, number = previous, index
        RECORD.pack_into(out, at, mark, 0, before, length, back, kind, number, zxid)
        previous = crc32(out[at + MARK_CRC.size : end])
        MARK_CRC.pack_into(out, at, mark, previous)
        at, index = end, (number + 1) % (1 << 64)
    return bytes(out)


def _sealed_pieces(data: bytes) -> bytes:
    """Every piece with its checksum right, and the sum of all at the end."""
    out, at, total, count = bytearray(data), _start(data), 0, 0
    while at and at + PIECE.size <= len(out):
        _, index, length = PIECE.unpack_from(out, at)
        start, end = at + PIECE.size, at + PIECE.size + length
        if end > len(out):
            break
        if index == END_INDEX and length == 8:
            out[start:end] = count.to_bytes(4) + total.to_bytes(4)
        total, count = crc32(out[start:end], total), count + 1
        PIECE.pack_into(out, at, crc32(out[start:end], crc32(out[at + 4 : start])), index, length)
        at = end
    return bytes(out)
