"""A process that writes to a store until it is killed: `python -m tests.grades.writer BATCH FILE`, or `BATCH PORT NAME`
for a keyspace of the Cassandra at that port.

What entry n does is told by n alone, so whoever finds the file knows what must be in it.
"""

import random
import sys
from collections.abc import Sequence

from grades.sqlite import SqliteStore
from grades.statements import Append, Put
from grades.store import Store
from grades.table import Request, execute


def entry(n: int) -> Request:
    """The request of log entry n."""
    source = random.Random(n)
    id, events = source.randrange(50), (n, source.randrange(100))
    return Request(f"client{n % 3}", n, Put(id, events) if source.random() < 0.3 else Append(id, events))


def open_store(words: Sequence[str]) -> Store:
    match words:
        case [file]:
            return SqliteStore(file)
        case [port, name]:
            from grades.cassandra import CassandraStore

            return CassandraStore("127.0.0.1", int(port), name)
    raise SystemExit(__doc__)


def main() -> None:
    batch, store = int(sys.argv[1]), open_store(sys.argv[2:])
    for first in range(store.applied + 1, sys.maxsize, batch):
        with store.transaction(first + batch - 1) as writer:
            for n in range(first, first + batch):
                execute(writer, n, entry(n))
        if first % 7 == 0:
            store.sync()
        print(store.applied, flush=True)


if __name__ == "__main__":
    main()
