"""Bytes of everything on disk: the sheet every file begins with, the records of the log, the pieces of a snapshot.

Rules: pure encoding and decoding, no files. Every byte is covered by a checksum; a record also names its segment
(mark), its place (index), its predecessor's checksum, and the first record of the write it belongs to. Nothing read
from a disk is believed before its checksum; ValueError for bytes that are not what they should be. docs/storage.md
draws it.

    sheet   magic 8s, version u16, node u16, incarnation 16s, cluster u16 + utf-8, payload u32 + bytes, crc u32
    record  mark u32, crc u32, previous u32, length u32, back u32, kind u8, index u64, zxid i64, body
    piece   crc u32, index u32, length u32, data
"""

from dataclasses import dataclass
from struct import Struct
from typing import Any
from zlib import crc32

from zooweeper.model import durable
from zooweeper.model.durable import Epochs
from zooweeper.model.entry import Batch
from zooweeper.model.limits import READ_BACK_BYTES_MAX
from zooweeper.model.zxid import COUNTER_MAX, EPOCH_MAX
from zooweeper.storage.facts import Facts

VERSION = 1
IDENTITY_MAGIC = b"ZWEEPID\n"
SEGMENT_MAGIC = b"ZWEEPLOG"
SNAPSHOT_MAGIC = b"ZWEEPSNP"
REPAIR_MAGIC = b"ZWEEPFIX"

LOGGED, ACCEPTED, CURRENT, CUT = 1, 2, 3, 4
KIND_NAMES = {LOGGED: "logged", ACCEPTED: "accepted", CURRENT: "current", CUT: "cut"}

MARK_CRC = Struct("!II")
RECORD = Struct("!IIIIIBQq")
REST = Struct("!IIIBQq")  # RECORD behind mark and crc
REST_LOGGED = Struct("!IIIBQqqqq")  # the same, and the body of a batch up to its data
BATCH = Struct("!qqq")  # first, committed, time_ms
NUMBER = Struct("!q")
PIECE = Struct("!III")
END_INDEX = 0xFFFFFFFF  # of the piece that ends a snapshot: count u32, checksum of all data u32
END = Struct("!II")
HINT = Struct("!QI")

_SHEET = Struct("!8sHH16sH")
_LENGTH = Struct("!I")
_SEGMENT = Struct("!QQI?")
_SNAPSHOT = Struct("!qQ")
_FACTS = Struct("!II?q")
_EPOCH = Struct("!IQ")

CLUSTER_BYTES_MAX = 255
SHEET_BYTES_MIN = _SHEET.size + 2 * _LENGTH.size


class WrongVersion(ValueError):
    """The file is from another format version."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose data folder it is. Written once; every file repeats it."""

    cluster: str
    node: int
    incarnation: bytes  # 16 bytes, drawn when the folder was formatted or repaired

    def __str__(self) -> str:
        return f"cluster {self.cluster!r}, node {self.node}, incarnation {self.incarnation.hex()[:8]}"


@dataclass(frozen=True, slots=True)
class SegmentHead:
    """What a segment says of itself and of everything before it."""

    number: int
    first: int  # index of its first record
    previous: int  # checksum of the record before that
    root: bool  # nothing before this segment belongs to the history
    facts: Facts


@dataclass(frozen=True, slots=True)
class SnapshotHead:
    zxid: int
    index: int  # of the log's next record when the snapshot began: all before it was durable when it ended
    epochs: Epochs


# --- sheets


def seal(magic: bytes, identity: Identity, payload: bytes = b"") -> bytes:
    """The beginning of a file (of the small files, all of it)."""
    cluster = identity.cluster.encode()
    assert len(magic) == 8 and len(identity.incarnation) == 16 and 0 < len(cluster) <= CLUSTER_BYTES_MAX
    body = _SHEET.pack(magic, VERSION, identity.node, identity.incarnation, len(cluster)) + cluster
    body += _LENGTH.pack(len(payload)) + payload
    assert len(body) + _LENGTH.size <= READ_BACK_BYTES_MAX, len(body)
    return body + _LENGTH.pack(crc32(body))


def sheet_size(data: bytes) -> int:
    """How long the sheet at the start of `data` says it is; `data` holds at least SHEET_BYTES_MIN + CLUSTER_BYTES_MAX
    bytes of the file, or all of it. ValueError when that cannot be."""
    if len(data) < SHEET_BYTES_MIN:
        raise ValueError("too short")
    at = _SHEET.size + _SHEET.unpack_from(data)[4]
    if not 0 < at - _SHEET.size <= CLUSTER_BYTES_MAX or len(data) < at + _LENGTH.size:
        raise ValueError("impossible length")
    (length,) = _LENGTH.unpack_from(data, at)
    size: int = at + _LENGTH.size + length + _LENGTH.size
    if size > READ_BACK_BYTES_MAX:
        raise ValueError("impossible length")
    return size


def unseal(magic: bytes, data: bytes) -> tuple[Identity, bytes, int]:
    """Identity, payload, and where the sheet ends. ValueError for anything but a sound sheet of that kind,
    WrongVersion for one of another version."""
    end = sheet_size(data)
    if len(data) < end:
        raise ValueError("too short")
    (crc,) = _LENGTH.unpack_from(data, end - _LENGTH.size)
    if crc != crc32(data[: end - _LENGTH.size]):
        raise ValueError("wrong checksum")
    found, version, node, incarnation, length = _SHEET.unpack_from(data)
    if found != magic:
        raise ValueError("not a file of this kind")
    if version != VERSION:
        raise WrongVersion(f"format version {version}, this program reads {VERSION}")
    at = _SHEET.size + length
    identity = Identity(data[_SHEET.size : at].decode(), node, incarnation)
    return identity, data[at + _LENGTH.size : end - _LENGTH.size], end


