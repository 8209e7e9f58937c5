"""Streams between nodes: FIFO, with delays; they break and lose a suffix; directions can be cut.

Rules: the same promises as the real transport and no better ones. PeerUp is the first thing a side sees of a stream,
PeerDown the last; after PeerDown nothing of that stream arrives. The sides learn of both at different times, and who
has not learned yet sends into the void. A cut direction holds what is on its way (TCP would repeat it): after a heal
it arrives late, after a break it is lost.

What the real transport (transport/peers.py) adds to that, and what it excludes:
- The node with the higher id dials, and dials again only when its side of the old stream has ended. The other side goes
  on reading the old stream until the new one's hello arrives: two streams of a pair are alive for a while. Once that
  hello is there, nothing of the old stream arrives any more (`Link.closed`).
- So nothing is ever delivered twice by the transport, and no stream overtakes itself: the same message comes again only
  if the sender's brain sends it again on the new stream.
- A machine that loses power says nothing: its peers hold the stream open until keepalive, and refuse the node's next
  process until then.
- With `lanes`, what is sent goes through lanes.py: the broadcast travels beside the stream, as in the product.
"""

import random
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from typing import Any

from sim.lanes import Frame, Joint, LaneEnd
from sim.marks import Marks
from sim.world import MS, World
from zooweeper.model.members import Membership
from zooweeper.transport.wire import frame_from, frames, messages_from
from zooweeper.zab.events import PeerDown, PeerUp, Received
from zooweeper.zab.messages import Message


@dataclass(frozen=True, slots=True)
class Quality:
    """How good a network is, in microseconds."""

    name: str
    delay_min_us: int
    delay_mean_us: int  # exponential, on top of the minimum
    stall_chance: float  # that one message (and all behind it) is held up ...
    stall_us: int  # ... for up to so long


LAN = Quality("LAN", 50, 100, 0.0, 0)
SLOW = Quality("SLOW", 2 * MS, 5 * MS, 0.002, 200 * MS)
AWFUL = Quality("AWFUL", 1 * MS, 30 * MS, 0.01, 1500 * MS)
KEEPALIVE_US = 2000 * MS  # at the latest then a side learns that the other is gone


class Pipe:
    """One direction: what was pushed first arrives first, later."""

    def __init__(
        self,
        world: World,
        chance: random.Random,
        quality: Callable[[], Quality],  # of the moment
        deliver: Callable[[Any], None],
    ) -> None:
        self.world = world
        self.chance = chance
        self.quality = quality
        self.deliver = deliver
        self.blocked = False
        self.closed = False
        self._queue: deque[tuple[int, Any]] = deque()
        self._last_us = 0
        self._armed = False

    def push(self, item: Any) -> None:
        """Put it at the end; nothing happens on a closed pipe."""
        if self.closed:
            return
        quality, chance = self.quality(), self.chance
        delay_us = quality.delay_min_us + int(chance.expovariate(1.0) * quality.delay_mean_us)
        if quality.stall_chance and chance.random() < quality.stall_chance:
            delay_us += chance.randrange(quality.stall_us)
        self._last_us = max(self._last_us, self.world.now_us + delay_us)
        self._queue.append((self._last_us, item))
        self._arm()

    def finish(self, item: Any) -> None:
        """The stream broke: a suffix of what is on its way is lost (all of it in a cut direction), `item` ends it."""
        kept = 0 if self.blocked else self.chance.randint(0, len(self._queue))
        while len(self._queue) > kept:
            self._queue.pop()
        self.blocked = False
        self.push(item)

    def close(self) -> None:
        """Nothing more arrives."""
        self.closed = True
        self._queue.clear()

    def lose_some(self) -> None:
        """A suffix of what is on its way gets lost."""
        for _ in range(self.chance.randint(0, len(self._queue))):
            self._queue.pop()

    def hasten(self) -> None:
        """What was held up arrives now."""
        now_us = self.world.now_us
        if self._last_us > now_us:
            self._queue = deque((min(at_us, now_us), item) for at_us, item in self._queue)
            self._last_us = now_us
            self._armed = False
            self._arm()

    def block(self, blocked: bool) -> None:
        self.blocked = blocked
        if not blocked:
            self._arm()

    def _arm(self) -> None:
        if self._queue and not self._armed and not self.blocked:
            self._armed = True
            self.world.after(max(0, self._queue[0][0] - self.world.now_us), self._fire)

    def _fire(self) -> None:
        self._armed = False
        if self.blocked or self.closed or not self._queue:
            return
        if self._queue[0][0] <= self.world.now_us:
            _, item = self._queue.popleft()
            self.deliver(item)
        if not self.closed:
            self._arm()


