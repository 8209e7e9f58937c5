"""Watches: what came over every connection, and what every watcher was told, against the changes in the log.

Rules: two halves. *Connections* (the servers' promise): from the reads that set watches and the zxids of their answers
follows exactly which events a connection must see, in which order, and before which answers. *Programs* (the client
library's promise): every event that came reaches every watcher it is for, one-shot ones once; over connections that
break none is lost without a sign. Written from docs/guarantees.md and ZooKeeper's rules, apart from tree/watches.py.
"""

from bisect import bisect_right
from collections import deque
from typing import Any

from zooweeper_client.watches import EventType as Heard
from zooweeper_client.watches import WatchKind

from sim.history import Armed, History, Shown, Told, Unarmed
from sim.model import EVERYBODY, READ, Change, Model, allowed
from sim.world import Violation
from zooweeper.model.errors import ErrorCode
from zooweeper.model.events import EventType, WatcherType, WatchMode
from zooweeper.model.zxid import show
from zooweeper.ops.data import GetData
from zooweeper.ops.read import Exists, GetChildren, GetChildren2
from zooweeper.ops.watches import AddWatch, RemoveWatches, SetWatches2
from zooweeper.replica.outbox import Answer, Notice, Welcome

ONCE, PERSISTENT, RECURSIVE = 1, 2, 4
READS = (GetData.code, Exists.code, GetChildren.code, GetChildren2.code)
LASTING = (WatchKind.PERSISTENT, WatchKind.RECURSIVE)
Event = tuple[int, int, str]  # zxid, type, path


def judge_watches(history: History) -> None:
    for client in history.clients:
        for link in client.links:
            Connection(history.model, client, link).judge()
        Program(history.model, client).judge()


def parent(path: str) -> str:
    return path[: path.rindex("/")] or "/"


def above(path: str) -> list[str]:
    """The path and all its ancestors."""
    found = [path]
    while path != "/":
        path = parent(path)
        found.append(path)
    return found


# --- connections


