"""Load with a memory: writers that create sequential znodes, one request in flight each, and keep their ledgers.

Rules: one event loop for all writers, so that the times of their answers come from one clock and stand in one rising
list. A writer with a single host stays with that node, for better or worse; one with several moves when its node dies.
An error that does not say what happened leaves the write open; a session that ended ends the writer, and that is
remembered as `broken`, since no fault a bar is about may end a session.
"""

import asyncio
from collections.abc import Sequence
from types import TracebackType

from zooweeper_client.aio import Client

from bench.figures import clock
from bench.ledger import Fate, Ledger, Verdict, judge
from zooweeper.model.errors import Outcome, SessionExpired, ZkError

WAIT_S = 30.0  # for one answer, before a measurement is given up


class Stuck(Exception):
    """What a measurement waited for did not come; the text is one clear line."""


class Writer:
    """One session that writes all the time."""

    def __init__(self, name: str, hosts: str, times: list[float], pause_s: float) -> None:
        self.parent = ""
        self.ledger = Ledger(name)
        self.client = Client(hosts, timeout=30.0)
        self.last = 0.0  # when the newest answer came
        self.broken = ""
        self._times = times
        self._pause_s = pause_s

    async def run(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            write = self.ledger.send()
            try:
                path = await self.client.create(f"{self.parent}/n-", write.value, sequence=True)
            except SessionExpired as error:
                self.broken = str(error)
                return
            except ZkError as error:
                if error.outcome is Outcome.NOT_APPLIED:
                    write.fate = Fate.REFUSED
            else:
                write.fate, write.name = Fate.ACKNOWLEDGED, path.removeprefix(f"{self.parent}/")
                self.last = clock()
                self._times.append(self.last)
            await asyncio.sleep(self._pause_s)


class Load:
    """Writers at work between `async with` and its end: one for each connect string. Every load has a parent znode of
    its own, so several may follow each other in one ensemble."""

    def __init__(self, hosts: Sequence[str], pause_s: float = 0.005) -> None:
        self.parent = ""
        self.times: list[float] = []
        self.writers = [Writer(f"w{number}", where, self.times, pause_s) for number, where in enumerate(hosts)]
        self._stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Load":
        for writer in self.writers:
            await writer.client.start()
        self.parent = await self.writers[0].client.create("/load-", sequence=True)
        for writer in self.writers:
            await writer.client.sync("/")  # a node that lags does not know the parent yet
            writer.parent = self.parent
        self._tasks = [asyncio.create_task(writer.run(self._stopping)) for writer in self.writers]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            await self.settle()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self.writers:
            await writer.client.close()

    async def settle(self) -> None:
        """No new writes; those under way are answered first."""
        self._stopping.set()
        await asyncio.wait_for(asyncio.gather(*self._tasks), WAIT_S)

    @property
    def ledgers(self) -> list[Ledger]:
        return [writer.ledger for writer in self.writers]

    @property
    def broken(self) -> list[str]:
        return [f"{writer.ledger.writer}: {writer.broken}" for writer in self.writers if writer.broken]

    async def progress(self, writers: Sequence[Writer] | None = None, wait_s: float = WAIT_S) -> None:
        """Waits until each of `writers` (default: all) has an answer that came after this call."""
        start = clock()
        waiting = self.writers if writers is None else writers
        while late := [writer for writer in waiting if writer.last <= start]:
            for task in self._tasks:
                if task.done() and not task.cancelled():
                    task.result()
            if self.broken:
                raise Stuck(f"a session ended: {', '.join(self.broken)}")
            if clock() > start + wait_s:
                raise Stuck(f"no answer within {wait_s:g} s for {', '.join(one.ledger.writer for one in late)}")
            await asyncio.sleep(0.005)

    async def any_progress(self, wait_s: float = WAIT_S) -> None:
        """Waits until some write was answered after this call."""
        start = clock()
        while not self.times or self.times[-1] <= start:
            if clock() > start + wait_s:
                raise Stuck(f"no write was answered within {wait_s:g} s")
            await asyncio.sleep(0.001)

    async def verdicts(self, hosts: Sequence[str]) -> list[Verdict]:
        """The ledgers against what each of `hosts` reads, not stale."""
        return [judge(self.ledgers, await read_back(where, self.parent)) for where in hosts]


async def read_back(hosts: str, parent: str) -> list[tuple[str, bytes]]:
    """(name, value) of all that was written, as one node shows it after a barrier."""
    async with Client(hosts) as client:
        await client.sync(parent)
        return [(node.path, node.data or b"") async for node in client.list(parent, with_data=True)]
