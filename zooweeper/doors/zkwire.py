"""The ZooKeeper port: the listener, its connections' sockets, and the one timer for all of them.

Rules: no task, future or closure per request or connection; what a turn of the loop puts out leaves in one write per
connection. A client that does not read is not read from, and in the end cut off. Connections without a session, and
connections that are to end but linger, are dropped by the timer; silent sessions are the leader's business. Without a
quorum all connections end, so that clients look for a node that has one.
"""

import asyncio
import resource
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from logging import getLogger
from ssl import SSLContext
from time import time_ns
from typing import cast

from zooweeper.doors import words
from zooweeper.doors.figures import ConnectionRow, Traffic
from zooweeper.doors.sasl import new_server, read_users
from zooweeper.doors.tls import peer_name, server_context, warnings
from zooweeper.doors.zkconn import State, WireConnection
from zooweeper.doors.zkport import Port
from zooweeper.model.acl import Id
from zooweeper.model.config import Address, Config
from zooweeper.model.limits import CONNECTIONS_MAX, MIB, OUTPUT_BYTES_MAX
from zooweeper.replica.inspect import Inspection
from zooweeper.replica.status import Status
from zooweeper.runtime.gateway import Gateway

FRESH_S = 10.0  # for a session to be there
LINGER_S = 2.0  # for the last answer to be taken
PAUSE_BYTES = MIB  # with as much unsent, no more is read
FILES_KEPT = 256  # open files that clients never get: a node that cannot open its own log has to stop
BACKLOG = 1024

log = getLogger("zooweeper.wire")


class PortTaken(Exception):
    """The port for ZooKeeper clients cannot be bound."""


def now_ms() -> int:
    """The time of day."""
    return time_ns() // 1_000_000


class Link(asyncio.Protocol):
    """One connection's socket."""

    __slots__ = ("_door", "_left", "_reading", "_shut", "connection", "deadline", "dirty", "host", "transport")

    transport: asyncio.Transport
    connection: WireConnection

    def __init__(self, door: "WireDoor") -> None:
        self._door = door
        self.host = ""
        self.dirty = False  # the door will call `flush` in this turn
        self._reading = True
        self._shut = False  # nothing more is written
        self._left = False  # the client says nothing more
        self.deadline = 0.0  # by the loop's clock: to have a session, or to be gone

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername") or ("", 0)  # none: it is gone already
        self.host = str(peer[0])
        address = (self.host, int(peer[1]))
        self.connection = WireConnection(self._door.port, address, now_ms(), self.wake, _certified(transport))
        if self._door.admit(self):
            self.transport.set_write_buffer_limits(high=PAUSE_BYTES)
        else:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._shut = True
        self.connection.end()
        self._door.forget(self)

    def data_received(self, data: bytes) -> None:
        now = now_ms()
        answer = self.connection.at_once(data, now)
        if answer is not None:
            self.transport.write(answer)
        else:
            self.connection.received(data, now)
            self._regulate()

    def eof_received(self) -> bool:
        """True: what was said last still has to leave."""
        self._left = True
        leaving = self.dirty and not self._shut
        self.connection.end()
        return leaving

    def pause_writing(self) -> None:
        self.connection.congested = True
        self._regulate()

    def resume_writing(self) -> None:
        self.connection.congested = False
        self.wake()

    def wake(self) -> None:
        if not self.dirty:
            self.dirty = True
            self._door.schedule(self)

    def flush(self, now: int) -> None:
        """Write what there is, go on with what waits."""
        self.dirty = False
        if self._shut:
            return
        data = self.connection.take(now)
        if data:
            self.transport.write(data)
            if self.transport.get_write_buffer_size() > OUTPUT_BYTES_MAX:
                log.warning("slow.dropped from=%s", self.host)
                self.transport.abort()
                return
        if self.connection.ended:
            self._finish()
        else:
            self.connection.proceed(now)
            self._regulate()

    def _finish(self) -> None:
        """Nothing more will be written; what the client still sends is thrown away until it closes, or time is up."""
        self._shut = True
        self._door.await_end(self)
        if self.transport.can_write_eof() and not self._left:
            self.transport.write_eof()
        else:
            self.transport.close()
        if not self._reading:
            self._reading = True
            self.transport.resume_reading()

    def _regulate(self) -> None:
        """Read as long as the connection wants more."""
        hungry = self.connection.hungry or self.connection.ended
        if hungry != self._reading and not self.transport.is_closing():
            self._reading = hungry
            if hungry:
                self.transport.resume_reading()
            else:
                self.transport.pause_reading()


