"""The session behind a client for asyncio: its life, its state, and how a call is asked.

Rules: knows no verb but those of the session itself. A client belongs to the loop on which it was started. Cancelling a
call never hurts the session: a write that was sent may still take effect, as its cancelled caller must expect.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from random import Random
from types import TracebackType
from typing import Self, TypeVar

from zooweeper.model.acl import Acl
from zooweeper.model.errors import NoNode, NotConnected
from zooweeper_client.aio.engine import Engine, now_ms
from zooweeper_client.aio.link_grpc import GrpcLink
from zooweeper_client.aio.watching import WatchEvent, event_of
from zooweeper_client.calls import Call, Calls, Watcher
from zooweeper_client.messages import Fired, Request
from zooweeper_client.options import DEFAULT_HOSTS, make_options
from zooweeper_client.retry import RetryPolicy
from zooweeper_client.states import ClientState, State
from zooweeper_client.watches import WatchKind

Auth = Sequence[tuple[str, str | bytes]]
OnEvent = Callable[[WatchEvent], object]
OnState = Callable[[ClientState], object]
T = TypeVar("T")

STATES_MAX = 256  # kept for one slow reader of states()
LEAVE_MS = 2000  # how long close() waits for the servers' word


class Session:
    """What Client is made on; use Client."""

    def __init__(
        self,
        hosts: str = DEFAULT_HOSTS,
        *,
        timeout: float = 10.0,
        auth: Auth = (),
        retry: RetryPolicy | None = None,
        default_acl: Sequence[Acl] | None = None,
        client_id: tuple[int, bytes] | None = None,
        randomize_hosts: bool = True,
        read_only: bool = False,
    ) -> None:
        self.options = make_options(
            hosts,
            timeout=timeout,
            auth=tuple((scheme, _bytes(credential)) for scheme, credential in auth),
            retry=retry,
            client_id=client_id,
            randomize_hosts=randomize_hosts,
            read_only=read_only,
        )
        self._retry = self.options.retry
        self._default_acl = default_acl
        self.calls = Calls(self.options.chroot)
        self._rng = Random()
        self._engine: Engine | None = None
        self._listeners: list[OnState] = []
        self._readers: list[deque[ClientState]] = []
        self._states_changed = asyncio.Event()

    # --- life

    async def start(self, timeout: float = 15.0) -> Self:
        """Open the session. AuthFailed; NotConnected (its text says why) if it takes more than `timeout` seconds."""
        if self._engine is not None:
            raise RuntimeError("the client was started already; make a new one")
        self._engine = Engine(self.options, GrpcLink, self._rng)
        self._engine.on_state = self._on_state
        try:
            await self._engine.start(timeout)
        except BaseException:
            await self._engine.stop()
            raise
        return self

    async def close(self, keep_session: bool = False) -> None:
        """Close the session (its ephemerals go at once) and the connection; never takes longer than a few seconds.
        `keep_session`: leave it to its timeout, for another client to continue with `client_id`."""
        engine = self._engine
        if engine is None or engine.core.state is State.CLOSED:
            return
        if engine.core.session and not keep_session:
            with contextlib.suppress(TimeoutError):  # then the session ends by its timeout
                async with asyncio.timeout(LEAVE_MS / 1000):
                    await engine.ask(self._request(self.calls.close(), now_ms() + LEAVE_MS))
        await engine.stop()
        self._states_changed.set()

    stop = close

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        hosts = ",".join(str(address) for address in self.options.hosts)
        return f"<Client {hosts}{self.options.chroot} {self.state.value} session={self.session:#x}>"

    # --- state

    @property
    def state(self) -> ClientState:
        """CONNECTED, SUSPENDED (no connection; the session may be expiring) or LOST (no session)."""
        return self._engine.core.public if self._engine is not None else ClientState.LOST

    @property
    def connected(self) -> bool:
        return self.state is ClientState.CONNECTED

    @property
    def session(self) -> int:
        """The session's id, the `ephemeral_owner` of its ephemerals; 0 without one."""
        return self._engine.core.session if self._engine is not None else 0

    @property
    def client_id(self) -> tuple[int, bytes] | None:
        """(session id, secret), for another client to continue the session. Treat it as a password."""
        engine = self._engine
        return (engine.core.session, engine.core.secret) if engine is not None and engine.core.session else None

    @property
    def last_zxid(self) -> int:
        """The newest zxid any answer or event has shown."""
        return self._engine.core.seen if self._engine is not None else 0

    @property
    def session_timeout(self) -> float:
        """Seconds, as the servers granted it."""
        return (self._engine.core.timeout_ms if self._engine is not None else self.options.timeout_ms) / 1000

    @property
    def node(self) -> int:
        """The id of the node that serves us, or did last."""
        return self._engine.core.node if self._engine is not None else 0

    def add_listener(self, listener: OnState) -> None:
        """`listener(state)` is called on the loop at every change; it must not block."""
        self._listeners.append(listener)

    def remove_listener(self, listener: OnState) -> None:
        self._listeners.remove(listener)

    async def states(self) -> AsyncIterator[ClientState]:
        """Every change of state from now on, until the client is closed."""
        changes: deque[ClientState] = deque(maxlen=STATES_MAX)
        self._readers.append(changes)
        try:
            while True:
                while changes:
                    yield changes.popleft()
                if self._engine is not None and self._engine.core.state is State.CLOSED:
                    return
                self._states_changed.clear()
                await self._states_changed.wait()
        finally:
            self._readers.remove(changes)

    def _on_state(self, state: ClientState) -> None:
        for changes in self._readers:
            changes.append(state)
        self._states_changed.set()
        loop = asyncio.get_running_loop()
        for listener in self._listeners.copy():
            loop.call_soon(listener, state)

    # --- asking

    def _running(self) -> Engine:
        if self._engine is None:
            raise NotConnected("the client was not started")
        return self._engine

    def _request(self, call: Call[T], deadline_ms: int) -> Request:
        return Request(
            call.code,
            call.body,
            numbered=call.numbered,
            linear=call.linear,
            deadline_ms=deadline_ms,
            patient=self._retry.enabled,
            arm=call.arm,
        )

    async def ask(self, call: Call[T]) -> T:
        """The answer's meaning, or its error; reads that a node refused are tried again."""
        engine = self._running()
        deadline_ms = now_ms() + round(self._retry.deadline * 1000)
        attempt = 0
        while True:
            request = self._request(call, deadline_ms)
            try:
                await engine.ask(request)
            except asyncio.CancelledError:
                request.abandoned = True
                raise
            if not request.error:
                return call.decode(request.result)
            error = request.failure(call.path)
            delay_ms = self._retry.delay_ms(attempt, self._rng)
            if call.numbered or not self._retry.again(error) or now_ms() + delay_ms >= deadline_ms:
                raise error
            await asyncio.sleep(delay_ms / 1000)
            attempt += 1

    async def ask_watching(
        self,
        make: Callable[[Watcher], Call[T]],
        kind: WatchKind,
        watch: OnEvent | None,
        fires_without_node: bool = False,
    ) -> T:
        """Ask a read that may set a one-shot watch."""
        if watch is None:
            return await self.ask(make(None))
        engine, call_soon = self._running(), asyncio.get_running_loop().call_soon

        def sink(fired: Fired) -> None:
            call_soon(watch, event_of(fired, self.calls))

        watcher = engine.add_watcher(sink, once=True)
        try:
            return await self.ask(make((kind, watcher)))
        except BaseException as error:
            if not (fires_without_node and isinstance(error, NoNode)):
                engine.drop_watcher(watcher)
            raise

    # --- who we are

    async def add_auth(self, scheme: str, credential: str | bytes) -> None:
        """Prove to be somebody, now and after every reconnect: `add_auth("digest", "user:password")`. AuthFailed."""
        await self.ask(self.calls.auth(scheme, _bytes(credential)))

    async def whoami(self) -> list[tuple[str, str]]:
        """(scheme, user) of everybody the session has proved to be; its address among them."""
        return await self.ask(self.calls.whoami())


def _bytes(credential: str | bytes) -> bytes:
    return credential.encode() if isinstance(credential, str) else credential
