"""The Session stream: many requests in a message, many answers and events in a message, in order.

Rules: bytes are turned into events and back, nothing is decided. A message that makes no sense ends its stream with one
Failure, and nothing else. A stream with too much unanswered or unsent is not read on; what only the other side can
drain (events) is bounded, and the stream that exceeds it ends.
"""

import asyncio
from collections import deque
from logging import getLogger
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from zooweeper.doors.identify import identify
from zooweeper.model.errors import (
    AuthFailed,
    BadArguments,
    MarshallingError,
    ThrottledOp,
    TooLarge,
    ZkError,
)
from zooweeper.model.limits import ASKED_BYTES_MAX, FRAME_BYTES_MAX, MIB, OUTPUT_BYTES_MAX, PENDING_REQUESTS_MAX
from zooweeper.ops.session import AddIdentity, Auth, Sasl
from zooweeper.pb import client_pb2 as pb
from zooweeper.replica.events import Ask, Connect, Heard
from zooweeper.replica.outbox import Alive, Answer, Delivery, Hangup, Notice, Refused, Welcome
from zooweeper.runtime.gateway import Gateway

VERSION = 1
HELLO_MS = 10_000  # to say hello in; a connection without a session costs memory and shows nobody
SECRET_BYTES_MAX = 64
MESSAGE_BYTES = 512 * 1024  # a message takes further answers until it holds as much; clients may keep gRPC's 4 MiB
PAUSE_BYTES = MIB  # with as much unsent, no more is read
SLICE = 64  # requests taken from one message before the loop may do other work
ITEM_OVERHEAD_BYTES = 48
NOT_FOR_CLIENTS = 0  # the code of no operation: answered with Unimplemented, in its turn
INSIDE_ONLY = (AddIdentity.code, Sasl.code)  # the first only this door may ask for, the second no door here speaks

log = getLogger("zooweeper.grpc")


