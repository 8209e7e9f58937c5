"""The life of a session: open, attach, identify, close; and the requests about the connection itself.

Rules: bodies of openSession and attach are made by the node that took the connection: it draws the secret, negotiates
the timeout, knows the address. openSession, attach and expireSession take no running number: the entry's `attach` and
`number` say which process asked, and for which of its connections, so that the same request ordered twice counts
once.
"""

from zooweeper.codec.record import Buffer, Int, Long, Record, Secret, Str
from zooweeper.model.acl import Id
from zooweeper.model.entry import Entry
from zooweeper.model.errors import BadVersion, SessionExpired, UnknownSession
from zooweeper.model.session import Session
from zooweeper.ops.op import Kind, Nothing, Op, State
from zooweeper.ops.read import PathRequest


class PlaceRequest(Record):
    secret: Secret
    timeout_ms: Int
    results: Int  # to keep for retries
    address: Str  # the client's; empty: unknown


class OpenSession(Op, code=-10, name="openSession", kind=Kind.SESSION, client=False, numbered=False):
    """A new session; its id is the entry's zxid."""

    Request = PlaceRequest

    class Result(Record):
        session: Long
        attach: Long

    @staticmethod
    def execute(request: PlaceRequest, state: State, entry: Entry) -> "OpenSession.Result":
        session = state.sessions.open(
            entry, request.secret or b"", request.timeout_ms, request.results, request.address or ""
        )
        return OpenSession.Result(session.id, session.attach)


class Attach(Op, code=-14, name="attach", kind=Kind.SESSION, client=False, numbered=False):
    """The session goes on, on another connection; requests sent on the former one are refused from here on."""

    Request = PlaceRequest

    class Result(Record):
        session: Long
        attach: Long
        number: Long  # the last that was executed
        timeout_ms: Int

    @staticmethod
    def execute(request: PlaceRequest, state: State, entry: Entry) -> "Attach.Result":
        session = state.sessions.attach(
            entry, request.secret or b"", request.timeout_ms, request.results, request.address or ""
        )
        return Attach.Result(session.id, session.attach, session.number, session.timeout_ms)


class AddIdentity(Op, code=-13, name="addIdentity", kind=Kind.SESSION, client=False):
    """The session has proved to be somebody; the door has verified it, and no credential comes this far."""

    class Request(Record):
        scheme: Str
        id: Str

    Result = Nothing

    @staticmethod
    def execute(request: Request, state: State, entry: Entry) -> Nothing:
        session = state.sessions.get(entry.session)
        assert session is not None, "expect has found it"
        state.sessions.identify(session, Id(request.scheme, request.id))
        return Nothing()


def _end(session: Session, state: State, entry: Entry) -> None:
    """The session ends, and its ephemerals with it."""
    for path in state.tree.owned(session.id):
        state.tree.delete(path, entry.zxid)
    state.sessions.close(session)


class CloseSession(Op, code=-11, name="closeSession", kind=Kind.SESSION):
    """The client's own end of the session."""

    Request = Nothing
    Result = Nothing

    @staticmethod
    def execute(request: Nothing, state: State, entry: Entry) -> Nothing:
        session = state.sessions.get(entry.session)
        if session is None:
            raise SessionExpired
        _end(session, state, entry)
        return Nothing()


class ExpireSession(Op, code=-12, name="expireSession", kind=Kind.SESSION, client=False, numbered=False):
    """The leader's proposal to end a session it has not heard of; void if the session has attached anew since."""

    class Request(Record):
        session: Long
        attach: Long

    Result = Nothing

    @staticmethod
    def execute(request: Request, state: State, entry: Entry) -> Nothing:
        session = state.sessions.get(request.session)
        if session is None:
            raise UnknownSession
        if session.attach != request.attach:
            raise BadVersion("the session has attached anew")
        _end(session, state, entry)
        return Nothing()


# --- answered without execution


class Sync(Op, code=9, name="sync", kind=Kind.LOCAL):
    """All that was committed anywhere when this was asked is visible to the session's next read."""

    Request = PathRequest
    Result = PathRequest


class Ping(Op, code=11, name="ping", kind=Kind.LOCAL):
    """The client is alive, and so is the node."""

    Request = Nothing
    Result = Nothing


class Auth(Op, code=100, name="auth", kind=Kind.LOCAL):
    """A credential; the door verifies it and asks for addIdentity."""

    class Request(Record):
        type: Int  # unused
        scheme: Str
        auth: Secret

    Result = Nothing


class Sasl(Op, code=102, name="sasl", kind=Kind.LOCAL):
    """A step of a SASL exchange."""

    class Request(Record):
        token: Secret

    class Result(Record):
        token: Buffer
