"""A userspace proxy on each link between two nodes, through which nothing passes that we do not let pass.

Rules: nodes speak over one TCP connection a pair, opened by the one with the higher id, and over a second one, the
lane, that the same node opens to another port; so a pair has two links, a link one listener and two ways, and each way
a state of its own. What is done to a pair is done to both links, or to its lane alone. What a way holds back is
delivered in order when it opens, as TCP would after a hole in the network; what it swallows is gone, so the connection
cannot go on and is reset when the way opens. Every way counts what it took and what it passed on: a cut that held
nothing back has not been seen to bite. All proxies of a run live on one thread with a loop of its own; the methods of
`Proxies` may be called from any other.
"""

import asyncio
import contextlib
import random
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from socket import SO_LINGER, SOL_SOCKET
from struct import pack
from typing import TypeVar

from zooweeper.model.config import Address

T = TypeVar("T")
Pair = tuple[int, int]  # from, to
Chunk = tuple[float, bytes]  # when it is due, and what; nothing: the end

CHUNK_BYTES = 16_384
CHUNKS_MAX = 64  # waiting in one way of one connection; then the sender has to wait
CONNECT_S = 2.0
CALL_S = 10.0
LINGER_NOT = pack("ii", 1, 0)  # close with a reset


@dataclass(frozen=True, slots=True)
class Quality:
    """How a way treats what it passes."""

    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    bytes_per_s: float = 0.0  # 0: as fast as it goes


CLEAR = Quality()
COUNTS = ("taken", "passed", "swallowed", "delayed", "kept_out")  # of a way


@dataclass(slots=True)
class Way:
    """One direction of a link, whatever connections it has."""

    quality: Quality = CLEAR
    swallows: bool = False
    taken: int = 0  # bytes that came from the sender
    passed: int = 0  # bytes given to the receiver
    swallowed: int = 0
    delayed: int = 0  # chunks that had to wait for the quality
    kept_out: int = 0  # connections that had to wait for the way to open
    opened: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def held(self) -> int:
        """Bytes on the way, or lost with their connections."""
        return self.taken - self.passed - self.swallowed


class Connection:
    """Two sockets and two pumps, until an end has passed."""

    def __init__(self, link: "Link", near: asyncio.StreamWriter) -> None:
        self.link = link
        self.near = near
        self.far: asyncio.StreamWriter | None = None
        self.broken = False  # bytes are missing: it must not go on
        self._ended = asyncio.Event()

    async def run(self, reader: asyncio.StreamReader) -> None:
        link = self.link
        for way in (link.up, link.down):
            if not way.opened.is_set():
                way.kept_out += 1
                await way.opened.wait()
        if self._ended.is_set():
            return
        async with asyncio.timeout(CONNECT_S):
            answers, self.far = await asyncio.open_connection(link.target.host, link.target.port)
        pumps = [
            asyncio.create_task(self._take(source, way, queue, writer))
            for source, way, writer in ((reader, link.up, self.far), (answers, link.down, self.near))
            for queue in [asyncio.Queue[Chunk](CHUNKS_MAX)]
        ]
        try:
            await self._ended.wait()
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _take(
        self, reader: asyncio.StreamReader, way: Way, queue: "asyncio.Queue[Chunk]", writer: asyncio.StreamWriter
    ) -> None:
        """One direction: what arrives waits for its time."""
        loop = asyncio.get_running_loop()
        giving = asyncio.create_task(self._give(way, queue, writer))
        try:
            data = b"?"
            while data:
                try:
                    data = await reader.read(CHUNK_BYTES)
                except OSError:
                    data = b""
                way.taken += len(data)
                quality = way.quality
                delay_ms = quality.delay_ms + self.link.chance.uniform(-1, 1) * quality.jitter_ms
                await queue.put((loop.time() + max(0.0, delay_ms) / 1000, data))
            await giving
        finally:
            giving.cancel()
            await asyncio.gather(giving, return_exceptions=True)

    async def _give(self, way: Way, queue: "asyncio.Queue[Chunk]", writer: asyncio.StreamWriter) -> None:
        """The other end of it. That the receiver is gone is not told to the sender here: that news has to come the
        other way, which may be cut."""
        loop = asyncio.get_running_loop()
        while True:
            due, data = await queue.get()
            if due > loop.time():
                way.delayed += 1
                await asyncio.sleep(due - loop.time())
            if way.swallows and data:
                way.swallowed += len(data)
                self.broken = True
                continue
            await way.opened.wait()
            if self.broken:
                self.reset()
            if not data:
                self._ended.set()
                return
            try:
                writer.write(data)
                await writer.drain()
            except OSError:
                return
            way.passed += len(data)
            if way.quality.bytes_per_s:
                way.delayed += 1
                await asyncio.sleep(len(data) / way.quality.bytes_per_s)

    def reset(self) -> None:
        """Ends both sides at once: what waits is lost, and both are told so."""
        for writer in self._writers():
            socket = writer.get_extra_info("socket")
            socket.setsockopt(SOL_SOCKET, SO_LINGER, LINGER_NOT)
            writer.transport.abort()
        self._ended.set()

    def close(self) -> None:
        """Ends both sides after what was written."""
        for writer in self._writers():
            writer.close()

    def _writers(self) -> list[asyncio.StreamWriter]:
        return [writer for writer in (self.near, self.far) if writer is not None and not writer.is_closing()]


