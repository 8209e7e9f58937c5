"""Who there is: the registered servers and the leader, and for the leader all checkpoints; kept current by watches.

Rules: what stands here may be a moment old, and whoever decides by it decides safely all the same: a checkpoint that is
too small keeps entries that could go; a server that is missing may find entries trimmed and takes a state transfer. The
watches are set before anything is read, so no change is missed; many changes at once are one reading.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from typing import Any

from zooweeper_client.aio import Client, Watch
from zooweeper_client.exceptions import NoNode

from grades.layout import Leader, Paths, Server, decode_number

GATHER_S = 0.004  # all servers make their checkpoints at about the same time


class Watched(ABC):
    """What is read again whenever something below some paths changes. Of one session."""

    def __init__(self, zk: Client, *paths: str, gather_s: float = 0.0) -> None:
        self._zk = zk
        self._gather_s = gather_s  # changes that come so soon after each other are read together
        self._below = paths
        self._wake = asyncio.Event()
        self._changed = asyncio.Event()  # one for each change

    async def run(self) -> None:
        """As long as the session lives."""
        watches = [self._zk.watch(path, recursive=True) for path in self._below]
        try:
            for watch in watches:
                await watch.start()
            async with asyncio.TaskGroup() as tasks:
                for watch in watches:
                    tasks.create_task(self._listen(watch))
                while True:
                    self._wake.clear()
                    await self.read()
                    changed, self._changed = self._changed, asyncio.Event()
                    changed.set()
                    await self._wake.wait()
                    await asyncio.sleep(self._gather_s)
        finally:
            for watch in watches:
                watch.close()

    def change(self) -> Coroutine[Any, Any, object]:
        """Until something is different from now: from the moment of this call, not from that of the waiting."""
        return self._changed.wait()

    async def _listen(self, watch: Watch) -> None:
        async for _ in watch:
            self._wake.set()

    @abstractmethod
    async def read(self) -> None:
        """Read everything."""

    async def _children(self, path: str) -> dict[str, bytes]:
        """Name and data of each child."""
        return {node.path: node.data or b"" async for node in self._zk.list(path, with_data=True)}


async def first_of(*several: Coroutine[Any, Any, object]) -> None:
    """Until one of them has ended; the others end, too."""
    waiting = [asyncio.ensure_future(one) for one in several]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in waiting:
            one.cancel()


class Roster(Watched):
    """The servers that count, and who leads them."""

    def __init__(self, zk: Client, paths: Paths) -> None:
        super().__init__(zk, paths.servers, paths.leader)
        self._paths = paths
        self.servers: dict[str, Server] = {}
        self.leader: Leader | None = None
        self.token = 0  # of that leader

    async def read(self) -> None:
        (self.leader, self.token), servers = await asyncio.gather(self._leader(), self._children(self._paths.servers))
        self.servers = {name: Server.decode(data) for name, data in servers.items()}

    async def _leader(self) -> tuple[Leader | None, int]:
        try:
            data, stat = await self._zk.get(self._paths.leader)
        except NoNode:
            return None, 0
        return Leader.decode(data), stat.czxid


class Checkpoints(Watched):
    """Up to where every server that was ever seen has the log on its disk."""

    def __init__(self, zk: Client, paths: Paths) -> None:
        super().__init__(zk, paths.checkpoints, gather_s=GATHER_S)
        self._path = paths.checkpoints
        self.known: dict[str, int] = {}

    async def read(self) -> None:
        self.known = {name: decode_number(data) for name, data in (await self._children(self._path)).items()}
