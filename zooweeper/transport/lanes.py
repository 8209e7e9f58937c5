"""One order over two carriers: a link's messages travel on its stream or on its lane, and arrive as they were sent.

Rules: pure; the same machine runs in the transport and in the simulator. Each direction numbers its messages from 1,
whichever carrier takes them; the receiver gives out number after number and drops what comes again. The stream loses
nothing while the link lives, so only what is on the lane is kept until the other side has confirmed it: `received`, the
count of what it gave out in order, rides on its frames. When the lane goes down, what is kept goes over the stream, and
nobody above notices. A lane that holds too much unconfirmed is passed by; what arrives too early is held, and bounded.

                 push ─▶ number ─┬─ lane, kept until confirmed ─┐
                                 └─ stream ─────────────────────┴─▶ take: held until its turn ─▶ in order
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from zooweeper.model.limits import LANE_CONFIRM_BYTES, LANE_KEPT_BYTES_MAX, PEER_QUEUE_BYTES_MAX
from zooweeper.zab.messages import Ack, BarrierAnswer, BarrierAsk, Commit, Forward, Ping, Pong, Propose

FAST_MESSAGES = frozenset((Propose, Ack, Commit, Ping, Pong, Forward, BarrierAsk, BarrierAnswer))
"""What belongs on the lane: the broadcast. Pings are part of it, for a linearizable read waits for a round of them."""

STALLED_TICKS = 4  # without a confirmation, while one is due: the lane is given up

M = TypeVar("M")


class Lanes(Generic[M]):
    """One side of a link, both directions."""

    __slots__ = (
        "_confirmed",
        "_held",
        "_held_bytes",
        "_kept",
        "_kept_bytes",
        "_owed",
        "_size",
        "_still",
        "_up",
        "received",
        "sent",
    )

    def __init__(self, size: Callable[[M], int]) -> None:
        """`size`: what a message counts for, in bytes."""
        self.sent = 0  # the number of the last message that was pushed
        self.received = 0  # the number of the last message that was given out: what this side confirms
        self._size = size
        self._up = False
        self._kept: deque[tuple[int, int, M]] = deque()  # (number, bytes, message): on the lane, not confirmed
        self._kept_bytes = 0
        self._confirmed = 0  # the number up to which the other side has given out
        self._still = 0  # ticks since that went on, or since nothing was kept
        self._held: dict[int, M] = {}  # arrived before its turn
        self._held_bytes = 0
        self._owed = 0  # bytes that came over the lane since the last confirmation

    # --- the way out

    @property
    def up(self) -> bool:
        """The lane takes messages."""
        return self._up

    def lane_up(self) -> None:
        """The other side takes frames of a lane from now on."""
        assert not self._up and not self._kept
        self._up = True
        self._still = 0

    def lane_down(self) -> list[tuple[int, M]]:
        """The lane takes nothing more, or is given up: what has to go over the stream now, with its numbers."""
        self._up = False
        again = [(number, message) for number, _, message in self._kept]
        self._kept.clear()
        self._kept_bytes = 0
        return again

    def push(self, message: M, size: int, fast: bool) -> bool:
        """The next message is number `sent`. True: write it to the lane; else it goes over the stream. `fast`: it is of
        a kind that belongs on the lane."""
        self.sent += 1
        if not fast or not self._up or self._kept_bytes + size > LANE_KEPT_BYTES_MAX:
            return False
        self._kept.append((self.sent, size, message))
        self._kept_bytes += size
        return True

    def confirmed(self, count: int) -> None:
        """The other side has given out all up to `count`. ValueError: it cannot have."""
        if count > self.sent:
            raise ValueError(f"{count} messages are confirmed, {self.sent} were sent")
        if count <= self._confirmed:
            return  # the other carrier was faster
        self._confirmed = count
        self._still = 0
        kept = self._kept
        while kept and kept[0][0] <= count:
            self._kept_bytes -= kept.popleft()[1]

    # --- the way in

    def take(self, first: int, messages: Sequence[M], lane: int) -> Sequence[M]:
        """Messages number `first` and on, as they came over the lane in so many bytes, or over the stream (0): what is
        to be given out now, in order. ValueError: they are too far ahead."""
        self._owed += lane
        if first == self.received + 1 and not self._held:  # as nearly always
            self.received += len(messages)
            return messages
        for number, message in enumerate(messages, first):
            if number > self.received and number not in self._held:
                self._held[number] = message
                self._held_bytes += self._size(message)
        ready: list[M] = []
        while (following := self._held.pop(self.received + 1, None)) is not None:
            self.received += 1
            self._held_bytes -= self._size(following)
            ready.append(following)
        if self._held_bytes > PEER_QUEUE_BYTES_MAX:
            raise ValueError(f"{self._held_bytes} bytes came before their turn")
        return ready

    def told(self) -> int:
        """What to confirm in the frame that is written now."""
        self._owed = 0
        return self.received

    # --- now and then

    @property
    def owes(self) -> bool:
        """So much came that it should be confirmed without waiting for a frame to ride on."""
        return self._owed >= LANE_CONFIRM_BYTES

    def tick(self) -> bool:
        """Called in even steps. Whether something that came over the lane has not been confirmed yet."""
        self._still = self._still + 1 if self._kept else 0
        return self._owed > 0

    @property
    def stalled(self) -> bool:
        """The lane takes messages, and nobody confirms them."""
        return self._still > STALLED_TICKS
