"""The frames that every write needs, packed at once: one message, whose numbers lie at fixed offsets.

Rules: the bytes are protobuf's (proto/zooweeper/pb/peer.proto), and whoever parses them by protobuf finds the same
message; wire.py does that with all other frames, and with one of these that somebody else made. Lengths that may vary
take four bytes each, which protobuf allows. Nothing is taken for a packed frame unless every byte that has to be where
it is, is there, and no number is beyond its bound: what cannot be is left to wire.py to refuse.
"""

from collections.abc import Callable
from struct import Struct
from typing import Any

from zooweeper.model.zxid import EPOCH_MAX, ZXID_MAX
from zooweeper.transport import wire
from zooweeper.zab.messages import Ack, Commit, Forward, Message, Propose

I64, BYTES, I32 = 1, 2, 5  # protobuf's wire types


def _key(field: int, type: int) -> int:
    return field << 3 | type


NUMBER, CONFIRMED, MESSAGE = _key(4, I64), _key(5, I64), _key(2, BYTES)  # of PeerFrame
PROPOSE, ACK, COMMIT = _key(12, BYTES), _key(13, BYTES), _key(14, BYTES)  # of PeerMessage
FORWARD = 0x0192  # field 18: its key takes two bytes
ATTEMPT, EPOCH = _key(1, I64), _key(2, I32)  # of all four
ZXID = _key(3, I64)  # of Ack, and of Commit
BATCH, COMMITTED = _key(3, BYTES), _key(4, I64)  # of Propose
FIRST, LAST, TIME_MS, BATCH_DATA = _key(1, I64), _key(2, I64), _key(3, I64), _key(4, BYTES)
COUNT, DATA = _key(3, I32), _key(4, BYTES)  # of Forward

# number, confirmed, message and its length; the kind and its length; attempt, epoch; ...
_SHORT = Struct("<BQBQBI BI BQBI BQ")  # ... zxid
_PROPOSE = Struct("<BQBQBI BI BQBI BQ BI BQBQBQ BI")  # ... committed; the batch: first, last, time, data
_FORWARD = Struct("<BQBQBI HI BQBI BI BI")  # ... count, data
_KIND_AT = 23
_SHORT_FRAME, _SHORT_KIND = _SHORT.size - 23, _SHORT.size - 28  # what the two lengths count
_PROPOSE_FRAME, _PROPOSE_KIND, _PROPOSE_BATCH = _PROPOSE.size - 23, _PROPOSE.size - 28, 32  # and the data
_FORWARD_FRAME, _FORWARD_KIND = _FORWARD.size - 23, _FORWARD.size - 29


def _length(size: int) -> int:
    """A length in protobuf's groups of seven bits, four of them."""
    return size & 0x7F | (size << 1) & 0x7F00 | (size << 2) & 0x7F0000 | (size << 3) & 0x7F000000 | 0x808080


_SHORT_LENGTHS = _length(_SHORT_FRAME), _length(_SHORT_KIND)


def _pack_short(kind: int, attempt: int, epoch: int, zxid: int, number: int, confirmed: int) -> bytes:
    frame, rest = _SHORT_LENGTHS
    return _SHORT.pack(NUMBER, number, CONFIRMED, confirmed, MESSAGE, frame, kind, rest,
                       ATTEMPT, attempt, EPOCH, epoch, ZXID, zxid)  # fmt: skip


def _pack_ack(message: Ack, number: int, confirmed: int) -> bytes:
    return _pack_short(ACK, message.attempt, message.epoch, message.zxid, number, confirmed)


def _pack_commit(message: Commit, number: int, confirmed: int) -> bytes:
    return _pack_short(COMMIT, message.attempt, message.epoch, message.committed, number, confirmed)


def _pack_propose(message: Propose, number: int, confirmed: int) -> bytes:
    batch = message.batch
    size = len(batch.data)
    return _PROPOSE.pack(NUMBER, number, CONFIRMED, confirmed, MESSAGE, _length(size + _PROPOSE_FRAME),
                         PROPOSE, _length(size + _PROPOSE_KIND), ATTEMPT, message.attempt, EPOCH, message.epoch,
                         COMMITTED, message.committed, BATCH, _length(size + _PROPOSE_BATCH),
                         FIRST, batch.first, LAST, batch.last, TIME_MS, batch.time_ms,
                         BATCH_DATA, _length(size)) + batch.data  # fmt: skip


