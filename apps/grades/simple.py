"""The simple variant, for a first look: one coordination node, and each copy of the table is one object.

    copy = Copy("127.0.0.1:5181", "db1.sqlite")
    copy.execute("INSERT INTO grade (id, events) VALUES (123, [90, 85])")
    copy.get(123)

Every write is a znode: `create("/requests/r-", text, sequence=True)`, and the number that the service adds says which
one comes after which. Whoever executes all requests in this order has the same table, whenever and wherever he does it;
so a copy that crashed, or was never there, does just that in its constructor:

    copy a     create /requests/r- ───▶  /requests/r-0000000000   INSERT ...
    copy b     create /requests/r- ───▶  /requests/r-0000000001   UPDATE ...     ◀─── all of them, in order: copy c

Rules: nothing is executed before it is in /requests. The copy keeps, in one transaction with the data, the number of
the last request it executed, so each one is executed once. Reads ask for new requests first, so nobody reads old
grades. Nobody deletes requests, so their number has an end. Leader, batches, checkpoints and trimming are what the
servers of this package (server.py) have on top of it. An object belongs to one thread.

    $ grades --simple "INSERT INTO grade (id, events) VALUES (123, [90, 85])" "SELECT * FROM grade"
"""

import argparse
import sys
import uuid
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from pathlib import Path

from zooweeper_client import BadHosts, Client, ZkError
from zooweeper_client.exceptions import NodeExists, NoNode, NotConnected

from grades.sqlite import SqliteStore
from grades.statements import BadStatement, Select, parse, text_of
from grades.store import StoreError, Writer
from grades.table import Result, change, row_text

HOSTS, FILE = "127.0.0.1:5181", "grades.sqlite"
REQUESTS = "/requests"
REQUEST = f"{REQUESTS}/r-"  # the service adds ten digits, from 0
REQUESTS_MAX = 100_000  # replayed in a few seconds
READ_AT_ONCE = 16  # requests per question and per transaction; together they are 1 MiB at most
DONE, REFUSED, USAGE, UNREACHABLE, RETRY = 0, 1, 2, 69, 75

Rows = list[tuple[int, list[int]]]


class Full(Exception):
    """There are REQUESTS_MAX requests already; nothing was done."""


class Copy:
    """One copy of the table, kept in a file. Every method may raise ZkError (its `outcome` says whether a write was
    applied; a read can be done again) and StoreError."""

    def __init__(self, hosts: str = HOSTS, file: Path | str = FILE) -> None:
        self.zk = Client(hosts)
        self.store = SqliteStore(file)
        try:
            self.zk.start()
            with suppress(NodeExists):  # somebody was here before
                self.zk.create(REQUESTS, uuid.uuid4().hex.encode())
            database, _ = self.zk.get(REQUESTS, consistency="linearizable")
            self.store.join(database.decode())  # a file full of other requests would be taken for a copy of these
            self.catch_up()
        except BaseException:
            self.close()
            raise

    def execute(self, text: str) -> Result | Rows:
        """The rows of a SELECT, else how the statement ended. Raises BadStatement, Full."""
        statement = parse(text)
        if isinstance(statement, Select):
            return self.rows(statement.id)
        if self.store.applied >= REQUESTS_MAX:
            raise Full(f"there are {REQUESTS_MAX} requests, and nobody deletes any here; use the database servers")
        path = self.zk.create(REQUEST, text_of(statement).encode(), sequence=True)
        return self.catch_up()[int(path.removeprefix(REQUEST)) + 1]

    def get(self, id: int) -> list[int] | None:
        """The events of a row."""
        self.catch_up()
        return self.store.get(id)

    def rows(self, id: int | None = None) -> Rows:
        """This row, if there is one, or all of them."""
        self.catch_up()
        if id is None:
            return self.store.rows(limit=self.store.count())
        events = self.store.get(id)
        return [] if events is None else [(id, events)]

    def catch_up(self) -> dict[int, Result]:
        """Execute in order the requests that this copy has not seen yet; how they ended, by their numbers."""
        results: dict[int, Result] = {}
        while True:
            first = self.store.applied + 1  # requests count from 1, their znodes from 0
            paths = [f"{REQUEST}{n - 1:010d}" for n in range(first, first + READ_AT_ONCE)]
            found, _ = self.zk.multi_read(paths, consistency="linearizable")
            texts: list[bytes] = []
            for one in found:
                if isinstance(one, NoNode):
                    break
                if isinstance(one, ZkError):
                    raise one
                texts.append(one[0])
            if not texts:
                return results
            with self.store.transaction(first + len(texts) - 1) as writer:
                for n, text in enumerate(texts, first):
                    results[n] = replay(writer, n, text)

    def close(self) -> None:
        """End the session and let go of the file."""
        self.zk.close()
        self.store.close()


def replay(writer: Writer, n: int, text: bytes) -> Result:
    """Execute request number n. What is no write, for people can create znodes, too, does nothing on every copy."""
    try:
        statement = parse(text.decode())
    except (BadStatement, UnicodeDecodeError):
        return Result(n)
    return Result(n) if isinstance(statement, Select) else change(writer, n, statement)


def main(argv: Sequence[str] | None = None) -> int:
    """`grades --simple ...`: the exit code."""
    parser = argparse.ArgumentParser(
        prog="grades --simple",
        description="Executes statements on a copy of the table that is kept through the znodes below /requests.",
        epilog='example: grades --simple "INSERT INTO grade (id, events) VALUES (123, [90])" "SELECT * FROM grade"',
    )
    parser.add_argument("statements", nargs="*", metavar="STATEMENT", help="default: lines of standard input")
    parser.add_argument("--hosts", default=HOSTS, metavar="H:P", help=f"the coordination node; default {HOSTS}")
    parser.add_argument("--file", default=FILE, type=Path, help=f"the copy; default {FILE} in this directory")
    options = parser.parse_args(argv)
    try:
        with closing(Copy(options.hosts, options.file)) as copy:
            return max([answer(copy, text) for text in options.statements or lines(sys.stdin)], default=DONE)
    except (BadHosts, StoreError, Full) as error:
        return say(error, REFUSED)
    except NotConnected as error:
        return say(error, UNREACHABLE)
    except ZkError as error:
        return say(error, RETRY)


def lines(stream: Iterable[str]) -> Iterable[str]:
    """Those that say something."""
    return (line for line in stream if line.strip())


def answer(copy: Copy, text: str) -> int:
    """Execute one statement and print what comes of it."""
    try:
        result = copy.execute(text)
    except BadStatement as error:
        return say(error, USAGE)
    if isinstance(result, Result):
        print(result.text(), flush=True)
        return REFUSED if result.message else DONE
    for id, events in result:
        print(id, row_text(events), flush=True)
    return DONE


def say(error: Exception, code: int) -> int:
    print(f"grades: {error}", file=sys.stderr)
    return code


if __name__ == "__main__":
    raise SystemExit(main())
