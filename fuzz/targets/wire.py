"""The ZooKeeper port, from the bytes of a client's socket through the brain to the bytes of the answers.

An input is what a client sends, cut into pieces anywhere; one in eight meets a node that has lost its quorum. Whatever
it says, each request is answered once and in order, with codes that clients know, until the connection ends; the node
lives, and so does another client's session, which is asked before and after.
"""

import pickle
from collections.abc import Hashable, Sequence
from random import Random
from struct import Struct, error, pack, unpack_from
from zlib import crc32

from fuzz.bare import Bare
from fuzz.mutator import Mutator
from fuzz.records import odd_body
from fuzz.target import Run, Target
from fuzz.targets.doors import LEADER
from fuzz.values import SECRET, TIME_MS, requests
from zooweeper.doors.sasl import SaslServer, Users
from zooweeper.doors.zkconn import NO_TOKEN, OWN_CODES, PLAIN, WireConnection
from zooweeper.doors.zkerrors import ON_WIRE
from zooweeper.doors.zkport import Port
from zooweeper.model.config import ClientPort
from zooweeper.model.errors import ErrorCode
from zooweeper.model.limits import FRAME_BYTES_MAX
from zooweeper.ops.create import Create
from zooweeper.ops.session import Auth, CloseSession, Ping, Sasl
from zooweeper.ops.table import OPS
from zooweeper.replica.events import Ask, Asks, Connect, Disconnect, Heard

HEADER = Struct("!iii")  # length, xid, opcode
REPLY = Struct("!iqi")
FRAMES_MAX = 64
SPECIAL = (Ping.code, Auth.code, Sasl.code)
UNORDERED = (-1, -2)  # xids of events and pings, which have no turn
XIDS = (0, 1, -1, -2, -4, -8, (1 << 31) - 1, -(1 << 31))
CODES = (*(code for code in OPS if code < OWN_CODES), 0, -1, 10, 200, 1 << 30)
KNOWN = {int(error) for error in ErrorCode if error > ErrorCode.NO_QUORUM} - ON_WIRE.keys()
USERS = Users({"bob": "secret"})
NONCE = b"0123456789abcdef"


def hello(session: int = 0, secret: bytes = bytes(16), seen: int = 0, flag: bytes = b"\1") -> bytes:
    return framed(pack("!iqiqi", 0, seen, 5000, session, len(secret)) + secret + flag)


def framed(body: bytes) -> bytes:
    return pack("!i", len(body)) + body


def request(xid: int, code: int, body: bytes = b"") -> bytes:
    return framed(pack("!ii", xid, code) + body)


class Node(Bare):
    """A node with a client that asks before and after."""

    def __init__(self) -> None:
        super().__init__(pickle.loads(LEADER))
        self.stepped = 0
        self.port = Port(self, ClientPort(), "super:hash", lambda word: b"imok" if word == b"ruok" else None)
        self.port.sasl = lambda: SaslServer(USERS, NONCE)
        self.honest = Client(self)
        assert len(self.honest.send(hello() + request(1, Create.code, CREATE))) == 41 + 26

    def step(self, event: Connect | Ask | Asks | Heard | Disconnect) -> None:
        self.stepped += 1
        super().step(event)


