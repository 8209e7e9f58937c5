"""When the next batch leaves: at once, or when those have gathered who can be expected.

Rules: a client that waits for each answer is back soon after it. So when a batch is final, the next one waits for as
many as the last one had, beside those that came meanwhile, for HOLD_US at most: one batch of all costs the nodes little
more than each of two halves, and comes round earlier than both. Whether clients are like that is measured, for many
that write now and then are not: while a batch waits more must come in the same time than while one is under way
(KEENLY), or the next RESTS batches do not wait, unless they are large (MANY). TRIALS then try again.

Part of station 4 (order.py); docs/decisions/pace.md has what it gives.
"""

HOLD_US = 1000  # several times what a client on the same network takes to come back
HOLD_MS = HOLD_US // 1000
KEENLY = 1.5  # whoever comes at random comes 1.0 times as often; 30 clients on two processors came 2.5 times as often
TRIALS = 16
FIRST = 32  # batches of a new leader: clients find it one after the other, and say nothing about later
RESTS = 64, 1024  # at first, and when trials have failed again and again
MANY = 16  # so many wait for half of a flight in any case: it changes no latency, and saves a tenth of the CPU
FADING = 15 / 16  # of what was measured, with each batch


class Pace:
    """Of one leader. Times are microseconds of one clock, counts are requests."""

    __slots__ = (
        "_came",
        "_came_flying",
        "_came_waiting",
        "_count",
        "_expected",
        "_final_us",
        "_flying",
        "_flying_us",
        "_left_us",
        "_next_rests",
        "_rests",
        "_trials",
        "_until_us",
        "_waiting_us",
        "holding",
    )

    def __init__(self) -> None:
        self.holding = False  # a batch waits
        self._count = 0  # of the last batch
        self._flying = False  # it is not known to be final
        self._left_us = self._final_us = 0  # when it left, and was
        self._until_us = 0  # the next one waits no longer
        self._came = 0  # in between
        self._expected = 0  # so many make the next one
        self._trials, self._rests = TRIALS, FIRST
        self._next_rests = RESTS[0]
        self._came_flying = self._flying_us = self._came_waiting = self._waiting_us = 0.0

    def holds(self, gathered: int, now_us: int) -> bool:
        """Whether a batch of what has gathered stays for now. Asked as soon as, and whenever, one could leave."""
        if self._flying:
            self._flying, self._final_us, self._came = False, now_us, gathered
            self._expected = self._count + gathered
            self._until_us = now_us + HOLD_US
            if self._rests:
                flown_us = min(now_us - self._left_us, HOLD_US)
                self._until_us = now_us + flown_us // 2 if self._expected >= MANY else 0
        self.holding = 0 < gathered < self._expected and now_us < self._until_us
        return self.holding

    def leaves(self, count: int, now_us: int) -> None:
        """A batch of so many leaves."""
        if self._rests:
            self._rests -= 1
            self._trials = TRIALS
        elif self._expected > 1:
            self._judge(count, now_us)
        self._count, self._left_us, self._flying = count, now_us, True

    def _judge(self, count: int, now_us: int) -> None:
        self._came_flying = self._came_flying * FADING + self._came
        self._flying_us = self._flying_us * FADING + self._final_us - self._left_us
        self._came_waiting = self._came_waiting * FADING + max(count - self._came, 0)
        self._waiting_us = self._waiting_us * FADING + min(now_us - self._final_us, HOLD_US)
        if self._trials:
            self._trials -= 1
        elif self._came_waiting * self._flying_us > KEENLY * self._came_flying * self._waiting_us:
            self._next_rests = RESTS[0]
        else:
            self._rests = self._next_rests
            self._next_rests = min(2 * self._rests, RESTS[1])
