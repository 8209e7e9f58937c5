"""One ZooKeeper client's connection, without the network: bytes become events for the node, deliveries become bytes.

Rules: no socket, no clock, no loop; whoever drives it hands over bytes and the time, and takes bytes away. Frames are
taken in their order and answered in their order; pings, refused credentials and events stand outside of it, as they do
in ZooKeeper. While the handshake is under way, and while too much is unanswered or unsent, frames wait unparsed and
nothing more is read. What makes no sense ends the connection, never the node.
"""

import struct
from collections import deque
from collections.abc import Callable
from enum import Enum
from logging import getLogger
from struct import Struct

from zooweeper.doors.figures import ConnectionRow, Tally
from zooweeper.doors.identify import identify
from zooweeper.doors.sasl import SaslServer
from zooweeper.doors.zkerrors import CLOSE, ON_WIRE
from zooweeper.doors.zkhello import ConnectRequest, ConnectResponse
from zooweeper.doors.zkport import SLICE, Port
from zooweeper.doors.zkreads import REPLY, REPLY_BYTES, answer
from zooweeper.model.acl import Id
from zooweeper.model.errors import AuthFailed, ErrorCode, MarshallingError, SessionExpired, ThrottledOp
from zooweeper.model.limits import ASKED_BYTES_MAX, FRAME_BYTES_MAX, PENDING_REQUESTS_MAX
from zooweeper.ops.op import Kind
from zooweeper.ops.session import AddIdentity, Auth, CloseSession, OpenSession, Ping, Sasl, Sync
from zooweeper.ops.table import OPS
from zooweeper.replica.events import Ask, Asks, Connect, Heard
from zooweeper.replica.outbox import Alive, Answer, Delivery, Hangup, Notice, Refused, Welcome

SECRET_BYTES = 16
NO_SECRET = bytes(SECRET_BYTES)
NO_TOKEN = Sasl.Result(None).encode()  # with an error, too: Java's client reads one before it looks at the error
OWN_CODES = 200  # from here on opcodes are our own, for the gRPC door
NOT_FOR_CLIENTS = 0  # the code of no operation: answered with Unimplemented, in its turn
HIDDEN = -1  # asked by this door itself: its answer does not leave
PING_XID, EVENT_XID, OWN_XID = -2, -1, 0
VISIT = 0x7E  # top byte of the session ids that a read-only node makes up; no replicated session gets so far
CONNECTED = 3  # the state in every event a server sends
WORD_MIN = 0x60000000  # four letters, read as a length, are above it

PLAIN = frozenset(
    op.code for op in OPS.values() if op.client and op.code < OWN_CODES and (op.kind is not Kind.LOCAL or op is Sync)
)
"""What is passed on as it is."""

_INT = Struct("!i")
_REQUEST = Struct("!ii")  # xid, opcode
_EVENT = Struct("!iiqiiii")  # a reply without error; type, state, length of the path

log = getLogger("zooweeper.wire")


class State(Enum):
    """Where a connection is in its life."""

    FRESH = "fresh"  # its first frame, or a word, is still to come
    CONNECTING = "connecting"  # the node was asked for a session
    OPEN = "open"
    ENDED = "ended"  # what was to be written still leaves, nothing more is taken


OPEN, ENDED = State.OPEN, State.ENDED  # to look a member up takes longer than a name


