"""The unary calls: one request, one answer, without a session of the caller's own.

Rules: for scripts and grpcurl. Writes of a node run in one session that the node opens for itself when the first comes
and anew when it was lost, so there are no ephemerals, and identities are nobody's. Reads need no session, and so no
majority: without one they are answered, and marked stale. An error is a gRPC status and, in the trailing metadata
`zooweeper-error`, its name. A call is a row of `METHODS`.
"""

import os
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import grpc
from google.protobuf.message import DecodeError, Message

from zooweeper.codec.record import Record
from zooweeper.http2.stream import Stream
from zooweeper.model.acl import OPEN
from zooweeper.model.config import Config
from zooweeper.model.errors import (
    BadArguments,
    ConnectionLoss,
    MarshallingError,
    NoQuorum,
    ThrottledOp,
    ZkError,
    error_for,
)
from zooweeper.model.limits import PENDING_REQUESTS_MAX
from zooweeper.model.stat import Stat
from zooweeper.ops.create import PERSISTENT, SEQUENTIAL, Create2
from zooweeper.ops.data import GetData, SetData
from zooweeper.ops.delete import Delete
from zooweeper.ops.op import Op
from zooweeper.ops.read import Exists, GetChildren2
from zooweeper.ops.session import Sync
from zooweeper.pb import client_pb2 as pb
from zooweeper.replica.events import Ask, Connect, Heard
from zooweeper.replica.outbox import Answer, Delivery, Hangup, Refused
from zooweeper.runtime.gateway import Gateway

SESSION_TIMEOUT_MS = 30_000
XID_MAX = (1 << 31) - 1
ANY_VERSION = -1

STATUS_CODES = {
    "NoNode": grpc.StatusCode.NOT_FOUND,
    "NodeExists": grpc.StatusCode.ALREADY_EXISTS,
    "BadVersion": grpc.StatusCode.FAILED_PRECONDITION,
    "NotEmpty": grpc.StatusCode.FAILED_PRECONDITION,
    "NoChildrenForEphemerals": grpc.StatusCode.FAILED_PRECONDITION,
    "NoAuth": grpc.StatusCode.PERMISSION_DENIED,
    "AuthFailed": grpc.StatusCode.UNAUTHENTICATED,
    "BadArguments": grpc.StatusCode.INVALID_ARGUMENT,
    "MarshallingError": grpc.StatusCode.INVALID_ARGUMENT,
    "InvalidAcl": grpc.StatusCode.INVALID_ARGUMENT,
    "TooLarge": grpc.StatusCode.INVALID_ARGUMENT,
    "Unimplemented": grpc.StatusCode.UNIMPLEMENTED,
    "ThrottledOp": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "QuotaExceeded": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "NoQuorum": grpc.StatusCode.UNAVAILABLE,
    "ConnectionLoss": grpc.StatusCode.UNAVAILABLE,
    "SessionExpired": grpc.StatusCode.UNAVAILABLE,
    "SessionMoved": grpc.StatusCode.UNAVAILABLE,
    "NotConnected": grpc.StatusCode.UNAVAILABLE,
    "Behind": grpc.StatusCode.UNAVAILABLE,
    "OperationTimeout": grpc.StatusCode.DEADLINE_EXCEEDED,
}


class Asked(NamedTuple):
    """A call as the node is asked it."""

    op: type[Op]
    request: Record
    linear: bool = False


class Method(NamedTuple):
    """A call: the class of its request, what it asks, and the reply to the operation's result."""

    request: type[Message]
    ask: Callable[[Any], Asked]
    reply: Callable[[Any, Answer], Message]
    writes: bool = False
    no_node: Message | None = None  # the reply instead of that error


def _version(request: Any) -> int:
    return int(request.version) if request.HasField("version") else ANY_VERSION


def _create(request: pb.CreateRequest) -> Asked:
    flags = SEQUENTIAL if request.sequential else PERSISTENT
    return Asked(Create2, Create2.Request(request.path, request.data, list(OPEN), flags))


def _stat(stat: Stat) -> pb.Stat:
    return pb.Stat(**stat._asdict())


