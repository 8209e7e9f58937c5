"""The blocking client: the same verbs, each one line that waits for the asynchronous client.

Rules: no behaviour of its own but threads': calls may come from any thread; callbacks run one after the other on a
thread of the client's own, so they may block and may call the client. The loop behind it is shared, see portal.py.
"""

import asyncio
import queue
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, overload

from zooweeper.model.acl import Acl
from zooweeper.model.errors import OperationTimeout
from zooweeper.model.stat import Stat
from zooweeper_client.aio import client as aio
from zooweeper_client.aio.client import Consistency, Found, Listed, Names, Rows
from zooweeper_client.aio.session import Auth, OnEvent, OnState
from zooweeper_client.aio.status import NodeStatus
from zooweeper_client.aio.status import status as aio_status
from zooweeper_client.aio.transaction import Parts
from zooweeper_client.aio.watching import EVENTS_MAX, WatchEvent
from zooweeper_client.aio.watching import Watch as AioWatch
from zooweeper_client.calls import Node
from zooweeper_client.options import DEFAULT_HOSTS
from zooweeper_client.retry import RetryPolicy
from zooweeper_client.states import ClientState
from zooweeper_client.sync.portal import Portal, portal

T = TypeVar("T")
Identities = list[tuple[str, str]]  # in Client, `list` is a verb
Nodes = list[Node]


def status(address: str, timeout: float = 2.0) -> NodeStatus:
    """The status of the node at `host:port`. Raises BadHosts, NotConnected."""
    return portal().run(aio_status(address, timeout))


