"""Drives one client core on one event loop: time, a link, and futures.

Rules: decides nothing; what the core's outbox says is carried out in its order. All requests of one turn of the loop
leave together, at its end. No thread and no task of its own but the link's and one timer.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from random import Random
from typing import Protocol, cast

from zooweeper.model.config import Address
from zooweeper.model.errors import AuthFailed, ErrorCode, NotConnected
from zooweeper_client.core import FOREVER_MS, ClientCore
from zooweeper_client.messages import (
    Changed,
    Close,
    Event,
    Fired,
    Hello,
    Outbox,
    Ping,
    Request,
    Start,
    Submit,
    Tick,
)
from zooweeper_client.options import Options
from zooweeper_client.states import PUBLIC, ClientState, State


class Link(Protocol):
    """A connection to one server; see aio/link_grpc.py."""

    def send(self, messages: Sequence[Hello | Request | Ping]) -> None: ...
    def close(self) -> None: ...
    @property
    def closed(self) -> bool: ...
    async def wait_closed(self) -> None: ...


OpenLink = Callable[[Address, Callable[[Event], None]], Link]


def now_ms() -> int:
    """Monotonic milliseconds."""
    return time.monotonic_ns() // 1_000_000


class Engine:
    """One running client. All methods belong to the loop that made it."""

    def __init__(self, options: Options, open_link: OpenLink, rng: Random) -> None:
        self.core = ClientCore(options, rng)
        self._open_link = open_link
        self._loop = asyncio.get_running_loop()
        self._link: Link | None = None
        self._leaving: list[Link] = []  # told to close, and perhaps not closed yet
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ms = FOREVER_MS
        self._flush_planned = False
        self._watcher = 0
        self._sinks: dict[int, Callable[[Fired], None]] = {}
        self._once: dict[int, None] = {}
        self.closing: dict[Callable[[], None], None] = {}  # whom to tell when the client closes
        self.on_state: Callable[[ClientState], None] = lambda state: None
        self._public = self.core.public
        self._started: asyncio.Future[None] = self._loop.create_future()  # connected once, or closed

    # --- life

    async def start(self, seconds: float) -> None:
        """Until connected. NotConnected, with the last trouble, or AuthFailed."""
        self._step(Start())
        try:
            async with asyncio.timeout(seconds):
                await self._started
        except TimeoutError:
            raise NotConnected(f"no server within {seconds:g} s; {self.core.trouble}") from None
        if self.core.state is State.CLOSED:
            raise AuthFailed(self.core.trouble)

    async def stop(self) -> None:
        """Fail what waits and let go of everything; a silent server is waited for as long as a link may take to end."""
        for tell in list(self.closing):
            tell()
        self._step(Close())
        if self._timer is not None:
            self._timer.cancel()
        for link in self._leaving:
            await link.wait_closed()

    # --- requests

    def ask(self, request: Request) -> "asyncio.Future[Request]":
        """Submit; the future ends with the settled request, its error in it. Cancelled: nobody waits any more."""
        future: asyncio.Future[Request] = self._loop.create_future()
        request.owner = future
        self.core.step(Submit(request))
        if not self._flush_planned:
            self._flush_planned = True
            self._loop.call_soon(self._flush)
        return future

    def tell(self, event: Event) -> None:
        """Step something that has no answer."""
        self._step(event)

    def add_watcher(self, sink: Callable[[Fired], None], once: bool) -> int:
        """A number for a new watcher; `once`: it is forgotten when it fires."""
        self._watcher += 1
        self._sinks[self._watcher] = sink
        if once:
            self._once[self._watcher] = None
        return self._watcher

    def drop_watcher(self, watcher: int) -> None:
        self._sinks.pop(watcher, None)
        self._once.pop(watcher, None)

    # --- the loop

    def _flush(self) -> None:
        self._flush_planned = False
        self.core.step(Tick(now_ms()))
        self._carry_out(self.core.take())

    def _step(self, event: Event) -> None:
        self.core.step(Tick(now_ms()))
        self.core.step(event)
        self._carry_out(self.core.take())

    def _on_timer(self) -> None:
        self._timer, self._timer_ms = None, FOREVER_MS
        self._flush()

    def _carry_out(self, out: Outbox) -> None:
        if out.hangup and self._link is not None:
            self._link.close()
            self._leaving = [link for link in self._leaving if not link.closed]
            self._leaving.append(self._link)
            self._link = None
        if out.connect is not None:
            self._link = self._open_link(out.connect, self._step)
        if out.send and self._link is not None:
            self._link.send(out.send)
        for one in out.deliver:
            if isinstance(one, Request):
                future = cast("asyncio.Future[Request]", one.owner)
                if not future.done():
                    future.set_result(one)
            elif isinstance(one, Fired):
                self._fire(one)
            else:
                self._on_changed(one)
        if not self._started.done() and (self.core.ready or self.core.state is State.CLOSED):
            self._started.set_result(None)
        self._plan()

    def _fire(self, fired: Fired) -> None:
        sink = self._sinks.get(fired.watcher)
        if sink is not None:
            if fired.watcher in self._once:
                self.drop_watcher(fired.watcher)
            sink(fired)

    def _on_changed(self, changed: Changed) -> None:
        public = PUBLIC[changed.state]
        if public is not self._public:
            self._public = public
            self.on_state(public)

    def _plan(self) -> None:
        """See that the next Tick comes in time; a timer that is early does no harm."""
        wake = self.core.wake_ms
        if wake < self._timer_ms:
            if self._timer is not None:
                self._timer.cancel()
            self._timer_ms = wake
            self._timer = self._loop.call_later(max(0, wake - now_ms()) / 1000 + 0.001, self._on_timer)


def check(request: Request, path: str) -> None:
    """Raise the error of a settled request."""
    if request.error != ErrorCode.OK:
        raise request.failure(path)
