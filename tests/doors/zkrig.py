"""A node without network or time for the ZooKeeper port's tests: the real brain, and connections that speak bytes."""

import struct
from random import Random

from fuzz.bare import Bare
from zooweeper.doors.zkconn import WireConnection
from zooweeper.doors.zkport import Port
from zooweeper.model.acl import Id
from zooweeper.model.config import Address, ClientPort, Config, Member
from zooweeper.model.durable import Recovered
from zooweeper.replica.events import Ask, Asks, Connect, Disconnect, Heard, PeerDown, PeerUp, Tick
from zooweeper.replica.outbox import Delivery
from zooweeper.replica.replica import Replica

WALL_MS = 1_700_000_000_000
NOWHERE = Address("127.0.0.1", 1)
SUPER = "super:D/InIHSb7yEEbrWz8b9l71RjZJU="  # super:test


class WireNode(Bare):
    """A Gateway that is carried out when told to. With more than one member it never has a quorum."""

    def __init__(self, members: int = 1, settings: ClientPort | None = None) -> None:
        everyone = tuple(Member(id + 1, NOWHERE, NOWHERE, NOWHERE, NOWHERE) for id in range(members))
        self.config = Config(1, "test", everyone, "", super_digest=SUPER, clients=settings or ClientPort())
        super().__init__(Replica(self.config, Recovered(0, 0, 0, iter(()), 0, (), []), Random(7)))
        self.asked: list[Connect | Ask | Heard | Disconnect] = []
        self.delivered: list[Delivery] = []
        self.port = Port(self, self.config.clients, SUPER, lambda word: b"imok" if word == b"ruok" else None)
        self.now_ms = 0
        for _ in range(30):
            self.tick()
        assert self.replica.zab.serving == (members == 1)

    def tick(self, ms: int = 100) -> None:
        self.now_ms += ms
        self.replica.step(Tick(self.now_ms, WALL_MS))
        self.settle()

    def deliver(self, delivery: Delivery) -> None:
        self.delivered.append(delivery)
        super().deliver(delivery)

    def meet(self, peer: int) -> None:
        self.replica.step(PeerUp(peer))
        self.settle()

    def part(self, peer: int) -> None:
        self.replica.step(PeerDown(peer))
        self.settle()

    def advance(self, zxid: int) -> None:
        """Write until so much was written, leaving nothing behind; what is next is the same whatever was before."""
        client = Client(self)
        client.hello()
        assert self.replica.state.zxid < zxid - 1
        while self.replica.state.zxid < zxid - 1:
            client.ask(request(1, 2, frame(b"/none") + bytes(4)))
        client.ask(request(1, -11))
        assert self.replica.state.zxid == zxid
        self.replica.rng = Random(7)

    def step(self, event: Connect | Ask | Asks | Heard | Disconnect) -> None:
        self.asked += event.asks if isinstance(event, Asks) else [event]
        super().step(event)


class Client:
    """One connection to the node, from the client's side."""

    def __init__(self, node: WireNode, address: str = "10.0.0.1", certified: Id | None = None) -> None:
        self.node = node
        self.woken = False
        self.connection = WireConnection(node.port, (address, 4711), WALL_MS, self._wake, certified)
        self._heard = b""

    def _wake(self) -> None:
        self.woken = True

    @property
    def ended(self) -> bool:
        return self.connection.ended

    def send(self, data: bytes) -> bytes:
        """Send these bytes; everything that comes back until nothing moves any more."""
        told = self.connection.at_once(data, WALL_MS)
        if told is not None:
            return told
        self.connection.received(data, WALL_MS)
        return self.settle()

    def settle(self) -> bytes:
        told = b""
        asked = -1
        self.woken = True
        while self.woken or len(self.node.asked) != asked:
            self.woken = False
            asked = len(self.node.asked)
            self.node.settle()
            told += self.connection.take(WALL_MS)
            self.connection.proceed(WALL_MS)
        return told

    def hello(
        self,
        timeout_ms: int = 10_000,
        session: int = 0,
        secret: bytes = bytes(16),
        seen: int = 0,
        flag: bytes = b"\0",
    ) -> tuple[int, int, bytes, bytes]:
        """Shake hands: timeout, session, secret and flag of the answer."""
        request = struct.pack("!iqiqi", 0, seen, timeout_ms, session, len(secret)) + secret + flag
        (response,) = frames(self.send(frame(request)))
        version, timeout_ms, session, length = struct.unpack_from("!iiqi", response)
        assert (version, length) == (0, 16)
        return timeout_ms, session, response[20:36], response[36:]

    def ask(self, *requests: bytes) -> list[tuple[int, int, int, bytes]]:
        """Send requests (xid, opcode, record) in one piece; (xid, zxid, error, record) of all that comes back."""
        return replies(self.send(b"".join(map(frame, requests))))


def frame(body: bytes) -> bytes:
    return struct.pack("!i", len(body)) + body


def frames(data: bytes) -> list[bytes]:
    """What is in a stream of whole frames."""
    found, at = [], 0
    while at < len(data):
        (length,) = struct.unpack_from("!i", data, at)
        found.append(data[at + 4 : at + 4 + length])
        assert len(found[-1]) == length, "half a frame"
        at += 4 + length
    return found


def replies(data: bytes) -> list[tuple[int, int, int, bytes]]:
    return [(*struct.unpack_from("!iqi", one), one[16:]) for one in frames(data)]


def request(xid: int, code: int, body: bytes = b"") -> bytes:
    return struct.pack("!ii", xid, code) + body
