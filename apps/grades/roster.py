"""Who there is: the registered servers, their checkpoints, and the leader; kept current by watches.

Rules: what stands here may be a moment old, and whoever decides by it decides safely all the same: a checkpoint that is
too small keeps entries that could go; a server that is missing may find entries trimmed and takes a state transfer. The
watches are set before anything is read, so no change is missed; many changes at once are one reading.
"""

import asyncio

from zooweeper_client.aio import Client, Watch
from zooweeper_client.exceptions import NoNode, ZkError

from grades.layout import Leader, Paths, Server, decode_number


class Roster:
    """Of one session."""

    def __init__(self, zk: Client, paths: Paths) -> None:
        self._zk = zk
        self._paths = paths
        self._wake = asyncio.Event()
        self.servers: dict[str, Server] = {}
        self.checkpoints: dict[str, int] = {}
        self.leader: Leader | None = None
        self._changed = asyncio.Event()  # one for each change

    async def run(self, ready: asyncio.Event) -> None:
        """As long as the session lives; `ready` is set when everything was read once."""
        zk, paths = self._zk, self._paths
        async with (
            zk.watch(paths.servers, recursive=True) as servers,
            zk.watch(paths.checkpoints, recursive=True) as checkpoints,
            zk.watch(paths.leader) as leader,
            asyncio.TaskGroup() as tasks,
        ):
            self._wake.set()
            for watch in (servers, checkpoints, leader):
                tasks.create_task(self._listen(watch))
            while True:
                await self._wake.wait()
                self._wake.clear()
                await self._read()
                ready.set()
                changed, self._changed = self._changed, asyncio.Event()
                changed.set()

    async def change(self) -> None:
        """Until something is different from now."""
        await self._changed.wait()

    async def _listen(self, watch: Watch) -> None:
        async for _ in watch:
            self._wake.set()

    async def _read(self) -> None:
        paths = self._paths
        _, (servers, checkpoints) = await self._zk.multi_read(children=[paths.servers, paths.checkpoints])
        names, known = sorted(_names(servers)), sorted(_names(checkpoints))
        found, _ = await self._zk.multi_read(
            get=[paths.leader, *map(paths.server, names), *map(paths.checkpoint, known)]
        )
        data = [_data(one) for one in found]
        self.leader = Leader.decode(data[0]) if data[0] is not None else None
        self.servers = {name: Server.decode(one) for name, one in zip(names, data[1:], strict=False) if one is not None}
        self.checkpoints = {
            name: decode_number(one) for name, one in zip(known, data[1 + len(names) :], strict=True) if one is not None
        }


def _names(found: list[str] | ZkError) -> list[str]:
    if isinstance(found, ZkError):
        raise found
    return found


def _data(found: tuple[bytes, object] | ZkError) -> bytes | None:
    """None: it went meanwhile."""
    if isinstance(found, NoNode):
        return None
    if isinstance(found, ZkError):
        raise found
    return found[0]