METHODS = {
    "Create": Method(
        pb.CreateRequest, _create, lambda result, _: pb.CreateReply(path=result.path, stat=_stat(result.stat)), True
    ),
    "Delete": Method(
        pb.DeleteRequest,
        lambda request: Asked(Delete, Delete.Request(request.path, _version(request))),
        lambda result, _: pb.DeleteReply(),
        True,
    ),
    "Exists": Method(
        pb.ExistsRequest,
        lambda request: Asked(Exists, Exists.Request(request.path, False), request.linear),
        lambda result, _: pb.ExistsReply(exists=True, stat=_stat(result.stat)),
        no_node=pb.ExistsReply(exists=False),
    ),
    "GetData": Method(
        pb.GetDataRequest,
        lambda request: Asked(GetData, GetData.Request(request.path, False), request.linear),
        lambda result, answer: pb.GetDataReply(data=result.data or b"", stat=_stat(result.stat), stale=answer.stale),
    ),
    "SetData": Method(
        pb.SetDataRequest,
        lambda request: Asked(SetData, SetData.Request(request.path, request.data, _version(request))),
        lambda result, _: pb.SetDataReply(stat=_stat(result.stat)),
        True,
    ),
    "GetChildren": Method(
        pb.GetChildrenRequest,
        lambda request: Asked(GetChildren2, GetChildren2.Request(request.path, False), request.linear),
        lambda result, answer: pb.GetChildrenReply(
            children=sorted(result.children), stat=_stat(result.stat), stale=answer.stale
        ),
    ),
    "Sync": Method(
        pb.SyncRequest,
        lambda request: Asked(Sync, Sync.Request(request.path)),
        lambda result, answer: pb.SyncReply(zxid=answer.zxid),
    ),
}


class Caller:
    """The node's own connection, in which unary calls run, and its sink."""

    def __init__(self, gateway: Gateway, timeout_ms: int) -> None:
        """`timeout_ms` of its session; 0: it only reads, and has none."""
        self._gateway = gateway
        self._timeout_ms = timeout_ms
        self._connection = 0
        self._xid = 0
        self._waiting: dict[int, UnaryCall] = {}

    def ask(self, call: "UnaryCall", asked: Asked) -> int:
        """Ask for a call, which is told the answer; the number to forget it by. ThrottledOp, NoQuorum."""
        if self._timeout_ms and not self._gateway.status().quorum:
            # The replica's own word would wait behind a write that was taken a moment before.
            raise NoQuorum("no majority of the ensemble is connected to this node")
        if len(self._waiting) >= PENDING_REQUESTS_MAX:
            raise ThrottledOp(f"{PENDING_REQUESTS_MAX} unary calls are waiting on this node")
        body = asked.request.encode()
        if not self._connection:
            self._connection = self._gateway.register(self)
            self._gateway.step(Connect(self._connection, 0, b"", self._timeout_ms, 0, 0, ""))
        self._xid = self._xid % XID_MAX + 1
        self._waiting[self._xid] = call
        self._gateway.step(Ask(self._connection, self._xid, asked.op.code, body, 0, asked.linear))
        return self._xid

    def forget(self, xid: int) -> None:
        """Nobody wants the answer any more."""
        self._waiting.pop(xid, None)

    def keep_alive(self) -> None:
        """Called now and then, so that the session does not expire between two calls."""
        if self._connection:
            self._gateway.step(Heard(self._connection))

    def deliver(self, item: Delivery) -> None:
        if isinstance(item, Answer):
            call = self._waiting.pop(item.xid, None)
            if call is not None:
                call.answered(item)
        elif isinstance(item, Refused | Hangup):
            self._gateway.disconnect(self._connection)
            self._connection = 0
            error = item.error if isinstance(item, Refused) else ConnectionLoss(f"the session ended: {item.error}")
            waiting, self._waiting = self._waiting, {}
            for call in waiting.values():
                call.refuse(error)