class Link:
    """The proxy of one pair: `up` leads from the node that dials to the one that listens, `down` back."""

    def __init__(self, dialer: int, target_node: int, target: Address, chance: random.Random) -> None:
        self.dialer = dialer
        self.target_node = target_node
        self.target = target
        self.chance = chance
        self.up, self.down = Way(), Way()
        self.up.opened.set()
        self.down.opened.set()
        self.connections: dict[Connection, None] = {}
        self.server: asyncio.Server | None = None
        self.port = 0

    async def listen(self) -> None:
        self.server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=CHUNK_BYTES)
        self.port = self.server.sockets[0].getsockname()[1]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(self, writer)
        self.connections[connection] = None
        try:
            with contextlib.suppress(OSError, TimeoutError):  # a connection that ends is no news
                await connection.run(reader)
        finally:
            connection.close()
            del self.connections[connection]

    def reset(self) -> int:
        """Ends all connections; how many there were."""
        for connection in self.connections:
            connection.reset()
        return len(self.connections)

    def open(self, way: Way) -> None:
        if way.swallows:
            way.swallows = False
            for connection in self.connections:
                if connection.broken:
                    connection.reset()
        way.opened.set()


class Proxies:
    """All links of an ensemble, on their own thread."""

    def __init__(self, nodes: dict[int, Address], seed: int = 0, lanes: dict[int, Address] | None = None) -> None:
        """`nodes`: where each node really listens for its peers; `lanes`: and for lanes. The ports are known when this
        returns."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxies", daemon=True)
        self._thread.start()
        chance = random.Random(seed)
        self.links, self.lanes = (
            {
                (dialer, to): Link(dialer, to, where[to], chance)
                for dialer in nodes
                for to in nodes
                if to < dialer and where
            }
            for where in (nodes, lanes or {})
        )
        for link in self._all():
            asyncio.run_coroutine_threadsafe(link.listen(), self._loop).result(CALL_S)

    def port(self, dialer: int, to: int) -> int:
        """Where `dialer` finds the node `to`."""
        return self.links[dialer, to].port

    def lane_port(self, dialer: int, to: int) -> int:
        """Where `dialer` finds the lanes of the node `to`."""
        return self.lanes[dialer, to].port

    def way(self, pair: Pair, lane: bool = False) -> Way:
        """What passed and did not pass from one node to another: over stream and lane together, or over the lane."""
        ways = [way for _, way in self._ways(pair, lane)]
        return Way(**{name: sum(getattr(way, name) for way in ways) for name in COUNTS})

    def _ways(self, pair: Pair, lane: bool) -> list[tuple[Link, Way]]:
        key = max(pair), min(pair)
        links = [of[key] for of in ([self.lanes] if lane else [self.links, self.lanes]) if key in of]
        return [(link, link.up if pair[0] > pair[1] else link.down) for link in links]

    def _all(self) -> list[Link]:
        return [*self.links.values(), *self.lanes.values()]

    def pairs(self) -> list[Pair]:
        """All directed pairs."""
        return sorted([*self.links, *((to, dialer) for dialer, to in self.links)])

    # --- control

    def hold(self, pairs: Iterable[Pair], lane: bool = False) -> None:
        """Nothing passes on these ways from now on; it waits."""
        self._each(pairs, lambda link, way: way.opened.clear(), lane)

    def swallow(self, pairs: Iterable[Pair]) -> None:
        """Nothing passes on these ways from now on; it is lost."""

        def start(link: Link, way: Way) -> None:
            way.swallows = True
            way.opened.clear()

        self._each(pairs, start)

    def slow(self, pairs: Iterable[Pair], quality: Quality) -> None:
        """What comes from now on is late."""

        def start(link: Link, way: Way) -> None:
            way.quality = quality

        self._each(pairs, start)

    def reset(self, pairs: Iterable[Pair], lane: bool = False) -> int:
        """The connections between these nodes end; how many."""
        chosen = list(dict.fromkeys((max(pair), min(pair)) for pair in pairs))
        return self._call(lambda: sum(link.reset() for pair in chosen for link, _ in self._ways(pair, lane)))

    def heal(self, pairs: Iterable[Pair] | None = None) -> None:
        """Everything passes again, at once, on these ways (default: all)."""

        def stop(link: Link, way: Way) -> None:
            way.quality = CLEAR
            link.open(way)

        self._each(self.pairs() if pairs is None else pairs, stop)

    def close(self) -> None:
        """Ends everything."""

        async def stop() -> None:
            for link in self._all():
                assert link.server is not None
                link.server.close()
                link.reset()
                for way in (link.up, link.down):
                    link.open(way)
            tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            if tasks:  # they end by themselves: the stream server of asyncio complains of a cancelled one
                await asyncio.wait(tasks, timeout=CALL_S / 2)

        asyncio.run_coroutine_threadsafe(stop(), self._loop).result(CALL_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CALL_S)
        self._loop.close()

    def _each(self, pairs: Iterable[Pair], action: Callable[[Link, Way], None], lane: bool = False) -> None:
        chosen = [way for pair in pairs for way in self._ways(pair, lane)]

        def do() -> None:
            for link, way in chosen:
                action(link, way)

        self._call(do)

    def _call(self, action: Callable[[], T]) -> T:
        async def do() -> T:
            return action()

        return asyncio.run_coroutine_threadsafe(do(), self._loop).result(CALL_S)
