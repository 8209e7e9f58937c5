"""A session that moves between nodes, and all that must be true of it afterwards.

Rules: `Mover` is a ZooKeeper client done by hand: it sends setWatches2 after a move, and remembers which one-shot
watches it has outstanding. `Changer` is another session that changes what is watched and knows the zxid of each change.
Both belong to one thread; that there is a race is the nodes' doing. A promise that is not kept is `Broken`, with what
was seen.
"""

import time
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from bench.figures import clock
from bench.wire import WAIT_S, Closed, Connection, Reply
from zooweeper.codec.record import Record
from zooweeper.model.acl import OPEN
from zooweeper.model.config import Address
from zooweeper.model.errors import ErrorCode
from zooweeper.model.events import WatchMode
from zooweeper.ops.create import EPHEMERAL, PERSISTENT, Create
from zooweeper.ops.data import GetData, SetData, WatchRequest
from zooweeper.ops.delete import Delete
from zooweeper.ops.op import Op
from zooweeper.ops.read import Exists, GetChildren2, GetEphemerals
from zooweeper.ops.session import CloseSession, Sync
from zooweeper.ops.watches import AddWatch, SetWatches2

TIMEOUT_MS = 20_000
PENDING = 10  # writes under way at a move: the counter and an ephemeral in turn
NEVER = b"late"  # what a write from an old connection would leave

ROOT = "/moving"
DATA = tuple(f"{ROOT}/data-{number}" for number in range(5))
EXIST = tuple(f"{ROOT}/exist-{number}" for number in range(3))
CHILDREN = tuple(f"{ROOT}/children-{number}" for number in range(3))
ONE_SHOT = (*DATA, *EXIST, *CHILDREN)
PERSISTENT_ON = f"{ROOT}/persistent"
RECURSIVE_ON = f"{ROOT}/recursive"
STAYING = (PERSISTENT_ON, f"{RECURSIVE_ON}/below")  # the paths of the persistent watches' events
OWN = f"{ROOT}/own"  # the parent of the ephemerals
COUNTER = f"{ROOT}/counter"  # what the pending writes set
GUARD = f"{ROOT}/guard"  # what a write from an old connection would set

Request = tuple[type[Op], Record]


class Broken(Exception):
    """A promise that was not kept."""


def must(kept: bool, what: str) -> None:
    """Broken unless the promise was kept."""
    if not kept:
        raise Broken(what)


def good(reply: Reply, what: str) -> Reply:
    must(reply.error == ErrorCode.OK, f"{what}: error {reply.error}")
    return reply


def create(path: str, flags: int = PERSISTENT) -> Request:
    return Create, Create.Request(path, b"", list(OPEN), flags)


class Changer:
    """The other session; it stays where it is."""

    def __init__(self, address: Address) -> None:
        self.wire = Connection(address, TIMEOUT_MS)
        self._changes: list[tuple[int, str]] = []  # (zxid, path of its event), in order
        self._there = dict.fromkeys(EXIST + tuple(f"{path}/child" for path in CHILDREN), False)
        for path in (ROOT, *DATA, *CHILDREN, PERSISTENT_ON, RECURSIVE_ON, *STAYING[1:], OWN, COUNTER, GUARD):
            good(self.wire.ask(*create(path)), f"create {path}")

    def change(self, path: str) -> None:
        """Changes what a watch on `path` waits for: the znode or its child comes or goes, or its data is set."""
        changed = f"{path}/child" if path in CHILDREN else path
        if changed not in self._there:
            reply = self.wire.ask(SetData, SetData.Request(path, b"%d" % len(self._changes)))
        elif self._there[changed]:
            reply = self.wire.ask(Delete, Delete.Request(changed))
        else:
            reply = self.wire.ask(*create(changed))
        if changed in self._there:
            self._there[changed] = not self._there[changed]
        self._changes.append((good(reply, f"change of {path}").zxid, path))

    def since(self, zxid: int, paths: Sequence[str]) -> list[tuple[int, str]]:
        """The changes of `paths` after `zxid`, in order."""
        later = self._changes[bisect_right(self._changes, zxid, key=lambda change: change[0]) :]
        return [change for change in later if change[1] in paths]

    def read(self, path: str) -> bytes:
        """The newest data of a znode."""
        good(self.wire.ask(Sync, Sync.Request(path)), "sync")
        return GetData.Result.decode(good(self.wire.ask(GetData, GetData.Request(path)), path).body).data or b""

    def own(self) -> list[str]:
        """The newest paths of the ephemerals."""
        good(self.wire.ask(Sync, Sync.Request(OWN)), "sync")
        reply = good(self.wire.ask(GetChildren2, GetChildren2.Request(OWN)), OWN)
        return sorted(f"{OWN}/{name}" for name in GetChildren2.Result.decode(reply.body).children)


@dataclass(slots=True)
class Armed:
    """A one-shot watch that is set."""

    list: str  # of setWatches2
    zxid: int  # of the state it was set in


