"""What a transaction of the Cassandra store wants written, as jobs; and the memory that stands for what was read.

A job is a kind of write, a key of cassandra.WRITE or cassandra.REMOVE, and its values. A transaction has at most one
for each row, so their order does not matter.

Rules: pure. What is remembered of requests and clients is in the order of the log entries, the oldest first; so what is
forgotten is always at the front.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, TypeVar

from sortedcontainers import SortedSet  # type: ignore[import-untyped]

from grades.store import PIECE_VALUES, Forgotten, Piece, Remembered
from grades.table import row_hash, row_text

STROKE = 1_000  # log entries whose requests share a partition, so that one delete removes them

Job = tuple[str, *tuple[Any, ...]]
T = TypeVar("T")
SEEN_VALUES = 1_000_000


class Seen:
    """Rows that were written lately, so that they need not be read to be written again. When they are too many, all
    of them go: that costs no more than reading the next ones."""

    def __init__(self) -> None:
        self._rows: dict[int, list[int]] = {}
        self._values = 0

    def get(self, id: int) -> list[int] | None:
        return self._rows.get(id)

    def put(self, id: int, events: list[int] | None) -> None:
        """What the row is now; None: there is none."""
        old = self._rows.pop(id, None)
        if old is not None:
            self._values -= 1 + len(old)
        if events is not None:
            self._rows[id] = events
            self._values += 1 + len(events)
        if self._values > SEEN_VALUES:
            self._rows.clear()
            self._values = 0


class TransactionWriter:
    """A store.Writer: what it writes waits for the commit, on top of what the store has. Rows are read once."""

    def __init__(
        self,
        images: Callable[[Iterable[int]], dict[int, list[int]]],
        requests: dict[tuple[str, int], Remembered],
        clients: dict[str, Forgotten],
        horizon: int,
    ) -> None:
        self._images = images
        self._requests, self._clients = requests, clients  # the store's, by n: to be read only
        self.horizon = horizon
        self._before: dict[int, list[int] | None] = {}
        self._changed: dict[int, list[int] | None] = {}
        self._remembered: dict[tuple[str, int], Remembered] = {}
        self._last: dict[str, Forgotten | None] = {}

    def get(self, id: int) -> list[int] | None:
        if id not in self._changed and id not in self._before:
            self._before[id] = self._images([id]).get(id)
        events = self._changed[id] if id in self._changed else self._before[id]
        return None if events is None else events.copy()

    def put(self, id: int, events: list[int]) -> None:
        self._changed[id] = events

    def delete(self, id: int) -> None:
        self._changed[id] = None

    def recall(self, client: str, number: int) -> Remembered | None:
        key = (client, number)
        found = self._remembered.get(key) or self._requests.get(key)
        return found if found and found.n > self.horizon else None

    def forgotten(self, client: str) -> int:
        last = self._last[client] if client in self._last else self._clients.get(client)
        return last.number if last else 0

    def remember(self, request: Remembered) -> None:
        self._remembered[request.client, request.number] = request

    def forget(self, requests: int, clients: int) -> None:
        for request in self._upto(requests):
            if request.n > self.horizon:
                number = max(request.number, self.forgotten(request.client))
                self._last.pop(request.client, None)  # it is the latest now
                self._last[request.client] = Forgotten(request.client, number, request.n)
        self.horizon = max(self.horizon, requests)
        for last in chain(self._clients.values(), filter(None, list(self._last.values()))):
            if last.n > clients:
                break
            if self._last.get(last.client, last) == last:
                self._last[last.client] = None

    def _upto(self, n: int) -> Iterator[Remembered]:
        """The requests of entries up to n."""
        for request in chain(self._requests.values(), self._remembered.values()):
            if request.n > n:
                break
            yield request

    def jobs(self) -> tuple[list[Job], dict[int, list[int]], int]:
        """What is to be written; the rows that this changes, as they were; and what it adds to the sum of hashes."""
        unread = [id for id in self._changed if id not in self._before]
        before = self._before | self._images(unread)
        rows = [(id, before.get(id), events) for id, events in self._changed.items() if before.get(id) != events]
        sum_more = sum(hash_of(id, new) - hash_of(id, old) for id, old, new in rows)
        gone = dict.fromkeys(stroke(one.n) for one in self._upto(self.horizon))
        jobs: list[Job] = [("delete", id) if new is None else ("put", id, new) for id, _, new in rows]
        jobs += [remember(one) for one in self._remembered.values() if one.n > self.horizon]
        jobs += [("drop", client) if last is None else ("keep", *last) for client, last in self._last.items()]
        jobs += [("forget", last) for last in gone if last < stroke(self.horizon + 1)]
        return jobs, {id: old for id, old, _ in rows if old is not None}, sum_more

    def changes(self) -> Iterable[tuple[int, list[int] | None]]:
        """The rows that were put or deleted."""
        return self._changed.items()

    def remind(self, requests: dict[tuple[str, int], Remembered], clients: dict[str, Forgotten]) -> None:
        """Bring the store's memory up to date after the commit, oldest first as it was."""
        for key in [(one.client, one.number) for one in self._upto(self.horizon)]:
            requests.pop(key, None)
        requests |= {key: one for key, one in self._remembered.items() if one.n > self.horizon}
        for client, last in self._last.items():
            clients.pop(client, None)
            if last is not None:
                clients[client] = last


class Arrived:
    """What a copy brought, as far as it is kept in memory."""

    def __init__(self) -> None:
        self.ids = SortedSet()
        self.requests: dict[tuple[str, int], Remembered] = {}
        self.clients: dict[str, Forgotten] = {}
        self.sum = 0
        self.whole = False

    def jobs(self, pieces: Iterable[Piece]) -> Iterator[Job]:
        for piece in pieces:
            for id, events in piece.rows:
                self.ids.add(id)
                self.sum += hash_of(id, events)
                yield ("put", id, events)
            for request in piece.requests:
                self.requests[request.client, request.number] = request
                yield remember(request)
            for client in piece.clients:
                self.clients[client.client] = client
                yield ("keep", *client)
            self.whole = piece.last
        self.requests = dict(sorted(self.requests.items(), key=lambda item: item[1].n))
        self.clients = dict(sorted(self.clients.items(), key=lambda item: item[1].n))


def stroke(n: int) -> int:
    """The partition of the request that log entry n executed."""
    return n // STROKE


def remember(request: Remembered) -> Job:
    return ("remember", stroke(request.n), request.n, request.client, request.number, request.result)


def hash_of(id: int, events: Sequence[int] | None) -> int:
    return 0 if events is None else row_hash(id, row_text(events))


def job_values(job: Job) -> int:
    return len(job) + (len(job[2]) if job[0] == "put" else 0)


def cut(items: Iterable[T], values: Callable[[T], int]) -> Iterator[list[T]]:
    """Lists of some of the items, each cut after PIECE_VALUES values."""
    some: list[T] = []
    total = 0
    for item in items:
        some.append(item)
        total += values(item)
        if total >= PIECE_VALUES:
            yield some
            some, total = [], 0
    if some:
        yield some
