"""A session: a client's life with the service, apart from any connection.

Rules: replicated state, equal on every node; changed only by tree/sessions.py. When it was last heard of is not here:
that is the leader's own knowledge.
"""

from collections import deque
from collections.abc import Iterable

from zooweeper.model.acl import Id
from zooweeper.model.limits import RESULTS_BYTES_MAX, RESULTS_KEPT_MAX

LARGE = RESULTS_BYTES_MAX // RESULTS_KEPT_MAX  # without a larger one, results cannot come to too many bytes

Remembered = tuple[int, bytes, int]
"""What a request of the session was answered: error, body, zxid. A plain tuple: every write makes one on every node."""


class Session:
    __slots__ = (
        "attach",
        "base",
        "id",
        "identities",
        "large",
        "number",
        "origin",
        "results",
        "secret",
        "seen",
        "timeout_ms",
        "token",
    )

    def __init__(self, id: int, secret: bytes, timeout_ms: int, attach: int, origin: int, token: int) -> None:
        self.id = id  # zxid of the entry that opened it
        self.secret = secret
        self.timeout_ms = timeout_ms
        self.attach = attach  # zxid of the entry that attached it to its present connection
        self.origin = origin  # which process asked for that, and
        self.token = token  # for which of its connections
        self.number = 0  # running number of the last request executed
        self.identities: tuple[Id, ...] = ()
        self.results: deque[Remembered] | None = None  # of the last numbers, for retries; None: none are remembered
        self.large = 0  # the last of those numbers whose result is larger than LARGE; 0: none is
        self.base = 0  # checksum of all that changes seldom
        self.seen = 0  # as Znode.seen

    @property
    def results_kept(self) -> int:
        """How many results are remembered, once there are as many."""
        return 0 if self.results is None else self.results.maxlen or 0

    def result(self, number: int) -> Remembered | None:
        """What the request with this running number was answered. None: it is not remembered, or not executed yet."""
        results, back = self.results, self.number - number
        return results[-1 - back] if results is not None and 0 <= back < len(results) else None

    def keep(self, most: int, results: Iterable[Remembered]) -> None:
        """Remember `most` results from now on; to begin with these, whose last is that of the present number."""
        self.results = deque(results, most) if most else None
        self.large = 0
        for number, (_, body, _) in enumerate(self.results or (), self.number + 1 - len(self.results or ())):
            if len(body) > LARGE:
                self.large = number
        self.trim()

    def trim(self) -> None:
        """Forget the oldest results beyond RESULTS_BYTES_MAX."""
        if not self.large or self.results is None:
            return
        results = self.results
        size = sum(len(body) for _, body, _ in results)
        while size > RESULTS_BYTES_MAX and len(results) > 1:
            size -= len(results.popleft()[1])
        if self.number - self.large >= len(results):
            self.large = 0

    def __repr__(self) -> str:  # the secret stays out of it
        return f"Session({self.id:#x}, timeout_ms={self.timeout_ms}, attach={self.attach:#x}, number={self.number})"
