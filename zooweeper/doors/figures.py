"""What the ZooKeeper port counts of itself and shows of its connections.

Rules: the port counts, `words.py` shows. Times of day are milliseconds since 1970, lengths of time are milliseconds.
"""

from dataclasses import dataclass

from zooweeper.model.figures import Figure

LATE_MAX = 256  # answers that are not counted yet


class Traffic:
    """Of the port since its start, or since `srst`."""

    __slots__ = ("latency", "received", "response_bytes", "sent")

    def __init__(self) -> None:
        self.latency = Figure()  # ms from a request to its answer
        self.response_bytes = Figure()  # of the answers
        self.received = 0  # requests, pings as well
        self.sent = 0  # answers and events

    def reset(self) -> None:
        """`srst`. The sizes of answers stay, as in ZooKeeper."""
        self.latency.reset()
        self.received = self.sent = 0


class Tally:
    """Of a connection: what its figures will count when the answers leave, all of them in one step; what was answered
    at once is counted when somebody looks, or it is many."""

    __slots__ = ("asked_ms", "latency", "others", "received", "sent", "sizes", "sizes_at_once", "traffic")

    def __init__(self, traffic: Traffic) -> None:
        self.traffic = traffic
        self.received = self.sent = 0
        self.asked_ms: list[int] = []  # times of the requests
        self.sizes: list[int] = []  # of their answers, and of answers to pings
        self.sizes_at_once: list[int] = []  # of answers to requests that did not wait
        self.others = 0  # events, and the handshake
        self.latency = Figure()  # the connection's own

    def taken(self, requests: int) -> None:
        self.received += requests
        self.traffic.received += requests

    def at_once(self, sizes: list[int]) -> None:
        """Requests were answered as they came."""
        self.sizes_at_once += sizes
        if len(self.sizes_at_once) >= LATE_MAX:
            self.settle()

    def settle(self) -> None:
        """Count what was answered at once."""
        sizes = self.sizes_at_once
        if sizes:
            self.taken(len(sizes))
            self._left(sizes, [0] * len(sizes))

    def count(self, now_ms: int) -> None:
        """The answers leave."""
        self.sent += self.others
        self.traffic.sent += self.others
        self.others = 0
        if self.sizes:
            self._left(self.sizes, [now_ms - asked_ms if now_ms > asked_ms else 0 for asked_ms in self.asked_ms])
            self.asked_ms.clear()

    def _left(self, sizes: list[int], waited: list[int]) -> None:
        traffic, count = self.traffic, len(sizes)
        self.sent += count
        traffic.sent += count
        traffic.response_bytes.add_all(sizes)
        self.latency.add_all(waited)
        traffic.latency.add_all(waited)
        sizes.clear()

    def reset(self) -> None:
        """`crst`."""
        self.settle()
        self.received = self.sent = 0
        self.latency.reset()


@dataclass(frozen=True, slots=True)
class ConnectionRow:
    """One connection at one moment. `session` 0: it has none yet, and what is of sessions means nothing."""

    host: str  # the client's
    port: int
    reading: bool  # False: the port takes nothing more from it until it has taken what waits for it
    queued: int  # requests not answered yet
    received: int
    sent: int
    session: int
    last_op: int  # its opcode; of a connection's opening -10, as in ZooKeeper
    established_ms: int  # time of day
    timeout_ms: int  # as negotiated
    last_xid: int  # of the last request; 0: none
    last_zxid: int  # as last told to the client
    last_response_ms: int  # time of day
    latency: Figure  # ms; the connection's own, not a copy
