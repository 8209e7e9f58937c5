"""One live stream with a peer, the lane beside it, and what waits to be sent.

Rules: messages have one order, whichever carrier takes them (lanes.py). What one drain of the loop sends over the
stream leaves as one frame; on the lane a message leaves at once. Who does not take its messages is dropped, not waited
for. Once it is closed, nothing of it arrives any more.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Any

from zooweeper.model.limits import PEER_QUEUE_BYTES_MAX
from zooweeper.pb import peer_pb2 as pb
from zooweeper.transport import packed, wire
from zooweeper.transport.lane import Lane
from zooweeper.transport.lanes import FAST_MESSAGES, Lanes
from zooweeper.zab.messages import Message

Write = Callable[[bytes], Awaitable[None]]


class Link:
    """One live stream with a peer, and what waits to be sent on it."""

    __slots__ = (
        "closed", "end", "lane", "lane_word", "lanes", "on_close", "peer", "process", "queue", "queued_bytes", "reason",
        "received", "wake", "words",
    )  # fmt: skip

    def __init__(
        self, peer: int, process: bytes, end: Callable[[], Any], received: Callable[[int, Message], None]
    ) -> None:
        self.peer = peer
        self.process = process
        self.end = end  # makes whoever reads the stream stop
        self.received = received
        self.lanes: Lanes[Message] = Lanes(wire.size_of)
        self.lane: Lane | None = None
        self.lane_word: Callable[[pb.PeerFrame], None] = lambda frame: None  # called with what the stream says of lanes
        self.on_close: Callable[[], None] = lambda: None
        self.queue: list[tuple[int, Message]] = []  # for the stream, with their numbers
        self.queued_bytes = 0
        self.words: list[pb.PeerFrame] = []  # for the stream, and before the queue: not in the order of messages
        self.wake: asyncio.Future[None] | None = None
        self.closed = False
        self.reason = ""

    # --- the way out

    def send(self, message: Message) -> None:
        """It leaves over the lane at once, or over the stream when the loop's current turn is over."""
        if self.closed:
            return
        size, lanes = wire.size_of(message), self.lanes
        if lanes.push(message, size, type(message) in FAST_MESSAGES):
            assert self.lane is not None
            self.lane.write(packed.frame_of(message, lanes.sent, lanes.told()))
            return
        self.queued_bytes += size
        if self.queued_bytes > PEER_QUEUE_BYTES_MAX:
            self.stop(f"it does not take its messages, {self.queued_bytes} bytes wait")
            return
        self.queue.append((lanes.sent, message))
        self._wake()

    def say(self, frame: pb.PeerFrame) -> None:
        """Something about the link itself, over the stream."""
        if not self.closed:
            self.words.append(frame)
            self._wake()

    def attach(self, lane: Lane) -> None:
        """The lane takes messages from now on, and its frames are listened to."""
        self.lane = lane
        self.lanes.lane_up()
        lane.met(self._from_lane)

    def detach(self) -> None:
        """The lane is gone, or given up: what is not confirmed goes over the stream, before all else."""
        if self.lane is not None:
            self.lane.close()
            self.lane = None
            again = self.lanes.lane_down()
            self.queue[:0] = again
            self.queued_bytes += sum(wire.size_of(message) for _, message in again)
            self._wake()

    def confirm(self) -> None:
        """Tell the other side what has arrived, without a message."""
        frame = pb.PeerFrame(confirmed=self.lanes.told())
        if self.lane is not None:
            self.lane.write(frame.SerializeToString())
        else:
            self.say(frame)

    async def pump(self, write: Write, greeting: bytes) -> None:
        """Write the greeting, if there is one, then what is queued, for as long as the stream lives."""
        loop = asyncio.get_running_loop()
        if greeting:
            await write(greeting)
        while not self.closed:
            if not self.queue and not self.words:
                self.wake = loop.create_future()
                await self.wake
                self.wake = None
            messages, self.queue = self.queue, []
            words, self.words = self.words, []
            taken = self.queued_bytes
            for frame in self._frames(words, messages):
                await write(frame)
                if self.closed:
                    return
            self.queued_bytes -= taken

    def _frames(self, words: Iterable[pb.PeerFrame], messages: list[tuple[int, Message]]) -> Iterator[bytes]:
        for word in words:
            yield word.SerializeToString()
        begin = 0
        for at, (number, _) in enumerate(messages, 1):
            if at == len(messages) or messages[at][0] != number + 1:
                run = [message for _, message in messages[begin:at]]
                yield from wire.frames(run, messages[begin][0], self.lanes.told())
                begin = at

    def _wake(self) -> None:
        if self.wake is not None and not self.wake.done():
            self.wake.set_result(None)

    # --- the way in

    def take(self, data: bytes, lane: bool = False) -> None:
        """A frame came. ValueError when it cannot be."""
        frame = wire.frame_from(data)
        self._take(frame.number, frame.confirmed, wire.messages_from(frame), lane and len(data))
        if not lane and (frame.lane_lost or frame.HasField("lane_offer")) and not self.closed:
            self.lane_word(frame)

    def _take(self, number: int, confirmed: int, messages: Sequence[Message], lane: int) -> None:
        """What is in a frame, which came over the lane in so many bytes, or over the stream (0)."""
        lanes = self.lanes
        if confirmed:
            lanes.confirmed(confirmed)
        for message in lanes.take(number, messages, lane) if number else messages:
            if self.closed:
                return
            self.received(self.peer, message)
        if lane and lanes.owes and self.lane is not None:
            self.confirm()

    def _from_lane(self, lane: Lane, data: bytes) -> None:
        try:
            found = packed.find(data)
            if found is None:
                self.take(data, lane=True)
            else:
                number, confirmed, message = found
                self._take(number, confirmed, (message,), len(data))
        except ValueError as error:
            self.stop(f"it sent bytes that are no message: {error}")

    # --- the end

    def close(self) -> None:
        """Take no more messages, and let the pump end."""
        self.closed = True
        if self.lane is not None:
            self.lane.close()
            self.lane = None
        self.on_close()
        self._wake()

    def stop(self, reason: str) -> None:
        """End the stream; the first reason counts."""
        if not self.closed:
            self.close()
            self.reason = reason
            self.end()
