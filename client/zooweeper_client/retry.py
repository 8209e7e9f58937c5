"""How long and how often to try again.

Rules: pure; chance is an argument. What may be tried again is read from the error's outcome, never from a list of
verbs: only what was not applied, and only when another moment or another node may do better. A write whose answer was
lost needs no rule: the session repeats it under its running number and it takes effect once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zooweeper.model.errors import ErrorCode, Outcome, ZkError

if TYPE_CHECKING:
    from random import Random

WELCOME_MS_MIN = 250  # for one try to connect
WELCOME_MS_MAX = 2000  # or two thirds of the session's timeout, if that is more
TRANSIENT = frozenset((ErrorCode.NO_QUORUM, ErrorCode.THROTTLED_OP, ErrorCode.BEHIND))


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Full jitter: before try n a random time up to `base * 2**n` seconds, at most `cap`.

    `deadline`: seconds a call may take altogether. `enabled=False`: no second try, and a call made or caught while
    there is no connection fails at once (NotConnected, or ConnectionLoss when its outcome is unknown).
    """

    deadline: float = 30.0
    base: float = 0.05
    cap: float = 2.0
    enabled: bool = True

    def __post_init__(self) -> None:
        if not (0 < self.base <= self.cap and 0 < self.deadline < 1e9):
            raise ValueError(f"{self}: expected 0 < base <= cap and a deadline above 0")

    def delay_ms(self, attempt: int, rng: Random) -> int:
        """How long to wait before try `attempt` + 1, the first being 0; at least 1 ms."""
        ceiling = min(self.cap, self.base * (1 << min(attempt, 30)))
        return max(1, round(rng.random() * ceiling * 1000))

    def again(self, error: ZkError) -> bool:
        """Whether a call that ended with `error` may do better later."""
        return self.enabled and error.outcome is Outcome.NOT_APPLIED and error.code in TRANSIENT


NO_RETRY = RetryPolicy(enabled=False)


def patience_ms(timeout_ms: int, hosts: int, tries: int) -> int:
    """How long to wait for a welcome in the try after `tries` others. A first round of all hosts leaves a third of the
    session's timeout; each round after it is twice as patient, for what is slow may be the leader, for every host."""
    first = max(WELCOME_MS_MIN, timeout_ms * 2 // 3 // hosts)
    return min(first << min(tries // hosts, 10), max(WELCOME_MS_MAX, timeout_ms * 2 // 3))
