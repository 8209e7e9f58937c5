"""The real client library as a client of the simulator's workloads: its core, and its gRPC link to real nodes.

Rules: sim/core_client.py with another link; what it does with answers, sessions and watches, and what it writes down,
is there, so workloads and checks see no difference. What a link delivers is stepped in its order.
"""

from collections.abc import Callable
from typing import Any, cast

from zooweeper_client import messages
from zooweeper_client.aio.link_grpc import GrpcLink

from sim.core_client import CoreClient
from sim.world import World
from tests.robustness.world import RealWorld
from zooweeper.model.config import Address
from zooweeper.model.errors import error_for
from zooweeper.ops.session import Auth
from zooweeper.replica.events import Ask, Disconnect
from zooweeper.replica.outbox import Alive, Answer, Hangup, Notice, Refused, Welcome

Delivery = Welcome | Answer | Notice | Alive | Refused | Hangup | None


class Door:
    """Where a node takes clients, as the core's list of hosts names it."""

    def __init__(self, id: int, address: Address) -> None:
        self.id = id
        self.address = address


class RealDoors:
    """The doors that a client knows."""

    def __init__(self, world: RealWorld, doors: list[Door]) -> None:
        self.world = world
        self.nodes = doors
        self.links = 0

    def dial(self, client: "RealClient", id: int) -> "RealLink":
        self.links += 1
        door = next(door for door in self.nodes if door.id == id)
        link = RealLink(client, self.links, door)
        client.links.append(cast(Any, link))
        return link


class RealLink:
    """A Session stream to a real node, and what was heard on it."""

    def __init__(self, client: "RealClient", number: int, door: Door) -> None:
        self.client = client
        self.number = number
        self.node = door
        self.session = 0
        self.asked: dict[int, Ask] = {}
        self.heard: list[Answer | Notice | Welcome] = []
        self._grpc = GrpcLink(door.address, self._arrived)

    def send(self, message: messages.Hello | messages.Request | messages.Ping) -> None:
        self._grpc.send([message])

    def close(self) -> None:
        self._grpc.close()

    async def wait_closed(self) -> None:
        await self._grpc.wait_closed()

    def push(self, event: Disconnect) -> None:
        """That the link is closed is told by closing it."""

    @property
    def up(self) -> "RealLink":
        return self

    def _arrived(self, event: messages.Event) -> None:
        for delivery in self._deliveries(event):
            if self.client.link is not cast(Any, self):
                return
            if isinstance(delivery, Answer | Notice | Welcome):
                self.heard.append(delivery)
            if isinstance(delivery, Welcome):
                self.session = delivery.session
            self.client.real_world.do(self.client.on, delivery)

    def _deliveries(self, event: messages.Event) -> list[Delivery]:
        """What a node would have delivered."""
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
        return Notice(self.number, item.zxid, item.event, item.path)


class RealClient(CoreClient):
    """One client of real nodes: its links (`_dial`), and what goes over them (`_send`), are real."""

    def __init__(self, world: RealWorld, doors: list[Door], id: int, timeout_ms: int) -> None:
        self.real_world = world
        self.real_doors = RealDoors(world, doors)
        nothing: Callable[[], Any] = lambda: None  # noqa: E731
        super().__init__(cast(World, world), cast(Any, self.real_doors), id, nothing, timeout_ms)

    def identify(self, name: str) -> None:
        """Prove to be somebody, in the form that real doors take."""
        if not self.identity:
            self.identity = name
            self.ask(Auth, "", Auth.Request(0, "digest", f"{name}:secret of {name}".encode()))

    async def stop(self) -> None:
        """Let go of everything; the session stays, until it expires."""
        if self.link is not None:
            link = cast(Any, self.link)
            link.close()
            self.link = None
            await link.wait_closed()

    def _dial(self, address: Address) -> None:
        self.link = cast(Any, self.real_doors.dial(self, address.port))

    def _send(self, thing: Any) -> None:
        link = cast(RealLink | None, self.link)
        if link is None:
            return
        if isinstance(thing, messages.Request):
            link.asked[thing.xid] = self._at_door(link.number, thing)
        link.send(thing)