class WireDoor:
    """The ZooKeeper port of one node."""

    def __init__(self, gateway: Gateway, config: Config, version: str) -> None:
        self._gateway = gateway
        self.config = config
        self.version = version
        self.port = Port(gateway, config.clients, config.super_digest, self._word)
        self._started = 0.0
        self._links: dict[Link, None] = {}
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._links_max = CONNECTIONS_MAX if files < 0 else min(CONNECTIONS_MAX, max(1, files - FILES_KEPT))
        self._by_host: dict[str, int] = {}
        self._fresh: dict[Link, None] = {}  # without a session so far, oldest first
        self._ending: dict[Link, None] = {}  # oldest first
        self._dirty: list[Link] = []
        self._servers: list[asyncio.Server] = []
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Listen. PortTaken; TlsError and UsersError when what the settings name cannot be used."""
        clients = self.config.clients
        if clients.sasl_users:
            users, warning = read_users(clients.sasl_users)
            self.port.sasl = partial(new_server, users)
            if warning:
                log.warning("sasl %s", warning)
        context = server_context(clients) if clients.secure is not None else None
        self._started = self._loop.time()
        if clients.plain:
            await self._listen(self.config.me.wire, None)
        if clients.secure is not None:
            for warning in warnings(clients, datetime.now(UTC)):
                log.warning("tls %s", warning)
            await self._listen(clients.secure, context)
        self._tick()

    async def _listen(self, address: Address, context: SSLContext | None) -> None:
        patience_s = FRESH_S if context is not None else None
        try:
            server = await self._loop.create_server(
                self._link, address.host, address.port, backlog=BACKLOG, ssl=context, ssl_handshake_timeout=patience_s
            )
        except OSError as error:
            raise PortTaken(str(address)) from error
        self._servers.append(server)

    async def close(self) -> None:
        """Take no new connections and end those there are; sessions live on."""
        for server in self._servers:
            server.close()
        if self._timer is not None:
            self._timer.cancel()
        for link in list(self._links):
            link.connection.end()
        self._flush()
        for link in list(self._links):
            link.transport.close()

    def _link(self) -> Link:
        return Link(self)

    def _word(self, word: bytes) -> bytes | None:
        return words.answer(word, self) if words.is_word(word) else None

    # --- for the words

    @property
    def traffic(self) -> Traffic:
        for link in self._links:
            link.connection.tally.settle()
        return self.port.traffic

    @property
    def uptime_ms(self) -> int:
        return int((self._loop.time() - self._started) * 1000)

    @property
    def now_ms(self) -> int:
        return now_ms()

    @property
    def read_only(self) -> bool:
        return self.config.clients.read_only and not self._gateway.status().quorum

    def status(self) -> Status:
        return self._gateway.status()

    def inspect(self) -> Inspection:
        return self._gateway.inspect()

    def carrier(self) -> str:
        return self._gateway.carrier()

    def connections(self) -> list[ConnectionRow]:
        return [link.connection.row() for link in self._links]

    def reset_connections(self) -> None:
        for link in self._links:
            link.connection.reset()

    # --- for the links

    def admit(self, link: Link) -> bool:
        """A new connection; False: there are too many already."""
        most = self.config.clients.per_address_max
        self._links[link] = None
        self._by_host[link.host] = count = self._by_host.get(link.host, 0) + 1
        if len(self._links) > self._links_max or (most and count > most and not is_loopback(link.host)):
            return False
        link.deadline = self._loop.time() + FRESH_S
        self._fresh[link] = None
        return True

    def forget(self, link: Link) -> None:
        del self._links[link]
        self._fresh.pop(link, None)
        self._ending.pop(link, None)
        self._by_host[link.host] -= 1
        if not self._by_host[link.host]:
            del self._by_host[link.host]

    def await_end(self, link: Link) -> None:
        """It should be gone soon."""
        self._fresh.pop(link, None)
        link.deadline = self._loop.time() + LINGER_S
        self._ending[link] = None

    def schedule(self, link: Link) -> None:
        """Flush it when the loop's turn is over."""
        if not self._dirty:
            self._gateway.after_turn(self._flush)
        self._dirty.append(link)

    def _flush(self) -> None:
        dirty, self._dirty = self._dirty, []
        now = now_ms()
        for link in dirty:
            link.flush(now)

    # --- the timer

    def _tick(self) -> None:
        self._timer = self._loop.call_later(self.config.timing.tick_ms / 1000, self._tick)
        now = self._loop.time()
        self._overdue(self._fresh, now, lambda link: link.connection.state in (State.FRESH, State.CONNECTING))
        self._overdue(self._ending, now, lambda link: True)
        quorum = self._gateway.status().quorum
        if not quorum or self.port.visited:
            self._part(quorum)

    def _part(self, quorum: bool) -> None:
        """Without a quorum, with all but visitors that are heard; with one again, with the visitors."""
        silent_since = now_ms() - self.config.clients.session_max_ms
        self.port.visited = False
        for link in self._links:
            connection = link.connection
            if connection.state in (State.CONNECTING, State.OPEN):
                if connection.visiting == quorum or connection.heard_ms < silent_since:
                    connection.end()
                elif connection.visiting:
                    self.port.visited = True

    @staticmethod
    def _overdue(links: dict[Link, None], now: float, still: Callable[[Link], bool]) -> None:
        """Drop those whose time is up, if they are `still` what they were."""
        for link in list(links):
            if link.deadline > now:
                break
            del links[link]
            if still(link):
                link.transport.abort()


def is_loopback(host: str) -> bool:
    """Whether the address is of this machine alone."""
    return host == "::1" or host.startswith(("127.", "::ffff:127."))


def _certified(transport: asyncio.BaseTransport) -> Id | None:
    """Whom the certificate of the client names, if it showed one."""
    tls = transport.get_extra_info("ssl_object")
    der = tls.getpeercert(binary_form=True) if tls is not None else None
    if not der:
        return None
    try:
        return Id("x509", peer_name(der))
    except ValueError:
        log.warning("certificate.unreadable from=%s; it names nobody", transport.get_extra_info("peername"))
        return None
