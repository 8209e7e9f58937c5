"""The sheets that files begin with: identity, segment head, snapshot head, repair note.

Half of the inputs get a right checksum. A sheet is read as what it is, or refused with a ValueError.
"""

from collections.abc import Callable, Hashable, Sequence
from zlib import crc32

from fuzz.mutator import Mutator
from fuzz.target import Run, Target
from zooweeper.model.zxid import make
from zooweeper.storage.facts import Facts
from zooweeper.storage.records import (
    IDENTITY_MAGIC,
    Identity,
    SegmentHead,
    SnapshotHead,
    pack_segment,
    pack_snapshot,
    seal,
    sheet_size,
    unpack_segment,
    unpack_snapshot,
    unseal,
)

IDENTITY = Identity("fuzz", 3, bytes(range(16)))
CRC_BYTES = 4


def _read_identity(data: bytes) -> bytes:
    identity, payload, end = unseal(IDENTITY_MAGIC, data)
    assert end <= len(data)
    return seal(IDENTITY_MAGIC, identity, payload)


def _read_segment(data: bytes) -> bytes:
    identity, head, _ = unpack_segment(data)
    return pack_segment(identity, head)


def _read_snapshot(data: bytes) -> bytes:
    identity, head, _ = unpack_snapshot(data)
    return pack_snapshot(identity, head)


READERS: tuple[Callable[[bytes], bytes], ...] = (_read_identity, _read_segment, _read_snapshot)


class Sheets(Target):
    name = "sheets"
    about = "the first bytes of every file of a data folder"
    refusals = (ValueError,)
    words = (b"ZWEEPID\n", b"ZWEEPLOG", b"ZWEEPSNP", b"ZWEEPFIX")

    def seeds(self) -> Sequence[bytes]:
        epochs = ((1, 5), (4, 7))
        facts = Facts(5, 4, True)
        facts.on_installed(make(*epochs[-1]), epochs)
        return [
            seal(IDENTITY_MAGIC, IDENTITY),
            pack_segment(IDENTITY, SegmentHead(2, 17, 0xABCD, False, facts)),
            pack_segment(IDENTITY, SegmentHead(1, 1, 0, True, Facts())),
            pack_snapshot(IDENTITY, SnapshotHead(make(4, 7), 17, epochs)),
        ]

    def mutate(self, data: bytes, mutator: Mutator, others: Sequence[bytes]) -> bytes:
        data = mutator.mutate(data, others)
        return resealed(data) if mutator.rng.random() < 0.6 else data

    def prepare(self) -> Run:
        return self._run

    @staticmethod
    def _run(data: bytes) -> Hashable:
        read = 0
        for place, reader in enumerate(READERS):
            try:
                once = reader(data)
            except ValueError as error:
                assert str(error), "a refusal without a word"
                continue
            assert reader(once) == once, "written and read again, it differs"
            read += 1 << place
        return read, len(data).bit_length()


def resealed(data: bytes) -> bytes:
    """The sheet with the checksum that it should have, if it says where it ends."""
    try:
        end = sheet_size(data)
    except ValueError:
        return data
    body = data[: end - CRC_BYTES].ljust(end - CRC_BYTES, b"\0") if end < 1 << 16 else data
    return body + crc32(body).to_bytes(CRC_BYTES) + data[end:]
