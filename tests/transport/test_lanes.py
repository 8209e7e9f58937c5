"""Two carriers, one order: whatever each carrier delays, loses and repeats, messages arrive once and as they were sent.

Rules: the machine alone, between two carriers that keep the transport's promises and no better ones: each is FIFO, the
stream loses nothing, a lane that goes down loses any suffix, each side learns of it in its own time.
"""

from collections import deque
from itertools import product

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from zooweeper.model.limits import LANE_CONFIRM_BYTES, LANE_KEPT_BYTES_MAX, PEER_QUEUE_BYTES_MAX
from zooweeper.transport.lanes import STALLED_TICKS, Lanes

Frame = tuple[int, int, list[int]]  # number of the first message (0: none), confirmed, messages


class Pair:
    """Two ends and what is on its way: messages are numbers, pushed 1, 2, 3 ... at each end."""

    def __init__(self, size: int = 100) -> None:
        self.size = size
        self.ends: list[Lanes[int]] = [Lanes(lambda _: size), Lanes(lambda _: size)]
        self.streams: list[deque[Frame]] = [deque(), deque()]  # towards end 0, 1
        self.lanes: list[deque[Frame]] = [deque(), deque()]
        self.waiting: list[deque[tuple[int, int]]] = [deque(), deque()]  # at end 0, 1: for the stream to take
        self.out: list[list[int]] = [[], []]

    def push(self, end: int, fast: bool) -> None:
        lanes = self.ends[end]
        message = lanes.sent + 1
        if lanes.push(message, self.size, fast):
            self.lanes[1 - end].append((lanes.sent, lanes.told(), [message]))
        else:
            self.waiting[end].append((lanes.sent, message))

    def write(self, end: int) -> None:
        """The stream takes one frame: a run of numbers."""
        waiting = self.waiting[end]
        run: list[tuple[int, int]] = []
        while waiting and (not run or waiting[0][0] == run[-1][0] + 1):
            run.append(waiting.popleft())
        if run:
            self.streams[1 - end].append((run[0][0], self.ends[end].told(), [message for _, message in run]))

    def arrive(self, to: int, lane: bool) -> None:
        carrier = (self.lanes if lane else self.streams)[to]
        if carrier:
            first, confirmed, messages = carrier.popleft()
            self.ends[to].confirmed(confirmed)
            self.out[to] += self.ends[to].take(first, messages, lane and self.size) if first else []

    def confirm(self, end: int) -> None:
        self.streams[1 - end].append((0, self.ends[end].told(), []))

    def down(self, end: int) -> None:
        self.waiting[end].extendleft(reversed(self.ends[end].lane_down()))

    def lose(self, to: int, kept: int) -> None:
        while len(self.lanes[to]) > kept:
            self.lanes[to].pop()

    def settle(self) -> None:
        """Everything that is on its way arrives."""
        for end in (0, 1):
            while self.waiting[end]:
                self.write(end)
            for lane in (True, False):
                while (self.lanes if lane else self.streams)[end]:
                    self.arrive(end, lane)
        for end in (0, 1):
            while self.streams[end]:
                self.arrive(end, False)

    def check(self) -> None:
        for to in (0, 1):
            assert self.out[to] == list(range(1, len(self.out[to]) + 1)), "not as they were sent"


class Weather(RuleBasedStateMachine):
    """Any mixture of messages, delays and lanes that come and go."""

    @initialize()
    def begin(self) -> None:
        self.pair = Pair()
        self.open = [False, False]  # the ends that use the current lane
        self.dead = False  # it has lost something: nothing more arrives on it

    @rule(end=st.integers(0, 1), fast=st.booleans(), count=st.integers(1, 4))
    def push(self, end: int, fast: bool, count: int) -> None:
        for _ in range(count):
            self.pair.push(end, fast)
        if self.dead:
            self.pair.lose(1 - end, 0)

    @rule(end=st.integers(0, 1))
    def write(self, end: int) -> None:
        self.pair.write(end)

    @rule(to=st.integers(0, 1), lane=st.booleans(), count=st.integers(1, 4))
    def arrive(self, to: int, lane: bool, count: int) -> None:
        for _ in range(count):
            self.pair.arrive(to, lane)

    @precondition(lambda self: not self.dead)
    @rule(end=st.integers(0, 1))
    def lane_up(self, end: int) -> None:
        if not self.open[end]:
            self.open[end] = True
            self.pair.ends[end].lane_up()

    @rule(to=st.integers(0, 1), kept=st.integers(0, 3))
    def lane_breaks(self, to: int, kept: int) -> None:
        self.dead = True
        self.pair.lose(to, kept)

    @rule(end=st.integers(0, 1))
    def lane_down(self, end: int) -> None:
        if self.open[end]:
            self.open[end] = False
            self.pair.down(end)
            self.dead = True
        if self.dead and not any(self.open):
            for to in (0, 1):
                self.pair.lose(to, 0)
            self.dead = False

    @rule(end=st.integers(0, 1))
    def confirm(self, end: int) -> None:
        self.pair.confirm(end)

    @invariant()
    def in_order(self) -> None:
        self.pair.check()

    def teardown(self) -> None:
        for end in (0, 1):
            if self.dead and self.open[end]:
                self.pair.down(end)
        self.pair.settle()
        self.pair.check()
        assert [len(out) for out in self.pair.out] == [self.pair.ends[1].sent, self.pair.ends[0].sent]


