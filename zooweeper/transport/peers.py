"""The streams between nodes: one bidirectional gRPC stream per pair, opened by the node with the higher id.

Rules: a stream is never resumed; its end is PeerDown, the next one PeerUp, and nothing of the old one arrives between
or after (a link that was dropped is asked by nobody). Both sides say hello first and check the other's: who does not
belong here is told why and gets nothing. What one drain of the loop sends to a peer leaves as one frame. A peer that
does not take its messages is dropped, not waited for: it synchronizes anew.

Members come and go (`set_members`). Who is no member is refused, unless its hello names a newer membership than ours:
then it is this node that slept through a change, and it hears of it from just that peer. For the same reason the node
with the lower id, when it is alone for long, opens a stream as well, which only a node that knows less takes: that one
may not know whom to dial.

Beside a stream there may be a lane, which it arranges (joint.py) and which carries the broadcast; the link (link.py)
keeps one order over both, and a lane that breaks is no end of the stream.

The runtime calls `send`, `set_members` and `carrier`, and is called back as a `Listener`.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from logging import getLogger
from typing import Any, Protocol

import grpc

from zooweeper.model.config import FAST, GRPC, Address, Config
from zooweeper.model.limits import PEER_MESSAGE_BYTES_MAX
from zooweeper.model.members import SERVER_ID_MAX, Membership
from zooweeper.pb import peer_pb2 as pb
from zooweeper.transport import wire
from zooweeper.transport.joint import LaneDoor
from zooweeper.transport.link import Link, Write
from zooweeper.zab.messages import Message

PROTOCOL_VERSION = 2
SERVICE = "zooweeper.v1.Peers"
HELLO_MS = 3000  # a connected peer that has not said hello by then is given up
BACKOFF_MS = (20, 200)  # between two streams to the same peer; random, so that two nodes do not stay in step
REFUSED_BACKOFF_MS = 1000  # somebody has to put right what was refused
ALONE_SILENCES = (2, 3)  # without a stream for as long, the node with the lower id opens one; random, as above
PARTING_SILENCES = 2  # a removed peer keeps its stream for as long: in it comes the word that it is removed

log = getLogger("zooweeper.peers")

Read = Callable[[], Awaitable[Any]]  # the next message's bytes, or grpc.aio.EOF


class Listener(Protocol):
    """Who is told what the streams bring; called on the loop, in order."""

    def peer_up(self, peer: int) -> None: ...

    def peer_down(self, peer: int) -> None: ...

    def received(self, peer: int, message: Message) -> None: ...


class PortTaken(Exception):
    """The peer port cannot be bound."""


class _Refused(Exception):
    """The other side, or this one, does not take the stream."""


def options(silence_ms: int) -> list[tuple[str, int]]:
    """gRPC's settings for both ends of a stream between nodes."""
    return [
        ("grpc.max_receive_message_length", PEER_MESSAGE_BYTES_MAX),
        ("grpc.max_send_message_length", PEER_MESSAGE_BYTES_MAX),
        ("grpc.so_reuseport", 0),  # a second process must not share the port unseen
        ("grpc.enable_http_proxy", 0),
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.enable_retries", 0),
        # A refused connection is tried again after 100 ms, the shortest that gRPC allows; one that gets no answer at
        # all is given up after min_reconnect_backoff.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", silence_ms),
        ("grpc.dns_min_time_between_resolutions_ms", 1000),
        # Zab's own pings find a silent leader; these find a dead connection between two followers.
        ("grpc.keepalive_time_ms", silence_ms),
        ("grpc.keepalive_timeout_ms", silence_ms),
        # And the probes by which gRPC measures: while one is in flight there is no keepalive, and it may take a minute.
        # As long as both waits above together, for on a slow link the answer stands in line behind much else.
        ("grpc.http2.ping_timeout_ms", 2 * silence_ms),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.http2.max_ping_strikes", 0),
        ("grpc.max_concurrent_streams", 16),
    ]


