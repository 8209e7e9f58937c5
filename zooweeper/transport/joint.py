"""How a link comes to its lane, and to the next one when that is lost.

Rules: all is arranged over the stream, where both sides have been checked. The side that listened offers: a serial
number, the port, and a token good for one connection; the side that dialed the stream dials the lane, too. Each shows
its half of the token in its first frame, so that nobody else takes either place. Whoever finds a lane unusable, or
cannot open it, gives it up and says so; then the first side offers again, later and later as long as lanes do not last.
A lane that cannot be had costs nothing but that: the stream carries everything.
"""

import asyncio
import hmac
import secrets
from collections.abc import Mapping
from logging import getLogger

from zooweeper.model.config import FAST, Address, Config
from zooweeper.model.limits import LANE_STRANGERS_MAX
from zooweeper.pb import peer_pb2 as pb
from zooweeper.transport import lane as lanes
from zooweeper.transport import wire
from zooweeper.transport.lane import MAGIC, VERSION, Lane
from zooweeper.transport.link import Link

HALF_BYTES = 16  # of a token
BACKOFF_MS = (100, 30_000)  # before an offer: doubled each time
LASTING_S = 10.0  # a lane that lived for as long was a good one: the next comes soon
TICKS_PER_SILENCE = 16  # how often it is looked whether lanes confirm; lanes.py gives up after a few of them

log = getLogger("zooweeper.peers")


class Joint:
    """The lanes of one link, one after the other."""

    def __init__(self, door: "LaneDoor", link: Link, at: Address | None) -> None:
        """`at`: where to dial the lane, if this side dialed the stream (port 0: the one that is offered)."""
        self.door = door
        self.link = link
        self.at = at
        self.serial = 0  # of the lane that is in use, or offered, or was so last
        self.given_up = 0  # the serial that is settled
        self.token = b""  # of that offer, until it is shown
        self._backoff_ms = BACKOFF_MS[0]
        self._since = 0.0  # when a lane came up; 0: none did since the last offer
        self._timer: asyncio.TimerHandle | None = None
        self._dialing: asyncio.Task[None] | None = None
        self._dialed: Lane | None = None  # whose other side has not answered yet
        self._complaint = ""
        link.lane_word = self._hear
        link.on_close = self._close
        if at is None:
            self._offer()

    # --- the side that offers

    def _offer(self) -> None:
        self._timer = None
        self.serial += 1
        self.token = secrets.token_bytes(2 * HALF_BYTES)
        offer = pb.LaneOffer(serial=self.serial, port=self.door.port, token=self.token)
        self.link.say(pb.PeerFrame(lane_offer=offer))

    def accept(self, lane: Lane, hello: pb.LaneHello) -> bool:
        """Somebody dialed who claims to be our peer. False: it is not."""
        token, half = self.token, self.token[:HALF_BYTES]
        if not token or hello.serial != self.serial or not hmac.compare_digest(hello.token, half):
            return False
        self.token = b""
        lane.write(self._hello(token[HALF_BYTES:]))
        self._attach(lane)
        return True

    # --- the side that dials

    def _take_offer(self, offer: pb.LaneOffer) -> None:
        assert self.at is not None
        self.give_up(self.serial, "a new one is offered")
        self.serial = offer.serial
        self.token = offer.token
        if len(offer.token) != 2 * HALF_BYTES or not 0 < offer.port < 65536:
            self.give_up(self.serial, "an offer that cannot be")
            return
        at = Address(self.at.host, self.at.port or offer.port)
        self._dialing = asyncio.create_task(self._dial(at, offer.serial))
        self.door.tasks.add(self._dialing)
        self._dialing.add_done_callback(self.door.tasks.discard)

    async def _dial(self, at: Address, serial: int) -> None:
        made: list[Lane] = []

        def make() -> Lane:
            made.append(Lane(self._welcome, self.lost))
            return made[-1]

        try:
            await lanes.dial(make, at)
        except (OSError, TimeoutError, UnicodeError) as error:  # the last: a name that is none
            self.give_up(serial, f"{at}: {type(error).__name__} {error}")
            return
        self._dialed = made[-1]
        if self._dialed.closed:
            self.give_up(serial, "it ended the connection")
        else:
            self._dialed.write(self._hello(self.token[:HALF_BYTES]))

    def _welcome(self, lane: Lane, data: bytes) -> None:
        hello = hello_from(data)
        right = hello is not None and hello.id == self.link.peer and hello.serial == self.serial
        if hello is None or not right or not hmac.compare_digest(hello.token, self.token[HALF_BYTES:]):
            lane.fail("somebody else answers")
            return
        self.token, self._dialed = b"", None
        self._attach(lane)

    # --- both

    def _hello(self, half: bytes) -> bytes:
        config = self.door.config
        hello = pb.LaneHello(
            version=VERSION, cluster=config.cluster, id=config.id, to=self.link.peer, serial=self.serial, token=half
        )
        return MAGIC + pb.PeerFrame(lane_hello=hello).SerializeToString()

    def _attach(self, lane: Lane) -> None:
        self.link.attach(lane)
        self._since = asyncio.get_running_loop().time()
        self._complaint = ""
        log.info("peer.lane peer=%d", self.link.peer)

    def _hear(self, frame: pb.PeerFrame) -> None:
        if frame.lane_lost:
            self.give_up(frame.lane_lost, "the peer gave it up")
        if frame.HasField("lane_offer") and self.at is not None and frame.lane_offer.serial > self.serial:
            self._take_offer(frame.lane_offer)

    def lost(self, lane: Lane, reason: str) -> None:
        """A connection has ended by itself."""
        if lane in (self.link.lane, self._dialed):
            self.give_up(self.serial, reason)

    def give_up(self, serial: int, reason: str) -> None:
        """The lane of that serial is not used any more, if it is the present one; the stream carries on."""
        if serial != self.serial or serial == self.given_up:
            return
        self.given_up = serial
        self.token = b""
        link, loop = self.link, asyncio.get_running_loop()
        if self._complaint != reason:
            self._complaint = reason
            log.info("peer.lane peer=%d lost reason=%r; the stream carries all", link.peer, reason)
        self._stop_dialing()
        link.detach()
        link.say(pb.PeerFrame(lane_lost=serial))
        if self.at is None and not link.closed:
            lasted = self._since and loop.time() - self._since > LASTING_S
            self._backoff_ms = BACKOFF_MS[0] if lasted else min(2 * self._backoff_ms, BACKOFF_MS[1])
            self._timer = loop.call_later(self._backoff_ms / 1000, self._offer)
        self._since = 0.0

    def tick(self) -> None:
        """Now and then: is what was sent confirmed, and what came?"""
        link = self.link
        owes = link.lanes.tick()
        if link.lanes.stalled:
            self.give_up(self.serial, "it confirms nothing")
        elif owes:
            link.confirm()

    def _close(self) -> None:
        """The link has ended."""
        self.token = b""
        if self._timer is not None:
            self._timer.cancel()
        self._stop_dialing()
        if self.door.joints.get(self.link.peer) is self:
            del self.door.joints[self.link.peer]

    def _stop_dialing(self) -> None:
        if self._dialing is not None and self._dialing is not asyncio.current_task():
            self._dialing.cancel()
        if self._dialed is not None:
            self._dialed.close()
        self._dialing = self._dialed = None


