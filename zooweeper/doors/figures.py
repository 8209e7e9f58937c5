"""What the ZooKeeper port counts of itself and shows of its connections.

Rules: the port counts, `words.py` shows. Times of day are milliseconds since 1970, lengths of time are milliseconds.
"""

from dataclasses import dataclass

from zooweeper.model.figures import Figure


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
    """Of a connection: what its figures will count when the answers leave, all of them in one step."""

    __slots__ = ("asked_ms", "latency", "others", "sizes")

    def __init__(self) -> None:
        self.asked_ms: list[int] = []  # times of the requests
        self.sizes: list[int] = []  # of their answers, and of answers to pings
        self.others = 0  # events, and the handshake
        self.latency = Figure()  # the connection's own

    def count(self, now_ms: int, traffic: Traffic) -> int:
        """They leave; how many there are."""
        sent = len(self.sizes) + self.others
        traffic.sent += sent
        self.others = 0
        if not self.sizes:
            return sent
        sizes, waited = self.sizes, [now_ms - asked_ms if now_ms > asked_ms else 0 for asked_ms in self.asked_ms]
        traffic.response_bytes.add_all(sizes)
        self.latency.add_all(waited)
        traffic.latency.add_all(waited)
        sizes.clear()
        self.asked_ms.clear()
        return sent


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
