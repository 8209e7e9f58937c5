"""The Session stream: many requests in a message, many answers and events in a message, in order.

Rules: bytes are turned into events and back, nothing is decided; what one turn of the loop delivers leaves as one
message, and no request has an object of its own here. A message that makes no sense ends its stream with one Failure,
and nothing else. A stream with too much unanswered or unsent is not read on; what only the other side can drain
(events) is bounded, and the stream that exceeds it ends.
"""

from collections import deque
from collections.abc import Callable, Sequence
from functools import lru_cache
from logging import getLogger
from struct import Struct

from google.protobuf.message import DecodeError

from zooweeper.doors.identify import identify
from zooweeper.http2.connection import ENHANCE_YOUR_CALM
from zooweeper.http2.stream import Stream
from zooweeper.model.errors import AuthFailed, BadArguments, MarshallingError, TooLarge, ZkError
from zooweeper.model.limits import ASKED_BYTES_MAX, FRAME_BYTES_MAX, MIB, OUTPUT_BYTES_MAX, PENDING_REQUESTS_MAX
from zooweeper.model.varint import varint
from zooweeper.ops.session import AddIdentity, Auth, Sasl
from zooweeper.pb import client_pb2 as pb
from zooweeper.replica.events import Ask, Asks, Connect, Heard
from zooweeper.replica.outbox import Alive, Answer, Delivery, Hangup, Notice, Refused, Welcome
from zooweeper.runtime.gateway import Gateway

VERSION = 1
SECRET_BYTES_MAX = 64
MESSAGE_BYTES = 512 * 1024  # a message takes further answers until it holds as much; clients may keep gRPC's 4 MiB
PAUSE_BYTES = MIB  # with as much unsent, no more is read
SLICE = 64  # requests taken from one message before the loop may do other work
NOT_FOR_CLIENTS = 0  # the code of no operation: answered with Unimplemented, in its turn
INSIDE_ONLY = (AddIdentity.code, Sasl.code)  # the first only this door may ask for, the second no door here speaks
OWN_BUSINESS = frozenset((Auth.code, *INSIDE_ONLY))

# Tags of ServerMessage as they lie on the wire, and of an Item.
_WELCOME, _ITEM, _PONG, _FAILURE = b"\x0a", b"\x12", b"\x18\x01", b"\x22"
_XID, _ZXID, _BODY = b"\x0d", 0x11, b"\x22"
_VALUES = 15  # bytes of xid and zxid, and of the tags of all three

log = getLogger("zooweeper.grpc")


@lru_cache(maxsize=1024)
def _form(size: int) -> tuple[Struct, bytes, bytes]:
    """How all before the body of so many bytes is packed, in an answer without error; what is before the xid, and what
    is behind the zxid."""
    length = varint(size)
    begin, end = _ITEM + varint(_VALUES + len(length) + size) + _XID, _BODY + length
    return Struct(f"<{len(begin)}siBq{len(end)}s"), begin, end


def packed_answer(answer: Answer) -> bytes:
    """As a field of ServerMessage."""
    body = answer.body
    if answer.error or answer.stale:
        item = pb.Item(xid=answer.xid, zxid=answer.zxid, error=answer.error, body=body, stale=answer.stale,
                       detail=answer.detail).SerializeToString()  # fmt: skip
        return _ITEM + varint(len(item)) + item
    form, begin, end = _form(len(body))
    return form.pack(begin, answer.xid, _ZXID, answer.zxid, end) + body


