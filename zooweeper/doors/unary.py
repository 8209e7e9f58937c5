"""The unary calls: one request, one answer, without a session of the caller's own.

Rules: for scripts and grpcurl. Writes of a node run in one session that the node opens for itself when the first comes
and anew when it was lost, so there are no ephemerals, and identities are nobody's. Reads need no session, and so no
majority: without one they are answered, and marked stale. An error is a
gRPC status and, in the trailing metadata `zooweeper-error`, its name.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from google.protobuf.message import DecodeError, Message

from zooweeper.codec.record import Record
from zooweeper.model.acl import OPEN
from zooweeper.model.config import Config
from zooweeper.model.errors import ConnectionLoss, MarshallingError, NoNode, ThrottledOp, ZkError, error_for
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


class Caller:
    """The node's own connection, in which unary calls run, and its sink."""

    def __init__(self, gateway: Gateway, timeout_ms: int) -> None:
        """`timeout_ms` of its session; 0: it only reads, and has none."""
        self._gateway = gateway
        self._timeout_ms = timeout_ms
        self._connection = 0
        self._xid = 0
        self._waiting: dict[int, asyncio.Future[Answer]] = {}

    async def ask(self, op: type[Op], request: Record, linear: bool = False) -> tuple[Any, Answer]:
        """The operation's result, and the answer it came in. ZkError."""
        if len(self._waiting) >= PENDING_REQUESTS_MAX:
            raise ThrottledOp(f"{PENDING_REQUESTS_MAX} unary calls are waiting on this node")
        body = request.encode()
        if not self._connection:
            self._connection = self._gateway.register(self)
            self._gateway.step(Connect(self._connection, 0, b"", self._timeout_ms, 0, 0, ""))
        self._xid = self._xid % XID_MAX + 1
        xid, future = self._xid, asyncio.get_running_loop().create_future()
        self._waiting[xid] = future
        self._gateway.step(Ask(self._connection, xid, op.code, body, 0, linear))
        try:
            answer = await future
        finally:
            self._waiting.pop(xid, None)
        if answer.error:
            raise error_for(answer.error, answer.detail)
        return op.Result.decode(answer.body), answer

    def keep_alive(self) -> None:
        """Called now and then, so that the session does not expire between two calls."""
        if self._connection:
            self._gateway.step(Heard(self._connection))

    def deliver(self, item: Delivery) -> None:
        if isinstance(item, Answer):
            future = self._waiting.get(item.xid)
            if future is not None and not future.done():
                future.set_result(item)
        elif isinstance(item, Refused | Hangup):
            self._gateway.disconnect(self._connection)
            self._connection = 0
            error = item.error if isinstance(item, Refused) else ConnectionLoss(f"the session ended: {item.error}")
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(error)


class Unary:
    """The calls: each takes its protobuf request and returns its reply."""

    def __init__(self, gateway: Gateway, config: Config, version: str) -> None:
        self._gateway = gateway
        self._config = config
        self._version = version
        self.caller = Caller(gateway, SESSION_TIMEOUT_MS)
        self.reader = Caller(gateway, 0)
        self._calls: dict[str, tuple[type[Message], Callable[[Any], Awaitable[Message]]]] = {
            "Create": (pb.CreateRequest, self._create),
            "Delete": (pb.DeleteRequest, self._delete),
            "Exists": (pb.ExistsRequest, self._exists),
            "GetData": (pb.GetDataRequest, self._get_data),
            "SetData": (pb.SetDataRequest, self._set_data),
            "GetChildren": (pb.GetChildrenRequest, self._get_children),
            "Sync": (pb.SyncRequest, self._sync),
            "Status": (pb.StatusRequest, self._status),
        }

    def handlers(self) -> dict[str, Any]:
        """By method, for gRPC."""
        return {name: grpc.unary_unary_rpc_method_handler(_handler(*call)) for name, call in self._calls.items()}

    async def _create(self, request: pb.CreateRequest) -> pb.CreateReply:
        flags = SEQUENTIAL if request.sequential else PERSISTENT
        body = Create2.Request(request.path, request.data, list(OPEN), flags)
        result, _ = await self.caller.ask(Create2, body)
        return pb.CreateReply(path=result.path, stat=_stat(result.stat))

    async def _delete(self, request: pb.DeleteRequest) -> pb.DeleteReply:
        version = request.version if request.HasField("version") else ANY_VERSION
        await self.caller.ask(Delete, Delete.Request(request.path, version))
        return pb.DeleteReply()

    async def _exists(self, request: pb.ExistsRequest) -> pb.ExistsReply:
        try:
            result, _ = await self.reader.ask(Exists, Exists.Request(request.path, False), request.linear)
        except NoNode:
            return pb.ExistsReply(exists=False)
        return pb.ExistsReply(exists=True, stat=_stat(result.stat))

    async def _get_data(self, request: pb.GetDataRequest) -> pb.GetDataReply:
        result, answer = await self.reader.ask(GetData, GetData.Request(request.path, False), request.linear)
        return pb.GetDataReply(data=result.data or b"", stat=_stat(result.stat), stale=answer.stale)

    async def _set_data(self, request: pb.SetDataRequest) -> pb.SetDataReply:
        version = request.version if request.HasField("version") else ANY_VERSION
        result, _ = await self.caller.ask(SetData, SetData.Request(request.path, request.data, version))
        return pb.SetDataReply(stat=_stat(result.stat))

    async def _get_children(self, request: pb.GetChildrenRequest) -> pb.GetChildrenReply:
        body = GetChildren2.Request(request.path, False)
        result, answer = await self.reader.ask(GetChildren2, body, request.linear)
        return pb.GetChildrenReply(children=sorted(result.children), stat=_stat(result.stat), stale=answer.stale)

    async def _sync(self, request: pb.SyncRequest) -> pb.SyncReply:
        _, answer = await self.reader.ask(Sync, Sync.Request(request.path))
        return pb.SyncReply(zxid=answer.zxid)

    async def _status(self, request: pb.StatusRequest) -> pb.StatusReply:
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
        )


def _handler(request_class: type[Message], call: Callable[[Any], Awaitable[Message]]) -> Any:
    """One call as gRPC wants it: bytes to bytes, errors as its statuses."""

    async def handle(data: bytes, context: Any) -> bytes:
        try:
            try:
                request = request_class.FromString(data)
            except DecodeError:
                raise MarshallingError(f"not a {request_class.__name__}") from None
            return (await call(request)).SerializeToString()
        except ZkError as error:
            code = STATUS_CODES.get(error.name, grpc.StatusCode.INTERNAL)
            await context.abort(code, str(error), (("zooweeper-error", error.name),))
            raise  # abort has raised already

    return handle


def _stat(stat: Stat) -> pb.Stat:
    return pb.Stat(**stat._asdict())