class Mover:
    """The session that moves."""

    def __init__(self, address: Address) -> None:
        self.wire = Connection(address, TIMEOUT_MS)
        self.events = 0  # that came, of all connections
        self._session, self._secret = self.wire.welcome.session, self.wire.welcome.secret
        self._armed: dict[str, Armed] = {}
        self._ephemerals: list[str] = []
        self._named = 0
        for path, mode in ((PERSISTENT_ON, WatchMode.PERSISTENT), (RECURSIVE_ON, WatchMode.RECURSIVE)):
            self._staying_since = good(self.wire.ask(AddWatch, AddWatch.Request(path, mode)), "addWatch").zxid

    # ---- before a move

    def arm(self) -> None:
        """Sets every one-shot watch that is not set."""
        for path in ONE_SHOT:
            if path in self._armed:
                continue
            op: type[Op] = GetChildren2 if path in CHILDREN else Exists if path in EXIST else GetData
            reply = self.wire.ask(op, WatchRequest(path, True))
            if path in EXIST and reply.error == ErrorCode.NO_NODE:
                self._armed[path] = Armed("exist", reply.zxid)
            else:
                self._armed[path] = Armed("children" if path in CHILDREN else "data", good(reply, path).zxid)

    def own(self, count: int) -> None:
        """Has just so many ephemerals."""
        while len(self._ephemerals) < count:
            path = self._next_name()
            good(self.wire.ask(*create(path, EPHEMERAL)), path)
            self._ephemerals.append(path)
        while len(self._ephemerals) > count:
            path = self._ephemerals.pop(0)
            good(self.wire.ask(Delete, Delete.Request(path)), f"delete {path}")

    def begin_writes(self, round: int) -> list[tuple[int, str]]:
        """Sends PENDING writes without waiting: (xid, path of the ephemeral; of the counter: empty)."""
        sent = []
        for step in range(PENDING):
            path = self._next_name() if step % 2 else ""
            counted = SetData, SetData.Request(COUNTER, b"%d:%d" % (round, step))
            sent.append((self.wire.send(*(create(path, EPHEMERAL) if path else counted)), path))
        return sent

    def _next_name(self) -> str:
        self._named += 1
        return f"{OWN}/{self._named:06d}"

    # ---- a move

    def attach(self, addresses: Sequence[Address], keep_old: bool) -> None:
        """To the first of `addresses` that takes the session; those that are behind what it has seen do not."""
        old = self.wire
        if not keep_old:
            old.close()
        deadline, tries = clock() + WAIT_S, 0
        while True:
            try:
                self.wire = Connection(
                    addresses[tries % len(addresses)], TIMEOUT_MS, self._session, self._secret, old.seen
                )
                break
            except Closed:
                tries += 1
                if clock() > deadline:
                    raise
                time.sleep(0.002)
        must(self.wire.welcome.session == self._session, "a move gave another session")
        if keep_old:
            old.last_words(SetData, SetData.Request(GUARD, NEVER))
        self._left = old

    def rearm(self) -> None:
        """Tells the node which watches are outstanding, and what was seen."""
        told = [event.path for event in self._left.events]
        lists: dict[str, list[str]] = {"data": [], "exist": [], "children": []}
        for path, armed in self._armed.items():
            if path not in told:
                lists[armed.list].append(path)
        request = SetWatches2.Request(
            self._left.seen, lists["data"], lists["exist"], lists["children"], [PERSISTENT_ON], [RECURSIVE_ON]
        )
        self._rearmed = good(self.wire.ask(SetWatches2, request), "setWatches2").zxid

    # ---- after it

    def check_events(self, changer: Changer) -> None:
        """Both connections have told everything once, and nothing else. The changes are over."""
        good(self.wire.ask(Sync, Sync.Request(ROOT)), "sync")
        for path, armed in list(self._armed.items()):
            told = sum(event.path == path for wire in (self._left, self.wire) for event in wire.events)
            due = bool(changer.since(armed.zxid, (path,)))
            must(told == due, f"{path}: {told} events, {int(due)} due")
            if told:
                del self._armed[path]
        self._check_staying(changer, self._left, self._staying_since)
        self._check_staying(changer, self.wire, self._rearmed)
        self._staying_since = self.wire.seen
        self.events += len(self._left.events) + len(self.wire.events)
        self._left.events.clear()
        self.wire.events.clear()

    def _check_staying(self, changer: Changer, wire: Connection, since: int) -> None:
        """The persistent watches of a connection: all changes from `since` to what it has seen, once, in order."""
        told = [(event.zxid, event.path) for event in wire.events if event.path in STAYING]
        due = [change for change in changer.since(since, STAYING) if change[0] <= wire.seen]
        must(told == due, f"persistent watches told {told}, due were {due}")

    def check_writes(self, changer: Changer, round: int, sent: Sequence[tuple[int, str]], acknowledged: int) -> None:
        """The ephemerals are there; of the pending writes a prefix was executed, with all that were acknowledged."""
        reply = good(self.wire.ask(GetEphemerals, GetEphemerals.Request(OWN)), "getEphemerals")
        mine = sorted(str(path) for path in GetEphemerals.Result.decode(reply.body).paths)
        must(mine == changer.own(), f"the session has {mine}, another sees {changer.own()}")
        lost = [path for path in self._ephemerals if path not in mine]
        must(not lost, f"ephemerals lost: {lost}")
        created = [path for _, path in sent if path and path in mine]
        must(sorted(self._ephemerals + created) == mine, f"ephemerals nobody asked for: {mine}")
        counted = changer.read(COUNTER).decode().partition(":")
        sets = int(counted[2]) // 2 + 1 if counted[0] == str(round) else 0
        executed = sets + len(created)
        prefix = [path for _, path in sent[:executed] if path]
        must(created == prefix, f"of the pending writes {sets} sets and {created} were executed: no prefix")
        must(executed >= acknowledged, f"{acknowledged} writes were acknowledged, {executed} executed")
        must(changer.read(GUARD) != NEVER, "a write from the old connection was executed after the move")
        self._ephemerals += created

    def close(self, changer: Changer) -> None:
        """Ends the session; its ephemerals go with it."""
        good(self.wire.ask(CloseSession), "closeSession")
        must(changer.own() == [], "ephemerals outlived their session")
