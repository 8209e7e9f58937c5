"""The log in the coordination service: the leader appends, everybody follows.

An append is one transaction: /mydb/log is set to (token, new last entry) on condition of its version, the entries are
created, and those that nobody needs any more are deleted. So the log has no holes, every entry is written once and
never changed, and its size is right at every moment.

**Only the leader appends.** Each append needs the version of /mydb/log that the one before it left: the appends of one
leader are a chain. A new leader first writes its token there (`fence`), which breaks the chain of the old one: whatever
the old one has sent or will send, and however late it arrives, carries a version that will never come again. `fence`
itself gives up when a larger token is there already. And it is executed only while the session lives that owns
/mydb/leader: the service executes nothing for a session that has ended.

**Appends may follow each other without waiting**, at most APPENDS_MAX of them: a session's requests are executed in
their order and each append raises the version by one, so the next one's version is known before the answer. Were the
fence to raise it by one as well, it could stand in for an append that it has just defeated, and the append behind that
one would find the version that it expects. So the fence raises the version by APPENDS_MAX: appends without an answer
expect less than that above the last version their leader was sure of, and the version never goes back. Behind an append
that failed nothing is sent.

**An append without an answer** ends the leadership. A lost connection is no such case: the client library sends the
write again, and its number makes it take effect once; so do all calls here wait as long as the session may live. Only
the end of the session leaves an append in doubt. Then nobody guesses: the next leader's fence decides whether it is in
the log, for good, and its writes are sent to that leader again under their request ids, which make them take effect
once.

**A reader never misses an entry**: in one session what is seen never goes back, and `last` is written in the same
transaction as the entries. So an entry up to `last` that is not there has been trimmed: `Gone`, the server was away for
too long and needs a state transfer.

Rules: whoever gets `Deposed` stops to lead, for good.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import NamedTuple

from zooweeper_client.aio import Client, Transaction
from zooweeper_client.exceptions import BadVersion, NoNode

from grades.layout import APPENDS_MAX, MAX_BATCH, MAX_LOG_SIZE, BadZnode, Head, Paths, entry_name


class Deposed(Exception):
    """Somebody else leads."""


class Gone(Exception):
    """The entry that comes next was trimmed."""


class Seen(NamedTuple):
    """/mydb/log as it was read."""

    head: Head
    version: int
    size: int  # entries in the log


async def look(
    zk: Client, paths: Paths, *, linearizable: bool = False, changed: Callable[[], None] | None = None
) -> Seen:
    """Read /mydb/log; `changed` is called once, when it has changed."""
    data, stat = await zk.get(
        paths.log,
        None if changed is None else lambda event: changed(),
        consistency="linearizable" if linearizable else "local",
    )
    return Seen(Head.decode(data), stat.version, stat.num_children)


async def read(zk: Client, paths: Paths, after: int) -> list[bytes]:
    """The entries behind `after`, at most MAX_BATCH of them; none if there are none. Gone if the next one is not there
    any more."""
    entries: list[bytes] = []
    async with aclosing(zk.list(paths.log, with_data=True, page=MAX_BATCH, after=entry_name(after))) as nodes:
        async for node in nodes:
            if node.path != entry_name(after + len(entries) + 1):
                raise Gone(f"entry {after + len(entries) + 1} was trimmed")
            entries.append(node.data or b"")
            if len(entries) == MAX_BATCH:
                break
    return entries


class Appender:
    """A leader's end of the log."""

    def __init__(self, zk: Client, paths: Paths, token: int) -> None:
        self._zk = zk
        self._paths = paths
        self._token = token
        self._version = -1  # of /mydb/log, when all that was sent is executed
        self._flying = 0  # appends that are not known to have been executed
        self._failed = False
        self.first = 1  # the log holds first..last
        self.last = 0

    async def fence(self) -> None:
        """Make sure that nobody else appends from now on. Deposed if somebody later did the same."""
        while True:
            seen = await look(self._zk, self._paths)
            if seen.head.token > self._token:
                raise Deposed(f"token {seen.head.token} is larger than ours, {self._token}")
            fence = self._zk.transaction().check(self._paths.leader)
            for version in range(seen.version, seen.version + APPENDS_MAX):
                fence.set(self._paths.log, Head(self._token, seen.head.last).encode(), version)
            try:
                self._version = (await fence.commit())[-1].version
            except BadVersion:  # an append of the leader before us was faster
                continue
            except NoNode:
                raise Deposed(f"{self._paths.leader} is gone") from None
            break
        numbers = [int(name) for name in await self._zk.get_children(self._paths.log)]
        self.last = seen.head.last
        self.first = min(numbers, default=self.last + 1)
        if len(numbers) != self.last - self.first + 1 or len(numbers) > MAX_LOG_SIZE:
            raise BadZnode(f"{self._paths.log}: {len(numbers)} entries between {self.first} and {self.last}")

    def append(self, entries: Sequence[bytes], trim: int) -> tuple[int, "asyncio.Future[None]"]:
        """Write entries behind the last one, and delete those up to number `trim`: the number of the first one written,
        and a future that ends when they are in the log. Deposed; after any other error nobody knows."""
        if self._failed:
            raise Deposed("an append has failed")
        assert self._flying < APPENDS_MAX
        written, self.last = self.last + 1, self.last + len(entries)
        append = self._zk.transaction().set(self._paths.log, Head(self._token, self.last).encode(), self._version)
        for n, entry in enumerate(entries, written):
            append.create(self._paths.entry(n), entry)
        for n in range(self.first, trim + 1):
            append.delete(self._paths.entry(n))
        self.first = max(self.first, trim + 1)
        self._version += 1
        self._flying += 1
        return written, asyncio.ensure_future(self._commit(append))

    async def _commit(self, append: Transaction) -> None:
        done = False
        try:
            await append.commit()
            done = True
        except BadVersion:
            raise Deposed("somebody else has written to the log") from None
        finally:
            self._failed = self._failed or not done
        self._flying -= 1


class Follower:
    """Everybody's end: says how far the log is, and reads it."""

    def __init__(self, zk: Client, paths: Paths) -> None:
        self._zk = zk
        self._paths = paths
        self._changed = asyncio.Event()
        self._changed.set()
        self.seen = Seen(Head(0, 0), 0, 0)

    async def now(self) -> int:
        """The number of the last entry."""
        if self._changed.is_set():
            self._changed.clear()
            self.seen = await look(self._zk, self._paths, changed=self._changed.set)
        return self.seen.head.last

    async def next(self, after: int) -> list[bytes]:
        """The entries behind `after`, at most MAX_BATCH of them, as soon as there are some. Gone."""
        while True:
            if not self._changed.is_set() and self.seen.head.last <= after:
                await self._changed.wait()
            # Both questions leave in one message, and are answered in this order.
            last, entries = await asyncio.gather(self.now(), read(self._zk, self._paths, after))
            if entries:
                return entries
            if last > after:
                raise Gone(f"entry {after + 1} was trimmed, and all behind it")