class LaneDoor:
    """Where this node takes lanes, and the lanes it has. `port` 0: it takes none, and offers none."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.port = 0
        self.joints: dict[int, Joint] = {}
        self.tasks: set[asyncio.Task[None]] = set()  # that dial
        self._routes: Mapping[int, Address] = dict(config.lanes.routes)
        self._tick_s = config.timing.silence_ms / 1000 / TICKS_PER_SILENCE
        self._server: asyncio.Server | None = None
        self._strangers: set[Lane] = set()  # connected, and not known yet
        self._timer: asyncio.TimerHandle | None = None

    @property
    def version(self) -> int:
        """What to say in a hello: 0, no lane is wanted."""
        return VERSION if self.config.lanes.carrier == FAST else 0

    async def start(self) -> None:
        """Listen, if lanes are wanted. A port that cannot be had means that this node offers none."""
        if not self.version:
            return
        host, port = self.config.me.peer.host, self.config.lanes.port
        try:
            self._server, self.port = await lanes.listen(self._stranger, host, port)
        except (OSError, UnicodeError) as error:
            log.warning("peer.lane host=%s port=%d cannot be had: %s; the streams carry all", host, port, error)
        self._timer = asyncio.get_running_loop().call_later(self._tick_s, self._tick)

    async def close(self) -> None:
        """Take no more lanes; those there are end with their links."""
        if self._timer is not None:
            self._timer.cancel()
        for stranger in list(self._strangers):
            stranger.close()
        tasks = list(self.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._server is not None:
            self._server.close()

    def join(self, link: Link, hello: pb.PeerHello, dialed: Address | None) -> None:
        """A link has begun, with this hello of the other side: let it have a lane, if both sides can. `dialed`: where
        this side dialed the stream, if it did."""
        if not self.version or hello.lane < VERSION or (dialed is None and not self.port):
            return
        at = dialed and self._routes.get(link.peer, Address(dialed.host, 0))
        self.joints[link.peer] = Joint(self, link, at)

    def _tick(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._tick_s, self._tick)
        for joint in list(self.joints.values()):
            joint.tick()

    # --- who dials us

    def _stranger(self) -> Lane:
        lane = Lane(self._first, self._stranger_lost)
        self._strangers.add(lane)
        if len(self._strangers) > LANE_STRANGERS_MAX:
            asyncio.get_running_loop().call_soon(lane.fail, "too many at once")
        return lane

    def _first(self, lane: Lane, data: bytes) -> None:
        hello = hello_from(data)
        joint = self.joints.get(hello.id) if hello is not None else None
        if hello is None or joint is None or joint.at is not None or not self._is_for_us(hello):
            lane.fail("no hello of a lane")
        elif joint.accept(lane, hello):
            self._strangers.discard(lane)
        else:
            lane.fail("not the token that was offered")

    def _is_for_us(self, hello: pb.LaneHello) -> bool:
        config = self.config
        return (hello.version, hello.cluster, hello.to) == (VERSION, config.cluster, config.id)

    def _stranger_lost(self, lane: Lane, reason: str) -> None:
        if lane in self._strangers:
            self._strangers.discard(lane)
            log.debug("peer.lane stranger reason=%r", reason)
            return
        for joint in list(self.joints.values()):
            joint.lost(lane, reason)


def hello_from(data: bytes) -> pb.LaneHello | None:
    """The LaneHello of a first frame, if it is one."""
    if not data.startswith(MAGIC):
        return None
    try:
        frame = wire.frame_from(data[len(MAGIC) :])
    except ValueError:
        return None
    return frame.lane_hello if frame.HasField("lane_hello") else None
