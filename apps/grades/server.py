"""One database server's life: join, recover, be level, follow or lead; and all of it again with the next session.

    joining ──▶ recovering ◀──▶ transferring          the log, or where it does not reach back, another server's copy
                    │
                    ▼
                  level ◀──▶ suspended                 accepts clients, follows or leads; no connection for the moment
                    │
                    ▼  the session has ended, or somebody else leads
                 joining

A life is one session with the coordination service, and what a life has registered goes with it. Whatever goes wrong
ends the life, and the next one starts from what is certain: the copy on the disk, and the log.

Rules: only a server that is level takes clients or may lead. What the copy has applied is in the log for good, so no
two copies differ: the log is one, and each applies all of it in order. Writes wait here over lives (writes.py). What
cannot be repaired by trying again (another database, a disk that fails) is `Refused`, one line, and ends the process.
"""

import asyncio
import contextlib
import random
import time
import uuid
from dataclasses import dataclass
from logging import getLogger

from zooweeper_client import ClientState, RetryPolicy
from zooweeper_client.aio import Client
from zooweeper_client.exceptions import NodeExists, NoNode, ZkError

from grades.copy import Copy
from grades.election import Dethroned, campaign, until_gone
from grades.forward import Forwarder
from grades.layout import CHECKPOINT_EVERY, MAX_BATCH, BadZnode, Head, Leader, Paths, encode_number
from grades.layout import Server as Registration
from grades.lead import Leadership
from grades.log import Deposed, Follower, Gone, look
from grades.roster import Roster
from grades.store import Store, StoreError
from grades.transfer import TransferFailed, fetch
from grades.writes import Trouble, Writes

JOINING, RECOVERING, TRANSFERRING, LEVEL, SUSPENDED = "joining", "recovering", "transferring", "level", "suspended"

SESSION_TIMEOUT_S = 0.55
# A dead leader is noticed when its session ends: this, and what the service needs to see it (two of its ticks), the
# election and the first append have to fit into a second. A healthy server that is held up for longer than this loses
# its session, too; that costs an election and never a write. Hence no disk and no long work on the loop that pings.
PATIENT = RetryPolicy(deadline=1e6, base=0.02, cap=0.3)  # a call waits as long as its session may live: log.py says why
START_S = 5.0  # for one try to open a session
READ_S = 2.0  # for the question how far the log is
PAUSE_S = 0.05  # between two lives, at least
PAUSE_MAX_S = 1.0
STORE_S = 5.0  # for one piece of work of a registered server's store
LOOK_S = 0.25  # between two looks at writes that wait for too long

log = getLogger("grades")


class Refused(Exception):
    """The server cannot be a part of this database; the text says why, and what to do."""


class SessionEnded(Exception):
    """All that was registered is gone."""


class StandsStill(Exception):
    """The store does not get on."""


TRANSIENT = (ZkError, SessionEnded, StandsStill, Deposed, Dethroned, Gone)
FATAL = (Refused, StoreError, BadZnode)


@dataclass(frozen=True, slots=True)
class Options:
    """What a server is told at its start."""

    name: str
    hosts: str  # of the coordination service
    address: str  # where clients and other servers reach us
    db: str = "mydb"
    majority: bool = False  # a write is answered when a majority of the servers has applied it, not just the leader
    session_timeout: float = SESSION_TIMEOUT_S