def _pack_forward(message: Forward, number: int, confirmed: int) -> bytes:
    size = len(message.data)
    return _FORWARD.pack(NUMBER, number, CONFIRMED, confirmed, MESSAGE, _length(size + _FORWARD_FRAME),
                         FORWARD, _length(size + _FORWARD_KIND), ATTEMPT, message.attempt, EPOCH, message.epoch,
                         COUNT, message.count, DATA, _length(size)) + message.data  # fmt: skip


PACK: dict[type, Callable[[Any, int, int], bytes]] = {
    Ack: _pack_ack,
    Commit: _pack_commit,
    Propose: _pack_propose,
    Forward: _pack_forward,
}


def frame_of(message: Message, number: int, confirmed: int) -> bytes:
    """A PeerFrame with one message: where `wire.frames` is for many, this is for the way that has to be short."""
    pack = PACK.get(type(message))
    return pack(message, number, confirmed) if pack is not None else wire.frame_of(message, number, confirmed)


Found = tuple[int, int, Message]
"""The number of a frame's message, what the frame confirms, and the message."""


def _find_short(data: bytes) -> Found | None:
    if len(data) != _SHORT.size:
        return None
    a, number, b, confirmed, c, frame, kind, rest, d, attempt, e, epoch, f, zxid = _SHORT.unpack(data)
    if (a, b, c, d, e, f) != (NUMBER, CONFIRMED, MESSAGE, ATTEMPT, EPOCH, ZXID) or (frame, rest) != _SHORT_LENGTHS:
        return None
    if epoch > EPOCH_MAX or zxid > ZXID_MAX:
        return None
    return number, confirmed, (Ack if kind == ACK else Commit)(attempt, epoch, zxid)


def _find_propose(data: bytes) -> Found | None:
    size = len(data) - _PROPOSE.size
    if size < 0:
        return None
    (a, number, b, confirmed, c, frame, _, rest, d, attempt, e, epoch, f, committed,
     g, batch, h, first, i, last, j, time_ms, k, length) = _PROPOSE.unpack_from(data)  # fmt: skip
    keys = (NUMBER, CONFIRMED, MESSAGE, ATTEMPT, EPOCH, COMMITTED, BATCH, FIRST, LAST, TIME_MS, BATCH_DATA)
    if (a, b, c, d, e, f, g, h, i, j, k) != keys or epoch > EPOCH_MAX or committed > ZXID_MAX:
        return None
    sizes = (size + _PROPOSE_FRAME, size + _PROPOSE_KIND, size + _PROPOSE_BATCH, size)
    if (frame, rest, batch, length) != tuple(map(_length, sizes)):
        return None
    found = wire.batch_of(first, last, time_ms, data[_PROPOSE.size :])
    return number, confirmed, Propose(attempt, epoch, found, committed)


def _find_forward(data: bytes) -> Found | None:
    size = len(data) - _FORWARD.size
    if size < 0:
        return None
    (a, number, b, confirmed, c, frame, kind, rest, d, attempt, e, epoch,
     f, count, g, length) = _FORWARD.unpack_from(data)  # fmt: skip
    if (a, b, c, kind, d, e, f, g) != (NUMBER, CONFIRMED, MESSAGE, FORWARD, ATTEMPT, EPOCH, COUNT, DATA):
        return None
    sizes = (size + _FORWARD_FRAME, size + _FORWARD_KIND, size)
    if epoch > EPOCH_MAX or (frame, rest, length) != tuple(map(_length, sizes)):
        return None
    load = data[_FORWARD.size :]
    wire.check_load(load, count)
    return number, confirmed, Forward(attempt, epoch, count, load)


FIND: dict[int, Callable[[bytes], Found | None]] = {
    ACK: _find_short,
    COMMIT: _find_short,
    PROPOSE: _find_propose,
    FORWARD & 0xFF: _find_forward,
}


def find(data: bytes) -> Found | None:
    """What is in a packed frame; None: it is another one. ValueError: its message cannot be."""
    if len(data) <= _KIND_AT:
        return None
    find = FIND.get(data[_KIND_AT])
    return find(data) if find is not None else None
