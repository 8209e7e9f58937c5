"""Which sessions are alive: followers report whom they heard, the leader decides whose time is over (DESIGN D2).

Rules: only a committed entry ends a session; this file merely finds candidates. Deadlines are the leader's own: they
start afresh when it begins to lead, and when its process was paused, for then silence proves nothing.

    report := executed i64, digest u64, count u32, session i64 ...
"""

from collections.abc import Iterable, Mapping
from struct import Struct

from zooweeper.zab.quorum import is_quorum

_REPORT = Struct("!qQI")
SLACK = 1000  # sessions that have ended and are still remembered, before somebody tidies up


def pack_report(executed: int, digest: int, touched: Iterable[int]) -> bytes:
    """What a follower tells with its pong: how far it is, the digest there, which sessions it heard since."""
    sessions = list(touched)
    return _REPORT.pack(executed, digest, len(sessions)) + Struct(f"!{len(sessions)}q").pack(*sessions)


def unpack_report(data: bytes) -> tuple[int, int, tuple[int, ...]]:
    """ValueError for what is no report."""
    if len(data) < _REPORT.size:
        raise ValueError("report too short")
    executed, digest, count = _REPORT.unpack_from(data)
    if len(data) != _REPORT.size + 8 * count:
        raise ValueError(f"report of {count} sessions has {len(data)} bytes")
    return executed, digest, Struct(f"!{count}q").unpack_from(data, _REPORT.size)


class Deadlines:
    """The leader's clock for sessions. To be heard only puts an end off, so between two looks at all sessions may lie
    as much time as the first of them had left."""

    __slots__ = ("_heard", "_look_ms", "_since_ms")

    def __init__(self, now_ms: int) -> None:
        self._since_ms = now_ms
        self._look_ms = now_ms  # no session's time is over before
        self._heard: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._heard)

    def restart(self, now_ms: int) -> None:
        """Everybody gets the full timeout again."""
        self._since_ms = self._look_ms = now_ms
        self._heard.clear()

    def ends_ms(self, session: int, timeout_ms: int) -> int:
        """When the session's time is over."""
        return self._heard.get(session, self._since_ms) + timeout_ms

    def touch(self, sessions: Iterable[int], now_ms: int) -> None:
        for session in sessions:
            self._heard[session] = now_ms

    def changed(self, session: int, timeout_ms: int, now_ms: int) -> None:
        """The session is new, or has another timeout."""
        self._heard[session] = now_ms
        self._look_ms = min(self._look_ms, now_ms + timeout_ms)

    def due(self, now_ms: int) -> bool:
        """Whether some session's time may be over."""
        return now_ms > self._look_ms

    def expired(self, timeouts: Mapping[int, int], now_ms: int) -> list[int]:
        """Of these sessions (and their timeouts) those that nobody heard for longer. Others are forgotten."""
        if len(self._heard) > 2 * len(timeouts) + SLACK:
            self._heard = {session: at for session, at in self._heard.items() if session in timeouts}
        heard, since = self._heard, self._since_ms
        ends = {session: heard.get(session, since) + timeout_ms for session, timeout_ms in timeouts.items()}
        self._look_ms = min(ends.values(), default=now_ms)
        return [session for session, end in ends.items() if now_ms > end]


class Agreement:
    """The leader compares digests at equal zxids (DESIGN promise 6).

    A digest covers all results up to its zxid, as a checksum or by what the znodes show of them, so who agrees at a
    zxid agreed before. The side with the majority of voters is right; without one nobody is stopped yet.
    """

    __slots__ = ("_agreed", "_differ", "_digests", "_kept")

    def __init__(self, kept: int = 4096) -> None:
        self._kept = kept
        self._digests: dict[int, int] = {}  # ours, at the ends of recent batches
        self._agreed: dict[int, int] = {}  # node -> the last zxid at which it agreed
        self._differ: dict[int, int] = {}  # node -> the first zxid at which it did not

    def record(self, zxid: int, digest: int) -> None:
        self._digests[zxid] = digest
        if len(self._digests) > self._kept:
            del self._digests[next(iter(self._digests))]

    def compare(self, node: int, zxid: int, digest: int) -> None:
        ours = self._digests.get(zxid)
        if ours == digest:
            self._agreed[node] = zxid
            self._differ.pop(node, None)
        elif ours is not None:
            self._differ.setdefault(node, zxid)

    def diverged(self, me: int, voters: tuple[int, ...]) -> list[tuple[int, int]]:
        """(node, zxid) of the replicas that are wrong; `me` among them when a majority differs from us."""
        if is_quorum(voters, self._differ):
            return [(me, min(self._differ.values()))]
        return [
            (node, zxid)
            for node, zxid in self._differ.items()
            if is_quorum(voters, [me, *(other for other, at in self._agreed.items() if other != node and at >= zxid)])
        ]

    def forget(self, node: int) -> None:
        self._agreed.pop(node, None)
        self._differ.pop(node, None)
