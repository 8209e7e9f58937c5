"""etcd's key-value calls as the generator speaks them: unary gRPC, a stream of HTTP/2 for each.

Rules: bodies are made once; what is patched is a stream's number and, of a created key, its place. Answers may come in
any order. A call counts when its stream ends with status 0.
"""

import itertools
import time
from collections.abc import Sequence

from zooweeper.bench.http2 import Frame, Http2, status_of
from zooweeper.bench.line import Ask, Line
from zooweeper.bench.load import BenchError
from zooweeper.bench.tally import Tally
from zooweeper.model.config import Address
from zooweeper.model.varint import varint

PUT, RANGE, TXN = (f"/etcdserverpb.KV/{name}" for name in ("Put", "Range", "Txn"))
PLACE_DIGITS = 10
RESET = "stream broken"
STATUSES = (
    *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS"),
    *("PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED"),
    *("INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"),
)
_runs = itertools.count(1)


def chunk(field: int, data: bytes) -> bytes:
    """A field of bytes, a string or a message."""
    return varint(field << 3 | 2) + varint(len(data)) + data


def put(path: str, value: bytes) -> bytes:
    """PutRequest: key 1, value 2."""
    return chunk(1, path.encode()) + chunk(2, value)


def fetch(path: str, serializable: bool) -> bytes:
    """RangeRequest: key 1, serializable 7 (else linearizable)."""
    return chunk(1, path.encode()) + (b"\x38\x01" if serializable else b"")


def transaction(path: str, value: bytes) -> bytes:
    """TxnRequest: success 2, each a RequestOp with a put 2 or a deletion 3: as the ZooKeeper model's multi, but that
    etcd lets a transaction change a key once only."""
    keys = [f"{path}/{name}" for name in ("a", "b", "m")]
    deletion = chunk(3, chunk(1, f"{path}/gone".encode()))
    return b"".join(chunk(2, chunk(2, put(key, value))) for key in keys) + chunk(2, deletion)


class EtcdLine(Line):
    """A connection to etcd."""

    __slots__ = ("_bodies", "_http", "_next", "_open", "_stamp")

    def __init__(self, address: Address, tally: Tally) -> None:
        super().__init__(address, tally)
        self._http = Http2(str(address))
        self._next = 1  # the next stream
        self._open: dict[int, tuple[int, float]] = {}  # stream to (place, when it was asked)
        self._bodies: list[tuple[str, bytes, bytes]] = []  # path, body, and what stands behind a created key's place
        self._stamp = f"{time.time_ns():x}{next(_runs):x}"  # no two runs create the same keys

    def greeting(self) -> bytes:
        return self._pull()

    def prepare(self, asks: Sequence[Ask]) -> None:
        self._bodies = [self._body(ask) for ask in asks]

    def _body(self, ask: Ask) -> tuple[str, bytes, bytes]:
        if ask.kind in ("get", "linear-get"):
            return RANGE, fetch(ask.path, ask.kind == "get"), b""
        if ask.kind == "multi":
            return TXN, transaction(ask.path, ask.value), b""
        if ask.kind == "create":
            place = "0" * PLACE_DIGITS
            whole = put(f"{ask.path}{self._stamp}-{place}", ask.value)
            before, _, behind = whole.partition(place.encode())
            return PUT, before, behind
        return PUT, put(ask.path, ask.value), b""

    def take(self, data: bytes, now: float) -> None:
        http, open = self._http, self._open
        for type, stream, _, end, headers in http.feed(data):
            if not end:
                continue
            known = open.pop(stream, None)
            if known is None:
                raise BenchError(f"{self.address} answers what nobody asked")
            if type == Frame.HEADERS:
                status, _ = status_of(headers)
                if status:
                    self.tally.error(STATUSES[status] if status < len(STATUSES) else f"status {status}")
            else:
                self.tally.error(RESET)
            place, asked_at = known
            self.note(place, 1, int((now - asked_at) * 1e6))
            self.done += 1
        self.ready = http.ready

    def ask(self, now: float) -> bytes | memoryview:
        http, bodies, open = self._http, self._bodies, self._open
        for place in range(self.asked, self.asked + self.room() if self.ready and bodies else self.asked):
            path, body, behind = bodies[place % self._size]
            if behind:
                body = b"%b%0*d%b" % (body, PLACE_DIGITS, place, behind)
            stream = self._next
            self._next = stream + 2
            open[stream] = place, now
            http.open(stream, path)
            http.say(stream, body, end=True)
            self.asked = place + 1
        return self._pull()

    def _pull(self) -> bytes:
        data = bytes(self._http.out)
        self._http.out.clear()
        return data
