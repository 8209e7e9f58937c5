"""The gRPC port: the listener, its connections' sockets, and the one timer for all of them.

Rules: no task, future or closure per request, stream or connection; what a turn of the loop puts out leaves in one
write per connection. A client that does not read is not written to; one that is silent is asked for a sign of life,
and cut off without one.
"""

import asyncio
from collections.abc import Callable
from logging import getLogger
from typing import cast

from zooweeper.doors.grpc_client import SessionStream
from zooweeper.http2.connection import Connection, Open
from zooweeper.model.config import Address
from zooweeper.model.limits import CONNECTIONS_MAX, MIB

HELLO_S = 10.0  # to say the first thing in, on a connection as on a Session stream
SILENT_S = 30.0  # then it is asked for a sign of life
ANSWER_S = 10.0  # for that
SWEEP_S = 2.5
PAUSE_BYTES = MIB  # with as much unwritten, what is sent waits on its stream
BACKLOG = 1024

log = getLogger("zooweeper.grpc")


class PortTaken(Exception):
    """The port for gRPC clients cannot be bound."""


class Link(asyncio.Protocol):
    """One connection's socket."""

    __slots__ = ("_asked", "_heard", "_port", "_reading", "connection", "transport")

    transport: asyncio.Transport
    connection: Connection

    def __init__(self, port: "GrpcPort") -> None:
        self._port = port
        self._asked = False  # for a sign of life
        self._heard = port.now()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername") or ("",)  # none: it is gone already
        self.connection = Connection(str(peer[0]), self._port.open, self.wake)
        if self._port.admit(self):
            self.transport.set_write_buffer_limits(high=PAUSE_BYTES)
            self.wake()
        else:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.connection.lost()
        self._port.forget(self)

    def data_received(self, data: bytes) -> None:
        self._asked, self._heard = False, self._port.now()
        self.connection.received(data)

    def eof_received(self) -> None:
        """It closes: gRPC has no use for half of a connection."""

    def pause_writing(self) -> None:
        self.connection.congest(True)

    def resume_writing(self) -> None:
        self.connection.congest(False)

    def wake(self) -> None:
        self._port.schedule(self)

    def flush(self) -> None:
        """Write what there is."""
        if not self.transport.is_closing():
            self.transport.write(self.connection.take())
            if self.connection.ended:
                self.transport.close()

    def check(self, now: float) -> None:
        """Whether it is alive."""
        self.connection.tick()
        silent = now - self._heard
        if silent > SILENT_S + ANSWER_S or (silent > HELLO_S and not self.connection.greeted):
            self.transport.abort()
        elif silent > SILENT_S and not self._asked:
            self._asked = True
            self.connection.ping()


class GrpcPort:
    """Everything between the sockets and the calls."""

    def __init__(self, open: Open, after_turn: Callable[[Callable[[], None]], object]) -> None:
        """`open` makes a call of a path; `after_turn` is the gateway's."""
        self.open = open
        self._after_turn = after_turn
        self._loop = asyncio.get_running_loop()
        self._links: dict[Link, None] = {}
        self._fresh: dict[SessionStream, float] = {}  # hello is not said yet; until when, the oldest first
        self._server: asyncio.Server | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._planned = False  # a call of `_flush` is on its way
        self._woken: list[SessionStream] = []
        self._dirty: list[Link] = []
        self.now: Callable[[], float] = self._loop.time

    async def start(self, address: Address) -> None:
        """Listen. PortTaken."""
        try:
            self._server = await self._loop.create_server(
                self._link, address.host, address.port, backlog=BACKLOG, reuse_port=False
            )
        except OSError as error:
            raise PortTaken(str(address)) from error
        self._sweep()

    def close(self) -> None:
        """Take no new connections and end those there are; what was answered still leaves."""
        if self._server is not None:
            self._server.close()
        if self._timer is not None:
            self._timer.cancel()
        self._flush()
        for link in list(self._links):
            link.connection.close()
        self._flush()

    def _link(self) -> Link:
        return Link(self)

    # --- for the links

    def admit(self, link: Link) -> bool:
        """A new connection; False: there are too many already."""
        self._links[link] = None
        return len(self._links) <= CONNECTIONS_MAX

    def forget(self, link: Link) -> None:
        del self._links[link]

    def schedule(self, link: Link) -> None:
        """Flush it when the loop's turn is over."""
        self._dirty.append(link)
        self._plan()

    # --- for the sessions

    def expect(self, session: SessionStream) -> None:
        """A new one, which is to say hello."""
        self._fresh[session] = self.now() + HELLO_S

    def wake(self, session: SessionStream) -> None:
        """Flush it when the loop's turn is over."""
        self._woken.append(session)
        self._plan()

    # --- the turn, and the timer

    def _plan(self) -> None:
        if not self._planned:
            self._planned = True
            self._after_turn(self._flush)

    def _flush(self) -> None:
        """First what sessions put out, then what leaves of all that."""
        woken, self._woken = self._woken, []
        for session in woken:
            session.flush()
        dirty, self._dirty = self._dirty, []
        for link in dirty:
            link.flush()
        self._planned = False
        if self._woken or self._dirty:
            self._plan()

    def _sweep(self) -> None:
        self._timer = self._loop.call_later(SWEEP_S, self._sweep)
        now = self.now()
        for link in list(self._links):
            link.check(now)
        for session, deadline in list(self._fresh.items()):
            if not session.fresh:
                del self._fresh[session]
            elif deadline <= now:
                del self._fresh[session]
                session.overdue()