class Server:
    """One database server; `run` is its life."""

    def __init__(self, options: Options, store: Store) -> None:
        self.options = options
        self.paths = Paths(options.db)
        self.copy = Copy(store)
        self.writes = Writes()
        self.state = JOINING
        self.changed = asyncio.Event()  # set when the state changes; one waits for it, and clears it
        self.trouble = ""  # why it is not level
        self.roster: Roster | None = None
        self.follower: Follower | None = None
        self.leadership: Leadership | None = None  # while we lead
        self.checkpoint = 0
        self._zk: Client | None = None
        self._asking: asyncio.Future[int] | None = None
        self._next: asyncio.Future[int] | None = None

    # --- what the service asks

    @property
    def level(self) -> bool:
        """Whether clients are accepted."""
        return self.state in (LEVEL, SUSPENDED)

    @property
    def stale(self) -> bool:
        """Whether others may know more, and we could not tell."""
        return self.state != LEVEL

    @property
    def leader(self) -> str:
        """The leader's name, as far as we know."""
        if self.roster is None or self.roster.leader is None:
            return ""
        return self.roster.leader.name

    async def point(self) -> int:
        """How far the log is, asked after this call began: who has applied that much has everything that was
        acknowledged before. All who ask while a question is on its way share the next one. Trouble."""
        if self._next is None:
            self._next = asyncio.ensure_future(self._ask(self._asking))
            self._next.add_done_callback(lambda asked: asked.cancelled() or asked.exception())  # all may have left
        try:
            async with asyncio.timeout(READ_S):
                return await asyncio.shield(self._next)
        except (TimeoutError, ZkError) as error:
            why = str(error) or "no quorum"
            raise Trouble(f"the coordination service does not answer: {why}", unknown=False) from None

    async def _ask(self, before: "asyncio.Future[int] | None") -> int:
        if before is not None and not before.done():
            await asyncio.wait([before])
        self._asking, self._next = self._next, None  # who comes from now on has to ask again
        if self._zk is None:
            raise Trouble("no session with the coordination service", unknown=False)
        async with asyncio.timeout(READ_S):
            return (await look(self._zk, self.paths, linearizable=True)).head.last

    def _be(self, state: str) -> None:
        self.state = state
        self.changed.set()

    # --- lives

    async def run(self) -> None:
        """Until cancelled, which ends it orderly: checkpoint, then close the session. Refused."""
        expiring = asyncio.ensure_future(self._expire_writes())
        pause = PAUSE_S
        try:
            while True:
                since = time.monotonic()
                try:
                    await self._life()
                except* TRANSIENT as group:
                    self.trouble = _first(group)
                except* FATAL as group:
                    raise Refused(_first(group)) from None
                self._be(JOINING)
                pause = PAUSE_S if time.monotonic() - since > PAUSE_MAX_S else min(PAUSE_MAX_S, pause * 2)
                log.warning("starting over: %s", self.trouble)
                await asyncio.sleep(pause * (0.5 + random.random() / 2))
        finally:
            expiring.cancel()
            self.writes.fail_all("the server stops")

    async def _life(self) -> None:
        zk = Client(self.options.hosts, timeout=self.options.session_timeout, retry=PATIENT)
        await zk.start(START_S)
        self._zk = zk
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._watch_session(zk))
                tasks.create_task(self._live(zk, tasks))
        finally:
            self._zk = self.roster = self.follower = self.leadership = None
            self.writes.give_back("the server has lost its session", forwarded=False)
            await self._part(zk)
            await zk.close(keep_session=not zk.connected)

    async def _part(self, zk: Client) -> None:
        """The last checkpoint of this life. While we are registered all wait for it when the log is full, so a store
        that stands still has here, too, no more time than its share."""
        if not (zk.connected and self.level):
            return
        try:
            async with asyncio.timeout(max(0.0, STORE_S - self.copy.busy_s)):
                await self._announce(zk, await self.copy.sync())
        except (ZkError, TimeoutError) as error:
            log.warning("no last checkpoint: %s", str(error) or "the store stands still, or the service")

    async def _watch_session(self, zk: Client) -> None:
        async for state in zk.states():
            if state is ClientState.LOST:
                raise SessionEnded("the session has ended")
            if self.level:
                self._be(SUSPENDED if state is ClientState.SUSPENDED else LEVEL)
                log.warning("%s", "no connection" if state is ClientState.SUSPENDED else "connected again")

    async def _live(self, zk: Client, tasks: asyncio.TaskGroup) -> None:
        self._be(JOINING)
        database = await self._join(zk)
        self.roster, self.follower = roster, follower = Roster(zk, self.paths), Follower(zk, self.paths)
        tasks.create_task(roster.run())
        await roster.change()
        await self._recover(zk, database, roster, follower)
        tasks.create_task(self._watch_store())
        tasks.create_task(self._checkpoints(zk))
        await self._register(zk, follower)
        self._be(LEVEL if zk.connected else SUSPENDED)
        self.trouble = ""
        log.info("level at %d", self.copy.applied)
        token = await self._follow(zk, roster, follower)
        log.info("elected, token %d", token)
        self.leadership = Leadership(zk, self.paths, token, self.copy, self.writes, roster, self.options)
        await self.leadership.run(follower)

    # --- joining

    async def _join(self, zk: Client) -> str:
        """Make what is missing below the root, and be a copy of its database; the database's id."""
        paths = self.paths
        with contextlib.suppress(NodeExists):
            await zk.create(paths.root, uuid.uuid4().hex.encode())
        database = (await zk.get(paths.root))[0].decode(errors="replace")
        if len(database) != 32:
            raise BadZnode(f"{paths.root} is not the root of a grade database; choose another name with --db")
        for path in (paths.servers, paths.candidates, paths.checkpoints, paths.log):
            with contextlib.suppress(NodeExists):
                await zk.create(path, Head(0, 0).encode() if path == paths.log else b"")
        await self.copy.change(lambda store: store.join(database))
        last = (await look(zk, paths, linearizable=True)).head.last
        if self.copy.applied > last:
            raise Refused(f"this copy has {self.copy.applied} entries and the log {last}: the log has lost some")
        await self._wait_for_name(zk)
        await self._announce(zk, await self.copy.sync())  # the truth, should the folder be an older or an empty one
        return database

    async def _recover(self, zk: Client, database: str, roster: Roster, follower: Follower) -> None:
        """Until the log goes on where we are, and what is missing is little."""
        self._be(RECOVERING)
        since, began = time.monotonic(), self.copy.applied
        while (last := await follower.now()) - self.copy.applied > MAX_BATCH:
            try:
                await self._catch_up(follower, last)
            except Gone:
                self._be(TRANSFERRING)
                await self._transfer(zk, database, roster)
                self._be(RECOVERING)
        log.info("recovered %d entries in %.2f s", self.copy.applied - began, time.monotonic() - since)

    async def _transfer(self, zk: Client, database: str, roster: Roster) -> None:
        """One state transfer, from whoever is level; the first one that can. Waits for one if there is none: whoever
        has all entries becomes level without any help."""
        peers = [(name, one.address) for name, one in roster.servers.items() if one.level and name != self.options.name]
        random.shuffle(peers)
        for name, address in peers:
            try:
                upto = await fetch(self.copy, address, database)
            except TransferFailed as error:
                self.trouble = str(error)
                log.warning("no state transfer from %s: %s", name, error)
            else:
                log.info("state transfer from %s up to %d", name, upto)
                await self._announce(zk, await self.copy.sync())
                return
        if not peers:
            self.trouble = "entries that are missing here were trimmed, and no server is level that has them"
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PAUSE_MAX_S):
                await roster.change()

    async def _register(self, zk: Client, follower: Follower) -> None:
        """Count when the log is trimmed; then, with all that was in the log at that moment applied, be level."""
        mine, since = self.paths.server(self.options.name), time.time()
        await zk.create(mine, Registration(self.options.address, since, level=False).encode(), ephemeral=True)
        await self._catch_up(follower, await follower.now())
        await zk.set(mine, Registration(self.options.address, since, level=True).encode())

    async def _wait_for_name(self, zk: Client) -> None:
        """Until no session has registered our name: an earlier one of ours ends soon, another server's does not."""
        mine = self.paths.server(self.options.name)
        while await zk.exists(mine) is not None:
            self.trouble = f"{self.options.name} is registered, by our session before or by another server of that name"
            await until_gone(zk, mine)

    async def _catch_up(self, follower: Follower, last: int) -> None:
        while (applied := self.copy.applied) < last:
            await self.copy.apply(applied + 1, await follower.next(applied))

    # --- being level

    async def _follow(self, zk: Client, roster: Roster, follower: Follower) -> int:
        """Apply what is appended, forward what is to be written, until we are elected; the token."""
        options = self.options
        async with asyncio.TaskGroup() as tasks:
            forwarder = Forwarder(options.name, self.writes, self.copy, options.majority)
            ways = [
                tasks.create_task(self._apply(follower)),
                tasks.create_task(forwarder.run(roster)),
            ]
            token = await campaign(zk, self.paths, Leader(options.name, options.address))
            for way in ways:
                way.cancel()
        self.writes.give_back("elected")
        await self.copy.idle()  # the last batch we followed may still be on its way into the copy
        return token

    async def _apply(self, follower: Follower) -> None:
        while True:
            applied = self.copy.applied
            await self.copy.apply(applied + 1, await follower.next(applied))

    async def _checkpoints(self, zk: Client) -> None:
        while True:
            await self.copy.reach(self.checkpoint + CHECKPOINT_EVERY)
            await self._announce(zk, await self.copy.sync())

    async def _watch_store(self) -> None:
        """When the log is full everybody waits for the checkpoints of all who are registered. Whose store stands still
        is not to be among them: this life ends, and the next one waits, before it registers, until that goes on."""
        while self.copy.busy_s < STORE_S:
            await asyncio.sleep(LOOK_S)
        raise StandsStill(f"the store has been at one thing for {STORE_S:g} s; level again when it goes on")

    async def _announce(self, zk: Client, upto: int) -> None:
        """Tell that everything up to this entry is on our disk."""
        path, data = self.paths.checkpoint(self.options.name), encode_number(upto)
        self.checkpoint = upto
        try:
            await zk.set(path, data)
        except NoNode:
            await zk.create(path, data)  # nobody else makes it

    async def _expire_writes(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            self.writes.expire(
                self.trouble or ("no leader" if not self.leader else "no answer from the leader in time")
            )


def _first(group: BaseExceptionGroup[BaseException]) -> str:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) or type(error).__name__
