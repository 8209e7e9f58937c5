"""What a statement does to the table, once and for every store; and how a request takes effect once.

A client numbers its requests 1, 2, 3, ... and sends one again, under its number, when it does not know what became of
it. `execute` answers such a one from memory:

    number remembered ............ the answer of the first time, nothing is done
    number forgotten ............. refused: it may have been executed, it may not; it is not executed now
    any other .................... executed and remembered

Rules: everything here depends on the entries and their numbers alone, never on how they were gathered in transactions:
so every server, whatever it missed and when it caught up, comes to the same rows, the same answers and the same memory.
A statement that fails is a result like any other.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from grades.statements import Append, Delete, Put, Write
from grades.store import Remembered, Writer

LIST_MAX = 10_000  # values of a row
KEPT = 100_000  # entries whose requests are remembered; 20 s at 5,000 a second, longer than a request may hang
KEPT_CLIENTS = 1_000_000  # entries for which a silent client's highest number is remembered
FORGET_EVERY = 1_000  # entries; forgetting in strokes costs next to nothing
CLIENT_MAX = 64  # characters of a client's name
NUMBER_MAX = 2**63 - 1  # what every store can hold
DIGEST_SPAN = 2**64
ENCODER = json.JSONEncoder(separators=(",", ":"))


class Code(StrEnum):
    """How a request ended."""

    OK = "OK"
    LIST_TOO_LONG = "LIST_TOO_LONG"  # nothing was done
    BAD_ENTRY = "BAD_ENTRY"  # what stands in the log is no request; nothing was done
    FORGOTTEN = "FORGOTTEN"  # nothing was done now; whether it was done before is not known any more


class BadRequest(ValueError):
    """A request id that is none; the text says why."""


@dataclass(frozen=True, slots=True)
class Request:
    """A statement that changes the table, and the id under which it takes effect once."""

    client: str
    number: int
    statement: Write

    def __post_init__(self) -> None:
        if not 1 <= len(self.client) <= CLIENT_MAX or not self.client.isprintable() or " " in self.client:
            raise BadRequest(f"client {self.client[:80]!r}: expected 1 to {CLIENT_MAX} printable characters, no blank")
        if not 1 <= self.number <= NUMBER_MAX:
            raise BadRequest(f"request number {self.number}: a client counts its requests from 1")


@dataclass(frozen=True, slots=True)
class Result:
    """What a request is answered with; a repeated one gets the very same."""

    n: int  # of the log entry that executed it
    code: Code = Code.OK
    message: str = ""

    def text(self) -> str:
        """As a store keeps it, beside n."""
        return f"{self.code} {self.message}" if self.message else self.code

    @classmethod
    def of(cls, kept: Remembered) -> "Result":
        """The answer that was kept."""
        code, _, message = kept.result.partition(" ")
        return cls(kept.n, Code(code), message)


def execute(writer: Writer, n: int, request: Request) -> Result:
    """Execute log entry number n inside a transaction. Every n is executed by every server, in order."""
    if n % FORGET_EVERY == 0:
        writer.forget(n - KEPT, n - KEPT_CLIENTS)
    kept = writer.recall(request.client, request.number)
    if kept is not None:
        return Result.of(kept)
    if request.number <= writer.forgotten(request.client):
        return Result(n, Code.FORGOTTEN, f"request {request.number} of {request.client} is too long ago to be known")
    result = change(writer, n, request.statement)
    writer.remember(Remembered(request.client, request.number, n, result.text()))
    return result


def change(writer: Writer, n: int, statement: Write) -> Result:
    """What the statement itself does."""
    match statement:
        case Put(id, events):
            whole = list(events)
        case Append(id, events):
            whole = writer.get(id) or []
            whole += events
        case Delete(id):
            writer.delete(id)
            return Result(n)
    if len(whole) > LIST_MAX:
        return Result(n, Code.LIST_TOO_LONG, f"row {id} would have {len(whole)} events, at most {LIST_MAX}")
    writer.put(id, whole)
    return Result(n)


def row_text(events: Sequence[int]) -> str:
    """A row's events as they are hashed and, in SQLite, kept: `[90,85]`."""
    return ENCODER.encode(events)


def row_hash(id: int, events: str) -> int:
    """64 bits of one row, its events as row_text wrote them. The digest of a table is the sum over its rows, so that a
    change takes one hash away and adds another, whatever the size of the table."""
    return int.from_bytes(hashlib.sha256(f"{id} {events}".encode()).digest()[:8])


def digest(sum_of_hashes: int) -> str:
    """How a sum of row hashes is shown: 16 hex digits."""
    return f"{sum_of_hashes % DIGEST_SPAN:016x}"
