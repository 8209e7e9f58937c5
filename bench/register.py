"""One register that only rises, and readers that must never see it fall or lag: the checker of reads.

Rules: one writer sets rising numbers, so every promise about reads becomes a comparison: a linearizable read, and a
read behind `sync`, show at least what was acknowledged before they began; any read of a session shows at least what
its read before showed, on whichever node the session is by then.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from zooweeper_client.aio import Client

from zooweeper.model.errors import SessionExpired, ZkError

PAUSE_S = 0.004


async def linearizable(client: Client, path: str) -> bytes:
    return (await client.get(path, consistency="linearizable"))[0]


async def synced(client: Client, path: str) -> bytes:
    await client.sync(path)
    return (await client.get(path))[0]


async def local(client: Client, path: str) -> bytes:
    return (await client.get(path))[0]


Read = Callable[[Client, str], Awaitable[bytes]]
FRESH: tuple[Read, ...] = (linearizable, synced)
READS: tuple[Read, ...] = (linearizable, synced, local)


class Register:
    """A znode, its writer and its readers, until `stop`."""

    def __init__(self, writer: Client, readers: Sequence[Client], path: str = "/register") -> None:
        """Reader i reads in the way i of READS, in turn."""
        self.path = path
        self.violations: list[str] = []
        self.reads: Counter[str] = Counter()
        self.acknowledged = 0
        self._writer = writer
        self._readers = readers
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        await self._writer.create(self.path, b"0")
        for reader in self._readers:
            await reader.sync(self.path)
        self._tasks = [asyncio.create_task(self._write())]
        for place, reader in enumerate(self._readers):
            self._tasks.append(asyncio.create_task(self._read(reader, READS[place % len(READS)], f"r{place}")))

    async def stop(self) -> None:
        self._stopping = True
        await asyncio.gather(*self._tasks)

    async def _write(self) -> None:
        number = 0
        while not self._stopping:
            number += 1
            try:
                await self._writer.set(self.path, b"%d" % number)
                self.acknowledged = number
            except SessionExpired as error:
                self.violations.append(f"writer: {error}")
                return
            except ZkError:
                pass  # refused or unknown: the number was not acknowledged, and the next one is greater
            await asyncio.sleep(PAUSE_S)

    async def _read(self, client: Client, read: Read, name: str) -> None:
        newest = 0
        while not self._stopping:
            before = self.acknowledged
            try:
                number = int(await read(client, self.path))
            except SessionExpired as error:
                self.violations.append(f"{name}: {error}")
                return
            except ZkError:
                await asyncio.sleep(PAUSE_S)  # no quorum for the moment
                continue
            self.reads[read.__name__] += 1
            if read in FRESH and number < before:
                self.violations.append(f"{name}: {read.__name__} read {number} after {before} was acknowledged")
            if number < newest:
                self.violations.append(f"{name}: {read.__name__} read {number} after it had read {newest}")
            newest = max(newest, number)
            await asyncio.sleep(PAUSE_S)
