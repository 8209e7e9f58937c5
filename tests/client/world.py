"""A service of some nodes for the client core: the real state and execution, links that can be cut, no time of its own.

Rules: a request goes in steps, and the world may end it at each: said, heard by the node, ordered, executed, answered,
heard by the client. What was ordered is executed sooner or later, whatever became of its link.
"""

from collections import deque
from dataclasses import dataclass
from random import Random

from zooweeper_client.core import ClientCore
from zooweeper_client.messages import (
    Answered,
    Event,
    Fired,
    Heard,
    Hello,
    LinkDown,
    Ping,
    Request,
    Start,
    Submit,
    Tick,
    Welcomed,
)
from zooweeper_client.options import Options, parse_hosts
from zooweeper_client.retry import RetryPolicy

from zooweeper.model.entry import Entry
from zooweeper.model.errors import ErrorCode, ZkError
from zooweeper.ops.op import Kind, View, encoded
from zooweeper.ops.session import AddIdentity, Attach, Auth, CloseSession, ExpireSession, OpenSession, Sync
from zooweeper.ops.table import OPS
from zooweeper.replica.execute import execute
from zooweeper.tree.state import State
from zooweeper.tree.watches import WatchTable

ORIGIN = 77
EPOCH = 1 << 40
GOOD_PASSWORD = b"user:good"


@dataclass
class Item:
    """As the servers' message has it."""

    xid: int = 0
    zxid: int = 0
    error: int = 0
    body: bytes = b""
    stale: bool = False
    detail: str = ""
    event: int = 0
    path: str = ""


@dataclass
class Said:
    """What a client said, with a copy of what the core may change in it later."""

    what: Hello | Request | Ping
    xid: int = 0
    number: int = 0


class Waiting:
    """A request that a node has taken: its answer, once it is known."""

    def __init__(self, said: Said) -> None:
        self.said = said
        self.item: Item | None = None
        self.before: list[Item] = []  # events


