"""This server's own copy: the store, worked by a thread of its own, and the entries it applied last.

The event loop never waits for a disk: pings leave in time, so a slow disk does not cost the session. Reads have another
thread, so they do not wait for writes.

Rules: entries are applied in the order of the log, each exactly once: a transaction begins at `applied` + 1, and
`applied` is committed with what it did. Only entries that are in the log for good come here. A transaction that has
begun is finished, whoever stops waiting for it; all that follows waits for its end. A store that fails ends the server:
it is not tried again, not even when it fails after all have stopped waiting.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

from grades.layout import BadZnode, Entry
from grades.statements import BadStatement, Select, parse
from grades.store import BadCopy, Store, StoreError, Writer
from grades.table import Code, Request, Result, execute

TAIL_ENTRIES = 50_000  # in memory, for a server that takes a state transfer while others write: 10 s at full speed
TAIL_BYTES = 16 << 20

T = TypeVar("T")


class Seen(NamedTuple):
    """The copy at one moment."""

    applied: int
    digest: str
    rows: int


class Copy:
    """Belongs to one loop; the store belongs to it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.seen = self._look()
        self.synced = 0  # everything up to here is on disk
        self._writing = ThreadPoolExecutor(1, "store")
        self._reading = ThreadPoolExecutor(1, "reads")
        self._busy = asyncio.Lock()
        self._since: float | None = None  # the writing thread has been at one piece of work
        self._failed = ""  # why the store is not to be used any more, whoever was waiting when it failed
        self._tail: deque[tuple[int, Sequence[bytes]]] = deque()  # (number of the first, entries), without a gap
        self._tail_entries = self._tail_bytes = 0
        self._reached: dict[asyncio.Future[None], int] = {}
        self.advanced = asyncio.Event()  # set whenever `applied` grows; whoever waits clears it

    @property
    def applied(self) -> int:
        return self.seen.applied

    # --- writing

    async def apply(self, first: int, entries: Sequence[bytes]) -> list[Result]:
        """Execute entries of the log, the first of which has number `first`; their results."""
        return await asyncio.shield(asyncio.ensure_future(self._apply(first, entries)))

    async def _apply(self, first: int, entries: Sequence[bytes]) -> list[Result]:
        async with self._busy:
            assert first == self.applied + 1, f"entry {first} behind {self.applied}"
            results = await self._on_writer(lambda: apply_entries(self.store, first, entries))
            self._keep(first, entries)
        return results

    async def idle(self) -> None:
        """Until everything that has begun is done, also what nobody waits for any more."""
        async with self._busy:
            pass

    async def sync(self) -> int:
        """Bring everything applied to the disk; up to which entry that is."""
        return await asyncio.shield(asyncio.ensure_future(self._sync()))

    async def _sync(self) -> int:
        async with self._busy:
            upto = self.applied
            await self._on_writer(self.store.sync)
            self.synced = upto
        return upto

    async def change(self, work: Callable[[Store], T]) -> T:
        """Anything else that writes, such as to become another server's copy. The entries in memory are forgotten."""

        async def run() -> T:
            async with self._busy:
                self._tail.clear()
                self._tail_entries = self._tail_bytes = 0
                return await self._on_writer(lambda: work(self.store))

        return await asyncio.shield(asyncio.ensure_future(run()))

    async def _on_writer(self, work: Callable[[], T]) -> T:
        def run() -> tuple[T, Seen]:
            return work(), self._look()

        if self._failed:
            raise StoreError(self._failed)
        self._since = time.monotonic()
        try:
            result, self.seen = await asyncio.get_running_loop().run_in_executor(self._writing, run)
        except BadCopy:
            raise
        except StoreError as error:
            self._failed = str(error)
            raise
        finally:
            self._since = None
        self._tell()
        return result

    @property
    def busy_s(self) -> float:
        """For how long the store has been writing one and the same thing; 0 when it is not."""
        return 0.0 if self._since is None else time.monotonic() - self._since

    def _look(self) -> Seen:
        return Seen(self.store.applied, self.store.digest, self.store.count())

    # --- waiting

    async def reach(self, n: int) -> None:
        """Until entry `n` is applied."""
        if self.applied < n:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._reached[future] = n
            try:
                await future
            finally:
                self._reached.pop(future, None)

    def _tell(self) -> None:
        self.advanced.set()
        for future, n in self._reached.items():
            if n <= self.applied and not future.done():
                future.set_result(None)

    # --- reading

    async def read(self, work: Callable[[Store], T]) -> T:
        """Ask the store, on the thread for reads."""
        return await asyncio.get_running_loop().run_in_executor(self._reading, work, self.store)

    def tail(self, after: int) -> list[tuple[int, Sequence[bytes]]] | None:
        """The entries behind `after`, as far as they are applied; None if they are not in memory any more."""
        if after >= self.applied:
            return []
        if not self._tail or self._tail[0][0] > after + 1:
            return None
        return [
            (max(first, after + 1), entries[max(0, after + 1 - first) :])
            for first, entries in self._tail
            if first + len(entries) > after + 1
        ]

    def _keep(self, first: int, entries: Sequence[bytes]) -> None:
        self._tail.append((first, entries))
        self._tail_entries += len(entries)
        self._tail_bytes += sum(map(len, entries))
        while self._tail_entries > TAIL_ENTRIES or self._tail_bytes > TAIL_BYTES:
            _, gone = self._tail.popleft()
            self._tail_entries -= len(gone)
            self._tail_bytes -= sum(map(len, gone))

    async def close(self) -> None:
        """When the last transaction is done."""
        async with self._busy:
            for threads in (self._writing, self._reading):
                threads.shutdown()
            self.store.close()


def apply_entries(store: Store, first: int, entries: Sequence[bytes]) -> list[Result]:
    """Execute entries in one transaction."""
    with store.transaction(first + len(entries) - 1) as writer:
        return [apply_entry(writer, n, entry) for n, entry in enumerate(entries, first)]


def apply_entry(writer: Writer, n: int, data: bytes) -> Result:
    """Execute one entry. What is no entry was written by somebody else: it does nothing, on every server."""
    try:
        entry = Entry.decode(data)
        statement = parse(entry.text)
        if isinstance(statement, Select):
            raise BadStatement("a select is no entry of the log")
        request = Request(entry.client, entry.number, statement)
    except (BadZnode, ValueError) as error:
        return Result(n, Code.BAD_ENTRY, str(error))
    return execute(writer, n, request)
