"""The proxy lets pass, holds, swallows, delays, resets: each way alone, and counts what it did."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import pytest

from tests.robustness.proxy import Proxies, Quality
from zooweeper.model.config import Address

HIGH, LOW = 2, 1  # node 2 dials node 1
UP, DOWN = (HIGH, LOW), (LOW, HIGH)
Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Rig:
    """A listener in the place of node 1, behind a proxy."""

    def __init__(self) -> None:
        self.accepted: asyncio.Queue[Ends] = asyncio.Queue()

    async def start(self) -> None:
        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.accepted.put_nowait((reader, writer))

        self.server = await asyncio.start_server(accept, "127.0.0.1", 0)
        port = self.server.sockets[0].getsockname()[1]
        self.proxies = await asyncio.to_thread(
            Proxies, {LOW: Address("127.0.0.1", port), HIGH: Address("127.0.0.1", 1)}
        )

    async def dial(self) -> Ends:
        return await asyncio.open_connection("127.0.0.1", self.proxies.port(HIGH, LOW))

    async def connected(self) -> tuple[Ends, Ends]:
        near = await self.dial()
        async with asyncio.timeout(5):
            return near, await self.accepted.get()

    async def close(self) -> None:
        await asyncio.to_thread(self.proxies.close)
        self.server.close()


@asynccontextmanager
async def rig() -> AsyncIterator[Rig]:
    made = Rig()
    await made.start()
    yield made
    await made.close()


Case = Callable[[Rig], Awaitable[None]]


@pytest.fixture
def play() -> Iterator[Callable[[Case], None]]:
    async def run(case: Case) -> None:
        async with rig() as made:
            await asyncio.wait_for(case(made), 20)

    yield lambda case: asyncio.run(run(case))


async def arrives(reader: asyncio.StreamReader, data: bytes, within_s: float = 5.0) -> bool:
    try:
        async with asyncio.timeout(within_s):
            return await reader.readexactly(len(data)) == data
    except TimeoutError:
        return False


async def ends(reader: asyncio.StreamReader) -> bool:
    """Whether the connection ends without another byte."""
    try:
        return await reader.read() == b""
    except ConnectionResetError:
        return True


def test_bytes_pass_both_ways_and_are_counted(play: Callable[[Case], None]) -> None:
    async def case(rig: Rig) -> None:
        (reader, writer), (far_reader, far_writer) = await rig.connected()
        writer.write(b"question" * 10_000)
        far_writer.write(b"answer")
        assert await arrives(far_reader, b"question" * 10_000)
        assert await arrives(reader, b"answer")
        await asyncio.sleep(0.05)
        assert (rig.proxies.way(UP).passed, rig.proxies.way(DOWN).passed) == (80_000, 6)
        writer.close()
        assert await far_reader.read() == b""

    play(case)


def test_a_held_way_holds_while_the_other_passes(play: Callable[[Case], None]) -> None:
    async def case(rig: Rig) -> None:
        (reader, writer), (far_reader, far_writer) = await rig.connected()
        rig.proxies.hold([UP])
        writer.write(b"one")
        far_writer.write(b"two")
        assert await arrives(reader, b"two")
        assert not await arrives(far_reader, b"one", 0.2)
        assert rig.proxies.way(UP).held == 3
        rig.proxies.heal([UP])
        assert await arrives(far_reader, b"one")

    play(case)


def test_what_is_swallowed_is_gone_and_its_connection_with_it(play: Callable[[Case], None]) -> None:
    async def case(rig: Rig) -> None:
        (reader, writer), (far_reader, _) = await rig.connected()
        rig.proxies.swallow([UP])
        writer.write(b"lost")
        assert not await arrives(far_reader, b"lost", 0.2)
        assert rig.proxies.way(UP).swallowed == 4
        rig.proxies.heal()
        assert await ends(reader) and await ends(far_reader)
        (_, writer), (far_reader, _) = await rig.connected()
        writer.write(b"found")
        assert await arrives(far_reader, b"found")

    play(case)


def test_nobody_connects_through_a_cut(play: Callable[[Case], None]) -> None:
    async def case(rig: Rig) -> None:
        rig.proxies.hold([DOWN])
        _, writer = await rig.dial()
        writer.write(b"hello")
        await asyncio.sleep(0.2)
        assert rig.accepted.empty() and rig.proxies.way(DOWN).kept_out == 1
        rig.proxies.heal()
        async with asyncio.timeout(5):
            far_reader, _ = await rig.accepted.get()
        assert await arrives(far_reader, b"hello")

    play(case)


@pytest.mark.parametrize("quality", [Quality(delay_ms=300), Quality(bytes_per_s=10_000)])
def test_a_slow_way_delays(play: Callable[[Case], None], quality: Quality) -> None:
    async def case(rig: Rig) -> None:
        near, far = await rig.connected()  # both are held: a writer that nobody holds closes its connection
        rig.proxies.slow([UP], quality)
        loop = asyncio.get_running_loop()
        began = loop.time()
        for _ in range(4):
            near[1].write(b"x" * 1000)
            await asyncio.sleep(0.02)
        assert await arrives(far[0], b"x" * 4000)
        assert loop.time() - began >= 0.25
        assert rig.proxies.way(UP).delayed

    play(case)


def test_a_reset_ends_both_sides(play: Callable[[Case], None]) -> None:
    async def case(rig: Rig) -> None:
        (reader, _), (far_reader, _) = await rig.connected()
        assert rig.proxies.reset([DOWN]) == 1
        assert await ends(reader) and await ends(far_reader)

    play(case)
