"""The lane beside a stream: the product's machine that keeps one order, between carriers that reorder, lose and end.

Rules: as transport/joint.py and link.py, and no kinder. A lane is opened when both sides have the stream, and each side
begins to use it in its own time. When it breaks, a suffix of what is on it is lost in each direction; each side learns
of it alone, sends what is not confirmed over the stream, and says so there. Nothing of this ends the stream. A side
whose messages nobody confirms gives the lane up by itself, and only a process that runs can do so.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from sim.world import MS
from zooweeper.transport.lanes import FAST_MESSAGES, Lanes
from zooweeper.transport.wire import size_of
from zooweeper.zab.events import Received
from zooweeper.zab.messages import Message

if TYPE_CHECKING:
    from sim.network import Pipe, Stream

OFFER_MS = (1, 400)  # between two lanes
TICKS_PER_SILENCE = 16


@dataclass(frozen=True, slots=True)
class Frame:
    """What travels: `message` None, a confirmation alone."""

    number: int
    confirmed: int
    message: Message | None
    lane: bool


@dataclass(frozen=True, slots=True)
class LaneEnd:
    """To a side: the lane of that serial is gone, or the other side has given it up."""

    serial: int


class Joint:
    """The lanes of one stream, one after the other; `pipes[x]` leads to x."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.network = stream.network
        self.ends: dict[int, Lanes[Message]] = {node: Lanes(size_of) for node in stream.pair}
        self.pipes: dict[int, Pipe] = {}
        self.serial = 0
        self._ticking = False
        self._offer_later()

    # --- messages

    def send(self, source: int, message: Message) -> None:
        """Onto the carrier that it belongs on."""
        end = self.ends[source]
        lane = end.push(message, size_of(message), type(message) in FAST_MESSAGES)
        self._write(source, end.sent, message, lane)

    def _write(self, source: int, number: int, message: Message | None, lane: bool) -> None:
        to = self.stream.other(source)
        pipe = self.pipes[to] if lane else self.stream.pipes[to]
        pipe.push(Frame(number, self.ends[source].told(), message, lane))

    def arrive(self, to: int, frame: Frame) -> None:
        """A frame is there, over either carrier."""
        end, source = self.ends[to], self.stream.other(to)
        end.confirmed(frame.confirmed)
        if frame.message is None:
            return
        ready = end.take(frame.number, [frame.message], size_of(frame.message) if frame.lane else 0)
        if not ready:
            self.network.world.mark("a message came before its turn, or twice")
        for message in ready:
            if not self.stream.open[to]:
                return  # the last one ended it
            self.network.nodes[to].step(Received(source, message))
        if end.owes and end.up:
            self._write(to, 0, None, True)

    # --- lanes come

    def _offer_later(self) -> None:
        self.network.world.after(self.network.chance.randint(*OFFER_MS) * MS, self._offer)

    def _offer(self) -> None:
        stream, network = self.stream, self.network
        if stream.broken:
            return
        a, b = stream.pair
        if not all(stream.open.values()) or network.cut.get((a, b)) or network.cut.get((b, a)):
            self._offer_later()
            return
        self.serial += 1
        self.pipes = {to: network.pipe(stream.other(to), to, partial(self._arrive, to)) for to in stream.pair}
        self._begin(stream.listener, self.serial)
        network.world.after(network.chance.randrange(2 * MS), self._begin, stream.dialer, self.serial)
        if not self._ticking:
            self._ticking = True
            network.world.after(self._tick_us, self._tick)

    def _begin(self, node: int, serial: int) -> None:
        if serial == self.serial and self.stream.open[node] and not self.pipes[node].closed:
            self.ends[node].lane_up()

    def _arrive(self, to: int, item: Frame | LaneEnd) -> None:
        if isinstance(item, LaneEnd):
            self.give_up(to, item)
        else:
            self.arrive(to, item)

    # --- and go

    def break_up(self) -> None:
        """The lane is gone; both sides will learn it, each in its time."""
        for pipe in self.pipes.values():
            if not pipe.closed:
                pipe.finish(LaneEnd(self.serial))

    def give_up(self, node: int, end: LaneEnd) -> None:
        """`node` does not use that lane any more."""
        if end.serial != self.serial or self.pipes[node].closed:
            return
        self.network.world.mark("a lane was given up")
        other = self.stream.other(node)
        self.pipes[node].close()
        if self.ends[node].up:
            for number, message in self.ends[node].lane_down():
                self.network.world.mark("a message went again over the stream")
                self._write(node, number, message, False)
        self.stream.pipes[other].push(end)
        if not self.pipes[other].closed:
            self.pipes[other].finish(end)
        elif not self.stream.broken:
            self._offer_later()

    def leave(self, node: int) -> None:
        """The stream has ended for `node`, and the lane with it."""
        pipe = self.pipes.get(node)
        if pipe is not None and not pipe.closed:
            pipe.close()
            other = self.pipes[self.stream.other(node)]
            if not other.closed and not self.stream.silent:
                other.finish(LaneEnd(self.serial))

    # --- now and then

    @property
    def _tick_us(self) -> int:
        return self.network.parting_us // 2 // TICKS_PER_SILENCE

    def _tick(self) -> None:
        stream = self.stream
        if stream.broken:
            return
        self.network.world.after(self._tick_us, self._tick)
        for side in stream.pair:
            node, end = self.network.nodes[side], self.ends[side]
            if stream.open[side] and node.alive and not node.paused:
                owes = end.tick()
                if end.stalled:
                    self.network.world.mark("a lane was stalled")
                    self.give_up(side, LaneEnd(self.serial))
                elif owes:
                    self._write(side, 0, None, end.up)