class SessionStream:
    """One client's stream: the sink of a connection, the task that reads and the one that writes."""

    def __init__(self, gateway: Gateway, context: Any, node: int, super_digest: str) -> None:
        self._gateway = gateway
        self._context = context
        self._node = node
        self._super_digest = super_digest
        self._connection = 0
        self._out: deque[tuple[pb.ServerMessage, int]] = deque()
        self._open = pb.ServerMessage()  # the message that gathers
        self._open_bytes = 0
        self._queued_bytes = 0
        self._asked: deque[int] = deque()  # bytes of the requests that are not answered yet
        self._asked_bytes = 0
        self._welcomed = False
        self._closing = False  # nothing more is taken or delivered; what is queued still leaves
        self._half_closed = False  # the client says nothing more, and still wants its answers
        self._wake: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None

    async def run(self) -> None:
        """The whole life of the stream."""
        reader = asyncio.create_task(self._read_all())
        try:
            await self._write_all()
        finally:
            self._end()
            reader.cancel()
            await asyncio.wait((reader,))
            if not reader.cancelled() and (error := reader.exception()) is not None:
                raise error

    # --- from the brain

    def deliver(self, item: Delivery) -> None:
        if self._closing:
            return
        kind = type(item)
        if kind is Answer:
            self._answer(item)  # type: ignore[arg-type]
        elif isinstance(item, Notice):
            self._gather(len(item.path)).items.add(zxid=item.zxid, event=item.type, path=item.path)
            if self._queued_bytes > OUTPUT_BYTES_MAX:
                self._fail(ThrottledOp("the connection does not take its events"))
        elif isinstance(item, Welcome):
            self._welcome(item)
        elif isinstance(item, Alive):
            self._gather(0).pong = True
        else:
            assert isinstance(item, Refused | Hangup)
            self._fail(item.error)

    def _answer(self, item: Answer) -> None:
        self._asked_bytes -= self._asked.popleft()
        items = self._gather(len(item.body)).items
        if item.error or item.stale:
            items.add(xid=item.xid, zxid=item.zxid, error=item.error, body=item.body, stale=item.stale,
                      detail=item.detail)  # fmt: skip
        else:
            items.add(xid=item.xid, zxid=item.zxid, body=item.body)
        if self._queued_bytes > OUTPUT_BYTES_MAX:
            self._fail(ThrottledOp("the connection does not take its answers"))

    def _welcome(self, item: Welcome) -> None:
        self._welcomed = True
        welcome = self._gather(len(item.secret)).welcome
        welcome.session = item.session
        welcome.secret = item.secret
        welcome.timeout_ms = item.timeout_ms
        welcome.number = item.number
        welcome.zxid = item.zxid
        welcome.node = self._node

    # --- to the client

    def _gather(self, size: int) -> pb.ServerMessage:
        """The message to put something of this size into; it leaves when the loop's turn is over."""
        if self._open_bytes >= MESSAGE_BYTES:
            self._out.append((self._open, self._open_bytes))
            self._open, self._open_bytes = pb.ServerMessage(), 0
        size += ITEM_OVERHEAD_BYTES
        self._open_bytes += size
        self._queued_bytes += size
        self._wake_writer()
        return self._open

    def _fail(self, error: ZkError) -> None:
        """Say why, and end the stream."""
        if not self._closing:
            if self._open_bytes:  # nothing may stand behind the failure
                self._out.append((self._open, self._open_bytes))
                self._open, self._open_bytes = pb.ServerMessage(), 0
            failure = self._gather(len(error.detail)).failure
            failure.error = error.code
            failure.detail = error.detail[:1000]
            self._end()

    def _end(self) -> None:
        self._closing = True
        self._gateway.disconnect(self._connection)
        self._wake_writer()
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

    def _wake_writer(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def _write_all(self) -> None:
        """Write until the stream is to end and everything queued has left."""
        loop = asyncio.get_running_loop()
        while True:
            if self._out:
                message, size = self._out.popleft()
            elif self._open_bytes:
                message, size = self._open, self._open_bytes
                self._open, self._open_bytes = pb.ServerMessage(), 0
            elif self._closing or (self._half_closed and self._welcomed and not self._asked):
                return
            else:
                self._wake = loop.create_future()
                await self._wake
                continue
            await self._context.write(message.SerializeToString())
            self._queued_bytes -= size
            if self._room is not None and not self._room.done() and self._has_room():
                self._room.set_result(None)

    # --- from the client

    async def _read_all(self) -> None:
        try:
            await self._read_hello()
            while not self._closing:
                message = await self._message()
                if message is None:
                    return
                if message.HasField("hello"):
                    raise BadArguments("hello is said once")
                await self._take(message)
        except ZkError as error:
            self._fail(error)
        finally:
            if not self._half_closed:
                self._end()

    async def _message(self) -> pb.ClientMessage | None:
        """The next message; None at the end."""
        data = await self._context.read()
        if data is grpc.aio.EOF:
            self._half_closed = True
            self._wake_writer()
            return None
        try:
            return pb.ClientMessage.FromString(data)
        except DecodeError:
            raise MarshallingError("not a ClientMessage") from None

    async def _read_hello(self) -> None:
        try:
            async with asyncio.timeout(HELLO_MS / 1000):
                message = await self._message()
        except TimeoutError:
            raise BadArguments("no hello in time") from None
        if message is None:
            self._end()
            return
        hello = message.hello
        if not message.HasField("hello"):
            raise BadArguments("the first message says hello")
        if hello.version != VERSION:
            raise BadArguments(f"protocol version {hello.version}, this node speaks {VERSION}")
        if hello.session < 0 or hello.seen < 0 or len(hello.secret) > SECRET_BYTES_MAX:
            raise BadArguments("no session is named like this")
        self._connection = self._gateway.register(self)
        connect = Connect(self._connection, hello.session, hello.secret, hello.timeout_ms, hello.seen, hello.results,
                          _host(self._context.peer()))  # fmt: skip
        self._gateway.step(connect)
        await self._take(message)

    async def _take(self, message: pb.ClientMessage) -> None:
        """Ask what a message asks."""
        if message.ping:
            self._gateway.step(Heard(self._connection))
        step, connection = self._gateway.step, self._connection
        for place, request in enumerate(message.requests):
            if (place and place % SLICE == 0) or not self._has_room():
                await self._wait_for_room()
                if self._closing:
                    return
            code, body = request.code, request.body
            if len(body) > FRAME_BYTES_MAX:
                raise TooLarge(f"a request of {len(body)} bytes, {FRAME_BYTES_MAX} are allowed")
            if code == Auth.code:
                code, body = AddIdentity.code, self._identity(body)
            elif code in INSIDE_ONLY:
                code = NOT_FOR_CLIENTS
            self._asked.append(len(body))
            self._asked_bytes += len(body)
            step(Ask(connection, request.xid, code, body, request.number, request.linear))

    def _identity(self, body: bytes) -> bytes:
        """The body of addIdentity for a credential that is good. AuthFailed."""
        packet = Auth.Request.decode(body)
        try:
            identity = identify(packet.scheme or "", packet.auth or b"", self._super_digest)
        except AuthFailed:
            log.warning("auth.failed connection=%d from=%s", self._connection, _host(self._context.peer()))
            raise
        return AddIdentity.Request(identity.scheme, identity.id).encode()

    def _has_room(self) -> bool:
        asked = len(self._asked) < PENDING_REQUESTS_MAX and self._asked_bytes < ASKED_BYTES_MAX
        return asked and self._queued_bytes < PAUSE_BYTES

    async def _wait_for_room(self) -> None:
        await asyncio.sleep(0)  # what was asked so far may be answered now
        while not self._closing and not self._has_room():
            self._room = asyncio.get_running_loop().create_future()
            await self._room
        self._room = None


def _host(peer: str) -> str:
    """The address in gRPC's name of a peer, `ipv4:127.0.0.1:4711` or `ipv6:%5B::1%5D:4711`; empty when it has none."""
    kind, _, rest = peer.partition(":")
    if kind not in ("ipv4", "ipv6"):
        return ""
    return rest.rpartition(":")[0].replace("%5B", "").replace("%5D", "").strip("[]")