class Connection:
    """One connection, from its welcome on."""

    def __init__(self, model: Model, client: Any, link: Any) -> None:
        self.model = model
        self.client = client
        self.link = link
        self.of_node: dict[str, int] = {}  # path -> modes
        self.of_children: dict[str, int] = {}
        self.due: deque[Event] = deque()
        self.place = 0  # in the model's changes
        self.missed: dict[int, Event] = {}  # place in `heard` -> the event that setWatches must find

    def judge(self) -> None:
        heard, asked = self.link.heard, self.link.asked
        if not any(type(one) is Notice for one in heard) and not any(watching(ask) for ask in asked.values()):
            return
        self._expect_missed()
        for place, delivery in enumerate(heard):
            match delivery:
                case Welcome():
                    self.place = bisect_right(self.model.changes, delivery.zxid, key=zxid_of)
                case Notice():
                    self._notice(place, (delivery.zxid, delivery.type, delivery.path))
                case Answer():
                    self._advance(delivery.zxid)
                    if self.due:
                        raise self._broken("event before answer", f"{words(self.due[0])} before {delivery}")
                    self._answer(delivery)

    def _broken(self, what: str, detail: str) -> Violation:
        link = self.link
        return Violation(what, f"client {self.client.id}, connection {link.number} to {link.node.id}: {detail}")

    def _notice(self, place: int, event: Event) -> None:
        if place in self.missed:
            if self.missed[place] != event:
                raise self._broken("missed events", f"expected {words(self.missed[place])}, got {words(event)}")
            return
        self._advance(event[0])
        if not self.due or self.due.popleft() != event:
            raise self._broken("events", f"{words(event)}, expected before it or instead: {list(self.due)[:3]}")

    def _names(self, zxid: int) -> tuple[tuple[str, str], ...]:
        session = self.model.session(self.link.session)
        ended = session is not None and session.ended and session.ended <= zxid
        return () if ended else self.model.names_at(self.link.session, zxid)

    def _readable(self, rows: Any, zxid: int) -> bool:
        return rows is EVERYBODY or allowed(rows, READ, self._names(zxid))

    # --- what changes fire

    def _advance(self, zxid: int) -> None:
        changes = self.model.changes
        while self.place < len(changes) and changes[self.place].zxid <= zxid:
            if self.of_node or self.of_children:
                self._fire(changes[self.place])
            self.place += 1

    def _fire(self, change: Change) -> None:
        path = change.path
        told = self._take(self.of_node, path)
        told = told or any(self.of_node.get(one, 0) & RECURSIVE for one in above(path))
        if told and self._readable(change.rows, change.zxid):
            self.due.append((change.zxid, change.type, path))
        if change.type == EventType.DATA:
            return
        if change.type == EventType.DELETED:
            gone = self._take(self.of_children, path)
            if gone and not told and self._readable(change.rows, change.zxid):
                self.due.append((change.zxid, change.type, path))
        up = parent(path)
        if self._take(self.of_children, up) and self._readable(change.above, change.zxid):
            self.due.append((change.zxid, EventType.CHILDREN, up))

    @staticmethod
    def _take(table: dict[str, int], path: str) -> bool:
        """Whether somebody watches there who hears of the znode alone; one-shot watches are used up."""
        modes = table.get(path, 0)
        drop(table, path, ONCE)
        return bool(modes & (ONCE | PERSISTENT))

    # --- what sets watches

    def _answer(self, answer: Answer) -> None:
        ask = self.link.asked.get(answer.xid)
        if ask is None or not watching(ask):
            return
        if ask.code == Exists.code and answer.error == ErrorCode.NO_NODE:
            self._set(self.of_node, Exists.Request.decode(ask.body).path, ONCE)
        elif not answer.error:
            SETTERS[ask.code](self, ask.body, answer.zxid)

    @staticmethod
    def _set(table: dict[str, int], path: str, mode: int) -> None:
        table[path] = table.get(path, 0) | mode

    def _by_data(self, body: bytes, zxid: int) -> None:
        self._set(self.of_node, GetData.Request.decode(body).path, ONCE)

    def _by_children(self, body: bytes, zxid: int) -> None:
        self._set(self.of_children, GetChildren.Request.decode(body).path, ONCE)

    def _by_add(self, body: bytes, zxid: int) -> None:
        request = AddWatch.Request.decode(body)
        if request.mode == WatchMode.PERSISTENT:
            self._set(self.of_node, request.path, PERSISTENT)
            self._set(self.of_children, request.path, PERSISTENT)
        else:
            self._set(self.of_node, request.path, RECURSIVE)

    def _by_remove(self, body: bytes, zxid: int) -> None:
        request = RemoveWatches.Request.decode(body)
        if request.type == WatcherType.PERSISTENT:
            drop(self.of_node, request.path, PERSISTENT)
            drop(self.of_children, request.path, PERSISTENT)
        elif request.type == WatcherType.RECURSIVE:
            drop(self.of_node, request.path, RECURSIVE)

    def _by_rearm(self, body: bytes, zxid: int) -> None:
        request = SetWatches2.Request.decode(body)
        for name, table, mode in LISTS:
            for path in getattr(request, name):
                if self._lost(name, path, request.seen, zxid) is None:
                    self._set(getattr(self, table), path, mode)
        for path in request.persistent:
            self._set(self.of_children, path, PERSISTENT)

    def _lost(self, name: str, path: str, seen: int, zxid: int) -> EventType | None:
        """What somebody has missed who watched `path` and has seen up to `seen`."""
        node = self.model.at(path, zxid)
        if name == "exist":
            return EventType.CREATED if node is not None else None
        if name in ("persistent", "recursive"):
            return None
        if node is None:
            return EventType.DELETED
        if name == "data":
            return EventType.DATA if node.mzxid > seen else None
        return EventType.CHILDREN if node.pzxid > seen else None

    def _expect_missed(self) -> None:
        """Where in `heard` the events stand that setWatches found: right before its answer, or at the end if the
        connection ended between them."""
        heard, asked = self.link.heard, self.link.asked
        open_ = {xid: ask for xid, ask in asked.items() if ask.code == SetWatches2.code}
        for place, answer in enumerate(heard):
            if type(answer) is not Answer:
                continue
            ask = open_.pop(answer.xid, None)
            if ask is None or answer.error:
                continue
            events = self._found(ask, answer.zxid)
            for index, event in enumerate(events, place - len(events)):
                if index < 0 or type(heard[index]) is not Notice:
                    raise self._broken("missed events", f"{words(event)} is not told before {answer}")
                self.missed[index] = event
        for ask in open_.values():
            last = heard[-1] if heard else None
            events = self._found(ask, last.zxid) if type(last) is Notice else []
            for count in range(min(len(events), len(heard)), 0, -1):
                tail = heard[-count:]
                if [(one.zxid, one.type, one.path) for one in tail if type(one) is Notice] == events[:count]:
                    self.missed.update(enumerate(events[:count], len(heard) - count))
                    break

    def _found(self, ask: Any, zxid: int) -> list[Event]:
        """What a setWatches finds to have changed, as of a zxid."""
        request, events = SetWatches2.Request.decode(ask.body), []
        for name, _, _ in LISTS:
            for path in getattr(request, name):
                type_ = self._lost(name, path, request.seen, zxid)
                node = self.model.at(path, zxid)
                if type_ is not None and (node is None or self._readable(node.rows, zxid)):
                    events.append((zxid, int(type_), path))
        return events