class Client:
    """A connection that is settled after whatever it sends."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._woken = False
        self.connection = WireConnection(node.port, ("10.0.0.1", 4711), TIME_MS, self._wake)

    def _wake(self) -> None:
        self._woken = True

    def send(self, data: bytes) -> bytes:
        told, stepped = self.connection.at_once(data, TIME_MS) or b"", -1
        if not told:
            self.connection.received(data, TIME_MS)
        self._woken = True
        while self._woken or self._node.stepped != stepped:
            self._woken, stepped = False, self._node.stepped
            self._node.settle()
            told += self.connection.take(TIME_MS)
            self.connection.proceed(TIME_MS)
        return told


CREATE = b"\0\0\0\x02/h\0\0\0\0" + pack("!iii", 1, 31, 5) + b"world" + pack("!i", 6) + b"anyone" + bytes(4)


def frames(data: bytes) -> list[bytes]:
    """The frames of a stream, each with its length; the last one is whatever is left."""
    found: list[bytes] = []
    at = 0
    while at < len(data) and len(found) < FRAMES_MAX:
        length = int.from_bytes(data[at : at + 4], signed=True)
        end = at + 4 + length if 0 <= length <= FRAME_BYTES_MAX else len(data)
        found.append(data[at:end])
        at = end
    return found


class Wire(Target):
    name = "wire"
    about = "what a ZooKeeper client sends, through the port and the brain and back"
    refusals = ()
    bytes_max = 1 << 20
    calls_max = 100_000
    words = (
        b"/a",
        b"\xed\xa0\x80",
        b"\xff\xff\xff\xff",
        b"\x7f\xff\xff\xff",
        b"\0\x0f\xff\xff",
        b"\0\0\0\x08",
        b"ruok",
    )

    def seeds(self) -> Sequence[bytes]:
        known = [(code, body.encode()) for code, body in requests() if code < OWN_CODES]
        first = hello() + request(1, Create.code, CREATE.replace(b"/h", b"/a"))
        every = b"".join(request(xid, code, body) for xid, (code, body) in enumerate(known[:FRAMES_MAX], 2))
        return [
            *(first + request(xid, code, body) for xid, (code, body) in enumerate(known, 2)),
            first + every,
            hello() + request(-2, Ping.code) * 3 + request(9, CloseSession.code),
            hello(7, SECRET, 1, b""),
            hello(1 << 60, SECRET) + request(1, Create.code, CREATE),
            hello() + request(1, Sasl.code, bytes(4)) + request(2, Sasl.code, pack("!i", 3) + b"a=b"),
            b"ruok",
            b"ruok\n",
        ]

    def mutate(self, data: bytes, mutator: Mutator, others: Sequence[bytes]) -> bytes:
        rng = mutator.rng
        mutator.swollen = False
        if rng.random() < 0.1:
            return mutator.mutate(data, others)
        found = frames(data)
        for _ in range(rng.choice((1, 1, 2, 4))):
            if rng.random() < 0.4:
                found += frames(rng.choice(others))[1:]
            at = rng.randrange(len(found)) if found else 0
            if found:
                found[at] = self._frame(found[at], at == 0, mutator)
        return b"".join(found[:FRAMES_MAX])

    @staticmethod
    def _frame(frame: bytes, first: bool, mutator: Mutator) -> bytes:
        """One frame, changed as what it is, its length made right again more often than not."""
        rng = mutator.rng
        if first or len(frame) < HEADER.size or rng.random() < 0.1:
            body = mutator.mutate(frame[4:], (frame[4:], *mutator.words))
        else:
            _, xid, code = HEADER.unpack_from(frame)
            body = odd_body(code, frame[HEADER.size :], mutator) if rng.random() < 0.8 else frame[HEADER.size :]
            xid = rng.choice(XIDS) if rng.random() < 0.2 else xid
            code = rng.choice(CODES) if rng.random() < 0.1 else code
            body = pack("!ii", xid, code) + body
        return framed(body) if rng.random() < 0.95 else frame[:4] + body

    def prepare(self) -> Run:
        node = Node()
        return lambda data: self._run(node, data)

    @staticmethod
    def _run(node: Node, data: bytes) -> Hashable:
        rng = Random(crc32(data))
        node.replica.zab.connected_quorum = bool(rng.randrange(8))
        client, told, at = Client(node), b"", 0
        while at < len(data):
            size = rng.choice((1, 3, 4, 5, 50, 500, 1 << 16))
            told += client.send(data[at : at + size])
            at += size
        ended = client.connection.ended
        label = _judge(frames_told(told), asked(data), ended)
        client.connection.end()
        _check_rest(node)
        return ended, *label


def asked(data: bytes) -> list[tuple[int, int]]:
    """(xid, opcode) of every request in an input, as far as it can be read."""
    found: list[tuple[int, int]] = []
    at = 0
    while len(data) - at >= 4:
        (length,) = unpack_from("!i", data, at)
        end = at + 4 + length
        if not 0 <= length <= FRAME_BYTES_MAX or end > len(data):
            break
        if at:
            if length < 8:
                break
            _, xid, code = HEADER.unpack_from(data, at)
            found.append((xid, code))
        at = end
    return found


def frames_told(told: bytes) -> list[bytes]:
    """What the node said: whole frames, the handshake first; or a word's answer."""
    if told == b"imok":
        return []
    found, at = [], 0
    while at < len(told):
        (length,) = unpack_from("!i", told, at)
        found.append(told[at + 4 : at + 4 + length])
        at += 4 + length
    assert at == len(told), "half a frame"
    return found


def _judge(told: list[bytes], asked: list[tuple[int, int]], ended: bool) -> tuple[Hashable, ...]:
    """Each request was answered once, in its turn, in words that clients know."""
    shaken, *answers = told or [b""]
    assert len(shaken) in (0, 36, 37), "no handshake"
    rows = []
    for answer in answers:
        try:
            xid, zxid, code = REPLY.unpack_from(answer)
        except error:
            raise AssertionError("an answer without a header") from None
        assert code in KNOWN, f"a code that no client knows: {code}"
        refused = code == ErrorCode.AUTH_FAILED and answer[REPLY.size :] == NO_TOKEN
        assert code == 0 or len(answer) == REPLY.size or refused, "an error with a body"
        rows.append((xid, zxid, code))
    zxids = [zxid for _, zxid, _ in rows if zxid]
    assert zxids == sorted(zxids), "zxids went back"
    ordered = [xid for xid, zxid, _ in rows if zxid and xid not in UNORDERED]
    expected = [xid for xid, code in asked if code not in SPECIAL and xid not in UNORDERED]
    assert ordered == expected[: len(ordered)], "an answer out of its turn"
    assert ended or len(ordered) == len(expected), "a request without an answer"
    served = {code for _, code in asked[: len(rows)]} <= PLAIN
    return len(shaken), served, len(rows), tuple(code for *_, code in rows[-2:])


def _check_rest(node: Node) -> None:
    """The node is as it should be, and the other client is served as before."""
    node.replica.zab.connected_quorum = True
    assert list(node.sinks) == [1] and len(node.replica.clients) == 1, "a connection that nobody closed"
    (answer,) = frames_told(node.honest.send(request(5, 3, b"\0\0\0\x01/\0")))
    assert REPLY.unpack_from(answer)[::2] == (5, 0) and not node.honest.connection.ended
    assert node.replica.state.recompute_digest() == node.replica.state.digest()