class SessionStream:
    """One client's stream: the sink of a connection of the node, and a call of gRPC. Whoever drives it calls `flush`
    soon after it was woken."""

    def __init__(
        self, gateway: Gateway, stream: Stream, node: int, super_digest: str, wake: Callable[["SessionStream"], None]
    ) -> None:
        self.fresh = True  # hello is not said yet
        self._gateway = gateway
        self._stream = stream
        self._node = node
        self._super_digest = super_digest
        self._wake = wake
        self._woken = False
        self._connection = 0
        self._out: list[bytes] = []  # fields of the message that gathers
        self._out_bytes = 0
        self._asked: deque[int] = deque()  # bytes of the requests that are not answered yet
        self._asked_bytes = 0
        self._requests: Sequence[pb.Request] = ()  # of the message that is being taken
        self._taken = 0  # so many of them
        self._held = False  # no further message comes meanwhile
        self._welcomed = False
        self._closing = False  # nothing more is taken or delivered; what is queued still leaves
        self._half_closed = False  # the client says nothing more, and still wants its answers

    # --- from the brain

    def deliver(self, item: Delivery) -> None:
        if self._closing:
            return
        if type(item) is Answer:
            self._asked_bytes -= self._asked.popleft()
            self._put(packed_answer(item))
        elif isinstance(item, Notice):
            event = pb.Item(zxid=item.zxid, event=item.type, path=item.path).SerializeToString()
            self._put(_ITEM + varint(len(event)) + event)
        elif isinstance(item, Welcome):
            self._welcome(item)
        elif isinstance(item, Alive):
            self._put(_PONG)
        else:
            assert isinstance(item, Refused | Hangup)
            self._fail(item.error)

    def _welcome(self, item: Welcome) -> None:
        self._welcomed = True
        welcome = pb.Welcome(session=item.session, secret=item.secret, timeout_ms=item.timeout_ms, number=item.number,
                             zxid=item.zxid, node=self._node).SerializeToString()  # fmt: skip
        self._put(_WELCOME + varint(len(welcome)) + welcome)

    # --- to the client

    def flush(self) -> None:
        """Send what has gathered; go on with what waits."""
        self._woken = False
        self._send()
        if self._held and not self._closing and self._has_room():
            self._guarded(self._proceed)
        if self._closing or (self._half_closed and self._welcomed and not self._asked):
            self._close()
            self._stream.finish()

    def _put(self, field: bytes) -> None:
        """A field of the message that leaves when the loop's turn is over."""
        self._out.append(field)
        self._out_bytes += len(field)
        if not self._woken:
            self._wake_up()
        if self._out_bytes >= MESSAGE_BYTES:
            self._send()

    def _send(self) -> None:
        if self._out:
            message = b"".join(self._out)
            self._out.clear()
            self._out_bytes = 0
            self._stream.send(message)
            if self._stream.queued > OUTPUT_BYTES_MAX:
                log.warning("slow.dropped from=%s", self._stream.peer)
                self._stream.reset(ENHANCE_YOUR_CALM)

    def _wake_up(self) -> None:
        if not self._woken:
            self._woken = True
            self._wake(self)

    def _fail(self, error: ZkError) -> None:
        """Say why, and end the stream."""
        if not self._closing:
            failure = pb.Failure(error=error.code, detail=error.detail[:1000]).SerializeToString()
            self._put(_FAILURE + varint(len(failure)) + failure)
            self._close()

    def _close(self) -> None:
        if not self._closing:
            self._closing = True
            self.fresh = False
            self._gateway.disconnect(self._connection)
            self._wake_up()

    # --- from the client

    def message(self, data: bytes) -> None:
        """As `http2.stream.Call` has it, like the next three."""
        if not self._closing:
            self._guarded(self._read, data)

    def ended(self) -> None:
        self._half_closed = True
        if self.fresh:
            self._close()
        self._wake_up()

    def gone(self) -> None:
        self._out.clear()
        self._close()

    def drained(self) -> None:
        self._wake_up()

    def overdue(self) -> None:
        """Hello is not said in time: a stream without a session costs memory and shows nobody."""
        self._fail(BadArguments("no hello in time"))

    def _guarded(self, work: Callable[..., None], *arguments: bytes) -> None:
        """What the client got wrong ends its stream."""
        try:
            work(*arguments)
        except ZkError as error:
            self._fail(error)

    def _read(self, data: bytes) -> None:
        try:
            message = pb.ClientMessage.FromString(data)
        except DecodeError:
            raise MarshallingError("not a ClientMessage") from None
        if self.fresh:
            self._hello(message)
        elif message.HasField("hello"):
            raise BadArguments("hello is said once")
        if message.ping:
            self._gateway.step(Heard(self._connection))
        self._requests, self._taken = message.requests, 0
        if self._requests:
            self._proceed()

    def _hello(self, message: pb.ClientMessage) -> None:
        hello = message.hello
        if not message.HasField("hello"):
            raise BadArguments("the first message says hello")
        if hello.version != VERSION:
            raise BadArguments(f"protocol version {hello.version}, this node speaks {VERSION}")
        if hello.session < 0 or hello.seen < 0 or len(hello.secret) > SECRET_BYTES_MAX:
            raise BadArguments("no session is named like this")
        self._connection = self._gateway.register(self)
        self.fresh = False
        connect = Connect(self._connection, hello.session, hello.secret, hello.timeout_ms, hello.seen, hello.results,
                          self._stream.peer)  # fmt: skip
        self._gateway.step(connect)

    def _proceed(self) -> None:
        """Ask what the message asks, as long as there is room, and not too much in one turn."""
        requests, asked, first = self._requests, self._asked, self._taken
        connection = self._connection
        asks: list[Ask] = []
        last = min(len(requests), first + SLICE, first + PENDING_REQUESTS_MAX - len(asked))
        for request in requests if last - first == len(requests) else requests[first:last]:
            if self._asked_bytes >= ASKED_BYTES_MAX:
                break
            code, body = request.code, request.body
            size = len(body)
            if size > FRAME_BYTES_MAX or code in OWN_BUSINESS:
                try:
                    code, body = self._unusual(code, body)
                except ZkError:
                    self._hand_over(asks)
                    raise
            asked.append(size)
            self._asked_bytes += size
            asks.append(Ask(connection, request.xid, code, body, request.number, request.linear))
        self._taken += len(asks)
        self._hand_over(asks)
        held = self._taken < len(requests)
        if held != self._held:
            self._held = held
            self._stream.hold(held)
        if held and self._has_room():
            self._wake_up()  # what was asked so far may be answered now

    def _hand_over(self, asks: list[Ask]) -> None:
        """What was taken goes to the node."""
        if asks:
            self._gateway.step(Asks(self._connection, asks))

    def _unusual(self, code: int, body: bytes) -> tuple[int, bytes]:
        """What is this door's business, in the node's terms. TooLarge, AuthFailed, MarshallingError."""
        if len(body) > FRAME_BYTES_MAX:
            raise TooLarge(f"a request of {len(body)} bytes, {FRAME_BYTES_MAX} are allowed")
        if code == Auth.code:
            return AddIdentity.code, self._identity(body)
        return NOT_FOR_CLIENTS, body

    def _identity(self, body: bytes) -> bytes:
        """The body of addIdentity for a credential that is good. AuthFailed."""
        packet = Auth.Request.decode(body)
        try:
            identity = identify(packet.scheme or "", packet.auth or b"", self._super_digest)
        except AuthFailed:
            log.warning("auth.failed connection=%d from=%s", self._connection, self._stream.peer)
            raise
        return AddIdentity.Request(identity.scheme, identity.id).encode()

    def _has_room(self) -> bool:
        asked = len(self._asked) < PENDING_REQUESTS_MAX and self._asked_bytes < ASKED_BYTES_MAX
        return asked and self._stream.queued < PAUSE_BYTES