class UnaryCall:
    """One call, as `http2.stream.Call`."""

    __slots__ = ("_asked", "_caller", "_method", "_stream", "_xid")

    def __init__(self, method: Method, caller: Caller, stream: Stream) -> None:
        self._method = method
        self._caller = caller
        self._stream = stream
        self._asked: Asked | None = None
        self._xid = 0

    def message(self, data: bytes) -> None:
        try:
            if self._asked is not None:
                raise BadArguments("a second request")
            self._asked = self._method.ask(parse(self._method.request, data))
            self._xid = self._caller.ask(self, self._asked)
        except ZkError as error:
            self.refuse(error)

    def ended(self) -> None:
        if self._asked is None:
            self.refuse(BadArguments("no request"))

    def gone(self) -> None:
        self._caller.forget(self._xid)

    def drained(self) -> None:
        """There is one reply."""

    def answered(self, answer: Answer) -> None:
        """The node's."""
        assert self._asked is not None
        if not answer.error:
            reply = self._method.reply(self._asked.op.Result.decode(answer.body), answer)
        else:
            error = error_for(answer.error, answer.detail)
            if self._method.no_node is None or error.name != "NoNode":
                self.refuse(error)
                return
            reply = self._method.no_node
        self._stream.send(reply.SerializeToString())
        self._stream.finish()

    def refuse(self, error: ZkError) -> None:
        """The call ends with an error."""
        self._caller.forget(self._xid)
        refuse(self._stream, error)


class StatusCall:
    """Status, which the node answers at once."""

    def __init__(self, answer: Callable[[], pb.StatusReply], stream: Stream) -> None:
        self._answer = answer
        self._stream = stream

    def message(self, data: bytes) -> None:
        try:
            parse(pb.StatusRequest, data)
        except MarshallingError as error:
            refuse(self._stream, error)
            return
        self._stream.send(self._answer().SerializeToString())
        self._stream.finish()

    def ended(self) -> None:
        refuse(self._stream, BadArguments("no request"))

    gone = drained = lambda self: None


class Unary:
    """The calls of one node."""

    def __init__(self, gateway: Gateway, config: Config, version: str) -> None:
        self._gateway = gateway
        self._config = config
        self._version = version
        self.caller = Caller(gateway, SESSION_TIMEOUT_MS)
        self.reader = Caller(gateway, 0)

    def calls(self) -> dict[str, Callable[[Stream], UnaryCall | StatusCall]]:
        """By method: what makes the call of a stream."""
        made: dict[str, Callable[[Stream], UnaryCall | StatusCall]] = {
            name: partial(UnaryCall, method, self.caller if method.writes else self.reader)
            for name, method in METHODS.items()
        }
        made["Status"] = partial(StatusCall, self.status)
        return made

    def status(self) -> pb.StatusReply:
        """What the node says of itself."""
        status, me = self._gateway.status(), self._config.me
        admin = {member.id: str(member.admin) for member in self._config.members}  # the log does not know them
        return pb.StatusReply(
            id=status.id,
            role=status.role,
            phase=status.phase,
            leader=status.leader,
            epoch=status.epoch,
            zxid=status.zxid,
            applied=status.applied,
            quorum=status.quorum,
            digest=status.digest,
            sessions=status.sessions,
            connections=status.connections,
            watches=status.watches,
            znodes=status.znodes,
            grpc=str(me.grpc),
            wire=str(me.wire),
            admin=str(me.admin),
            pid=os.getpid(),
            cluster=self._config.cluster,
            version=self._version,
            members=[
                pb.Member(
                    id=one.id,
                    grpc=str(one.grpc),
                    wire=str(one.wire or ""),
                    admin=admin.get(one.id, ""),
                    observer=one.observer,
                    peer=str(one.peer),
                )
                for one in status.members.servers
            ],
            config_version=status.members.version,
            carrier=self._gateway.carrier(),
        )


def parse(cls: type[Message], data: bytes) -> Any:
    """A request. MarshallingError."""
    try:
        return cls.FromString(data)
    except DecodeError:
        raise MarshallingError(f"not a {cls.__name__}") from None


def refuse(stream: Stream, error: ZkError) -> None:
    """End a call with an error."""
    code = STATUS_CODES.get(error.name, grpc.StatusCode.INTERNAL)
    stream.finish(code.value[0], str(error), [(b"zooweeper-error", error.name.encode())])