TestWeather = Weather.TestCase
TestWeather.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)


KINDS = list(product((True, False), repeat=5))


@pytest.mark.parametrize("kinds", KINDS, ids=lambda kinds: "".join("sl"[kind] for kind in kinds))
def test_a_lane_that_breaks_anywhere_loses_and_repeats_nothing(kinds: tuple[bool, ...]) -> None:
    """All places of the break, all numbers of frames that arrived before it, all arrivals of the stream among them."""
    count = len(kinds)
    for broken_after, arrived, stream_first in product(range(count + 1), range(count + 1), range(count + 1)):
        pair = Pair()
        pair.ends[0].lane_up()
        for kind in kinds[:broken_after]:
            pair.push(0, kind)
        pair.lose(1, arrived)
        for _ in range(stream_first):
            pair.write(0)
            pair.arrive(1, False)
        for _ in range(arrived):
            pair.arrive(1, True)
            pair.check()
        pair.down(0)
        for kind in kinds[broken_after:]:
            pair.push(0, kind)
        pair.settle()
        assert pair.out[1] == list(range(1, count + 1))


def test_what_was_confirmed_does_not_go_again() -> None:
    pair = Pair()
    pair.ends[0].lane_up()
    for _ in range(5):
        pair.push(0, True)
    for _ in range(3):
        pair.arrive(1, True)
    pair.confirm(1)
    pair.arrive(0, False)
    assert pair.ends[0].lane_down() == [(4, 4), (5, 5)]


def test_a_lane_with_too_much_unconfirmed_is_passed_by() -> None:
    lanes: Lanes[int] = Lanes(lambda _: LANE_KEPT_BYTES_MAX // 2)
    lanes.lane_up()
    assert [lanes.push(0, LANE_KEPT_BYTES_MAX // 2, True) for _ in range(3)] == [True, True, False]
    lanes.confirmed(1)
    assert lanes.push(0, LANE_KEPT_BYTES_MAX // 2, True)


def test_what_comes_too_early_is_bounded() -> None:
    size = PEER_QUEUE_BYTES_MAX // 8
    lanes: Lanes[int] = Lanes(lambda _: size)
    for number in range(2, 10):
        assert not lanes.take(number, [number], 0)
        assert not lanes.take(number, [number], 1), "again: it is held once"
    with pytest.raises(ValueError, match="before their turn"):
        lanes.take(10, [10], 1)


def test_what_was_never_sent_cannot_be_confirmed() -> None:
    lanes: Lanes[int] = Lanes(lambda _: 1)
    lanes.push(0, 1, True)
    lanes.confirmed(1)
    with pytest.raises(ValueError, match="2 messages are confirmed, 1 were sent"):
        lanes.confirmed(2)


def test_a_lane_that_confirms_nothing_is_stalled_and_one_that_has_nothing_to_confirm_is_not() -> None:
    lanes: Lanes[int] = Lanes(lambda _: 1)
    lanes.lane_up()
    for _ in range(3 * STALLED_TICKS):
        lanes.tick()
    assert not lanes.stalled
    lanes.push(0, 1, True)
    lanes.push(0, 1, True)
    for _ in range(STALLED_TICKS):
        lanes.tick()
    lanes.confirmed(1)
    for _ in range(STALLED_TICKS):
        lanes.tick()
        assert not lanes.stalled, "it went on a moment ago"
    lanes.tick()
    assert lanes.stalled


def test_what_came_over_the_lane_is_confirmed_soon() -> None:
    lanes: Lanes[int] = Lanes(lambda _: LANE_CONFIRM_BYTES // 2)
    assert not lanes.tick()
    lanes.take(1, [1], LANE_CONFIRM_BYTES // 2)
    assert lanes.tick() and not lanes.owes
    lanes.take(2, [2], LANE_CONFIRM_BYTES // 2)
    assert lanes.owes
    assert lanes.told() == 2
    assert not lanes.owes and not lanes.tick()
    lanes.take(3, [3], 0)
    assert not lanes.tick(), "the stream keeps what it was given"