class Stream:
    """One connection of a pair; `pipes[x]` leads to x. `open[x]`: x has seen PeerUp and not yet PeerDown. `before`: the
    stream that the listening side reads until this one's PeerUp arrives there."""

    def __init__(self, network: "Network", pair: tuple[int, int], before: "Stream | None" = None) -> None:
        self.network = network
        self.pair = pair
        self.listener, self.dialer = pair
        self.before = before
        self.broken = False
        self.silent = False  # the process at one end vanished without a word
        self.open = dict.fromkeys(pair, False)
        self.pipes = {to: network.pipe(self.other(to), to, partial(self._arrive, to)) for to in pair}
        for node in pair:
            self.pipes[node].push(PeerUp(self.other(node)))
        self.joint = Joint(self) if network.lanes else None

    def other(self, node: int) -> int:
        return self.pair[1] if node == self.pair[0] else self.pair[0]

    def _arrive(self, to: int, item: Any) -> None:
        if self.joint is not None and isinstance(item, Frame):
            self.joint.arrive(to, item)
            return
        if self.joint is not None and isinstance(item, LaneEnd):
            self.joint.give_up(to, item)
            return
        if isinstance(item, PeerDown):
            self.end(to)
            return
        if isinstance(item, PeerUp):
            if to == self.listener and self.before is not None:
                if self.before.open[to]:
                    self.network.world.mark("a new stream while the old one was read")
                self.before.end(to)
                self.before = None
                if self.pipes[to].closed:  # learning that ended the process
                    return
            self.open[to] = True
        self.network.nodes[to].step(item)

    def end(self, node: int) -> None:
        """`node` learns that the stream is gone."""
        if self.before is not None and node == self.listener:
            self.before.end(node)
            self.before = None
        pipe = self.pipes[node]
        if not pipe.closed:
            pipe.close()
            if self.joint is not None:
                self.joint.leave(node)
            if self.open[node]:
                self.open[node] = False
                self.network.nodes[node].step(PeerDown(self.other(node)))

    def break_up(self) -> None:
        """Both sides will learn it, each in its time."""
        if not self.broken:
            self.broken = True
            for node in self.pair:
                self.pipes[node].finish(PeerDown(self.other(node)))

    def leave(self) -> None:
        """The dialing side finds the stream broken and will open another; the listening side goes on reading this one
        until that comes, or until keepalive."""
        if not self.broken:
            self.broken = True
            self.end(self.dialer)
            self.down_later(self.listener)

    def drop_side(self, node: int, silent: bool) -> None:
        """The process of `node` is gone: it learns nothing any more. `silent`: nor does the other side, for now."""
        stream: Stream | None = self
        while stream is not None:
            stream.pipes[node].close()
            stream.open[node] = False
            stream = stream.before
        if silent and not self.broken:
            self.broken = self.silent = True
            self.pipes[self.other(node)].lose_some()
            self.down_later(self.other(node))
        self.break_up()
        if self.joint is not None:
            self.joint.leave(node)

    def all_pipes(self, to: int) -> list[Pipe]:
        """Whatever leads to `to`."""
        lane = self.joint.pipes.get(to) if self.joint is not None else None
        return [self.pipes[to]] if lane is None else [self.pipes[to], lane]

    def down_later(self, node: int) -> None:
        delay_us = self.network.chance.randrange(KEEPALIVE_US)
        self.network.world.after(delay_us, self.pipes[node].finish, PeerDown(self.other(node)))


