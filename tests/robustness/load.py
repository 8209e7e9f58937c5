"""The load of a run: the simulator's workloads on real clients, a steady trickle of doings for each.

Rules: what each client does next, and when, is drawn from the seed. The final reads go through clients too, one pinned
to each node, so that the same replay judges them.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

from sim.history import Operation
from sim.workloads.base import Client, Driver, World
from tests.robustness.client import Door, RealClient
from tests.robustness.world import RealWorld
from zooweeper.ops.data import SetData
from zooweeper.ops.read import ListChildren
from zooweeper.ops.session import Sync

EVERY_MS = (15, 105)  # between two doings of one client
SHORT_MS, LONG_MS = 4000, 30_000  # sessions: every third is short, and may expire
FAT_BYTES = 400_000
PAGE_NODES = 500
POLL_S = 0.02


class Stuck(Exception):
    """Something that had to be answered was not; the text says what."""


class Load:
    """The clients of one run."""

    def __init__(self, world: RealWorld, doors: Sequence[Door], clients: int, workloads: Sequence[str]) -> None:
        self.world = world
        self.doors = list(doors)
        self.workloads = list(workloads)
        self.drivers: list[Driver] = []
        self._stopped = False
        for id in range(1, clients + 1):
            client = RealClient(world, self.doors, id, SHORT_MS if id % 3 == 0 else LONG_MS)
            self.drivers.append(self._driver(client, self.workloads))

    def _driver(self, client: RealClient, workloads: Sequence[str]) -> Driver:
        return Driver(cast(World, self.world), cast(Client, client), workloads)

    @property
    def clients(self) -> list[RealClient]:
        return [cast(RealClient, driver.client) for driver in self.drivers]

    @property
    def operations(self) -> list[Operation]:
        return [operation for client in self.clients for operation in client.history]

    def begin(self) -> None:
        """Start doing."""
        for driver in self.drivers:
            self._act(driver)

    def _act(self, driver: Driver) -> None:
        if self._stopped:
            return
        chance = self.world.chance(f"doings {driver.client.id}")
        driver.act(chance.choice(self.workloads), self.world.dice(chance.getrandbits(32)))
        self.world.after(chance.randrange(EVERY_MS[0] * 1000, EVERY_MS[1] * 1000), self._act, driver)

    def fat_write(self) -> None:
        """Much to log, of a client that is not waiting for much."""
        driver = min(self.drivers, key=lambda driver: len(driver.client.pending))
        if len(driver.client.pending) < 8:
            data = driver.value().ljust(FAT_BYTES, b".")
            driver.client.ask(SetData, "/", SetData.Request("/", data, -1))

    def stop(self) -> None:
        """Nothing new from now on."""
        self._stopped = True
        for driver in self.drivers:
            driver.stop()

    async def idle(self, timeout_s: float) -> None:
        """Until everything is answered, on live sessions; from then on no session may end. Stuck."""
        await self._until(lambda: all(client.live and not client.pending for client in self.clients), timeout_s)
        for client in self.clients:
            client.calm_us = self.world.now_us

    async def probe(self, timeout_s: float) -> None:
        """A small write of each client is answered. Stuck."""
        asked = [driver.probe() for driver in self.drivers]
        await self._until(lambda: all(operation.return_us >= 0 or operation.lost for operation in asked), timeout_s)

    async def _until(self, done: Callable[[], bool], timeout_s: float) -> None:
        deadline = self.world.now_s + timeout_s
        while not done():
            if self.world.now_s > deadline:
                late = [f"{client.name} {len(client.pending)} ({client.core.trouble})" for client in self.clients]
                raise Stuck(f"not answered within {timeout_s:g} s: {', '.join(late)}")
            await asyncio.sleep(POLL_S)

    async def read_all(self, timeout_s: float) -> None:
        """Everything, from each node, by a client of its own. Stuck."""
        base = len(self.drivers)
        readers = []
        for place, door in enumerate(self.doors, 1):
            client = RealClient(self.world, [door], base + place, LONG_MS)
            self.drivers.append(self._driver(client, ()))
            readers.append(client)
        await asyncio.gather(*(self._read(client, timeout_s) for client in readers))

    async def _read(self, client: RealClient, timeout_s: float) -> None:
        """All znodes, page by page, as the node has them; a parent that may not be read keeps its children to itself.
        Whether it is right is for the replay to say."""
        client.ask(Sync, "/", Sync.Request("/"))
        waiting = [("/", "")]
        while waiting:
            path, after = waiting.pop()
            operation = client.ask(ListChildren, path, ListChildren.Request(path, after, PAGE_NODES, True, True))
            await self._until(partial(answered, operation), timeout_s)
            if not operation.ok:
                continue
            entries = operation.result.entries
            if operation.result.more:
                waiting.append((path, entries[-1].name))
            above = path.rstrip("/")
            waiting += [
                (f"{above}/{one.name}", "") for one in entries if one.stat is not None and one.stat.num_children
            ]

    async def close(self) -> None:
        """Let go of all connections."""
        self.world.stopped = True
        for client in self.clients:
            await client.stop()


def answered(operation: Operation) -> bool:
    return operation.return_us >= 0