def mark_of(identity: Identity, number: int) -> int:
    """What every record of segment `number` of this folder begins with; it needs no readable sheet."""
    return crc32(number.to_bytes(8), crc32(identity.incarnation))


def pack_epochs(epochs: Epochs) -> bytes:
    return _LENGTH.pack(len(epochs)) + b"".join([_EPOCH.pack(*epoch) for epoch in epochs])


def unpack_epochs(data: bytes) -> Epochs:
    count = _unpack(_LENGTH, data)[0]
    if len(data) != _LENGTH.size + count * _EPOCH.size:
        raise ValueError("not a table of epochs")
    epochs = tuple((epoch, counter) for epoch, counter in _EPOCH.iter_unpack(data[_LENGTH.size :]))
    if any(epoch > EPOCH_MAX or counter > COUNTER_MAX for epoch, counter in epochs):
        raise ValueError("epochs that cannot be")
    return epochs


def _unpack(struct: Struct, data: bytes, at: int = 0) -> tuple[Any, ...]:
    """What stands at `at`. ValueError when that is not there whole."""
    if len(data) < at + struct.size:
        raise ValueError("too short for what it is")
    return struct.unpack_from(data, at)


def pack_segment(identity: Identity, head: SegmentHead) -> bytes:
    facts = head.facts
    payload = _SEGMENT.pack(head.number, head.first, head.previous, head.root)
    payload += _FACTS.pack(facts.accepted, facts.current, facts.voting, facts.last) + pack_epochs(facts.epochs)
    return seal(SEGMENT_MAGIC, identity, payload)


def unpack_segment(data: bytes) -> tuple[Identity, SegmentHead, int]:
    identity, payload, end = unseal(SEGMENT_MAGIC, data)
    number, first, previous, root = _unpack(_SEGMENT, payload)
    accepted, current, voting, last = _unpack(_FACTS, payload, _SEGMENT.size)
    if not current <= accepted <= EPOCH_MAX:
        raise ValueError("epochs that cannot be")
    facts = Facts(accepted, current, voting)
    facts.on_installed(last, unpack_epochs(payload[_SEGMENT.size + _FACTS.size :]))
    return identity, SegmentHead(number, first, previous, root, facts), end


def pack_snapshot(identity: Identity, head: SnapshotHead) -> bytes:
    return seal(SNAPSHOT_MAGIC, identity, _SNAPSHOT.pack(head.zxid, head.index) + pack_epochs(head.epochs))


def unpack_snapshot(data: bytes) -> tuple[Identity, SnapshotHead, int]:
    identity, payload, end = unseal(SNAPSHOT_MAGIC, data)
    zxid, index = _unpack(_SNAPSHOT, payload)
    return identity, SnapshotHead(zxid, index, unpack_epochs(payload[_SNAPSHOT.size :])), end


# --- records of the log


@dataclass(slots=True)
class Found:
    """A record with a right checksum, as it lies in a segment."""

    at: int
    end: int
    crc: int
    previous: int
    back: int  # how many records of the same write come before it
    kind: int
    index: int
    zxid: int
    body: bytes


def find_record(data: bytes, at: int, mark: int) -> Found | None:
    """The record at `at`, or None if there is none with that mark and a right checksum."""
    start = at + RECORD.size
    if len(data) < start:
        return None
    found, crc, previous, length, back, kind, index, zxid = RECORD.unpack_from(data, at)
    if found != mark or length > READ_BACK_BYTES_MAX or len(data) < start + length:
        return None
    end = start + length
    if crc != crc32(data[at + MARK_CRC.size : end]):
        return None
    return Found(at, end, crc, previous, back, kind, index, zxid, data[start:end])


def meaning(found: Found) -> durable.Record:
    """What a record says. ValueError for an unknown kind or a body that is not one of its kind."""
    if found.kind == LOGGED:
        if len(found.body) < BATCH.size:
            raise ValueError("short body")
        first, committed, time_ms = BATCH.unpack_from(found.body)
        return durable.Logged(Batch(first, found.zxid, time_ms, found.body[BATCH.size :]), committed)
    if found.kind not in KIND_NAMES or len(found.body) != NUMBER.size:
        raise ValueError(f"unknown record: kind {found.kind} with {len(found.body)} bytes")
    (number,) = NUMBER.unpack(found.body)
    if found.kind == CUT:
        return durable.Cut(number)
    if not 0 <= number <= EPOCH_MAX:
        raise ValueError(f"unknown record: epoch {number}")
    return durable.Accepted(number) if found.kind == ACCEPTED else durable.Current(number)


# --- pieces of a snapshot


def pack_piece(index: int, data: bytes) -> bytes:
    rest = PIECE.pack(0, index, len(data))[4:]
    return _LENGTH.pack(crc32(data, crc32(rest))) + rest + data


def unpack_piece(head: bytes, data: bytes) -> int:
    """The index of a piece, given its head and exactly its data. ValueError when the checksum is wrong."""
    crc, index, length = PIECE.unpack(head)
    if length != len(data) or crc != crc32(data, crc32(head[4:])):
        raise ValueError("wrong checksum")
    return int(index)