class Peers:
    """This node's streams with all others."""

    def __init__(self, config: Config, incarnation: bytes, process: bytes, listener: Listener) -> None:
        """`incarnation` is the data folder's, `process` is drawn at each start. The members are those of the settings
        until somebody says otherwise."""
        self._config = config
        self._incarnation = incarnation
        self._process = process
        self._listener = listener
        self._silence_s = config.timing.silence_ms / 1000
        self._routes = dict(config.routes)
        self._members = {member.id: member.peer for member in config.members}
        self._version = 0  # of the membership
        self._removed: dict[int, None] = {}  # whom this process has seen go
        self._links: dict[int, Link] = {}
        self._lanes = LaneDoor(config)
        self._incarnations: dict[int, bytes] = {}
        self._complaints: dict[int, str] = {}
        self._server: grpc.aio.Server | None = None
        self._dialers: dict[int, tuple[Address, asyncio.Task[None]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()  # all dialers that have not ended

    async def start(self) -> None:
        """Listen on the peer port and dial the members. PortTaken."""
        address = self._config.me.peer
        handler: Any = grpc.stream_stream_rpc_method_handler(self._serve)
        server = grpc.aio.server(options=options(self._config.timing.silence_ms))
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"Stream": handler}),))
        try:
            server.add_insecure_port(str(address))
        except RuntimeError as error:
            raise PortTaken(str(address)) from error
        await server.start()
        self._server = server
        await self._lanes.start()
        self._redial()

    async def close(self) -> None:
        """End all streams and give the port back."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._lanes.close()
        if self._server is not None:
            await self._server.stop(grace=None)

    def set_members(self, membership: Membership) -> None:
        """Be connected with these from now on. Who has gone is told so by the streams it has, for two silences."""
        before, me = self._members, self._config.id
        self._members = {server.id: server.peer for server in membership.servers}
        self._version = membership.version
        for peer in before:
            if peer not in self._members:
                self._removed[peer] = None
                asyncio.get_running_loop().call_later(PARTING_SILENCES * self._silence_s, self._part, peer)
        ours = self._members.get(me)
        if ours is not None and ours != self._config.me.peer and ours != before.get(me):
            log.warning("peer.address members=%s listens=%s; the others dial the former", ours, self._config.me.peer)
        if self._server is not None:
            self._redial()

    def _part(self, peer: int) -> None:
        link = self._links.get(peer)
        if link is not None and peer not in self._members:
            link.stop("it was removed from the ensemble")

    def send(self, peer: int, message: Message) -> None:
        """Send to a peer; without a stream the message is lost, and the brain was told so by PeerDown."""
        link = self._links.get(peer)
        if link is not None:
            link.send(message)

    def carrier(self, peer: int) -> str:
        """What the broadcast between this node and a peer travels on at present: FAST, GRPC; empty without a stream."""
        link = self._links.get(peer)
        return "" if link is None else GRPC if link.lane is None else FAST

    # --- both ends

    def _hello(self, to: int) -> bytes:
        config = self._config
        hello = pb.PeerHello(version=PROTOCOL_VERSION, cluster=config.cluster, id=config.id, to=to,
                             incarnation=self._incarnation, process=self._process,
                             config_version=self._version, lane=self._lanes.version)  # fmt: skip
        return pb.PeerFrame(hello=hello).SerializeToString()

    def _check(self, frame: pb.PeerFrame) -> pb.PeerHello:
        """The hello of a first frame. _Refused, with what to tell the other side, when it cannot be taken."""
        if frame.refused:
            raise _Refused(f"it refuses this node: {frame.refused[:300]!r}")
        hello, config = frame.hello, self._config
        if not frame.HasField("hello"):
            raise _Refused("the first frame says no hello")
        if hello.version != PROTOCOL_VERSION:
            raise _Refused(f"peer protocol version {hello.version}, node {config.id} speaks {PROTOCOL_VERSION}")
        if hello.cluster != config.cluster:
            raise _Refused(f"node {hello.id} is of another cluster than node {config.id}")
        if hello.id not in self._members and not self._knows_more(hello):
            why = "was removed from the ensemble" if hello.id in self._removed else "is no member of the ensemble"
            raise _Refused(f"node {hello.id} {why}")
        if hello.id == config.id:
            raise _Refused(f"a second node claims the id {config.id}")
        if hello.to != config.id:
            raise _Refused(f"this is node {config.id}, not node {hello.to}: check the addresses of the members")
        if hello.incarnation == self._incarnation:
            raise _Refused(f"nodes {hello.id} and {config.id} run on copies of one data folder")
        return hello

    def _knows_more(self, hello: pb.PeerHello) -> bool:
        """Its membership is newer than ours, which so may miss it or have its address wrong."""
        return hello.config_version > self._version

    def _take(self, hello: pb.PeerHello, end: Callable[[], Any], dialed: Address | None = None) -> Link:
        """Make the stream with this hello the live one. `dialed`: where, if it was this node. _Refused when another
        process holds that id."""
        old = self._links.get(hello.id)
        if old is not None:
            if old.process != hello.process:
                raise _Refused(f"another process runs as node {hello.id} already")
            old.stop("it opened a new stream")
            self._drop(old)
        if self._incarnations.setdefault(hello.id, hello.incarnation) != hello.incarnation:
            self._incarnations[hello.id] = hello.incarnation
            log.warning("peer.reformatted peer=%d", hello.id)
        link = self._links[hello.id] = Link(hello.id, hello.process, end, self._listener.received)
        self._complaints.pop(hello.id, None)
        log.info("peer.up peer=%d", hello.id)
        self._listener.peer_up(hello.id)
        self._lanes.join(link, hello, dialed)
        return link

    def _drop(self, link: Link, reason: str = "") -> None:
        """Tell, once, that the link is gone."""
        link.close()
        if self._links.get(link.peer) is link:
            del self._links[link.peer]
            log.info("peer.down peer=%d reason=%r", link.peer, link.reason or reason)
            self._listener.peer_down(link.peer)

    async def _read(self, link: Link, read: Read) -> None:
        """Take messages from the stream until it ends."""
        reason = "this node ends the stream"
        try:
            while (data := await read()) is not grpc.aio.EOF:
                if link.closed:
                    return
                link.take(data)
            reason = "it ended the stream"
        except ValueError as error:
            reason = f"it sent bytes that are no message: {error}"
        except (grpc.RpcError, grpc.aio.BaseError) as error:
            reason = _brief(error)
        except asyncio.CancelledError:
            reason = "the stream broke"
            raise
        finally:
            self._drop(link, reason)

    @staticmethod
    async def _pump(link: Link, write: Write, greeting: bytes) -> None:
        try:
            await link.pump(write, greeting)
        except (grpc.RpcError, grpc.aio.BaseError, asyncio.InvalidStateError) as error:  # the last: it has ended
            link.stop(_brief(error))

    def _complain(self, peer: int, reason: str) -> None:
        """Log why a peer is not taken, once for as long as the reason stays the same."""
        if self._complaints.get(peer) != reason:
            self._complaints[peer] = reason
            log.warning("peer.refused peer=%d reason=%r", peer, reason)

    # --- the end that listens

    async def _serve(self, _: Any, context: Any) -> None:
        peer = 0
        try:
            async with asyncio.timeout(HELLO_MS / 1000):
                data = await context.read()
            if data is grpc.aio.EOF:
                return
            frame = wire.frame_from(data)
            peer = frame.hello.id
            hello = self._check(frame)
            if peer < self._config.id and (peer in self._links or not self._knows_more(hello)):
                raise _Refused(f"node {self._config.id} opens the stream with node {peer}, not the other way round")
            task = asyncio.current_task()
            assert task is not None
            link = self._take(hello, task.cancel)
        except (_Refused, ValueError, TimeoutError) as error:
            reason = str(error) or "no hello in time"
            self._complain(peer if peer <= SERVER_ID_MAX else 0, reason)
            await context.write(pb.PeerFrame(refused=reason).SerializeToString())
            return
        pump = asyncio.create_task(self._pump(link, context.write, self._hello(peer)))
        try:
            await self._read(link, context.read)
        except asyncio.CancelledError:
            if not link.reason:
                raise
        finally:
            # A write under way must not be cancelled: gRPC could not send the stream's status after it, and the other
            # side would take the stream for alive.
            await asyncio.wait((pump,))

    # --- the end that dials

    def _redial(self) -> None:
        """A dialer for each member where it is now. One that carries the stream of a removed peer ends with it."""
        for peer, (address, task) in list(self._dialers.items()):
            parting = peer in self._links and peer not in self._members
            if task.done() or (self._members.get(peer) != address and not parting):
                task.cancel()
                del self._dialers[peer]
        for peer, address in self._members.items():
            if peer not in self._dialers and peer != self._config.id:
                dial = self._dial if peer < self._config.id else self._dial_when_alone
                task = asyncio.create_task(dial(peer, address))
                self._dialers[peer] = address, task
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _dial(self, peer: int, address: Address) -> None:
        """One stream after the other, for as long as the peer is a member and is reached there."""
        async with self._channel(peer, address) as channel:
            while self._members.get(peer) == address:
                backoff_ms = random.randint(*BACKOFF_MS)
                if peer not in self._links and not await self._try(peer, address, channel, wait=True):
                    backoff_ms = REFUSED_BACKOFF_MS
                await asyncio.sleep(backoff_ms / 1000)

    async def _dial_when_alone(self, peer: int, address: Address) -> None:
        """It should dial us. If it slept through a change it cannot know that, or where."""
        while True:
            await asyncio.sleep(random.uniform(*ALONE_SILENCES) * self._silence_s)
            if self._members.get(peer) != address:
                return
            if peer not in self._links:
                async with self._channel(peer, address) as channel:
                    await self._try(peer, address, channel, wait=False)

    def _channel(self, peer: int, address: Address) -> grpc.aio.Channel:
        target = self._routes.get(peer, address)
        return grpc.aio.insecure_channel(str(target), options=options(self._config.timing.silence_ms))

    async def _try(self, peer: int, address: Address, channel: grpc.aio.Channel, wait: bool) -> bool:
        """One stream from its beginning to its end; `wait` until there can be one. False: it was refused."""
        try:
            await self._one_stream(peer, address, channel, wait)
        except (_Refused, ValueError) as error:
            self._complain(peer, str(error))
            return False
        except (TimeoutError, grpc.RpcError, grpc.aio.BaseError) as error:
            log.debug("peer.dial peer=%d reason=%r", peer, _brief(error))
        return True

    async def _one_stream(self, peer: int, address: Address, channel: grpc.aio.Channel, wait: bool) -> None:
        call: Any = channel.stream_stream(f"/{SERVICE}/Stream")(wait_for_ready=wait)
        try:
            await call.write(self._hello(peer))  # returns when the connection is there
            async with asyncio.timeout(HELLO_MS / 1000):
                data = await call.read()
            if data is grpc.aio.EOF:
                return
            hello = self._check(wire.frame_from(data))
            if hello.id != peer:
                raise _Refused(f"node {hello.id} answers at {address}: check the addresses of the members")
            if peer > self._config.id and peer in self._links:
                return  # meanwhile it dialed us, as it should
            link = self._take(hello, call.cancel, self._routes.get(peer, address))
            pump = asyncio.create_task(self._pump(link, call.write, b""))
            try:
                await self._read(link, call.read)
            finally:
                call.cancel()
                await asyncio.wait((pump,))
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise  # it is the dialer that is cancelled, not the call
        finally:
            call.cancel()


def _brief(error: BaseException) -> str:
    """One line about a failed call."""
    if isinstance(error, grpc.aio.AioRpcError):
        return f"{error.code().name} {error.details()}"
    return f"{type(error).__name__} {error}"