class WireConnection:
    """A sink of the gateway, driven with `received`, `proceed` and `take`; `wake` is called whenever there is something
    to take, or to go on with."""

    __slots__ = (
        "_asked",
        "_asked_bytes",
        "_asks",
        "_certified",
        "_deaf",
        "_established_ms",
        "_flagged",
        "_gateway",
        "_id",
        "_input",
        "_last_op",
        "_last_xid",
        "_need",
        "_out",
        "_peer",
        "_port",
        "_responded_ms",
        "_sasl",
        "_secret",
        "_session",
        "_size",
        "_timeout_ms",
        "_tokens",
        "_wake",
        "_zxid",
        "congested",
        "heard_ms",
        "state",
        "tally",
        "visiting",
    )

    def __init__(
        self, port: Port, peer: tuple[str, int], now_ms: int, wake: Callable[[], None], certified: Id | None = None
    ) -> None:
        """`now_ms`, here and below: the time of day. `certified`: whom a certificate of the client names."""
        self.state = State.FRESH
        self.visiting = False  # served without a quorum, what it may read
        self.congested = False  # set by the driver: the client does not take what was written
        self.heard_ms = now_ms
        self._port = port
        self._gateway = port.gateway
        self._peer = peer
        self._wake = wake
        self._certified = certified
        self._id = 0  # of the gateway
        self._flagged = False  # the client sent the flag of the handshake
        self._input: list[bytes] = []  # what is not taken yet, as it came
        self._size = 0  # of all of it
        self._asks: list[Ask] = []  # taken, and to be handed to the node together
        self._need = 4  # with as many bytes it can go on
        self._asked: deque[tuple[int, int, int, int]] = deque()  # xid, code, time, bytes; not answered yet
        self._asked_bytes = 0
        self.tally = Tally(port.traffic)
        self._out: list[bytes] = []
        self._deaf = False  # the answer to a request that ends the connection is under way
        self._sasl: SaslServer | None = None  # the exchange under way
        self._tokens: deque[bytes] | None = None  # of SASL, for answers that wait for their turn
        self._session = 0
        self._secret = b""  # until the session is there
        self._timeout_ms = 0
        self._zxid = 0  # as last told to the client
        self._last_op, self._last_xid = OpenSession.code, 0
        self._established_ms = self._responded_ms = now_ms

    # --- for the driver

    @property
    def ended(self) -> bool:
        return self.state is ENDED

    @property
    def hungry(self) -> bool:
        """Whether more should be read."""
        return self._size < self._need and self._open()

    def at_once(self, data: bytes, now_ms: int) -> bytes | None:
        """The answers to what came, if it is plain reads and nothing is before them. None: let it be `received`."""
        if self.state is not OPEN or self._asked or self._out or self._input or self.congested:
            return None
        answered = answer(data, self._gateway.read, self._id, self._session)
        if answered is None:
            return None
        told, self._zxid, self._last_xid, self._last_op, sizes = answered
        self.heard_ms = self._responded_ms = now_ms
        self.tally.at_once(sizes)
        return told

    def received(self, data: bytes, now_ms: int) -> None:
        """Bytes from the client."""
        if not self.ended:
            self.heard_ms = now_ms
            self._input.append(data)
            self._size += len(data)
            self.proceed(now_ms)

    def proceed(self, now_ms: int) -> None:
        """Take the frames that wait, as many as may be taken now."""
        if self._size < self._need or not self._open():
            return
        data = self._input[0] if len(self._input) == 1 else b"".join(self._input)
        at, size, taken = 0, self._size, 0
        self._need = 4
        while taken < SLICE and size - at >= 4 and self._open():
            (length,) = _INT.unpack_from(data, at)
            end = at + 4 + length
            if not 0 <= length <= FRAME_BYTES_MAX:
                self._strange(length, data[at : at + 4])
            elif end > size:
                self._need = end - at
                break
            else:
                taken += 1
                self._take(data, at + 4, end, now_ms)
            at = end
        self._hand_over()
        if taken == SLICE:
            self._wake()  # the rest in another turn, when what was read now has been answered
        self.tally.taken(taken)
        rest = b"" if self._deaf or self.ended else data[at:]
        self._input, self._size = [rest] if rest else [], len(rest)

    def take(self, now_ms: int) -> bytes:
        """What is to be written now."""
        tally = self.tally
        if tally.asked_ms:
            self._responded_ms = now_ms
        if tally.sizes or tally.others:
            tally.count(now_ms)
        data = b"".join(self._out)
        self._out.clear()
        return data

    def end(self) -> None:
        """Nothing more is taken from the client, and nothing but what was to be written goes to it."""
        if not self.ended:
            self._hand_over()
            self.tally.settle()
            self.state = ENDED
            self._asked.clear()
            if self._id:
                self._gateway.disconnect(self._id)
            self._wake()

    def row(self) -> ConnectionRow:
        """What is shown of it."""
        tally = self.tally
        tally.settle()
        return ConnectionRow(
            host=self._peer[0],
            port=self._peer[1],
            reading=self._open(),
            queued=len(self._asked),
            received=tally.received,
            sent=tally.sent,
            session=self._session,
            last_op=self._last_op,
            established_ms=self._established_ms,
            timeout_ms=self._timeout_ms,
            last_xid=self._last_xid,
            last_zxid=self._zxid,
            last_response_ms=self._responded_ms,
            latency=tally.latency,
        )

    def reset(self) -> None:
        """`crst`."""
        self.tally.reset()

    # --- from the client

    def _open(self) -> bool:
        """Whether a frame may be taken now."""
        if self.state is State.OPEN:
            room = len(self._asked) < PENDING_REQUESTS_MAX and self._asked_bytes < ASKED_BYTES_MAX
            return room and not self.congested and not self._deaf
        return self.state is State.FRESH

    def _strange(self, length: int, word: bytes) -> None:
        """A length that is none; a four-letter word, if it comes first."""
        if self.state is State.FRESH and length >= WORD_MIN:
            answer = self._port.words(word)
            if answer is not None:
                self._out.append(answer)
        self.end()

    def _take(self, data: bytes, at: int, end: int, now_ms: int) -> None:
        """One frame."""
        if self.state is not OPEN:
            self._connect(data[at:end])
            return
        if end - at < _REQUEST.size:
            self.end()
            return
        xid, code = _REQUEST.unpack_from(data, at)
        body = data[at + _REQUEST.size : end]
        self._last_op = code
        if code in PLAIN:
            self._last_xid = xid
            self._asked.append((xid, code, now_ms, len(body)))
            self._asked_bytes += len(body)
            self._asks.append(Ask(self._id, xid, code, body))
        elif code in SPECIAL:
            self._special(xid, code, body, now_ms)
        else:
            self._deaf = True
            self._ask(xid, NOT_FOR_CLIENTS, NOT_FOR_CLIENTS, b"", now_ms)

    def _ask(self, xid: int, kind: int, code: int, body: bytes, now_ms: int) -> None:
        """`kind`: the code by which the answer is treated."""
        self._asked.append((xid, kind, now_ms, len(body)))
        self._asked_bytes += len(body)
        self._asks.append(Ask(self._id, xid, code, body))

    def _hand_over(self) -> None:
        """What was taken goes to the node."""
        if self._asks:
            asks, self._asks = self._asks, []
            self._gateway.step(Asks(self._id, asks))

    def _connect(self, body: bytes) -> None:
        """The handshake's first half."""
        try:
            hello, at = ConnectRequest._read(body, 0, len(body))
        except (MarshallingError, struct.error):
            self.end()
            return
        self._flagged = at < len(body)
        self.visiting = not self._gateway.status().quorum
        if self.visiting and not (self._port.settings.read_only and any(body[at : at + 1])):
            self.end()
            return
        self._port.visited |= self.visiting
        session = 0 if hello.session >> 56 == VISIT else hello.session  # whoever visited has nothing to come back to
        secret = (hello.secret or b"") if session else b""
        if session < 0 or len(secret) != (SECRET_BYTES if session else 0):
            self._refuse()  # no session is named like this
            return
        try:
            self._id = self._gateway.register(self)
        except ThrottledOp:
            self.end()
            return
        self.state = State.CONNECTING
        settings = self._port.settings
        self._session, self._secret = session, secret
        self._timeout_ms = max(settings.session_min_ms, min(hello.timeout_ms, settings.session_max_ms))
        self._gateway.step(
            Connect(self._id, session, secret, self._timeout_ms, hello.seen, 0, self._peer[0], self.visiting)
        )

    def _special(self, xid: int, code: int, body: bytes, now_ms: int) -> None:
        """What is this door's business."""
        try:
            SPECIAL[code](self, xid, body, now_ms)
        except MarshallingError:
            self._ask(xid, Auth.code, code, body, now_ms)  # says so in its turn
        except AuthFailed:
            log.warning("auth.failed connection=%d from=%s", self._id, self._peer[0])
            self._reply(xid, 0, ErrorCode.AUTH_FAILED, NO_TOKEN if code == Sasl.code else b"")
            self.end()

    def _ping(self, xid: int, body: bytes, now_ms: int) -> None:
        if self.visiting:
            self._reply(PING_XID, self._zxid, ErrorCode.OK)
        else:
            self._hand_over()
            self._gateway.step(Heard(self._id))

    def _authenticate(self, xid: int, body: bytes, now_ms: int) -> None:
        """A credential becomes an identity of the session."""
        packet = Auth.Request.decode(body)
        if packet.scheme == "ip":  # every session has that one already
            self._reply(xid, 0, ErrorCode.OK)
        elif packet.scheme == "x509" and self._certified is not None:
            self._identify(xid, Auth.code, self._certified, now_ms)
        else:
            identity = identify(packet.scheme or "", packet.auth or b"", self._port.super_digest)
            if identity.scheme == "super":  # ACLs that are to name the caller need a name that ACLs can have
                self._identify(OWN_XID, HIDDEN, Id("digest", self._port.super_digest), now_ms)
            self._identify(xid, Auth.code, identity, now_ms)

    def _exchange(self, xid: int, body: bytes, now_ms: int) -> None:
        """A step of SASL. Where there is none, clients that get a null token go on without."""
        token = Sasl.Request.decode(body).token or b""
        reply = identity = None
        if self._port.sasl is not None:
            if self._sasl is None:
                self._sasl = self._port.sasl()
            reply, identity = self._sasl.step(token)
        if self._tokens is None:
            self._tokens = deque()
        self._tokens.append(Sasl.Result(reply).encode())
        if identity is not None:
            self._sasl = None
            self._identify(xid, Sasl.code, identity, now_ms)
        else:
            self._ask(xid, Sasl.code, Ping.code, b"", now_ms)

    def _identify(self, xid: int, kind: int, identity: Id, now_ms: int) -> None:
        body = AddIdentity.Request(identity.scheme, identity.id).encode()
        self._ask(xid, kind, AddIdentity.code, body, now_ms)

    # --- from the brain

    def deliver(self, item: Delivery) -> None:
        if self.state is ENDED:
            return
        if type(item) is Answer:
            self._answer(item)
        elif isinstance(item, Notice):
            self._notice(item)
        elif isinstance(item, Alive):
            self._reply(PING_XID, self._zxid, ErrorCode.OK)
        elif isinstance(item, Welcome):
            self._welcome(item)
        elif isinstance(item, Refused) and isinstance(item.error, SessionExpired):
            self._refuse()
        else:
            assert isinstance(item, Refused | Hangup)
            self.end()

    def _answer(self, item: Answer) -> None:
        xid, kind, asked_ms, size = self._asked.popleft()
        self._asked_bytes -= size
        assert xid == item.xid, "answers come in the order of the requests"
        if item.error or kind in UNUSUAL:
            self._unusual(xid, kind, asked_ms, item)
            return
        body, tally, out = item.body, self.tally, self._out
        self._zxid = zxid = item.zxid
        length = REPLY_BYTES + len(body)
        tally.asked_ms.append(asked_ms)
        tally.sizes.append(length)
        if not out:
            self._wake()
        out.append(REPLY.pack(length, xid, zxid, 0))
        out.append(body)

    def _unusual(self, xid: int, kind: int, asked_ms: int, item: Answer) -> None:
        """The answer to what this door asked itself, or that ends the connection, or an error."""
        error = ON_WIRE.get(item.error, item.error)
        if error == CLOSE:
            self.end()
            return
        if kind == HIDDEN:
            if error:
                self.end()
            return
        self.tally.asked_ms.append(asked_ms)
        if kind in WITHOUT_ZXID:
            token = self._tokens.popleft() if kind == Sasl.code and self._tokens is not None else b""
            self._reply(xid, 0, error, NO_TOKEN if token and error else token)
            return
        self._zxid = item.zxid
        self._reply(xid, item.zxid, error, item.body)
        if kind in LAST:
            self.end()

    def _reply(self, xid: int, zxid: int, error: int, body: bytes = b"") -> None:
        length = REPLY_BYTES + len(body)
        self.tally.sizes.append(length)
        self._put(REPLY.pack(length, xid, zxid, error))
        if body:
            self._out.append(body)

    def _notice(self, item: Notice) -> None:
        if not item.frame:
            path = item.path.encode("utf-8", "surrogatepass")
            length = _EVENT.size - 4 + len(path)
            item.frame = _EVENT.pack(length, EVENT_XID, item.zxid, 0, item.type, CONNECTED, len(path)) + path
        self._zxid = item.zxid
        self.tally.others += 1
        self._put(item.frame)

    def _welcome(self, item: Welcome) -> None:
        self.state = State.OPEN
        self._zxid = item.zxid
        if not self.visiting:
            self._session, self._secret, self._timeout_ms = item.session, item.secret, item.timeout_ms
        elif not self._session:
            self._session, self._secret = VISIT << 56 | self._id, NO_SECRET
        self._shake(ConnectResponse(0, self._timeout_ms, self._session, self._secret))
        self._secret = b""
        if self._certified is not None:
            self._identify(OWN_XID, HIDDEN, self._certified, self.heard_ms)

    def _refuse(self) -> None:
        """The session is not, or no longer, or its password is wrong: clients see an expired one."""
        self._shake(ConnectResponse(0, 0, 0, NO_SECRET))
        self.end()

    def _shake(self, response: ConnectResponse) -> None:
        """The handshake's second half."""
        flag = bytes((self.visiting,)) if self._flagged else b""
        body = response.encode() + flag
        self.tally.others += 1
        self._put(_INT.pack(len(body)) + body)

    def _put(self, frame: bytes) -> None:
        if not self._out:
            self._wake()
        self._out.append(frame)


SPECIAL: dict[int, Callable[[WireConnection, int, bytes, int], None]] = {
    Ping.code: WireConnection._ping,
    Auth.code: WireConnection._authenticate,
    Sasl.code: WireConnection._exchange,
}
WITHOUT_ZXID = frozenset((Auth.code, Sasl.code))  # whose answers tell none, as in ZooKeeper
LAST = frozenset((NOT_FOR_CLIENTS, CloseSession.code))  # whose answers are the connection's last
UNUSUAL = WITHOUT_ZXID | LAST | {HIDDEN}
