"""Station 4: requests gather while a batch is in flight, then get their places (docs/flow.md).

Rules: requests are packed bytes and stay as they are; a batch is a join. On a follower the same gathering makes the
next Forward. What gathers is bounded by what clients may have unanswered, and a batch by `BATCH_BYTES_MAX`. A wish to
change the members travels alone: whoever gets a piece of it alone knows it by its code.
"""

from collections import deque

from zooweeper.model import limits
from zooweeper.model.entry import CODE, Batch, pack_request
from zooweeper.ops.reconfig import Reconfig

_ALONE = pack_request(0, 0, 0, Reconfig.code, b"")[CODE]


class Gathering:
    """Requests in their order, as (count, bytes, ticket, alone) pieces; a piece is never split. A ticket is the place
    of a request among those of this node's own clients, 0 for what came from elsewhere."""

    __slots__ = ("_pieces", "count")

    def __init__(self) -> None:
        self.count = 0  # requests
        self._pieces: deque[tuple[int, bytes, int, bool]] = deque()

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def add(self, count: int, data: bytes, ticket: int = 0) -> None:
        self.count += count
        self._pieces.append((count, data, ticket, count == 1 and data[CODE] == _ALONE))

    @property
    def alone(self) -> bool:
        """The next load is a single request that no other may share a batch with."""
        return bool(self._pieces) and self._pieces[0][3]

    def clear(self) -> None:
        self._pieces.clear()
        self.count = 0

    def take(self) -> tuple[int, bytes, int]:
        """The next load: as many pieces as fit a batch, one at least; with the ticket of the last."""
        count = size = ticket = 0
        parts: list[bytes] = []
        while self._pieces:
            number, data, ticket_of_piece, alone = self._pieces[0]
            full = size + len(data) > limits.BATCH_BYTES_MAX or count + number > limits.BATCH_REQUESTS_MAX
            if parts and (full or alone):
                break
            self._pieces.popleft()
            parts.append(data)
            ticket = ticket_of_piece
            count += number
            size += len(data)
            if alone:
                break
        self.count -= count
        return count, parts[0] if len(parts) == 1 else b"".join(parts), ticket


def seal(gathering: Gathering, first: int, time_ms: int) -> Batch:
    """The next batch, beginning at zxid `first`."""
    count, data, _ = gathering.take()
    return Batch(first, first + count - 1, time_ms, data)
