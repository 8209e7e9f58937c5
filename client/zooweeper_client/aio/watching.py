"""Events for programs: one-shot callbacks' events, and `Watch`, an asynchronous iterator that stays.

Rules: a Watch never loses an event silently. What it cannot keep (its buffer is full) or could not hear (the client was
on its way to another node) it replaces by one GAP event: read again whatever you rely on. Events stand in zxid order.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from zooweeper.model.errors import ZkError
from zooweeper_client.aio.engine import Engine
from zooweeper_client.calls import Call, Calls
from zooweeper_client.messages import Fired, Unwatch
from zooweeper_client.watches import EventType, WatchKind

EVENTS_MAX = 4096  # waiting in one Watch


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """Something happened to a znode. `path` is relative to the client's chroot; of GAP, the watched path."""

    type: EventType
    path: str
    zxid: int


def event_of(fired: Fired, calls: Calls) -> WatchEvent:
    return WatchEvent(EventType(fired.type), calls.short(fired.path), fired.zxid)


Ask = Callable[[Call[None]], "asyncio.Future[None]"]


class Watch:
    """A persistent watch: `async for event in client.watch("/jobs", recursive=True)`.

    It is registered when it is entered, awaited, or first asked for an event; from then on every change is reported,
    after a reconnect too (with a GAP first). It ends when it or the client is closed.

    >>> async with client.watch("/jobs") as events:     # doctest: +SKIP
    ...     children = await client.get_children("/jobs")  # nothing between this and the first event is missed
    ...     async for event in events:
    ...         print(event.type, event.path)
    """

    def __init__(
        self, engine: Engine, calls: Calls, ask: Ask, path: str, kind: WatchKind, *, events_max: int = EVENTS_MAX
    ) -> None:
        self.path = path
        self._engine = engine
        self._calls = calls
        self._ask = ask
        self._kind = kind
        self._full = calls.full(path)
        self._events: deque[WatchEvent] = deque()
        self._events_max = events_max
        self._watcher = 0
        self._ready: asyncio.Future[None] | None = None  # None: not registered
        self._more = asyncio.Event()
        self._closed = False

    async def start(self) -> Self:
        """Register, if that has not been done."""
        if self._ready is None:
            self._watcher = self._engine.add_watcher(self._on_fired, once=False)
            self._ready = self._ask(self._calls.add_watch(self.path, self._kind, self._watcher))
            self._engine.closing[self.close] = None
        try:
            await asyncio.shield(self._ready)
        except ZkError:
            self.close()
            raise
        return self

    def _on_fired(self, fired: Fired) -> None:
        event = event_of(fired, self._calls)
        if event.type is EventType.GAP or len(self._events) >= self._events_max:
            self._events.clear()
            event = WatchEvent(EventType.GAP, self.path, fired.zxid)
        self._events.append(event)
        self._more.set()

    def close(self) -> None:
        """No more events; who waits for one is told the end."""
        if self._closed:
            return
        self._closed = True
        self._more.set()
        if self._ready is not None:
            self._ready.cancel()  # or a refused registration would be asked for again
            self._engine.drop_watcher(self._watcher)
            del self._engine.closing[self.close]
            self._engine.tell(Unwatch(self._kind, self._full, self._watcher))

    def __await__(self) -> Generator[None, None, Self]:
        return self.start().__await__()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> WatchEvent:
        if not self._closed:
            await self.start()
        while not self._events:
            if self._closed:
                raise StopAsyncIteration
            self._more.clear()
            await self._more.wait()
        return self._events.popleft()
