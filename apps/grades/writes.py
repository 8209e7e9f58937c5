"""The writes that wait for their place in the log, in the order in which they came.

Whoever can bring them further takes some from the front: the leader, to append them; another server, to forward them
to the leader. Answers come back in the same order. When the way breaks (the leader is deposed, or gone), all that was
taken and not answered goes back to the front, in order, to be taken again by whoever comes next. What had been appended
after all is then found in the log twice, but its request id makes it take effect once.

    submit ──▶ waiting ──take──▶ taken ──settle──▶ answered
                  ▲────give_back────┘

Rules: first in, first out; never a write before one that came earlier. No future and no task for a write: a group of
them, as it came in one message, has one. At most `WAITING_MAX` writes and `WAITING_BYTES_MAX` bytes are held, no group
longer than `HOLD_S`; a group that ends without its answers says whether any of its writes may take effect.
"""

import asyncio
import time
from collections import deque
from collections.abc import Sequence

from grades.table import Result

WAITING_MAX = 20_000  # writes; two or three seconds' worth
WAITING_BYTES_MAX = 32 << 20
HOLD_S = 8.0  # less than a client's deadline, so that it hears why


class Trouble(Exception):
    """The writes of a group have no answers. `unknown`: some of them may take effect, or may have done so."""

    def __init__(self, message: str, unknown: bool) -> None:
        super().__init__(message)
        self.unknown = unknown


class Group:
    """Writes that came together, as entries of the log; `done` ends when all are answered, or with Trouble."""

    __slots__ = ("done", "entries", "forwarded", "results", "since", "size", "taken", "tried")

    def __init__(self, entries: Sequence[bytes], forwarded: bool = False) -> None:
        self.entries = entries
        self.size = sum(map(len, entries))
        self.forwarded = forwarded  # by another server, which will send it again if we cannot answer
        self.results: list[Result] = []
        self.taken = 0  # so many of them are on their way, or answered
        self.tried = False  # some of them were on their way
        self.since = time.monotonic()
        self.done: asyncio.Future[list[Result]] = asyncio.get_running_loop().create_future()

    def fail(self, message: str) -> None:
        if not self.done.done():
            self.done.set_exception(Trouble(message, self.tried))
            self.done.exception()  # the stream that waited may be gone


class Writes:
    """All writes that this server holds."""

    def __init__(self) -> None:
        self._waiting: deque[Group] = deque()
        self._taken: deque[Group] = deque()  # the last of them may also be the first of those waiting
        self._count = self._size = 0
        self._more = asyncio.Event()

    def __len__(self) -> int:
        """Writes without an answer."""
        return self._count

    def submit(self, group: Group) -> None:
        """Trouble if there is no room for it."""
        assert group.entries
        if self._count + len(group.entries) > WAITING_MAX or self._size + group.size > WAITING_BYTES_MAX:
            raise Trouble(f"{self._count} writes are waiting at this server", unknown=False)
        self._count += len(group.entries)
        self._size += group.size
        self._waiting.append(group)
        self._more.set()

    async def some(self) -> None:
        """Until there is something to take."""
        while not self._waiting:
            self._more.clear()
            await self._more.wait()

    def ready(self, most: int) -> int:
        """How many could be taken now, if that is not more than `most`."""
        count = 0
        for group in self._waiting:
            count += len(group.entries) - group.taken
            if count >= most:
                return most
        return count

    def take(self, count: int, size: int) -> list[bytes]:
        """The next entries, at most `count` with together at most `size` bytes, but one at least."""
        found: list[bytes] = []
        while self._waiting and len(found) < count:
            group = self._waiting[0]
            if group.done.done() and not group.taken:  # it was given up before it began
                self._leave(self._waiting.popleft())
                continue
            if not self._taken or self._taken[-1] is not group:
                self._taken.append(group)
            group.tried = True
            while group.taken < len(group.entries) and len(found) < count:
                entry = group.entries[group.taken]
                size -= len(entry)
                if found and size < 0:
                    return found
                found.append(entry)
                group.taken += 1
            if group.taken == len(group.entries):
                self._waiting.popleft()
        return found

    def settle(self, results: Sequence[Result]) -> None:
        """The answers of what was taken first."""
        for result in results:
            group = self._taken[0]
            group.results.append(result)
            if len(group.results) == len(group.entries):
                self._leave(self._taken.popleft())
                if not group.done.done():
                    group.done.set_result(group.results)

    def give_back(self, message: str, forwarded: bool = True) -> None:
        """What was taken and not answered waits again. Forwarded groups end with `message`, unless they are to stay:
        the server they came from sends them again."""
        if self._taken and self._waiting and self._taken[-1] is self._waiting[0]:
            self._waiting.popleft()
        self._waiting.extendleft(reversed(self._taken))
        self._taken.clear()
        for group in self._waiting:
            group.taken = len(group.results)
            if group.forwarded and not forwarded:
                group.fail(message)
        self._drop_failed()

    def expire(self, message: str) -> None:
        """End the groups that have waited for too long. What is on its way keeps its place, for its answer."""
        before = time.monotonic() - HOLD_S
        for group in (*self._taken, *self._waiting):
            if group.since > before:
                break
            group.fail(message)
        self._drop_failed()

    def fail_all(self, message: str) -> None:
        """The server ends."""
        self.give_back(message)
        for group in self._waiting:
            group.fail(message)
        self._drop_failed()

    def _drop_failed(self) -> None:
        """Of those waiting; what is partly on its way stays, for its answers."""
        for _ in range(len(self._waiting)):
            group = self._waiting.popleft()
            if group.done.done() and group.taken == len(group.results):
                self._leave(group)
            else:
                self._waiting.append(group)

    def _leave(self, group: Group) -> None:
        self._count -= len(group.entries)
        self._size -= group.size
