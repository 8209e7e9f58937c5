"""One link to one server: the Session stream of gRPC.

Rules: the only module of the client, with aio/status.py, that knows gRPC. A link is made, sends, delivers events to
the function it was given, and is closed; after `close` it delivers nothing. Everything of one turn of the loop leaves
as one message. A channel serves one link, so that no back-off of gRPC's own stands between us and the next server.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

import grpc
import grpc.aio

from zooweeper.model.config import Address
from zooweeper.model.errors import ErrorCode
from zooweeper.model.limits import BATCH_BYTES_MAX, BATCH_REQUESTS_MAX, OUTSTANDING_BYTES_MAX
from zooweeper.pb.client_pb2 import ClientMessage, ServerMessage
from zooweeper.pb.client_pb2_grpc import ZooweeperStub
from zooweeper_client.messages import Answered, Event, Heard, Hello, LinkDown, Ping, Request, Welcomed

if TYPE_CHECKING:
    from zooweeper.pb.client_pb2_grpc import ZooweeperAsyncStub

    SessionCall = grpc.aio.StreamStreamCall[ClientMessage, ServerMessage]

VERSION = 1
MESSAGE_BYTES_MAX = OUTSTANDING_BYTES_MAX
CHANNEL_OPTIONS = (
    ("grpc.enable_http_proxy", 0),  # an ensemble is never behind the proxy that the environment names
    ("grpc.use_local_subchannel_pool", 1),  # a new link is a new connection
    ("grpc.enable_retries", 0),
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
)
LEAVE_S = 1.0  # for the server to end its side of a stream
ENDED = frozenset((grpc.StatusCode.OK, grpc.StatusCode.CANCELLED))


def open_channel(address: Address) -> grpc.aio.Channel:
    """A channel to one server. Plain text: transport security is not part of this link yet."""
    return grpc.aio.insecure_channel(str(address), options=CHANNEL_OPTIONS)


class GrpcLink:
    """A Session stream; `deliver` is called on the loop, in the order of what arrives."""

    def __init__(self, address: Address, deliver: Callable[[Event], None]) -> None:
        self._deliver = deliver
        self._waiting: list[Hello | Request | Ping] = []
        self._more = asyncio.Event()
        self._closed = False
        self._heard = False  # the server speaks to us
        self._task = asyncio.get_running_loop().create_task(self._run(address))

    def send(self, messages: Sequence[Hello | Request | Ping]) -> None:
        """Queue these, in order, behind what waits already."""
        self._waiting += messages
        self._more.set()

    def close(self) -> None:
        """Deliver nothing more, and end the stream, with the server's end of it if that comes soon: what is cancelled
        ends some time later inside of gRPC, which then complains on stderr of a loop that has been closed."""
        self._closed = True
        self._more.set()
        if self._heard:
            asyncio.get_running_loop().call_later(LEAVE_S, self._task.cancel)
        else:
            self._task.cancel()

    @property
    def closed(self) -> bool:
        """Nothing of the link is left."""
        return self._task.done()

    async def wait_closed(self) -> None:
        """After `close`: until nothing of the link is left."""
        await asyncio.wait([self._task])

    async def _run(self, address: Address) -> None:
        down = LinkDown("the server ended the stream")
        async with open_channel(address) as channel:
            stub: ZooweeperAsyncStub = ZooweeperStub(channel)
            call = cast("SessionCall", cast(Any, stub.Session)())
            writer = asyncio.get_running_loop().create_task(self._write(call))
            try:
                down = await self._read(call) or down
            except grpc.aio.AioRpcError as error:
                down = LinkDown(reason(error))
            except asyncio.InvalidStateError:  # what grpc says of a read on a call that just ended
                pass
            finally:
                call.cancel()
                if not (self._closed and self._heard):  # else its last words end with the call
                    writer.cancel()
                await asyncio.wait([writer])
        if not self._closed:
            self._deliver(down)

    async def _read(self, call: "SessionCall") -> LinkDown | None:
        while True:
            message = await call.read()
            if not isinstance(message, ServerMessage):
                code = await call.code()
                return None if code in ENDED else LinkDown(await call.details() or code.name)
            self._heard = True
            if self._closed:
                continue
            if message.HasField("welcome"):
                hello = message.welcome
                self._deliver(
                    Welcomed(hello.session, hello.secret, hello.timeout_ms, hello.number, hello.zxid, hello.node)
                )
            if message.items:
                self._deliver(Answered(message.items))
            if message.pong:
                self._deliver(Heard())
            if message.HasField("failure") and not self._closed:
                return LinkDown(message.failure.detail, message.failure.error)

    async def _write(self, call: "SessionCall") -> None:
        """Until the call ends; why it ended is for the reader to find out."""
        try:
            while True:
                await self._more.wait()
                self._more.clear()
                if self._closed:
                    await call.done_writing()
                    return
                waiting, self._waiting = self._waiting, []
                for message in packed(waiting):
                    await call.write(message)
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            return


def packed(waiting: Sequence[Hello | Request | Ping]) -> Iterator[ClientMessage]:
    """As few messages as the limits allow."""
    message, size, count = ClientMessage(), 0, 0
    for one in waiting:
        if isinstance(one, Request):
            if count and (size + len(one.body) > BATCH_BYTES_MAX or count >= BATCH_REQUESTS_MAX):
                yield message
                message, size, count = ClientMessage(), 0, 0
            message.requests.add(xid=one.xid, code=one.code, number=one.number, body=one.body, linear=one.linear)
            size += len(one.body)
            count += 1
        elif isinstance(one, Ping):
            message.ping = True
        else:
            message.hello.version = VERSION
            message.hello.session = one.session
            message.hello.secret = one.secret
            message.hello.timeout_ms = one.timeout_ms
            message.hello.seen = one.seen
            message.hello.results = one.results
    yield message


def reason(error: grpc.aio.AioRpcError) -> str:
    """One short line of gRPC's long ones."""
    details = error.details() or ""
    if error.code() is grpc.StatusCode.UNAVAILABLE and "connect" in details:
        return details.rpartition(": ")[2].lower() or "cannot connect"
    return details.partition("\n")[0][:200] or ErrorCode.CONNECTION_LOSS.name
