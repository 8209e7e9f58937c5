"""Clients of the simulated world: one session at a time, kept over lost connections, other nodes and new leaders.

Rules: numbers as docs/decisions tell (a write keeps its number until Welcome says that it was not executed). A client
writes down every operation with the moments of call and return, and every link what came over it; checks read that. It
believes nothing: order of answers and monotone zxids are checked as they arrive.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

from sim.history import Operation
from sim.network import Pipe, Quality
from sim.node import Node
from sim.world import MS, NEVER_US, Violation, World
from zooweeper.model.errors import ErrorCode
from zooweeper.model.events import WatcherType, WatchMode
from zooweeper.model.zxid import show
from zooweeper.ops.op import Kind, Nothing
from zooweeper.ops.session import AddIdentity, CloseSession
from zooweeper.ops.table import OPS
from zooweeper.ops.watches import RemoveWatches
from zooweeper.replica.events import Ask, Connect, Disconnect, Heard
from zooweeper.replica.outbox import Answer, Hangup, Notice, Refused, Welcome, receivers

TIMEOUT_MS = 4000
RESULTS = 32
UNUSED = (ErrorCode.NO_QUORUM, ErrorCode.THROTTLED_OP, ErrorCode.NUMBER_GAP, ErrorCode.SESSION_MOVED)
ENDED = (ErrorCode.SESSION_EXPIRED,)


class Link:
    """One client connection to one node: two pipes and a number, and what was heard on it."""

    def __init__(self, client: Any, node: Node, number: int) -> None:
        self.client = client
        self.node = node
        self.life = node.life
        self.number = number
        self.session = 0
        self.asked: dict[int, Ask] = {}
        self.heard: list[Any] = []  # Answer, Notice, Welcome
        self.open = False  # at the node
        self.touches: list[tuple[int, int]] = []  # when a node that had a leader heard of the session, in which epoch
        chance, quality = client.chance, client.quality
        self.up = Pipe(client.world, chance, quality, self._to_node)
        self.down = Pipe(client.world, chance, quality, self._to_client)

    @property
    def same_process(self) -> bool:
        return self.node.alive and self.node.life == self.life

    def ask(self, ask: Ask) -> None:
        self.asked[ask.xid] = ask
        self.up.push(ask)

    def _to_node(self, event: Any) -> None:
        node = self.node
        if not self.same_process:
            return
        brain: Any = node.brain
        if type(event) is Disconnect:
            self.open = False  # the node has done with it; what still comes is of nobody
        elif self.open and not node.paused and brain.zab.serving:
            self.touches.append((node.world.now_us, brain.zab.current))
        node.step(event)

    def _to_client(self, delivery: Any) -> None:
        if self.client.link is not self:
            return
        if isinstance(delivery, Answer | Notice | Welcome):
            self.heard.append(delivery)
            if isinstance(delivery, Welcome):
                self.session = delivery.session
        self.client.on(delivery)

    def close(self) -> None:
        """The client hangs up, or learns that the connection is gone."""
        self.down.close()
        self.up.push(Disconnect(self.number))


class Doors:
    """The doors of all nodes: which connection number is whose."""

    def __init__(self, world: World, nodes: list[Node]) -> None:
        self.world = world
        self.nodes = nodes
        self.links: dict[tuple[int, int, int], Link] = {}  # (node, life, number)
        self.numbers = 0
        for node in nodes:
            node.deliver = lambda delivery, node=node: self.deliver(node, delivery)  # type: ignore[misc]
            node.on_crash = lambda node=node: self.crashed(node)  # type: ignore[misc]

    def open(self, client: Any, node: Node) -> Link:
        self.numbers += 1
        link = Link(client, node, self.numbers)
        self.links[node.id, node.life, link.number] = link
        client.links.append(link)
        return link

    def deliver(self, node: Node, delivery: Any) -> None:
        for number in receivers(delivery):
            link = self.links.get((node.id, node.life, number))
            if link is not None:
                link.down.push(delivery)
                link.open = link.open or type(delivery) is Welcome
                if isinstance(delivery, Refused | Hangup):
                    self.links.pop((node.id, node.life, number))

    def crashed(self, node: Node) -> None:
        """All connections of a process end; what was on the way may still arrive."""
        for key in [key for key in self.links if key[0] == node.id]:
            self.links.pop(key).down.finish(None)


class Intruder:
    """Somebody who knows the number of a session and guesses at its secret."""

    def __init__(self, client: "Client | Any", session: int) -> None:
        self.world, self.chance, self.quality = client.world, client.chance, client.quality
        self.links: list[Link] = []
        self.link: Link | None = None
        node = self.chance.choice(client.doors.nodes)
        if node.alive and session:
            self.link = client.doors.open(self, node)
            self.link.up.push(Connect(self.link.number, session, b"a guess", client.timeout_ms, 0, RESULTS, "10.0.0.2"))

    def on(self, delivery: Any) -> None:
        if isinstance(delivery, Welcome):
            raise Violation("session", f"{delivery.session:x} was given to somebody without its secret")
        if isinstance(delivery, Refused) and delivery.error.code in ENDED:
            self.world.mark("an intruder was refused")


class Client:
    """A session and its requests."""

    scheme = "digest"  # of what it can prove to be

    def __init__(
        self, world: World, doors: Doors, id: int, quality: Callable[[], Quality], timeout_ms: int = TIMEOUT_MS
    ) -> None:
        self.world = world
        self.doors = doors
        self.id = id
        self.name = f"c{id}"
        self.quality = quality
        self.timeout_ms = timeout_ms
        self.chance = world.chance(f"client {id}")
        self.patience_us = self.chance.choice((500, 1000, 3000)) * MS  # then it tries another node
        self.history: list[Operation] = []
        self.links: list[Link] = []
        self.program: list[Any] = []  # what watchers were told; see core_client.py
        self.sessions = 0  # how many it has had
        self.expired: list[int] = []  # those that a node said to have ended
        self.calm_us = NEVER_US  # since when nothing is broken: a timeout later a session must not expire
        self.link: Link | None = None
        self._left: Node | None = None  # the node it was with last
        self.on_event: Callable[[Notice], None] = lambda notice: None
        self.on_answer: Callable[[Operation], None] = lambda operation: None
        self.on_lost: Callable[[], None] = lambda: None
        self.seen = 0
        self.identity = ""
        self._orphans: list[Operation] = []  # numbered, of a client that was started anew
        self._forget_session()
        world.after(self.chance.randrange(300 * MS), self._connect)
        world.after(500 * MS, self._watchdog)

    def _forget_session(self) -> None:
        self.session = 0
        self.secret = b""
        self.number = 0  # the last number given
        self.live = False  # welcomed on the present link
        self.closing = False
        self.identity = ""
        self.xid = 0
        self.pending: deque[Operation] = deque()  # not answered, in order
        self.sent: deque[tuple[int, Operation]] = deque()  # on the present link: (xid, operation)
        self.repeat: list[Operation] = []  # refused with their numbers unused

    # --- what workloads call

    def ask(
        self, op: type[Any], path: str, request: Any, note: Any = None, linear: bool = False, owner: Any = None
    ) -> Operation:
        """Send a request when possible; the answer comes to `on_answer`."""
        operation = Operation(self.id, op.code, path, request.encode(), linear, note, owner, self.world.now_us)
        self.history.append(operation)
        self.pending.append(operation)
        if self.live and not self.repeat:
            self._send(operation)
        return operation

    def close(self, owner: Any = None) -> None:
        """End the session; the next one follows."""
        if not self.closing:
            self.closing = True
            self.ask(CloseSession, "/", Nothing(), owner=owner)

    def abandon(self) -> None:
        """Forget the session without a word; the next one follows."""
        self._lose()
        self.drop()

    def restart(self) -> None:
        """As a new process that knows the session, but not what was asked."""
        session, secret, number, identity = self.session, self.secret, self.number, self.identity
        self._orphans += [operation for operation in self.pending if operation.number]
        self._lose()
        self.session, self.secret, self.number, self.identity = session, secret, number, identity
        self.drop()

    def intrude(self) -> None:
        """Somebody tries to take the session."""
        Intruder(self, self.session)

    def identify(self, name: str) -> None:
        """Prove to be somebody, now and on all later connections of the session."""
        if not self.identity:
            self.identity = name
            if self.live and not self.repeat:
                self._send(self._proof())
            # else Welcome does it

    def unwatch(self, mode: WatchMode, path: str, owner: Any = None) -> None:
        """Take a lasting watch back."""
        type_ = WatcherType.PERSISTENT if mode == WatchMode.PERSISTENT else WatcherType.RECURSIVE
        self.ask(RemoveWatches, path, RemoveWatches.Request(path, type_), owner=owner)

    def drop(self) -> None:
        """The connection breaks."""
        link, self.link = self.link, None
        self.live = False
        if link is not None:
            link.close()
            self.world.after(self.chance.randrange(1 * MS, 300 * MS), self._connect)

    # --- the connection

    def _connect(self) -> None:
        if self.link is not None:
            return
        node = self.chance.choice([node for node in self.doors.nodes if node is not self._left] or self.doors.nodes)
        self._left = node  # not there again at once
        if not node.alive:
            self.world.after(self.chance.randrange(10 * MS, 100 * MS), self._connect)
            return
        self.link = self.doors.open(self, node)
        self.since_us = self.heard_us = self.world.now_us
        self.live = False
        self.sent.clear()
        self.link.up.push(
            Connect(self.link.number, self.session, self.secret, self.timeout_ms, self.seen, RESULTS, "10.0.0.1")
        )

    def _watchdog(self) -> None:
        """Every now and then: say that we live; leave a node that says nothing."""
        self.world.after(self.timeout_ms * MS // 6, self._watchdog)
        if self.link is None:
            return
        waiting = self.pending or not self.live
        if self.live and self.world.now_us - self.heard_us > self.timeout_ms * MS * 2 // 3:
            self.drop()  # not even a sign of life: the session is not kept alive there
        elif waiting and self.world.now_us - max(self.heard_us, self.since_us) > self.patience_us:
            self.drop()
        elif self.live:
            self.link.up.push(Heard(self.link.number))

    def _proof(self) -> Operation:
        """A request of our own, outside of the history."""
        body = AddIdentity.Request(self.scheme, identity_of(self.identity)).encode()
        operation = Operation(self.id, AddIdentity.code, "", body, False, None, None, self.world.now_us)
        operation.session = self.session
        self.pending.append(operation)
        return operation

    def _send(self, operation: Operation) -> None:
        assert self.link is not None
        operation.session = self.session
        if not operation.number and OPS[operation.code].kind in (Kind.WRITE, Kind.SESSION):
            self.number += 1
            operation.number = self.number
        self.xid += 1
        self.sent.append((self.xid, operation))
        if len(self.sent) == 1:
            self.since_us = self.world.now_us
        self.link.ask(
            Ask(self.link.number, self.xid, operation.code, operation.body, operation.number, operation.linear)
        )

    # --- what arrives

    def on(self, delivery: Any) -> None:
        self.heard_us = self.world.now_us
        match delivery:
            case None:
                self.drop()
            case Welcome():
                self._welcome(delivery)
            case Answer():
                self._answer(delivery)
            case Notice():
                self._seen(delivery.zxid)
                self.on_event(delivery)
            case Refused() | Hangup():
                if self.session and delivery.error.code in ENDED:
                    self._expired()
                self.drop()

    def _seen(self, zxid: int) -> None:
        if zxid < self.seen:
            raise Violation("monotone zxid", f"client {self.id} saw {show(self.seen)}, then {show(zxid)}")
        self.seen = zxid

    def _expired(self) -> None:
        """The session has ended, says a node."""
        self.world.mark("session expired")
        self.expired.append(self.session)
        steady_us = self.world.now_us - max(self.live_us, self.calm_us)
        if self.live and steady_us > self.timeout_ms * MS and not self.closing:
            raise Violation("expiry", f"client {self.id} lives, and its session {self.session:x} was ended")
        self._lose()

    def _lose(self) -> None:
        """No answers any more; what was sent may have happened."""
        for operation in self.pending:
            operation.lost = True
            operation.session = self.session
        self._forget_session()
        self.on_lost()

    def _welcome(self, welcome: Welcome) -> None:
        if self.session and welcome.session != self.session:
            raise Violation("session", f"client {self.id} attached {self.session:x}, got {welcome.session:x}")
        if self.session:
            self.world.mark("session moved")
        else:
            self.sessions += 1
        self._seen(welcome.zxid)
        self.session, self.secret = welcome.session, welcome.secret
        self.live, self.live_us = True, self.world.now_us
        if welcome.number > self.number:
            raise Violation("running numbers", f"client {self.id} gave {self.number}, server {welcome.number}")
        self.number = welcome.number
        self.repeat.clear()
        for operation in self._orphans:
            if operation.number > welcome.number and operation.session == self.session:
                operation.number = 0
        self._orphans.clear()
        waiting = [operation for operation in self.pending if operation.code != AddIdentity.code]
        self.pending.clear()
        for operation in waiting:
            operation.session = self.session
            operation.again = operation.number != 0
            if operation.number > welcome.number:
                operation.number, operation.again = 0, False
        if self.identity:
            self._send(self._proof())
        self.pending.extend(waiting)
        for operation in waiting:
            self._send(operation)

    def _answer(self, answer: Answer) -> None:
        if not self.sent or self.sent[0][0] != answer.xid:
            raise Violation("answers in order", f"client {self.id}: {answer} but waits for {list(self.sent)[:1]}")
        _, operation = self.sent.popleft()
        self.since_us = self.world.now_us
        if operation.number and answer.error in UNUSED:
            self._refused(operation, answer.error)
            return
        if answer.error in ENDED:
            self._expired()
            self.drop()
            return
        self.pending.remove(operation)
        if not answer.error or not operation.number:
            self._seen(answer.zxid)
        if operation.code == AddIdentity.code:
            self._resend()
            return
        operation.return_us = self.world.now_us
        operation.zxid, operation.error, operation.stale = answer.zxid, answer.error, answer.stale
        if not answer.error:
            operation.result = OPS[operation.code].Result.decode(answer.body)
        self.on_answer(operation)
        if operation.code == CloseSession.code:
            self.world.mark("session closed")
            self.abandon()
            return
        self._resend()

    def _refused(self, operation: Operation, error: int) -> None:
        """It was not executed and its number is free: it goes again, in its order, once all behind it are refused."""
        self.world.mark(f"refused {ErrorCode(error).name}")
        self.repeat.append(operation)
        self._resend()

    def _resend(self) -> None:
        if self.repeat and not any(operation.number for _, operation in self.sent):
            self.drop()  # the simple way: Welcome sorts it out


def identity_of(name: str) -> str:
    """What a door makes of the credential `name:secret of name`."""
    return f"{name}:proven"