class Link:
    """A connection as its node sees it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.up: deque[Said] = deque()  # said, not heard by the node
        self.down: deque[Event] = deque()  # answered, not heard by the client
        self.session = 0
        self.attach = 0
        self.expected = 1
        self.waiting: deque[Waiting] = deque()
        self.alive = True


class World:
    """One client core and its service."""

    def __init__(
        self, hosts: str = "a,b,c", *, seed: int = 1, auth: bytes = b"", retry: RetryPolicy | None = None
    ) -> None:
        addresses, _ = parse_hosts(hosts)
        credentials = (("digest", auth),) if auth else ()
        options = Options(addresses, auth=credentials, retry=retry or RetryPolicy())
        self.core = ClientCore(options, Random(seed))
        self.state = State()
        self.watches = WatchTable()
        self.now = 1000
        self.links: list[Link] = []
        self.link: Link | None = None  # the client's
        self.ordered: deque[tuple[Entry, Link | None, Waiting | None]] = deque()
        self.refuse: deque[int] = deque()  # errors for the next writes that a node hears
        self.silent = False  # nodes hear nothing
        self.leaderless = False  # nodes answer reads, and nothing else
        self.settled: list[Request] = []
        self.fired: list[Fired] = []
        self.states: list[str] = []
        self.dialled: list[str] = []
        self.log: list[tuple[int, int]] = []  # (code, error) of everything executed
        self.core.step(Tick(self.now))
        self.core.step(Start())
        self.take()

    # --- the client's side

    def take(self) -> None:
        out = self.core.take()
        if out.hangup and self.link is not None:
            self.link.alive = False
            self.watches.forget(self.link.number)
            self.link = None
        if out.connect is not None:
            self.dialled.append(str(out.connect))
            self.link = Link(len(self.links) + 1)
            self.links.append(self.link)
        for what in out.send:
            assert self.link is not None
            request = isinstance(what, Request)
            self.link.up.append(Said(what, what.xid, what.number) if request else Said(what))  # type: ignore[union-attr]
        for one in out.deliver:
            if isinstance(one, Request):
                self.settled.append(one)
            elif isinstance(one, Fired):
                self.fired.append(one)
            else:
                self.states.append(one.state.value)

    def step(self, event: Event) -> None:
        self.core.step(event)
        self.take()

    def ask(self, request: Request) -> Request:
        self.step(Submit(request))
        return request

    def sleep(self, ms: int) -> None:
        """Let time pass, waking the core when it wants."""
        end = self.now + ms
        while self.core.wake_ms <= end:
            self.now = max(self.now, self.core.wake_ms)
            self.step(Tick(self.now))
            if self.core.wake_ms <= self.now:
                self.now += 1
        self.now = end
        self.step(Tick(end))

    def cut(self, error: int = 0) -> None:
        """The link breaks; what is on it is lost."""
        if self.link is not None:
            self.link.alive = False
            self.link.up.clear()
            self.watches.forget(self.link.number)
            self.link = None
            self.step(LinkDown("cut", error))

    # --- the service's side

    def hear(self) -> bool:
        """The node of the client's link hears the next thing said."""
        link = self.link
        if link is None or not link.up or self.silent:
            return False
        said = link.up.popleft()
        if isinstance(said.what, Ping):
            if not self.leaderless:
                link.down.append(Heard())
        elif isinstance(said.what, Hello):
            self._hello(link, said.what)
        else:
            self._request(link, said, said.what)
        return True

    def _hello(self, link: Link, hello: Hello) -> None:
        op = Attach if hello.session else OpenSession
        secret = hello.secret or b"s" * 16
        body = op.Request(secret, hello.timeout_ms, hello.results, "127.0.0.1").encode()
        self._order(hello.session, ORIGIN, link.number, op.code, body, link, None)

    def _request(self, link: Link, said: Said, request: Request) -> None:
        waiting = Waiting(said)
        link.waiting.append(waiting)
        op = OPS[request.code]
        code, body = request.code, request.body
        if code == Auth.code:
            auth = Auth.Request.decode(body)
            if auth.auth != GOOD_PASSWORD:
                link.down.append(LinkDown("bad password", ErrorCode.AUTH_FAILED))
                return
            code, body = AddIdentity.code, AddIdentity.Request(auth.scheme, "user:x").encode()
        if code == Sync.code:
            waiting.item = Item(said.xid, self.state.zxid, 0, body)
        elif op.kind is Kind.READ:
            pass  # read at its turn
        elif self.refuse:
            waiting.item = Item(said.xid, self.state.zxid, self.refuse.popleft(), detail="refused")
        elif said.number > link.expected:
            waiting.item = Item(said.xid, self.state.zxid, ErrorCode.NUMBER_GAP)
        elif link.session not in self.state.sessions:
            waiting.item = Item(said.xid, self.state.zxid, ErrorCode.SESSION_EXPIRED)
        elif said.number < link.expected:
            known = self.state.sessions[link.session].result(said.number)
            assert known is not None, "a result was forgotten that a client still asks for"
            waiting.item = Item(said.xid, self.state.zxid, known[0], known[1])
        else:
            link.expected += 1
            self._order(link.session, link.attach, said.number, code, body, link, waiting)
        self._answer(link)

    def _order(
        self, session: int, attach: int, number: int, code: int, body: bytes, link: Link | None, waiting: Waiting | None
    ) -> None:
        self.ordered.append((Entry(0, self.now, session, attach, number, code, body), link, waiting))

    def execute(self) -> bool:
        """The oldest entry that was ordered."""
        if not self.ordered:
            return False
        entry, link, waiting = self.ordered.popleft()
        entry = entry._replace(zxid=max(EPOCH, self.state.zxid) + 1)
        result = execute(self.state, entry)
        self.log.append((entry.code, result.error))
        events = self.watches.trigger(result.changes, lambda number: ())
        for numbers, type, path in events:
            for number in numbers:
                self._notice(self.links[number - 1], Item(zxid=entry.zxid, event=int(type), path=path))
        if entry.code in (OpenSession.code, Attach.code):
            self._welcome(link, entry, result.error, result.body)
        elif waiting is not None and link is not None:
            waiting.item = Item(waiting.said.xid, entry.zxid, result.error, result.body, detail=result.detail)
            self._answer(link)
        if entry.code in (CloseSession.code, ExpireSession.code):
            for one in self.links:
                if one.alive and one.session and one.session not in self.state.sessions:
                    one.down.append(LinkDown("ended", ErrorCode.SESSION_EXPIRED))
        return True

    def _welcome(self, link: Link | None, entry: Entry, error: int, body: bytes) -> None:
        assert link is not None
        if error:
            link.down.append(LinkDown("refused", error))
            return
        place = OpenSession if entry.code == OpenSession.code else Attach
        session = self.state.sessions[place.Result.decode(body).session]
        for one in self.links:
            if one is not link and one.alive and one.session == session.id:
                one.down.append(LinkDown("moved", ErrorCode.SESSION_MOVED))
        link.session, link.attach, link.expected = session.id, session.attach, session.number + 1
        link.down.append(
            Welcomed(session.id, session.secret, session.timeout_ms, session.number, self.state.zxid, link.number)
        )

    def _notice(self, link: Link, item: Item) -> None:
        link.down.append(Answered([item]))

    def _answer(self, link: Link) -> None:
        while link.waiting:
            head = link.waiting[0]
            if head.item is None:
                request = head.said.what
                assert isinstance(request, Request)
                if OPS[request.code].kind is not Kind.READ:
                    return
                head.item = self._read(link, head, request)
            link.waiting.popleft()
            link.down.append(Answered([*head.before, head.item]))

    def _read(self, link: Link, head: Waiting, request: Request) -> Item:
        op = OPS[request.code]
        session = self.state.sessions.get(link.session)
        view = View(self.state, session, self.watches, link.number)
        if not link.alive:
            return Item(head.said.xid)
        try:
            result = op.read(op.Request.decode(request.body), view)
        except ZkError as error:
            return Item(head.said.xid, self.state.zxid, error.code)
        head.before = [Item(zxid=self.state.zxid, event=int(type), path=path) for type, path in view.events]
        return Item(head.said.xid, self.state.zxid, 0, encoded(result), stale=self.leaderless)

    def tell(self) -> bool:
        """The client hears the next thing of its link."""
        link = self.link
        if link is None or not link.down:
            return False
        event = link.down.popleft()
        if isinstance(event, LinkDown):
            link.alive = False
            self.watches.forget(link.number)
            self.link = None
        self.step(event)
        return True

    def expire(self) -> None:
        """The session's time is over, say the servers."""
        session = self.state.sessions.get(self.core.session)
        if session is not None:
            body = ExpireSession.Request(session.id, session.attach).encode()
            self._order(0, 0, 0, ExpireSession.code, body, None, None)

    def settle(self, rounds: int = 200) -> None:
        """Without further faults, until nothing moves any more."""
        for _ in range(rounds):
            while self.hear() or self.execute() or self.tell():
                pass
            if self.core.state.value == "CONNECTED" and not self.core.waiting:
                return
            self.sleep(50)
