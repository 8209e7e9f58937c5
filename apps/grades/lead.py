"""Leading: batches of writes go into the log, then into our copy, then their answers go out.

    writes ──take──▶ append ──▶ apply ──▶ answer
                       │           │
                  two on their     while the next ones are on their way
                  way at most

Nothing is applied anywhere before it is in the log, and nothing is answered before it is applied here (or, with
`majority`, by a majority of the servers that were ever seen). What gathers while an append is on its way is the next
batch, so batches grow with the load and a lonely write waits for nobody.

Rules: leadership ends with an exception, whatever it is, and its writes go back to the line; only their answers were
promised to nobody. The log never holds more than MAX_LOG_SIZE entries: where trim.py finds no room, appends wait.
"""

import asyncio
from collections.abc import Mapping
from logging import getLogger
from typing import TYPE_CHECKING

from zooweeper_client.aio import Client

from grades.copy import Copy
from grades.layout import APPENDS_MAX, BATCH_BYTES_MAX, MAX_BATCH, Paths
from grades.log import Appender, Deposed, Follower
from grades.roster import Checkpoints, Roster, first_of
from grades.table import Result
from grades.trim import trim
from grades.writes import Writes

if TYPE_CHECKING:
    from grades.server import Options

AHEAD = 3  # batches sent to the log and not applied yet
WAITING = 4  # batches applied here and not yet by a majority

log = getLogger("grades")


class Leadership:
    """From the election to the end of the session."""

    def __init__(
        self, zk: Client, paths: Paths, token: int, copy: Copy, writes: Writes, roster: Roster, options: "Options"
    ) -> None:
        self.token = token
        self.serving = False
        self.appender = Appender(zk, paths, token)
        self._copy = copy
        self._writes = writes
        self._roster = roster
        self._checkpoints = Checkpoints(zk, paths)
        self._options = options
        self._sent: asyncio.Queue[tuple[int, list[bytes], asyncio.Future[None]]] = asyncio.Queue(AHEAD)
        self._flight = asyncio.Semaphore(APPENDS_MAX)
        self._done: asyncio.Queue[tuple[int, list[Result]]] = asyncio.Queue(WAITING)
        self._applied: dict[str, int] = {}  # of the others, as they told
        self._progress = asyncio.Event()

    async def run(self, follower: Follower) -> None:
        """Fence the leader before us off, apply what it left, and serve until an exception ends it."""
        await self.appender.fence()
        while (applied := self._copy.applied) < self.appender.last:
            await self._copy.apply(applied + 1, await follower.next(applied))
        log.info("leading from entry %d on", self.appender.last + 1)
        self.serving = True
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._watch_leader())
                tasks.create_task(self._checkpoints.run())
                tasks.create_task(self._append())
                tasks.create_task(self._apply())
                tasks.create_task(self._answer())
        finally:
            self.serving = False

    @property
    def size(self) -> int:
        """Entries in the log."""
        return self.appender.last - self.appender.first + 1

    @property
    def checkpoints(self) -> Mapping[str, int]:
        """Of every server ever seen."""
        return self._checkpoints.known

    def has_applied(self, server: str, upto: int) -> None:
        """Another server tells how far its copy is."""
        if server in self._checkpoints.known:
            self._applied[server] = upto
            self._progress.set()

    async def _watch_leader(self) -> None:
        """Somebody may have deleted /mydb/leader, and another one leads: we would apply nothing any more and hold up
        the trimming of the log."""
        await self._roster.read()
        while self._roster.token == self.token:
            await self._roster.change()
        raise Deposed("/leader is not ours any more")

    async def _append(self) -> None:
        while True:
            await self._flight.acquire()
            first, entries, done = await self._send()
            done.add_done_callback(self._landed)
            await self._sent.put((first, entries, done))

    async def _send(self) -> tuple[int, list[bytes], "asyncio.Future[None]"]:
        """The next batch, as soon as there are writes and room for them. While there are none, what nobody needs any
        more goes from the log without them."""
        while True:
            adding = self._writes.ready(MAX_BATCH)
            upto, room = self._room(adding)
            if not adding and upto < self.appender.first:
                await first_of(self._writes.some(), self._checkpoints.change())
                continue
            if adding and not room:
                await first_of(self._checkpoints.change(), self._roster.change())
                continue
            entries = self._writes.take(room, BATCH_BYTES_MAX) if adding else []
            if entries or upto >= self.appender.first:
                first, done = self.appender.append(entries, upto)
                return first, entries, done

    def _landed(self, done: "asyncio.Future[None]") -> None:
        if not done.cancelled() and done.exception() is None:  # else raised where it is waited for, if it still is
            self._flight.release()

    def _room(self, adding: int) -> tuple[int, int]:
        known = self._checkpoints.known
        return trim(self.appender.first, self.appender.last, adding, known, list(self._roster.servers))

    async def _apply(self) -> None:
        while True:
            first, entries, done = await self._sent.get()
            await done
            if entries:
                await self._done.put((first + len(entries) - 1, await self._copy.apply(first, entries)))

    async def _answer(self) -> None:
        while True:
            upto, results = await self._done.get()
            if self._options.majority:
                await self._majority(upto)
            self._writes.settle(results)

    async def _majority(self, upto: int) -> None:
        """Until a majority of all servers that were ever seen has applied entry `upto`."""
        while True:
            names = self._checkpoints.known
            have = 1 + sum(self._applied.get(name, 0) >= upto for name in names if name != self._options.name)
            if have > len(names) // 2:
                return
            self._progress.clear()
            await self._progress.wait()