class Network:
    """All streams of the ensemble. `nodes` must have `alive` and `step(event)`."""

    def __init__(
        self,
        world: World,
        quality: Quality,
        reconnect_ms: tuple[int, int] = (20, 200),
        wire: bool = False,
        lanes: bool = False,
    ) -> None:
        """`wire`: messages pass through their encoding on the way. `lanes`: streams get lanes beside them."""
        self.world = world
        self.wire = wire
        self.lanes = lanes
        self.chance = world.chance("network")
        self.quality = quality
        self.reconnect_ms = reconnect_ms
        self.nodes: dict[int, Any] = {}
        self.streams: dict[tuple[int, int], Stream] = {}
        self.cut: dict[tuple[int, int], bool] = {}  # (from, to)
        self.initial: dict[int, int] = {}  # see checks/durable.py
        self.marks = Marks(world)
        self.slow: dict[tuple[int, int], Quality] = {}  # (from, to): a link that is not like the others
        self.members: dict[int, Membership] = {}  # node -> whom it wants to be connected with
        self.parting_us = 2000 * MS  # how long the stream with one that was removed lives on

    def now(self) -> Quality:
        """How good it is at the moment."""
        return self.quality

    def qualities(self, source: int, to: int) -> Callable[[], Quality]:
        """Asks how good that direction is at the moment."""
        direction, slow = (source, to), self.slow
        return lambda: slow.get(direction, self.quality)

    def pipe(self, source: int, to: int, deliver: Callable[[Any], None]) -> Pipe:
        """A new way from one node to another."""
        return Pipe(self.world, self.chance, self.qualities(source, to), deliver)

    def start(self) -> None:
        """Once, when `nodes` is filled: every pair tries to connect from now on."""
        for a in sorted(self.nodes):
            for b in sorted(self.nodes):
                if a < b:
                    self._connect((a, b))

    def send(self, source: int, to: int, message: Message) -> None:
        """Into the stream that `source` believes to be there; lost if there is none."""
        stream = self.streams.get((min(source, to), max(source, to)))
        if stream is not None and stream.open[source] and not stream.broken:
            if self.wire:
                (message,) = messages_from(frame_from(next(frames([message]))))
            if stream.joint is not None:
                stream.joint.send(source, message)
            else:
                stream.pipes[to].push(Received(source, message))

    def set_members(self, node: int, membership: Membership) -> None:
        """It is connected with these from now on; who has gone keeps its stream for a while, to hear of it."""
        self.members[node] = membership
        for stream in self._of(node):
            if stream.other(node) not in membership.ids:
                self.world.after(self.parting_us, self._part, node, stream)

    def _part(self, node: int, stream: Stream) -> None:
        if stream.other(node) not in self.members[node].ids:
            stream.break_up()

    def _acquainted(self, a: int, b: int) -> bool:
        """Each takes the other: for a member, or because it says to know of newer members."""
        mine, yours = self.members.get(a), self.members.get(b)
        if mine is None or yours is None:
            return True
        knows, known = b in mine.ids, a in yours.ids
        return (knows and known) or (knows and mine.version > yours.version) or (known and yours.version > mine.version)

    def crashed(self, node: int, power_loss: bool = False) -> None:
        """Its streams end; half of the machines that lose power are silent about it."""
        silent = power_loss and self.chance.random() < 0.5
        for stream in self._of(node):
            stream.drop_side(node, silent)

    def break_pair(self, a: int, b: int) -> None:
        """The stream of the pair breaks, if there is one."""
        stream = self.streams.get((min(a, b), max(a, b)))
        if stream is not None:
            stream.break_up()

    def break_lane(self, a: int, b: int) -> bool:
        """The lane of the pair breaks, and nothing else. False: there is none."""
        stream = self.streams.get((min(a, b), max(a, b)))
        if stream is None or stream.joint is None or stream.broken or not stream.joint.pipes:
            return False
        stream.joint.break_up()
        return True

    def cut_lane(self, source: int, to: int, cut: bool) -> bool:
        """Nothing passes on the lane from `source` to `to`, or does again. False: there is none."""
        stream = self.streams.get((min(source, to), max(source, to)))
        if stream is None or stream.joint is None or not stream.joint.pipes:
            return False
        stream.joint.pipes[to].block(cut or bool(self.cut.get((source, to))))
        return True

    def leave_pair(self, a: int, b: int) -> None:
        """The stream of the pair breaks, if there is one, and one side does not notice."""
        stream = self.streams.get((min(a, b), max(a, b)))
        if stream is not None:
            stream.leave()

    def forsake(self, node: int) -> None:
        """All others find their streams with that node broken; it learns so later, each in its time."""
        for stream in self._of(node):
            if not stream.broken:
                stream.broken = True
                stream.end(stream.other(node))
                stream.down_later(node)

    def cut_direction(self, source: int, to: int, cut: bool) -> None:
        """Nothing passes from `source` to `to` (or does again)."""
        self.cut[source, to] = cut
        stream = self.streams.get((min(source, to), max(source, to)))
        if stream is not None and not stream.broken:
            for pipe in stream.all_pipes(to):
                pipe.block(cut)

    def heal(self) -> None:
        """All directions are open again."""
        self.heal_among(self.nodes)

    def heal_among(self, nodes: Collection[int]) -> None:
        """The directions between these nodes are open again, and as fast as all."""
        for direction in [direction for direction in self.slow if direction[0] in nodes and direction[1] in nodes]:
            del self.slow[direction]
        for source, to in list(self.cut):
            if source in nodes and to in nodes:
                self.cut_direction(source, to, False)
        for (a, b), stream in self.streams.items():
            if a in nodes and b in nodes:
                for to in stream.pair:
                    for pipe in stream.all_pipes(to):
                        pipe.hasten()

    def _of(self, node: int) -> list[Stream]:
        return [stream for pair, stream in self.streams.items() if node in pair]

    def _connect(self, pair: tuple[int, int]) -> None:
        """Every now and then: a pair without a stream gets one, if both are there and can hear one another."""
        low, high = self.reconnect_ms
        self.world.after(self.chance.randint(low, high) * MS, self._connect, pair)
        a, b = pair
        stream = self.streams.get(pair)
        if stream is not None and not stream.broken:
            if any(self.cut.get(direction) for direction in ((a, b), (b, a))) and self.chance.random() < 0.05:
                stream.break_up()  # keepalive, on a link that is cut: about 2 s
            return
        if not (self.nodes[a].alive and self.nodes[b].alive) or self.cut.get((a, b)) or self.cut.get((b, a)):
            return
        if not self._acquainted(a, b):
            return
        if stream is not None:
            if stream.silent and (stream.open[a] or stream.open[b]):
                return  # another process of that node is still connected, as far as its peer knows
            stream.end(b)  # who dials has learned it
        if self.nodes[a].alive and self.nodes[b].alive:  # learning it may have ended a node
            self.streams[pair] = Stream(self, pair, stream)
