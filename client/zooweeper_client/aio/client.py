"""The client for asyncio: kazoo's verbs, `await` before them.

Rules: every verb is a line that makes a Call and asks it; what a call means is in calls.py, what happens to it on the
way in core.py and aio/session.py.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from typing import Literal, overload

from zooweeper.model.acl import Acl
from zooweeper.model.errors import NodeExists, NoNode, ZkError
from zooweeper.model.limits import DELETE_NODES_MAX
from zooweeper.model.paths import parent
from zooweeper.model.stat import Stat
from zooweeper_client.aio.session import OnEvent, Session
from zooweeper_client.aio.transaction import Transaction
from zooweeper_client.aio.watching import EVENTS_MAX, Watch
from zooweeper_client.calls import Call, Calls, Node
from zooweeper_client.watches import WatchKind

Consistency = Literal["local", "linearizable"]
Names = list[str]  # below, `list` is a verb
Rows = list[Acl]
Found = list[tuple[bytes, Stat] | ZkError]
Listed = list[list[str] | ZkError]


class Client(Session):
    """One session with an ensemble.

    `hosts`: `host[:port][,host…][/chroot]`. `timeout`: of the session, in seconds. `auth`: (scheme, credential) pairs
    such as ("digest", "user:password"). `client_id`: (session id, secret) of a session to continue. Reads take
    `consistency="local"` (the default: what the node has, never older than what this session has seen) or
    `"linearizable"` (never stale).

    >>> async with Client("127.0.0.1:5181,127.0.0.1:5182/app") as zk:    # doctest: +SKIP
    ...     await zk.create("/jobs/1", b"work", makepath=True)
    ...     data, stat = await zk.get("/jobs/1")
    """

    # --- writes

    @overload
    async def create(
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
    async def create(
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
    async def create(
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
        """Make a znode and return its path, which ends in a number if `sequence`.

        `ephemeral`: it goes with the session. `container`: it goes after its last child. `ttl`: it goes when it has no
        children and was not written for that many seconds. `makepath`: create missing parents. `include_stat`: return
        (path, Stat). Raises NodeExists, NoNode (no parent), NoChildrenForEphemerals, NoAuth, InvalidAcl, BadArguments.
        """
        call = self.calls.create(
            path,
            value,
            self._default_acl if acl is None else acl,
            ephemeral=ephemeral,
            sequence=sequence,
            container=container,
            ttl_ms=max(1, round(ttl * 1000)) if ttl is not None else 0,
        )
        try:
            made, stat = await self.ask(call)
        except NoNode:
            if not makepath:
                raise
            await self.ensure_path(parent(path), acl)
            made, stat = await self.ask(call)
        return (made, stat) if include_stat else made

    async def ensure_path(self, path: str, acl: Sequence[Acl] | None = None) -> None:
        """Make the path and everything above it, as far as it is not there; `/` stands for the chroot."""
        if await self.exists(path) is not None:
            return
        missing = []
        while True:
            try:
                await self.ask(self.calls.create(path, b"", self._default_acl if acl is None else acl))
            except NodeExists:
                break
            except NoNode:
                if path == "/":
                    await self._make_chroot()
                    break
                missing.append(path)
                path = parent(path)
            else:
                break
        for below in reversed(missing):
            with contextlib.suppress(NodeExists):  # somebody else was faster
                await self.ask(self.calls.create(below, b"", self._default_acl if acl is None else acl))

    async def _make_chroot(self) -> None:
        everything = Calls()
        parts = self.calls.chroot.split("/")[1:]
        for count in range(1, len(parts) + 1):
            with contextlib.suppress(NodeExists):  # somebody else was faster
                await self.ask(everything.create("/" + "/".join(parts[:count]), b"", self._default_acl))

    async def set(self, path: str, value: bytes, version: int = -1) -> Stat:
        """Replace a znode's data, if it has this version (-1: any). NoNode, BadVersion, NoAuth, TooLarge."""
        return await self.ask(self.calls.set(path, value, version))

    async def delete(self, path: str, version: int = -1, recursive: bool = False) -> None:
        """Remove a znode, if it has this version; with `recursive`, and all below it, in one step (TooManyNodes if
        that would be more than one step may delete). NoNode, NotEmpty, BadVersion, NoAuth."""
        if recursive:
            await self.ask(self.calls.delete_recursive(path, DELETE_NODES_MAX))
        else:
            await self.ask(self.calls.delete(path, version))

    async def set_acls(self, path: str, acls: Sequence[Acl], version: int = -1) -> Stat:
        """Replace a znode's ACL, if its `aversion` is this one. NoNode, BadVersion, InvalidAcl, NoAuth."""
        return await self.ask(self.calls.set_acls(path, acls, version))

    def transaction(self) -> Transaction:
        """Several writes as one, see Transaction."""
        return Transaction(self.calls, self.ask)

    # --- reads

    async def get(
        self, path: str, watch: OnEvent | None = None, *, consistency: Consistency = "local"
    ) -> tuple[bytes, Stat]:
        """A znode's data and Stat; `watch(event)` is called once, when it changes or goes. NoNode, NoAuth."""
        linear = is_linear(consistency)
        if watch is None:
            return await self.ask(self.calls.get(path, linear))
        return await self.ask_watching(lambda watcher: self.calls.get(path, linear, watcher), WatchKind.DATA, watch)

    async def exists(
        self, path: str, watch: OnEvent | None = None, *, consistency: Consistency = "local"
    ) -> Stat | None:
        """A znode's Stat, None if there is none; `watch(event)` is called once, when it comes, changes or goes."""
        linear = is_linear(consistency)
        try:
            return await self.ask_watching(
                lambda watcher: self.calls.exists(path, linear, watcher),
                WatchKind.EXIST,
                watch,
                fires_without_node=True,
            )
        except NoNode:
            return None

    @overload
    async def get_children(
        self,
        path: str,
        watch: OnEvent | None = ...,
        include_data: Literal[False] = ...,
        *,
        consistency: Consistency = ...,
    ) -> list[str]: ...
    @overload
    async def get_children(
        self, path: str, watch: OnEvent | None = ..., *, include_data: Literal[True], consistency: Consistency = ...
    ) -> tuple[list[str], Stat]: ...
    async def get_children(
        self,
        path: str,
        watch: OnEvent | None = None,
        include_data: bool = False,
        *,
        consistency: Consistency = "local",
    ) -> list[str] | tuple[list[str], Stat]:
        """The names of a znode's children; with `include_data`, and its Stat. `watch(event)` is called once, when a
        child comes or goes, or the znode goes. For very many children see `list`. NoNode, NoAuth."""
        linear = is_linear(consistency)
        if include_data:
            return await self.ask_watching(
                lambda watcher: self.calls.children_stat(path, linear, watcher), WatchKind.CHILD, watch
            )
        return await self.ask_watching(
            lambda watcher: self.calls.children(path, linear, watcher), WatchKind.CHILD, watch
        )

    async def list(
        self,
        path: str,
        *,
        with_stat: bool = False,
        with_data: bool = False,
        page: int = 1000,
        after: str = "",
        consistency: Consistency = "local",
    ) -> AsyncGenerator[Node, None]:
        """The children in name order, those behind the name `after`, in pages, so that a million is no problem:
        `async for node in zk.list("/a")`. Children that come or go meanwhile are shown or not; all others are shown
        exactly once."""
        async for node in self._pages(path, False, with_stat, with_data, page, consistency, after):
            yield node

    async def walk(
        self,
        path: str,
        *,
        with_stat: bool = False,
        with_data: bool = False,
        page: int = 1000,
        consistency: Consistency = "local",
    ) -> AsyncGenerator[Node, None]:
        """All znodes below a path, each before what is below it; `node.path` is the whole path."""
        async for node in self._pages(path, True, with_stat, with_data, page, consistency):
            yield node

    async def _pages(
        self,
        path: str,
        below: bool,
        with_stat: bool,
        with_data: bool,
        limit: int,
        consistency: Consistency,
        after: str = "",
    ) -> AsyncGenerator[Node, None]:
        more, linear = True, is_linear(consistency)
        while more:
            call = self.calls.page(
                path, after, below=below, limit=limit, with_stat=with_stat, with_data=with_data, linear=linear
            )
            found = await self.ask(call)
            more = found.more
            for node in found.nodes:
                after = node.path
                yield node

    async def get_acls(self, path: str, *, consistency: Consistency = "local") -> tuple[Rows, Stat]:
        """A znode's ACL and Stat. NoNode, NoAuth."""
        return await self.ask(self.calls.get_acls(path, is_linear(consistency)))

    async def count(self, path: str = "/", *, consistency: Consistency = "local") -> int:
        """How many znodes are below a path, at any depth."""
        return await self.ask(self.calls.count(path, is_linear(consistency)))

    async def get_ephemerals(self, prefix: str = "/") -> Names:
        """The session's own ephemerals whose paths start with `prefix`."""
        return await self.ask(self.calls.ephemerals(prefix))

    async def multi_read(
        self, get: Sequence[str] = (), children: Sequence[str] = (), *, consistency: Consistency = "local"
    ) -> tuple[Found, Listed]:
        """(data and Stat of each of `get`, children of each of `children`), all of one moment; where one failed, its
        error stands in its place."""
        return await self.ask(self.calls.multi_read(get, children, is_linear(consistency)))

    async def sync(self, path: str = "/") -> None:
        """After it, this session's reads show everything that was acknowledged to anybody before it."""
        await self.ask(self.calls.sync(path))

    # --- membership

    async def get_config(
        self, watch: OnEvent | None = None, *, consistency: Consistency = "local"
    ) -> tuple[bytes, Stat]:
        """The membership, a line `server.ID=HOST:PEER:GRPC:ROLE[;HOST:WIRE]` for each server and one with its version,
        and the Stat of its znode, whose mzxid is the version; `watch(event)` is called once, when it changes."""
        linear = is_linear(consistency)
        return await self.ask_watching(lambda watcher: self.calls.config(linear, watcher), WatchKind.DATA, watch)

    async def reconfig(
        self,
        joining: str | None = None,
        leaving: str | None = None,
        new_members: str | None = None,
        from_config: int = -1,
    ) -> tuple[bytes, Stat]:
        """Change who belongs to the ensemble; the new membership and the Stat of its znode.

        Either `joining` (servers as get_config shows them, between commas; one with a known id changes that server) and
        `leaving` (ids), or `new_members`, all there shall be. `from_config`: only if the membership has this version.
        The session must be the super user's. Raises NoAuth, BadArguments, BadVersion (somebody was faster),
        NewConfigNoQuorum (too few of the new voters follow the leader yet), ReconfigInProgress, ReconfigDisabled.
        """
        return await self.ask(self.calls.reconfig(joining, leaving, new_members, from_config))

    # --- watches, identity

    def watch(self, path: str, recursive: bool = False, *, events_max: int = EVENTS_MAX) -> Watch:
        """A lasting watch on a path, there or not; with `recursive`, and all below it. See Watch."""
        kind = WatchKind.RECURSIVE if recursive else WatchKind.PERSISTENT

        def ask(call: Call[None]) -> "asyncio.Future[None]":
            return asyncio.ensure_future(self.ask(call))

        return Watch(self._running(), self.calls, ask, path, kind, events_max=events_max)


def is_linear(consistency: str) -> bool:
    """Whether a read must not be stale. ValueError for a word that is no consistency."""
    if consistency not in ("local", "linearizable"):
        raise ValueError(f"consistency {consistency!r}: expected 'local' or 'linearizable'")
    return consistency == "linearizable"
