"""One connection of the generator, whatever it speaks: requests in a ring, asked and answered without a loop over them.

Rules: no I/O, no clock. Whoever owns the socket gives bytes to `take` and sends what `ask` returns. Answers come in the
order of the requests where a dialect is `Ordered`; all requests asked at one time are one run, so that to note how long
they took costs as little for sixteen as for one.
"""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from zooweeper.bench.load import BenchError
from zooweeper.bench.tally import Tally
from zooweeper.model.config import Address
from zooweeper.model.errors import ErrorCode

SESSION_MS = 30_000
RING_MAX = 60_000  # requests in a ring: their places are their xids, and fit two bytes
WRITES = frozenset(("make", "set", "create", "ephemeral", "delete", "multi"))


class Ask(NamedTuple):
    """A request, in no language yet. Kinds: those of WRITES, `get`, `linear-get`, and `watch`."""

    kind: str
    path: str
    value: bytes = b""


class Line:
    """What all dialects share."""

    __slots__ = (
        "_before",
        "_size",
        "address",
        "asked",
        "depth",
        "done",
        "limit",
        "ready",
        "tally",
        "tolerated",
    )

    def __init__(self, address: Address, tally: Tally) -> None:
        self.address = address
        self.tally = tally
        self.ready = False  # requests may be asked
        self.asked = self.done = 0  # since `use`
        self.depth = 1
        self.limit = 0
        self.tolerated: dict[int, int] = {}  # errors that are no news, and how often they came
        self._size = 1
        self._before = [0, 0]

    def use(self, asks: Sequence[Ask], depth: int, limit: int | None, tolerated: Sequence[int] = ()) -> None:
        """From now on asks these, over and over, `depth` at a time; `limit`: so many in all. Nothing may be asked and
        unanswered."""
        assert self.asked == self.done, "one thing after the other"
        asks = list(asks) * (-(-depth // len(asks)))  # no ring is shorter than what is in flight
        assert len(asks) <= RING_MAX, "a place in the ring fits two bytes"
        self._size = len(asks)
        self._before = [0]
        for ask in asks:
            self._before.append(self._before[-1] + (ask.kind in WRITES))
        self.asked = self.done = 0
        self.depth = depth
        self.limit = limit if limit is not None else 1 << 62
        self.tolerated = dict.fromkeys(tolerated, 0)
        self.prepare(asks)

    @property
    def finished(self) -> bool:
        return self.done >= self.limit

    def room(self) -> int:
        """How many requests may be asked now."""
        return min(self.depth - self.asked + self.done, self.limit - self.asked)

    def note(self, first: int, count: int, microseconds: int) -> None:
        """These requests of the ring were answered, after so long."""
        before, size = self._before, self._size
        at = first % size
        end = at + count
        if end <= size:
            writes = before[end] - before[at]
        else:
            writes = before[size] - before[at] + before[end - size]
        if writes:
            self.tally.writes.note(microseconds, writes)
        if writes < count:
            self.tally.reads.note(microseconds, count - writes)

    def refused(self, code: int) -> None:
        """A request was answered with an error."""
        if code in self.tolerated:
            self.tolerated[code] += 1
        else:
            self.tally.error(name_of(code))

    # ---- what a dialect gives

    def greeting(self) -> bytes:
        """The first bytes to send."""
        raise NotImplementedError

    def prepare(self, asks: Sequence[Ask]) -> None:
        """Makes bytes of a ring."""
        raise NotImplementedError

    def take(self, data: bytes, now: float) -> None:
        """Bytes came. BenchError when they make no sense, or the server ends it."""
        raise NotImplementedError

    def ask(self, now: float) -> bytes | memoryview:
        """The bytes to send now: what the protocol wants, and as many requests as there is room for."""
        raise NotImplementedError

    def ping(self) -> bytes:
        """What keeps the connection alive while nothing is asked."""
        return b""


class Ordered(Line):
    """A connection whose answers come in the order of its requests."""

    __slots__ = ("_block", "_high", "_low", "_places", "_runs")

    def __init__(self, address: Address, tally: Tally) -> None:
        super().__init__(address, tally)
        self._block = memoryview(b"")
        self._low = self._high = b""  # the last two bytes of the xids, twice around the ring
        self._places = [0]
        self._runs: deque[tuple[float, int]] = deque()  # when they were asked, and the place behind them

    def lay(self, frames: Sequence[bytes]) -> None:
        """The ring as one block of bytes."""
        self._block = memoryview(b"".join(frames))
        self._places = [0]
        for frame in frames:
            self._places.append(self._places[-1] + len(frame))
        xids = [*range(1, len(frames) + 1)] * 2
        self._low = bytes(xid & 0xFF for xid in xids)
        self._high = bytes(xid >> 8 for xid in xids)

    def due(self, low: bytes, high: bytes) -> bool:
        """Whether these are the last two bytes of the xids whose answers come next."""
        at = self.done % self._size
        end = at + len(low)
        return low == self._low[at:end] and high == self._high[at:end]

    def next(self, now: float) -> bytes | memoryview:
        """The bytes of as many requests as there is room for."""
        count = self.room()
        if count <= 0:
            return b""
        at = self.asked % self._size
        end = at + count
        self.asked += count
        self._runs.append((now, self.asked))
        places = self._places
        if end <= self._size:
            return self._block[places[at] : places[end]]
        return bytes(self._block[places[at] :]) + self._block[: places[end - self._size]]

    def answered(self, count: int, now: float) -> None:
        """The next `count` requests have their answers."""
        runs = self._runs
        while count:
            if not runs:
                raise BenchError(f"{self.address} answers what nobody asked")
            asked_at, end = runs[0]
            some = min(count, end - self.done)
            self.note(self.done, some, int((now - asked_at) * 1e6))
            self.done += some
            count -= some
            if self.done == end:
                runs.popleft()


def name_of(code: int) -> str:
    """An error's name as ZooKeeper has it."""
    try:
        return ErrorCode(code).name
    except ValueError:
        return f"error {code}"
