"""When a batch leaves, for clients that wait for each answer, and for many that write now and then."""

from heapq import heappop, heappush
from random import Random

import pytest

from zooweeper.replica.pace import FIRST, HOLD_US, MANY, RESTS, TRIALS, Pace

FLIGHT_US = 400
BATCHES = 3 * (FIRST + TRIALS + RESTS[1])


class Leader:
    """A pace, and requests that come at given times: what leaves, and when."""

    def __init__(self, paced: bool = True) -> None:
        self.pace = Pace()
        self.paced = paced
        self.arrivals: list[int] = []
        self.now_us = 0
        self.batches: list[int] = []  # their sizes
        self.waits_us: list[int] = []  # of each request, until its batch left

    def batch(self) -> int:
        """Let time pass until a batch leaves and is final; how many requests it had."""
        gathered: list[int] = []
        while True:
            while self.arrivals and self.arrivals[0] <= self.now_us:
                gathered.append(heappop(self.arrivals))
            held = self.pace.holds(len(gathered), self.now_us)
            if gathered and not (held and self.paced):
                break
            self.now_us += 10
        self.pace.leaves(len(gathered), self.now_us)
        self.batches.append(len(gathered))
        self.waits_us += [self.now_us - came for came in gathered]
        self.now_us += FLIGHT_US
        return len(gathered)


def come_back(leader: Leader, rng: Random, clients: int, after_us: int, batches: int) -> None:
    """As many clients that ask again when they are answered, after `after_us` or somewhat more."""
    for number in range(clients):
        heappush(leader.arrivals, leader.now_us + 97 * number)
    for _ in range(batches):
        for _ in range(leader.batch()):
            heappush(leader.arrivals, leader.now_us + after_us + rng.randrange(1 + after_us // 4))


def come_at_random(leader: Leader, rng: Random, each_us: float, batches: int) -> None:
    next_us = float(leader.now_us)
    for _ in range(batches):
        while next_us < leader.now_us + 100 * each_us + 5 * HOLD_US:
            next_us += rng.expovariate(1 / each_us)
            heappush(leader.arrivals, int(next_us))
        leader.batch()


@pytest.mark.parametrize("clients", [2, 3, 10, 30, 200])
def test_clients_that_wait_for_each_answer_share_batches(clients: int) -> None:
    leader = Leader()
    come_back(leader, Random(1), clients, 300, BATCHES)
    assert leader.batches[-100:] == [clients] * 100


def test_one_client_never_waits() -> None:
    leader = Leader()
    come_back(leader, Random(1), 1, 300, BATCHES)
    assert max(leader.waits_us) < 10, "less than a step of the test"


@pytest.mark.parametrize("each_us", [3000, 1000, 300, 150])
def test_requests_that_come_at_random_hardly_wait(each_us: float) -> None:
    """Longer than without: until the batch in flight is final they wait anyway."""
    without, leader = Leader(paced=False), Leader()
    for one in (without, leader):
        come_at_random(one, Random(7), each_us, BATCHES)
        del one.waits_us[: len(one.waits_us) // 4]
    mean, without_mean = (sum(one.waits_us) / len(one.waits_us) for one in (leader, without))
    assert mean < without_mean + HOLD_US / TRIALS


def test_many_that_come_at_random_wait_no_longer_than_a_batch_is_under_way() -> None:
    leader = Leader()
    come_at_random(leader, Random(7), FLIGHT_US / MANY / 2, BATCHES)
    late = [wait for wait in leader.waits_us if wait > 2 * FLIGHT_US + 10]
    assert len(late) < len(leader.waits_us) / 10, "in trials"


def test_clients_are_found_again_when_they_begin_to_wait_for_each_other() -> None:
    leader = Leader()
    come_at_random(leader, Random(7), 300, BATCHES)
    leader.arrivals.clear()
    come_back(leader, Random(1), 10, 300, RESTS[1] + 2 * TRIALS)
    assert leader.batches[-TRIALS:] == [10] * TRIALS


def test_nobody_waits_longer_than_the_bound() -> None:
    """Ten were there, one is left."""
    leader = Leader()
    come_back(leader, Random(1), 10, 300, BATCHES)
    leader.arrivals.clear()
    heappush(leader.arrivals, leader.now_us)
    assert leader.batch() == 1
    assert leader.waits_us[-1] == HOLD_US
    heappush(leader.arrivals, leader.now_us + 50)
    leader.batch()
    assert leader.waits_us[-1] == 0, "one is expected now"


def test_what_comes_long_after_the_last_batch_leaves_at_once() -> None:
    leader = Leader()
    come_back(leader, Random(1), 10, 300, BATCHES)
    leader.arrivals.clear()
    heappush(leader.arrivals, leader.now_us + 2 * HOLD_US)
    assert leader.batch() == 1
    assert leader.waits_us[-1] < 10
