"""A session: a client's life with the service, apart from any connection.

Rules: replicated state, equal on every node; changed only by tree/sessions.py. When it was last heard of is not here:
that is the leader's own knowledge.
"""

from typing import NamedTuple

from zooweeper.model.acl import Id


class Remembered(NamedTuple):
    """What a request of the session was answered."""

    error: int
    body: bytes
    zxid: int


class Session:
    __slots__ = (
        "attach",
        "base",
        "id",
        "identities",
        "number",
        "origin",
        "results",
        "results_bytes",
        "results_kept",
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
        self.results_kept = 0  # how many results are remembered for retries
        self.results: dict[int, Remembered] = {}  # by running number, oldest first
        self.results_bytes = 0  # of their bodies
        self.base = 0  # checksum of all that changes seldom
        self.seen = 0  # as Znode.seen

    def __repr__(self) -> str:  # the secret stays out of it
        return f"Session({self.id:#x}, timeout_ms={self.timeout_ms}, attach={self.attach:#x}, number={self.number})"
