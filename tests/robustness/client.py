"""The real client library as a client of the simulator's workloads: its core, and its gRPC link to real nodes.

Rules: sim/core_client.py with other doors: what it does with answers, sessions and watches, and what it writes down, is
there, so workloads and checks see no difference. What goes over a link is turned into the library's messages, what
arrives on it into deliveries, in their order.
"""

from typing import Any, cast

from zooweeper_client import messages
from zooweeper_client.aio.link_grpc import GrpcLink

from sim.core_client import CoreClient
from sim.world import World
from tests.robustness.world import RealWorld
from zooweeper.model.config import Address
from zooweeper.model.errors import error_for
from zooweeper.ops.session import Auth
from zooweeper.replica.events import Ask, Connect, Disconnect, Heard
from zooweeper.replica.outbox import Alive, Answer, Hangup, Notice, Refused, Welcome

Delivery = Welcome | Answer | Notice | Alive | Refused | Hangup | None


class Door:
    """Where a node takes clients."""

    alive = True  # as far as anybody can know before asking

    def __init__(self, id: int, address: Address) -> None:
        self.id = id
        self.address = address


class RealDoors:
    """The doors that a client knows, and all links through them."""

    def __init__(self, world: RealWorld, doors: list[Door]) -> None:
        self.world = world
        self.nodes = doors
        self.links: list[RealLink] = []

    def open(self, client: Any, door: Door) -> "RealLink":
        link = RealLink(self.world, client, len(self.links) + 1, door)
        self.links.append(link)
        client.links.append(link)
        return link

    async def close(self) -> None:
        for link in self.links:
            link.close()
            await link.grpc.wait_closed()


class RealLink:
    """A Session stream to a real node, and what was heard on it."""

    def __init__(self, world: RealWorld, client: Any, number: int, door: Door) -> None:
        self.client = client
        self.number = number
        self.node = door
        self.session = 0
        self.asked: dict[int, Ask] = {}
        self.heard: list[Answer | Notice | Welcome] = []
        self.touches: list[tuple[int, int]] = []  # what a leader knows of this link is not to be seen from here
        self.grpc = GrpcLink(door.address, self._arrived)
        self._world = world

    @property
    def up(self) -> "RealLink":
        return self

    def push(self, event: Connect | Heard | Disconnect) -> None:
        match event:
            case Connect():
                hello = messages.Hello(event.session, event.secret, event.timeout_ms, event.seen, event.results)
                self.grpc.send([hello])
            case Heard():
                self.grpc.send([messages.Ping()])
            case Disconnect():
                self.close()

    def ask(self, ask: Ask) -> None:
        self.asked[ask.xid] = ask
        request = messages.Request(ask.code, ask.body, linear=ask.linear, deadline_ms=0)
        request.xid, request.number = ask.xid, ask.number
        self.grpc.send([request])

    def close(self) -> None:
        self.grpc.close()

    def _arrived(self, event: messages.Event) -> None:
        for delivery in self._deliveries(event):
            if self.client.link is not self:
                return
            if isinstance(delivery, Answer | Notice | Welcome):
                self.heard.append(delivery)
            if isinstance(delivery, Welcome):
                self.session = delivery.session
            self._world.do(self.client.on, delivery)

    def _deliveries(self, event: messages.Event) -> list[Delivery]:
        """What the node delivered."""
        match event:
            case messages.Welcomed():
                return [
                    Welcome(self.number, event.session, event.secret, event.timeout_ms, 0, event.number, event.zxid)
                ]
            case messages.Answered():
                return [self._item(item) for item in event.items]
            case messages.Heard():
                return [Alive(self.number)]
            case messages.LinkDown() if event.error:
                return [Refused(self.number, error_for(event.error, event.detail))]
            case _:
                return [None]

    def _item(self, item: messages.Item) -> Answer | Notice:
        if item.xid:
            return Answer(self.number, item.xid, item.zxid, item.error, item.body, item.stale, item.detail)
        return Notice((self.number,), item.zxid, item.event, item.path)


class RealClient(CoreClient):
    """One client of real nodes."""

    def __init__(self, world: RealWorld, doors: list[Door], id: int, timeout_ms: int) -> None:
        self.real_doors = RealDoors(world, doors)
        super().__init__(cast(World, world), cast(Any, self.real_doors), id, cast(Any, None), timeout_ms)

    async def stop(self) -> None:
        """Let go of all links; the session stays, until it expires."""
        await self.real_doors.close()

    def identify(self, name: str) -> None:
        """Prove to be somebody, in the form that real doors take."""
        if not self.identity:
            self.identity = name
            self.ask(Auth, "", Auth.Request(0, "digest", f"{name}:secret of {name}".encode()))

    @staticmethod
    def _at_door(link: int, request: messages.Request) -> Ask:
        """As it is: real doors turn credentials into identities themselves. (What `_at_door` of the base is for.)"""
        return Ask(link, request.xid, request.code, request.body, request.number, request.linear)
