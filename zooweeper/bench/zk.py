"""The ZooKeeper port as the generator speaks it: raw frames, answers told apart by their lengths.

Rules: an answer must be the one that is due, by its xid, which is the request's place in the ring. Where all answers
are alike, as those of a plain load are, many are checked at once, column by column; anything else is looked at one by
one.
"""

import struct
from collections.abc import Sequence

from zooweeper.bench.line import SESSION_MS, Ask, Ordered, name_of
from zooweeper.bench.load import BenchError
from zooweeper.bench.tally import Tally
from zooweeper.bench.zoo import REQUESTS
from zooweeper.model.config import Address
from zooweeper.ops.session import Ping

LENGTH = struct.Struct("!i")
CONNECT = struct.Struct("!iqiqi16s?")
CONNECTED = struct.Struct("!iiqi16s")
REQUEST = struct.Struct("!ii")
REPLY = struct.Struct("!ii8xi")  # length, xid, zxid, error
REPLY_BYTES_MIN = 16  # behind the length
FRAME_BYTES_MAX = 1 << 26
EVENT_XID, PING_XID = -1, -2
PING = LENGTH.pack(REQUEST.size) + REQUEST.pack(PING_XID, Ping.code)


class ZkLine(Ordered):
    """A session at a ZooKeeper port."""

    __slots__ = ("_rest", "_usual")

    def __init__(self, address: Address, tally: Tally) -> None:
        super().__init__(address, tally)
        self._rest = b""
        self._usual = 0  # the length of the latest answers, with their length's own bytes, where all had the same

    def greeting(self) -> bytes:
        return framed(CONNECT.pack(0, 0, SESSION_MS, 0, 16, bytes(16), False))

    def prepare(self, asks: Sequence[Ask]) -> None:
        frames = []
        for place, ask in enumerate(asks):
            op, record = REQUESTS[ask.kind](ask)
            frames.append(framed(REQUEST.pack(place + 1, op.code) + record.encode()))
        self.lay(frames)
        self._usual = 0

    def take(self, data: bytes, now: float) -> None:
        if self._rest:
            data = self._rest + data
        if not self.ready:
            data = self._shake_hands(data)
        usual = self._usual
        if usual:
            count, odd = divmod(len(data), usual)
            if not odd and self._alike(data, usual, count):
                self._rest = b""
                self.answered(count, now)
                return
        self._one_by_one(data, now)

    def ask(self, now: float) -> bytes | memoryview:
        return self.next(now) if self.ready else b""

    def ping(self) -> bytes:
        return PING

    def _shake_hands(self, data: bytes) -> bytes:
        """The rest behind the handshake. BenchError when there is no session."""
        if len(data) < LENGTH.size + CONNECTED.size:
            self._rest = data
            return b""
        length, _, timeout_ms, *_ = struct.unpack_from("!iii", data)
        if not CONNECTED.size <= length <= CONNECTED.size + 1:
            raise BenchError(f"{self.address} does not speak ZooKeeper's protocol")
        if len(data) < LENGTH.size + length:
            self._rest = data
            return b""
        if timeout_ms <= 0:
            raise BenchError(f"{self.address} gives no session")
        self.ready = True
        return data[LENGTH.size + length :]

    def _alike(self, data: bytes, usual: int, count: int) -> bool:
        """Whether these are `count` answers without errors, the due ones, each `usual` bytes long."""
        length = usual - LENGTH.size
        return (
            data[3::usual] == bytes((length & 0xFF,)) * count
            and data[2::usual] == bytes((length >> 8 & 0xFF,)) * count
            and self.due(data[7::usual], data[6::usual])
            and not any(data[18::usual])
            and not any(data[19::usual])
        )

    def _one_by_one(self, data: bytes, now: float) -> None:
        at, size = 0, len(data)
        due, ring = self.done % self._size + 1, self._size
        count = 0
        shortest, longest = FRAME_BYTES_MAX, 0
        while size - at >= REPLY.size:
            length, xid, error = REPLY.unpack_from(data, at)
            if not REPLY_BYTES_MIN <= length <= FRAME_BYTES_MAX:
                raise BenchError(f"{self.address} does not speak ZooKeeper's protocol")
            end = at + LENGTH.size + length
            if end > size:
                break
            if xid == due:
                count += 1
                due = due % ring + 1
                if error:
                    self.refused(error)
                shortest, longest = min(shortest, end - at), max(longest, end - at)
            elif xid == EVENT_XID:
                self.tally.heard += 1
            elif xid != PING_XID:
                raise BenchError(f"{self.address} answers {xid} where {due} is due, with {name_of(error)}")
            at = end
        self._rest = data[at:]
        self._usual = longest if shortest == longest else 0
        if count:
            self.answered(count, now)


def framed(payload: bytes) -> bytes:
    return LENGTH.pack(len(payload)) + payload
