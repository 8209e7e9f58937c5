"""What a store must offer: one server's own copy of the table, and beside it how far it has come.

`Store` is the whole interface; SQLite and Cassandra are two answers to it. What statements mean is not decided here
but in table.py, once for both.

Rules: whatever happens between the begin and the end of a transaction is there whole or not at all, together with the
number of the last log entry it came from. So a crash at any moment leaves a store that knows exactly what it lacks.
One thread at a time writes (`transaction`, `sync`, `join`, `load`), and meanwhile one at a time reads and sees what was
committed; a `dump` may be read beside all that. An error of the disk is a StoreError and the end of the server: nothing
is tried twice.
"""

from collections.abc import Generator, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

PIECE_VALUES = 10_000  # a Piece is cut after so many values; a row's list is never cut, so it may have twice that


class StoreError(Exception):
    """The store cannot be used. The text is one line and says what to do."""


class BadCopy(StoreError):
    """A copy that came from elsewhere is not whole, or not of this database. The store is as it was; another copy may
    do better."""


class Remembered(NamedTuple):
    """A request that was executed, and what was answered."""

    client: str
    number: int  # of the request; rises by one for each request of the client
    n: int  # of the log entry that executed it
    result: str  # table.Result.text()


class Forgotten(NamedTuple):
    """What is left of a client's forgotten requests: none of its numbers up to this one is executed any more."""

    client: str
    number: int
    n: int  # of the log entry that executed the last of them


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a copy on its way to another server. The first one says of what state it is, the others bring it."""

    applied: int = 0
    database: str = ""
    digest: str = ""  # of all rows: who loads the copy checks that it got them all
    rows: tuple[tuple[int, tuple[int, ...]], ...] = ()
    requests: tuple[Remembered, ...] = ()
    clients: tuple[Forgotten, ...] = ()
    last: bool = False  # nothing follows: a copy without a last piece was cut off


class Writer(Protocol):
    """The inside of one transaction; it sees its own writes."""

    def get(self, id: int) -> list[int] | None:
        """The events of a row; the caller may change the list, nothing happens before `put`."""

    def put(self, id: int, events: list[int]) -> None:
        """Make or replace a row. The list is the store's from now on. An empty list is a row, too."""

    def delete(self, id: int) -> None:
        """Remove a row, if there is one."""

    def recall(self, client: str, number: int) -> Remembered | None:
        """The request, if it is remembered."""

    def forgotten(self, client: str) -> int:
        """The highest number of the client that was forgotten; 0: none."""

    def remember(self, request: Remembered) -> None:
        """Keep a request that was executed."""

    def forget(self, requests: int, clients: int) -> None:
        """Forget the requests that entries up to number `requests` executed, keeping the highest number for each
        client, and whole clients whose last forgotten request came by an entry up to `clients`."""


class Store(Protocol):
    """One server's own copy."""

    @property
    def applied(self) -> int:
        """The number of the last log entry that is in the copy; 0: none."""

    @property
    def database(self) -> str:
        """The id of the database it is a copy of; "" before the first `join`."""

    @property
    def digest(self) -> str:
        """16 hex digits that are the same for the same rows (table.row_hash); costs nothing to ask."""

    def join(self, database: str) -> None:
        """Become a copy of this database. StoreError if it is a copy of another one already."""

    def get(self, id: int) -> list[int] | None:
        """The events of a row."""

    def rows(self, after: int | None = None, limit: int = 1000) -> list[tuple[int, list[int]]]:
        """At most `limit` rows in the order of their ids, those above `after` alone if that is given."""

    def count(self) -> int:
        """How many rows there are."""

    def transaction(self, upto: int) -> AbstractContextManager[Writer]:
        """Entries up to number `upto` are executed inside; then data and applied = upto are committed together, or,
        after an exception, nothing. What is committed outlives the process, but the machine only after `sync`."""

    def sync(self) -> None:
        """Return when everything committed is on disk: what a checkpoint may then say."""

    def dump(self) -> Generator[Piece, None, None]:
        """A copy of one moment, whatever is written meanwhile, in pieces of bounded size. Whoever does not take all of
        it closes it."""

    def load(self, pieces: Iterable[Piece]) -> None:
        """Become the copy that `dump` of another store wrote: all of it and on disk, or nothing at all.
        BadCopy if the copy is not whole, of another database, or older."""

    def close(self) -> None:
        """Let go of everything."""