class _Dispatcher:
    """The thread on which a client's callbacks run, in order; made with the first of them."""

    def __init__(self) -> None:
        self._work: queue.SimpleQueue[tuple[Callable[[Any], object], Any] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def on_loop(self, callback: Callable[[T], object]) -> Callable[[T], None]:
        """What to give to the asynchronous client instead of `callback`."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="zooweeper-callbacks", daemon=True)
            self._thread.start()
        return lambda value: self._work.put((callback, value))

    def stop(self) -> None:
        self._work.put(None)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            callback, value = work
            try:
                callback(value)
            except Exception as error:  # the program's own; shown as threads show theirs, and the next one still runs
                args = (type(error), error, error.__traceback__, self._thread)
                threading.excepthook(threading.ExceptHookArgs(args))


class Watch:
    """A lasting watch: `for event in zk.watch("/jobs", recursive=True)`. It ends when it or the client is closed."""

    def __init__(self, run: Callable[[Coroutine[Any, Any, Any]], Any], watch: AioWatch) -> None:
        self._run = run
        self._watch = watch

    def start(self) -> Self:
        """Register, if that has not been done."""
        self._run(self._watch.start())
        return self

    def next(self, timeout: float | None = None) -> WatchEvent:
        """The next event. OperationTimeout if none comes within `timeout` seconds; StopIteration at the end."""

        async def take() -> WatchEvent | None:
            try:
                return await anext(self._watch)
            except StopAsyncIteration:
                return None

        event = self._run(_within(timeout, take()))
        if event is None:
            raise StopIteration
        found: WatchEvent = event
        return found

    def close(self) -> None:
        async def end() -> None:
            self._watch.close()

        self._run(end())

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> WatchEvent:
        return self.next()


async def _within(seconds: float | None, work: Coroutine[Any, Any, T]) -> T:
    try:
        async with asyncio.timeout(seconds):
            return await work
    except TimeoutError:
        raise OperationTimeout(f"no event within {seconds:g} s") from None


class Transaction(Parts):
    """`with client.transaction() as t:` commits at the end of the block, unless the block raised."""

    def __init__(self, client: "Client", calls: Any) -> None:
        super().__init__(calls)
        self._client = client

    def commit(self) -> list[Any]:
        """The results in order; the error of the first part that failed, and then nothing was done."""
        self.results = self._client._run(self._client._aio.ask(self.call()))
        return self.results

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None and not self.committed:
            self.commit()


class Client:
    """One session with an ensemble; arguments and verbs as zooweeper_client.aio.Client, without `await`.

    >>> with Client("127.0.0.1:5181/app") as zk:    # doctest: +SKIP
    ...     zk.create("/jobs/1", b"work", makepath=True)
    """

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
        self._aio = aio.Client(
            hosts,
            timeout=timeout,
            auth=auth,
            retry=retry,
            default_acl=default_acl,
            client_id=client_id,
            randomize_hosts=randomize_hosts,
            read_only=read_only,
        )
        self._portal: Portal = portal()
        self._dispatcher = _Dispatcher()
        self._listeners: dict[OnState, OnState] = {}

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._portal.run(work)

    # --- life and state

    def start(self, timeout: float = 15.0) -> Self:
        """Open the session. AuthFailed; NotConnected (its text says why) if it takes more than `timeout` seconds."""
        self._run(self._aio.start(timeout))
        return self

    def close(self, keep_session: bool = False) -> None:
        """Close the session and the connection; never takes longer than a few seconds."""
        self._run(self._aio.close(keep_session))
        self._dispatcher.stop()

    stop = close

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return repr(self._aio)

    @property
    def state(self) -> ClientState:
        """CONNECTED, SUSPENDED (no connection; the session may be expiring) or LOST (no session)."""
        return self._aio.state

    @property
    def connected(self) -> bool:
        return self._aio.connected

    @property
    def session(self) -> int:
        """The session's id; 0 without one."""
        return self._aio.session

    @property
    def client_id(self) -> tuple[int, bytes] | None:
        """(session id, secret), for another client to continue the session. Treat it as a password."""
        return self._aio.client_id

    @property
    def last_zxid(self) -> int:
        """The newest zxid any answer or event has shown."""
        return self._aio.last_zxid

    @property
    def session_timeout(self) -> float:
        """Seconds, as the servers granted it."""
        return self._aio.session_timeout

    @property
    def node(self) -> int:
        """The id of the node that serves us, or did last."""
        return self._aio.node

    def add_listener(self, listener: OnState) -> None:
        """`listener(state)` is called at every change of state."""
        self._listeners[listener] = self._dispatcher.on_loop(listener)
        self._aio.add_listener(self._listeners[listener])

    def remove_listener(self, listener: OnState) -> None:
        self._aio.remove_listener(self._listeners.pop(listener))

    def _callback(self, watch: OnEvent | None) -> OnEvent | None:
        return self._dispatcher.on_loop(watch) if watch is not None else None

    # --- writes

    @overload
    def create(
        self,
        path: str,
        value: bytes = ...,
        acl: Sequence[Acl] | None = ...,
        ephemeral: bool = ...,
        sequence: bool = ...,
        makepath: bool = ...,
        *,
        container: bool = ...,
        ttl: float | None = ...,
        include_stat: Literal[False] = ...,
    ) -> str: ...
    @overload
    def create(
        self,
        path: str,
        value: bytes = ...,
        acl: Sequence[Acl] | None = ...,
        ephemeral: bool = ...,
        sequence: bool = ...,
        makepath: bool = ...,
        *,
        container: bool = ...,
        ttl: float | None = ...,
        include_stat: Literal[True],
    ) -> tuple[str, Stat]: ...
    def create(
        self,
        path: str,
        value: bytes = b"",
        acl: Sequence[Acl] | None = None,
        ephemeral: bool = False,
        sequence: bool = False,
        makepath: bool = False,
        *,
        container: bool = False,
        ttl: float | None = None,
        include_stat: bool = False,
    ) -> str | tuple[str, Stat]:
        """Make a znode and return its path; see zooweeper_client.aio.Client.create."""
        made = self._run(
            self._aio.create(
                path, value, acl, ephemeral, sequence, makepath, container=container, ttl=ttl, include_stat=True
            )
        )
        return made if include_stat else made[0]

    def ensure_path(self, path: str, acl: Sequence[Acl] | None = None) -> None:
        """Make the path and everything above it, as far as it is not there."""
        self._run(self._aio.ensure_path(path, acl))

    def set(self, path: str, value: bytes, version: int = -1) -> Stat:
        """Replace a znode's data, if it has this version (-1: any)."""
        return self._run(self._aio.set(path, value, version))

    def delete(self, path: str, version: int = -1, recursive: bool = False) -> None:
        """Remove a znode, if it has this version; with `recursive`, and all below it, in one step."""
        self._run(self._aio.delete(path, version, recursive))

    def set_acls(self, path: str, acls: Sequence[Acl], version: int = -1) -> Stat:
        """Replace a znode's ACL, if its `aversion` is this one."""
        return self._run(self._aio.set_acls(path, acls, version))

    def transaction(self) -> Transaction:
        """Several writes as one."""
        return Transaction(self, self._aio.calls)

    # --- reads

    def get(self, path: str, watch: OnEvent | None = None, *, consistency: Consistency = "local") -> tuple[bytes, Stat]:
        """A znode's data and Stat; `watch(event)` is called once, when it changes or goes."""
        return self._run(self._aio.get(path, self._callback(watch), consistency=consistency))

    def exists(self, path: str, watch: OnEvent | None = None, *, consistency: Consistency = "local") -> Stat | None:
        """A znode's Stat, None if there is none; `watch(event)` is called once, when it comes, changes or goes."""
        return self._run(self._aio.exists(path, self._callback(watch), consistency=consistency))

    @overload
    def get_children(
        self,
        path: str,
        watch: OnEvent | None = ...,
        include_data: Literal[False] = ...,
        *,
        consistency: Consistency = ...,
    ) -> list[str]: ...
    @overload
    def get_children(
        self, path: str, watch: OnEvent | None = ..., *, include_data: Literal[True], consistency: Consistency = ...
    ) -> tuple[list[str], Stat]: ...
    def get_children(
        self,
        path: str,
        watch: OnEvent | None = None,
        include_data: bool = False,
        *,
        consistency: Consistency = "local",
    ) -> list[str] | tuple[list[str], Stat]:
        """The names of a znode's children; with `include_data`, and its Stat."""
        callback = self._callback(watch)
        if include_data:
            return self._run(self._aio.get_children(path, callback, include_data=True, consistency=consistency))
        return self._run(self._aio.get_children(path, callback, consistency=consistency))

    def list(
        self,
        path: str,
        *,
        with_stat: bool = False,
        with_data: bool = False,
        page: int = 1000,
        after: str = "",
        consistency: Consistency = "local",
    ) -> Iterator[Node]:
        """The children in name order, those behind the name `after`, in pages."""
        return self._each(
            self._aio.list(
                path, with_stat=with_stat, with_data=with_data, page=page, after=after, consistency=consistency
            )
        )

    def walk(
        self,
        path: str,
        *,
        with_stat: bool = False,
        with_data: bool = False,
        page: int = 1000,
        consistency: Consistency = "local",
    ) -> Iterator[Node]:
        """All znodes below a path, each before what is below it; `node.path` is the whole path."""
        return self._each(
            self._aio.walk(path, with_stat=with_stat, with_data=with_data, page=page, consistency=consistency)
        )

    def _each(self, nodes: AsyncIterator[Node]) -> Iterator[Node]:
        """One way over to the loop per some hundred nodes."""

        async def some() -> Nodes:
            found: Nodes = []
            async for node in nodes:
                found.append(node)
                if len(found) == 500:
                    break
            return found

        while found := self._run(some()):
            yield from found

    def get_acls(self, path: str, *, consistency: Consistency = "local") -> tuple[Rows, Stat]:
        """A znode's ACL and Stat."""
        return self._run(self._aio.get_acls(path, consistency=consistency))

    def count(self, path: str = "/", *, consistency: Consistency = "local") -> int:
        """How many znodes are below a path, at any depth."""
        return self._run(self._aio.count(path, consistency=consistency))

    def get_ephemerals(self, prefix: str = "/") -> Names:
        """The session's own ephemerals whose paths start with `prefix`."""
        return self._run(self._aio.get_ephemerals(prefix))

    def multi_read(
        self, get: Sequence[str] = (), children: Sequence[str] = (), *, consistency: Consistency = "local"
    ) -> tuple[Found, Listed]:
        """(data and Stat of each of `get`, children of each of `children`), all of one moment."""
        return self._run(self._aio.multi_read(get, children, consistency=consistency))

    def sync(self, path: str = "/") -> None:
        """After it, this session's reads show everything that was acknowledged to anybody before it."""
        self._run(self._aio.sync(path))

    # --- membership

    def get_config(self, watch: OnEvent | None = None, *, consistency: Consistency = "local") -> tuple[bytes, Stat]:
        """The membership as text, and the Stat of its znode; `watch(event)` is called once, when it changes."""
        return self._run(self._aio.get_config(self._callback(watch), consistency=consistency))

    def reconfig(
        self,
        joining: str | None = None,
        leaving: str | None = None,
        new_members: str | None = None,
        from_config: int = -1,
    ) -> tuple[bytes, Stat]:
        """Change who belongs to the ensemble; see zooweeper_client.aio.Client.reconfig."""
        return self._run(self._aio.reconfig(joining, leaving, new_members, from_config))

    # --- watches, identity

    def watch(self, path: str, recursive: bool = False, *, events_max: int = EVENTS_MAX) -> Watch:
        """A lasting watch on a path, there or not; with `recursive`, and all below it."""

        async def make() -> AioWatch:
            return self._aio.watch(path, recursive, events_max=events_max)

        return Watch(self._run, self._run(make()))

    def add_auth(self, scheme: str, credential: str | bytes) -> None:
        """Prove to be somebody, now and after every reconnect."""
        self._run(self._aio.add_auth(scheme, credential))

    def whoami(self) -> Identities:
        """(scheme, user) of everybody the session has proved to be."""
        return self._run(self._aio.whoami())
