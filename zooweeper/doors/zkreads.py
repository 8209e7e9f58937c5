"""Plain reads from their frames to the frames of their answers, as they come: what most clients ask most of the time.

Rules: all that came, or nothing: a single frame that is not plain, not whole, or one too many leaves everything to the
general way, which comes to the same answers. That nothing stands before them is for the connection to know.
"""

from collections.abc import Callable
from struct import Struct

from zooweeper.doors.zkport import SLICE
from zooweeper.ops.table import PLAIN_READS

REPLY = Struct("!iiqi")  # length, xid, zxid, error
REPLY_BYTES = 16  # without the length
_FRAME = Struct("!iii")  # length, xid, opcode
_HEAD = _FRAME.size

Read = Callable[[int, int, int, bytes], tuple[int, bytes] | None]
"""Gateway.read"""
Answered = tuple[bytes, int, int, int, list[int]]
"""What is to be written; zxid; xid and opcode of the last request; the sizes of the answers, without their length."""


def answer(data: bytes, read: Read, connection: int, session: int) -> Answered | None:
    """The answers to what came on the connection of the session. None: it is not for here."""
    size = len(data)
    if size < _HEAD:
        return None
    length, xid, code = _FRAME.unpack_from(data)
    if length != size - 4:
        return _several(data, read, connection, session)
    found = read(connection, session, code, data[_HEAD:]) if code in PLAIN_READS else None
    if found is None:
        return None
    zxid, body = found
    length = REPLY_BYTES + len(body)
    return REPLY.pack(length, xid, zxid, 0) + body, zxid, xid, code, [length]


def _several(data: bytes, read: Read, connection: int, session: int) -> Answered | None:
    requests = _requests(data)
    out: list[bytes] = []
    sizes: list[int] = []
    for xid, code, begin, end in requests:
        found = read(connection, session, code, data[begin:end])
        if found is None:
            return None
        zxid, body = found
        length = REPLY_BYTES + len(body)
        sizes.append(length)
        out.append(REPLY.pack(length, xid, zxid, 0))
        out.append(body)
    return (b"".join(out), zxid, xid, code, sizes) if out else None


def _requests(data: bytes) -> list[tuple[int, int, int, int]]:
    """xid, opcode, and where the body begins and ends, of each frame; none, if not all are plain reads and whole."""
    requests: list[tuple[int, int, int, int]] = []
    at, size = 0, len(data)
    while at < size:
        begin = at + _HEAD
        if begin > size or len(requests) == SLICE:
            return []
        length, xid, code = _FRAME.unpack_from(data, at)
        at += 4 + length
        if code not in PLAIN_READS or not begin <= at <= size:
            return []
        requests.append((xid, code, begin, at))
    return requests