LISTS = (
    ("data", "of_node", ONCE),
    ("exist", "of_node", ONCE),
    ("children", "of_children", ONCE),
    ("persistent", "of_node", PERSISTENT),
    ("recursive", "of_node", RECURSIVE),
)
SETTERS = {
    GetData.code: Connection._by_data,
    Exists.code: Connection._by_data,
    GetChildren.code: Connection._by_children,
    GetChildren2.code: Connection._by_children,
    AddWatch.code: Connection._by_add,
    RemoveWatches.code: Connection._by_remove,
    SetWatches2.code: Connection._by_rearm,
}


def watching(ask: Any) -> bool:
    """Whether a request has to do with watches; the last byte of a read is its wish for one."""
    return ask.body[-1:] == b"\1" if ask.code in READS else ask.code in SETTERS


def drop(table: dict[str, int], path: str, mode: int) -> None:
    if path in table:
        table[path] &= ~mode
        if not table[path]:
            del table[path]


def zxid_of(change: Change) -> int:
    return change.zxid


def words(event: Event) -> str:
    zxid, type_, path = event
    return f"{EventType(type_).name} {path} at {show(zxid)}"


# --- programs


class Program:
    """One program's watchers."""

    def __init__(self, model: Model, client: Any) -> None:
        self.model = model
        self.client = client
        self.armed: dict[int, Armed] = {}
        self.born: dict[int, int] = {}  # connections there had been when the watcher was set
        self.connections = 0
        self.silent: dict[int, None] = {}  # lasting watchers that a connection was lost for, and were not told so
        self.due: dict[int, None] = {}  # watchers that an event has come for
        self.late = False  # it is for one that was not told when it happened, for it could not read the znode

    def judge(self) -> None:
        for thing in self.client.program:
            if self.due and not (isinstance(thing, Told) and self._may_hear(thing)):
                raise self._broken(f"watchers {list(self.due)} were not told, but {thing} follows")
            match thing:
                case Armed():
                    if self.born.setdefault(thing.watcher, self.connections) >= 0:
                        self.armed[thing.watcher] = thing
                case Unarmed():
                    self.armed.pop(thing.watcher, None)
                    self.silent.pop(thing.watcher, None)
                    self.born[thing.watcher] = TAKEN_BACK
                case Welcome():
                    self.connections += 1
                    self.silent.update(dict.fromkeys(self._lasting()))
                case Notice():
                    self._notice(thing)
                case Told():
                    self._told(thing)
                case Shown():
                    self._shown(thing)

    def _broken(self, detail: str) -> Violation:
        return Violation("watchers", f"client {self.client.id}: {detail}")

    def _may_hear(self, told: Told) -> bool:
        """Lasting watchers hear of events from when they are asked for, before they are armed."""
        return told.watcher in self.due or (told.watcher not in self.born and told.watcher > 0)

    def _lasting(self) -> list[int]:
        return [watcher for watcher, armed in self.armed.items() if armed.kind in LASTING]

    def _notice(self, notice: Any) -> None:
        self.due = {
            watcher: None
            for watcher, armed in self.armed.items()
            if concerns(armed.kind, armed.path, notice.type, notice.path)
        }
        firsts = [self._first(armed) for armed in map(self.armed.__getitem__, self.due) if armed.kind not in LASTING]
        self.late = any(zxid <= notice.zxid and not readable for zxid, readable in firsts)

    def _told(self, told: Told) -> None:
        self.due.pop(told.watcher, None)
        if not told.watcher:
            self.armed.clear()
            self.silent.clear()
            return
        if told.type == Heard.GAP:
            self.silent.pop(told.watcher, None)
            return
        armed = self.armed.get(told.watcher)
        if armed is None:
            if told.watcher in self.born:
                raise self._broken(f"told again: {told}")
            return  # a lasting one that another has set already; it will be armed
        if armed.kind in LASTING:
            return
        del self.armed[told.watcher]
        # A server speaks of a path, and all who watch there hear it, those who came after it happened, too.
        if told.type != Heard.LOST and self._first(armed)[0] > told.zxid and not self.late:
            raise self._broken(f"{told}, but nothing has happened since {armed}")

    def _shown(self, shown: Shown) -> None:
        if self.silent:
            raise self._broken(f"watchers {list(self.silent)} have lost a connection, and were not told of the gap")
        for watcher, armed in self.armed.items():
            if armed.kind in LASTING:
                continue
            first, readable = self._first(armed)
            if first > shown.zxid or not readable:
                continue
            if self.born[watcher] == self.connections or not self._past_telling(armed, first, shown.zxid):
                raise self._broken(f"{shown} was shown before {armed} was told of {show(first)}")

    def _past_telling(self, armed: Armed, first: int, zxid: int) -> bool:
        """Whether somebody who was away then may never hear of it: what came has gone again, or by the time of the new
        connection not everybody could read the znode any more."""
        if armed.kind == WatchKind.EXIST and self.model.at(armed.path, zxid) is None:
            return True
        since = [node for moment, node in self.model.past.get(armed.path, ()) if first <= moment <= zxid]
        return any(node is not None and node.rows is not EVERYBODY for node in since)

    def _first(self, armed: Armed) -> tuple[int, bool]:
        """The zxid of the first change that a one-shot watcher is for, and whether anybody may hear of it."""
        changes = self.model.changes
        for place in range(bisect_right(changes, armed.zxid, key=zxid_of), len(changes)):
            change = changes[place]
            of_children = armed.kind == WatchKind.CHILD
            if change.path == armed.path and not (of_children and change.type != EventType.DELETED):
                return change.zxid, change.rows is EVERYBODY
            if of_children and change.type != EventType.DATA and parent(change.path) == armed.path:
                return change.zxid, change.above is EVERYBODY
        return NEVER, True


NEVER = 1 << 63
TAKEN_BACK = -1


def concerns(kind: int, watched: str, type_: int, path: str) -> bool:
    """Whether an event is for a watcher."""
    match kind:
        case WatchKind.PERSISTENT:
            return path == watched
        case WatchKind.RECURSIVE:
            return type_ != EventType.CHILDREN and watched in above(path)
        case WatchKind.CHILD:
            return path == watched and type_ in (EventType.CHILDREN, EventType.DELETED)
        case _:
            return path == watched and type_ != EventType.CHILDREN
