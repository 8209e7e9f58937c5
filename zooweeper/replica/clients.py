"""The clients of this node: connections, what each has asked, and the answers (stations 1, 2 and 11 of docs/flow.md).

Rules: a request that is taken is answered once, in the order of its connection. What is refused here left no trace and
used no running number. A write stays in `waiting` until its entry is executed on this node: whoever leads, it is sent
there again, and the session's running number keeps it from taking effect twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from hmac import compare_digest
from typing import TYPE_CHECKING

from zooweeper.codec.record import Record
from zooweeper.model import limits
from zooweeper.model.acl import Id
from zooweeper.model.entry import REQUEST_SIZE, Entry, pack_request
from zooweeper.model.errors import (
    Behind,
    ConnectionLoss,
    ErrorCode,
    NoQuorum,
    NotReadOnly,
    NumberGap,
    ResultForgotten,
    SessionExpired,
    SessionMoved,
    ThrottledOp,
    Unimplemented,
    ZkError,
)
from zooweeper.ops.admit import UNSEEN_BYTES_MAX, UNSEEN_READS, UNSEEN_WRITES, admit
from zooweeper.ops.op import Kind as OpKind
from zooweeper.ops.op import View, encoded
from zooweeper.ops.session import AddIdentity, Attach, CloseSession, ExpireSession, OpenSession, Ping, Sync
from zooweeper.ops.table import OPS, PLAIN_READS
from zooweeper.replica.barriers import NO_QUORUM, Barriers
from zooweeper.replica.connection import Connection, Kind, Pending
from zooweeper.replica.events import Ask, Connect
from zooweeper.replica.execute import Executed
from zooweeper.replica.outbox import Alive, Answer, Hangup, Notice, Refused, Welcome
from zooweeper.replica.plain import read_plain
from zooweeper.replica.visitors import identify, visitor_of

if TYPE_CHECKING:
    from zooweeper.replica.replica import Replica

BEHIND = "this node has not seen yet what the client has seen elsewhere"
READ, LOCAL = OpKind.READ, OpKind.LOCAL  # to look a member up takes longer than a name
WRITING, BARRIER, DONE = Kind


class Clients:
    """All connections of this node."""

    def __init__(self, replica: Replica, origin: int) -> None:
        self._replica = replica
        self._origin = origin  # names this process in openSession and attach entries
        self._connections: dict[int, Connection] = {}
        self.attached: dict[int, Connection] = {}  # by session
        self._ticket = 0
        self.waiting: dict[int, bytes] = {}  # ticket -> packed request, in the order they were taken
        self._waiting_bytes = 0
        self.touched: dict[int, None] = {}  # sessions heard of since the last report
        self.barriers = Barriers(self._drain)
        self._unheard: dict[int, None] = {}  # connections that are to be told that they were heard
        self._more: dict[int, Connection] = {}  # whose answers are known, and too large to be given at once

    def __len__(self) -> int:
        return len(self._connections)

    def sessions(self) -> Iterable[int]:
        """The sessions attached here."""
        return self.attached.keys()

    def identities(self, connection: int) -> tuple[Id, ...]:
        """Whom the session of a connection has proved to be."""
        found = self._connections.get(connection)
        if found is None:
            return ()
        return found.visitor.identities if found.visitor is not None else self._replica.state.identities(found.session)

    def session(self, connection: int) -> int:
        """The session of a connection; 0: none."""
        found = self._connections.get(connection)
        return found.session if found is not None else 0

    # --- connections come and go

    def connect(self, event: Connect) -> None:
        """Open or attach a session for a connection: an entry, like everything about sessions."""
        visitor = event.visit or not (event.session or event.timeout_ms)
        error: ZkError | None = None
        if len(self._connections) >= limits.CONNECTIONS_MAX:
            error = ThrottledOp(f"{limits.CONNECTIONS_MAX} connections are the limit of a node")
        elif visitor and event.seen > self._replica.state.zxid:
            error = Behind(BEHIND)
        elif not visitor and not self._replica.zab.connected_quorum:
            error = NoQuorum(NO_QUORUM)
        if error is not None:
            self._replica.outbox.deliver.append(Refused(event.connection, error))
        elif visitor:
            self._visit(event)
        else:
            self._open(event)

    def _visit(self, event: Connect) -> None:
        """No session of the state, and nothing of it changes: one beside it, with the rights of the one named."""
        state, deliver = self._replica.state, self._replica.outbox.deliver
        known = state.sessions.get(event.session)
        if known is not None and not compare_digest(known.secret, event.secret):
            deliver.append(Refused(event.connection, SessionExpired()))
            return
        visitor = visitor_of(event, known)
        connection = self._connections[event.connection] = Connection(event, 0)
        connection.open, connection.visitor = True, visitor
        connection.view = View(state, visitor, self._replica.watches, connection.id)
        deliver.append(Welcome(event.connection, 0, b"", visitor.timeout_ms, 0, 0, state.zxid))

    def _open(self, event: Connect) -> None:
        bounds = self._replica.config.clients
        timeout = max(bounds.session_min_ms, min(event.timeout_ms, bounds.session_max_ms))
        results = max(0, min(event.results, limits.RESULTS_KEPT_MAX))
        if event.session:
            code, secret = Attach.code, event.secret
            body = Attach.Request(secret, timeout, results, event.address).encode()
        else:
            code, secret = OpenSession.code, self._replica.rng.randbytes(16)
            body = OpenSession.Request(secret, timeout, results, event.address).encode()
        ticket = self._submit(pack_request(event.session, self._origin, event.connection, code, body))
        self._connections[event.connection] = Connection(event, ticket)

    def disconnect(self, connection: int) -> None:
        """The connection is gone; what it had asked may still take effect."""
        found = self._connections.pop(connection, None)
        if found is not None:
            self._forget(found)

    def heard(self, connection: int) -> None:
        """Its client is alive, and wants to hear that we can tell the leader."""
        found = self._connections.get(connection)
        if found is not None and found.open:
            if found.session:
                self.touched[found.session] = None
            if self._replica.zab.serving:
                self._replica.outbox.deliver.append(Alive(connection))
            else:
                self._unheard[connection] = None

    def leader_found(self) -> None:
        """What waited for a leader goes on: the alive are told so."""
        self._replica.outbox.deliver.extend(Alive(id) for id in self._unheard if id in self._connections)
        self._unheard.clear()

    def hang_up_all(self, error: ZkError) -> None:
        for connection in list(self._connections.values()):
            self._hang_up(connection, error)

    def _hang_up(self, connection: Connection, error: ZkError) -> None:
        del self._connections[connection.id]
        self._forget(connection)
        self._replica.outbox.deliver.append(Hangup(connection.id, error))

    def _forget(self, connection: Connection) -> None:
        if self.attached.get(connection.session) is connection:
            del self.attached[connection.session]
        self._settle(connection.ticket)
        for write in connection.writes:
            self._settle(write.ticket)
        connection.writes.clear()
        connection.pending.clear()
        connection.held.clear()
        self.barriers.forget(connection)
        self._more.pop(connection.id, None)
        self._unheard.pop(connection.id, None)
        self._replica.watches.forget(connection.id)

    # --- requests

    def ask(self, id: int, asks: Iterable[Ask]) -> None:
        """Take requests of a connection, or keep them until their turn."""
        connection = self._connections.get(id)
        if connection is None:
            return  # closed while the requests were under way
        if connection.session:
            self.touched[connection.session] = None
        for ask in asks:
            if connection.open and not connection.held:
                if not self._take(connection, ask):
                    connection.held.append(ask)
            elif len(connection.held) < limits.PENDING_REQUESTS_MAX:
                connection.held.append(ask)
            else:
                self._hang_up(connection, ThrottledOp("too many requests are waiting on this connection"))
                return

    def _take(self, connection: Connection, ask: Ask) -> bool:
        """False: it must wait behind a barrier."""
        code, short = ask.code, len(ask.body) <= UNSEEN_BYTES_MAX
        try:
            if short and code in UNSEEN_WRITES:
                if connection.barriers:
                    return False
                self._write(connection, ask)
                return True
            if short and code in UNSEEN_READS and not ask.linear:
                self._read_in_turn(connection, ask, None)
                return True
            op = OPS.get(code)
            if op is None:
                raise Unimplemented(f"operation {code}")
            request = None if code == AddIdentity.code else admit(code, ask.body)  # that one a door made
            if op.kind is READ and not ask.linear:
                self._read_in_turn(connection, ask, request)
            elif op.kind is READ or code == Sync.code:
                self._barrier(connection, ask)
            elif code == Ping.code:
                self._in_turn(connection, ask, ErrorCode.OK, b"")
            elif code == AddIdentity.code and connection.visitor is not None:
                packet = AddIdentity.Request.decode(ask.body)
                identify(connection.visitor, Id(packet.scheme, packet.id))
                self._in_turn(connection, ask, ErrorCode.OK, b"")
            elif op.kind is LOCAL:
                raise Unimplemented(f"{op.name} is a door's business")
            elif connection.barriers:
                return False
            else:
                self._write(connection, ask)
        except ZkError as error:
            self._in_turn(connection, ask, error.code, b"", error.about)
        return True

    def _in_turn(self, connection: Connection, ask: Ask, error: int, body: bytes, detail: str = "") -> None:
        """The answer is known; it leaves when those before it have left."""
        pending = Pending(DONE, ask)
        pending.done(error, body, 0, detail)
        connection.pending.append(pending)
        self._drain(connection)

    def _read_in_turn(self, connection: Connection, ask: Ask, request: Record | None) -> None:
        if connection.pending:
            connection.pending.append(ask)
        else:
            self._read(connection, ask, request)

    def _barrier(self, connection: Connection, ask: Ask) -> None:
        if not self._replica.zab.connected_quorum:
            raise NoQuorum(NO_QUORUM)
        self.barriers.add(connection, ask)

    def _write(self, connection: Connection, ask: Ask) -> None:
        if not connection.session:
            raise NotReadOnly("a connection without a session only reads")
        if not self._replica.zab.connected_quorum:
            raise NoQuorum(NO_QUORUM)
        if self._waiting_bytes + len(ask.body) > limits.OUTSTANDING_BYTES_MAX:
            raise ThrottledOp("too many bytes of writes are waiting on this node")
        number = connection.expected
        if ask.number and ask.number != number:
            self._repeat(connection, ask)
            return
        connection.expected = number + 1
        request = pack_request(connection.session, connection.attach, number, ask.code, ask.body)
        pending = Pending(WRITING, ask, number, self._submit(request))
        connection.pending.append(pending)
        connection.writes.append(pending)

    def _repeat(self, connection: Connection, ask: Ask) -> None:
        """A write with a number that is not the next: executed before this attach, or out of place."""
        session = self._replica.state.sessions.get(connection.session)
        if session is None:
            raise SessionExpired
        if ask.number > connection.expected:
            raise NumberGap(f"expected number {connection.expected}, got {ask.number}")
        result = session.result(ask.number)
        if result is None or ask.code == CloseSession.code:  # had that closed it, there were no session
            raise ResultForgotten(f"number {ask.number} was executed before")
        self._in_turn(connection, ask, result[0], result[1])

    # --- what waits for its entry

    def _submit(self, request: bytes) -> int:
        self._ticket += 1
        self.waiting[self._ticket] = request
        self._waiting_bytes += len(request) - REQUEST_SIZE
        self._replica.gather(request, self._ticket)
        return self._ticket

    def _settle(self, ticket: int) -> None:
        request = self.waiting.pop(ticket, None)
        if request is not None:
            self._waiting_bytes -= len(request) - REQUEST_SIZE

    def executed(self, entry: Entry, result: Executed) -> None:
        """An entry was executed here; events are delivered already, now whoever asked is answered."""
        connection = self.attached.get(entry.session)
        if connection is not None:
            self.written(connection, entry.attach, entry.number, entry.zxid, result.error, result.body, result.detail)
        if entry.code in SESSION_HOOKS:
            SESSION_HOOKS[entry.code](self, entry, result)

    def written(
        self, connection: Connection, attach: int, number: int, zxid: int, error: int, body: bytes, detail: str = ""
    ) -> None:
        """A numbered entry of the connection's session was executed: if it asked for it, it is answered."""
        writes = connection.writes
        if connection.attach == attach and writes and writes[0].number == number:
            write, pending = writes.popleft(), connection.pending
            self._settle(write.ticket)
            if pending[0] is write and not error and write.ask.code != CloseSession.code:
                pending.popleft()
                self._replica.outbox.deliver.append(Answer(connection.id, write.ask.xid, zxid, 0, body))
                if (pending and not (writes and pending[0] is writes[0])) or (not pending and connection.held):
                    self._drain(connection)
            else:
                write.done(error, body, zxid, detail)
                if pending[0] is write:
                    self._drain(connection)

    def _opened(self, entry: Entry, result: Executed) -> None:
        """openSession or attach was executed: by whomever it was asked."""
        if not result.error and entry.session:
            self._drop_moved(entry.session)
        if entry.attach != self._origin:
            return
        connection = self._connections.get(entry.number)
        if connection is None or connection.open:
            return  # it left, or this is the same entry once more
        self._settle(connection.ticket)
        state, deliver = self._replica.state, self._replica.outbox.deliver
        place = OpenSession if entry.code == OpenSession.code else Attach
        session = None if result.error else state.sessions.get(place.Result.decode(result.body).session)
        if session is None or connection.connect.seen > state.zxid:
            del self._connections[connection.id]
            error: ZkError = SessionExpired() if session is None else Behind(BEHIND)
            if result.error == ErrorCode.THROTTLED_OP:
                error = ThrottledOp(result.detail)
            deliver.append(Refused(connection.id, error))
            return
        connection.open, connection.session, connection.attach = True, session.id, session.attach
        connection.expected = session.number + 1
        connection.view = View(state, session, self._replica.watches, connection.id)
        self.attached[session.id] = connection
        self.touched[session.id] = None
        deliver.append(
            Welcome(
                connection.id,
                session.id,
                session.secret,
                session.timeout_ms,
                session.attach,
                session.number,
                state.zxid,
            )
        )
        self._resume(connection)

    def _drop_moved(self, session: int) -> None:
        """The session is attached elsewhere now: the old connection ends."""
        connection = self.attached.get(session)
        found = self._replica.state.sessions.get(session)
        if connection is not None and (found is None or found.attach != connection.attach):
            self._hang_up(connection, SessionMoved())

    def _ended(self, entry: Entry, result: Executed) -> None:
        """closeSession or expireSession was executed."""
        if result.error:
            return  # its body may be anything
        session = entry.session or ExpireSession.Request.decode(entry.body).session
        connection = self.attached.get(session)
        if connection is not None and self._replica.state.sessions.get(session) is None:
            self._hang_up(connection, SessionExpired())

    # --- answers

    def _drain(self, connection: Connection) -> None:
        """Answer from the head of the queue as far as answers are known, and not too much at once."""
        pending, replica = connection.pending, self._replica
        room = limits.ANSWERED_BYTES_MAX
        while pending:
            if room <= 0:
                self._more[connection.id] = connection
                return
            head = pending[0]
            if isinstance(head, Ask):
                room -= self._read(connection, head)
            elif head.kind is DONE:
                zxid = head.zxid or replica.state.zxid
                answer = Answer(connection.id, head.ask.xid, zxid, head.error, head.body, False, head.detail)
                replica.outbox.deliver.append(answer)
                if head.ask.code == CloseSession.code and not head.error:
                    return  # nobody is left to ask what stands behind it; the hang-up follows
            elif head.kind is BARRIER and 0 <= head.zxid <= replica.state.zxid:
                connection.barriers -= 1
                if head.ask.code == Sync.code:
                    body = Sync.Result(Sync.Request.decode(head.ask.body).path).encode()
                    replica.outbox.deliver.append(Answer(connection.id, head.ask.xid, replica.state.zxid, 0, body))
                else:
                    room -= self._read(connection, head.ask)
            else:
                return
            pending.popleft()
        if connection.held:
            self._resume(connection)

    def _resume(self, connection: Connection) -> None:
        """Take what was held back, until something must wait again."""
        while connection.held:
            ask = connection.held.popleft()
            if not self._take(connection, ask):
                connection.held.appendleft(ask)
                return

    def _read(self, connection: Connection, ask: Ask, request: Record | None = None) -> int:
        """Answer a read from the state as it is, registering its watch in the same step; the size of the answer."""
        replica, code = self._replica, ask.code
        deliver, state, view = replica.outbox.deliver, replica.state, connection.view
        assert view is not None and view.state is state, "or the connection had been hung up"
        assert not connection.session or connection.session in state.sessions, "or it had been, too"
        stale = not replica.zab.serving
        body = read_plain(state.tree, code, ask.body) if code in PLAIN_READS else None
        if body is not None:
            deliver.append(Answer(connection.id, ask.xid, state.zxid, 0, body, stale))
            return len(body)
        op = OPS[code]
        try:
            body = encoded(op.read(op.Request.decode(ask.body) if request is None else request, view))
        except ZkError as error:
            answer = Answer(connection.id, ask.xid, state.zxid, error.code, b"", stale, error.about)
        else:
            answer = Answer(connection.id, ask.xid, state.zxid, 0, body, stale)
        if view.events:
            deliver.extend(Notice((connection.id,), state.zxid, type, path) for type, path in view.events)
            view.events.clear()
        deliver.append(answer)
        return len(answer.body)

    def go_on(self) -> None:
        """Answer those who had so much to be read that some of it was left for later."""
        if self._more:
            more, self._more = self._more, {}
            for connection in more.values():
                self._drain(connection)

    def installed(self) -> None:
        """The state was replaced by the leader's: events may be missing, so clients come again and compare."""
        self.hang_up_all(ConnectionLoss("this node took over the leader's state"))


SESSION_HOOKS = {
    OpenSession.code: Clients._opened,
    Attach.code: Clients._opened,
    CloseSession.code: Clients._ended,
    ExpireSession.code: Clients._ended,
}
