"""The store in Apache Cassandra: one keyspace per server, named after it, which `cqlsh` shows as it is.

    grade     id, events
    request   the requests that are remembered, by the log entry that executed them, a stroke of them to a partition
    client    the highest number of each client that was forgotten
    copy      one row about the copy itself: of which database, how far, its digest; and its version
    work      what the last transaction writes, in parts

Cassandra changes one row whole or not at all, but not several, and what became of a write that timed out nobody knows.
So a transaction takes the copy from version v to v + 1 in three steps:

    1. all that it writes goes to `work`, in a place of this process alone, to which nothing points yet
    2. the row of `copy` is changed if it is at version v: how far the copy is, and where the work lies. This is the
       commit: whole or not at all, on disk, and known for certain to whoever opens the store next
    3. the work is done: written to grade, request and client, in any order

A crash before 2 has changed nothing. After a crash later, the next open does the work, again or for the first time,
before it reads anything. A write may so come twice, or a day late, from a request that was given up or a process that
slept. It does no harm: what version v writes carries the timestamp 2v + 1 (what it removes 2v), never a clock's, and is
the same bytes each time; so in every row the highest version wins, in whatever order they come. That is why a list is
frozen, one value: a list of cells would get new cells each time it is written, and an empty one would be null. And a
logged batch would be no shorter way: one that is cut off shows its half until somebody replays the rest.

Two processes cannot both go on: open takes a version, so the next commit of whoever held the keyspace before fails.

Rules: all writes of `copy` are compare-and-set (it alone has Cassandra's own timestamps); all others say theirs. One
process writes, so what is small is kept in memory, read once: ids and what is remembered of requests (some hundred
bytes each). While the work of a version is done, reads wait: they see whole transactions. Nothing is tried twice: what
fails is a StoreError, and the next open knows what became of it. Cassandra must sync its log before it answers.
"""

import json
import logging
import re
import socket
import threading
import uuid
from collections import defaultdict
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, count, islice
from typing import Any, NamedTuple

from sortedcontainers import SortedSet  # type: ignore[import-untyped]

from grades.cassandra_work import Arrived, Job, Seen, TransactionWriter, cut, job_values, stroke
from grades.store import BadCopy, Forgotten, Piece, Remembered, StoreError
from grades.table import digest

try:
    from cassandra import ConsistencyLevel, DependencyException, DriverException
except ImportError as error:
    raise StoreError("Cassandra needs its driver: pip install -e '.[cassandra]'") from error
try:
    from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, NoHostAvailable
    from cassandra.concurrent import execute_concurrent
    from cassandra.connection import ConnectionException
    from cassandra.policies import FallthroughRetryPolicy, RoundRobinPolicy
    from cassandra.protocol import ErrorMessage
    from cassandra.query import BatchStatement, BatchType, tuple_factory
except DependencyException as error:  # built without libev, on a Python without asyncore
    raise StoreError("this build of the Cassandra driver has no event loop; install a wheel of it, or libev") from error

IDS = 50  # rows of one query, each perhaps of 10,000 events
CONCURRENCY = 64  # writes under way at a time
TIMEOUT_S = 30.0  # of one request; Cassandra itself gives up much earlier
EVER = 2**62  # a timestamp above all others
DAMAGED = "somebody else has removed rows; drop the keyspace, and the server fetches a copy from another one"
KEYSPACE = re.compile(r"[A-Za-z0-9_]{1,48}")
SYNCED = ("batch", "group")

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS {}.grade (id int PRIMARY KEY, events frozen<list<int>>)",
    "CREATE TABLE IF NOT EXISTS {}.client (client text PRIMARY KEY, number bigint, n bigint)",
    # Of these two a row that was removed and comes back does no harm: nothing points there any more.
    "CREATE TABLE IF NOT EXISTS {}.request (stroke bigint, n bigint, client text, number bigint, result text,"
    " PRIMARY KEY (stroke, n)) WITH gc_grace_seconds = 0",
    "CREATE TABLE IF NOT EXISTS {}.work (owner uuid, slot int, part int, body text,"
    " PRIMARY KEY ((owner, slot), part)) WITH gc_grace_seconds = 0",
    "CREATE TABLE IF NOT EXISTS {}.copy (one int PRIMARY KEY, version bigint, owner uuid, parts int, database text,"
    " applied bigint, digest text, forgotten bigint)",
)
WRITE = {
    "put": "INSERT INTO {}.grade (id, events) VALUES (?, ?) USING TIMESTAMP ?",
    "remember": "INSERT INTO {}.request (stroke, n, client, number, result) VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ?",
    "keep": "INSERT INTO {}.client (client, number, n) VALUES (?, ?, ?) USING TIMESTAMP ?",
}
REMOVE = {
    "delete": "DELETE FROM {}.grade USING TIMESTAMP ? WHERE id = ?",
    "forget": "DELETE FROM {}.request USING TIMESTAMP ? WHERE stroke = ?",
    "drop": "DELETE FROM {}.client USING TIMESTAMP ? WHERE client = ?",
}
OTHER = {
    "rows": "SELECT id, events FROM {}.grade WHERE id IN ?",
    "stage": "INSERT INTO {}.work (owner, slot, part, body) VALUES (?, ?, ?, ?) USING TIMESTAMP ?",
    "staged": "SELECT body FROM {}.work WHERE owner = ? AND slot = ? AND part = ?",
    "unstage": "DELETE FROM {}.work USING TIMESTAMP ? WHERE owner = ? AND slot = ?",
    "ids": "SELECT id FROM {}.grade",
    "requests": "SELECT client, number, n, result FROM {}.request",
    "clients": "SELECT client, number, n FROM {}.client",
    "places": "SELECT DISTINCT owner, slot FROM {}.work",
    "create": "INSERT INTO {}.copy (one, version, owner, parts, database, applied, digest, forgotten)"
    " VALUES (0, 0, ?, 0, '', 0, ?, 0) IF NOT EXISTS",
    "copy": "SELECT version, owner, parts, database, applied, digest, forgotten FROM {}.copy WHERE one = 0",
    "commit": "UPDATE {}.copy SET version = ?, owner = ?, parts = ?, database = ?, applied = ?, digest = ?,"
    " forgotten = ? WHERE one = 0 IF version = ?",
}

logging.getLogger("cassandra").addHandler(logging.NullHandler())  # its warnings are for whoever sets up logging


class Copy(NamedTuple):
    """The row of `copy`."""

    version: int
    owner: uuid.UUID  # of the work: the process that wrote it
    parts: int  # of the work
    database: str
    applied: int
    digest: str
    forgotten: int  # requests of entries up to this one are not remembered any more

    @property
    def slot(self) -> int:
        """Where the work lies. The next one is written while this one is still needed: two take turns."""
        return self.version % 2


class CassandraStore:
    """A store.Store in the keyspace `name` of the Cassandra at host:port; made, of one replica, if it is not there."""

    def __init__(self, host: str, port: int, name: str) -> None:
        if KEYSPACE.fullmatch(name) is None:
            raise StoreError(f"{name}: cannot name a keyspace: at most 48 letters, digits and _")
        self._where = f"keyspace {name} of {host}:{port}"
        self._lock = threading.Lock()
        self._stagings = count(1)
        self._seen = Seen()
        self._loads = 0
        self._dumps: list[dict[int, list[int]]] = []
        profile = ExecutionProfile(
            load_balancing_policy=RoundRobinPolicy(),
            retry_policy=FallthroughRetryPolicy(),
            consistency_level=ConsistencyLevel.QUORUM,
            serial_consistency_level=ConsistencyLevel.SERIAL,
            request_timeout=TIMEOUT_S,
            row_factory=tuple_factory,
        )
        with self._telling():
            self._cluster = Cluster(
                [host],
                port=port,
                protocol_version=5,  # Cassandra 4.0
                execution_profiles={EXEC_PROFILE_DEFAULT: profile},
                sockopts=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],  # it sends a long request in pieces
            )
        try:
            with self._telling():
                self._open(name)
        except BaseException:
            self._cluster.shutdown()
            raise

    def _open(self, name: str) -> None:
        self._session = session = self._cluster.connect()
        synced = session.execute("SELECT value FROM system_views.settings WHERE name = 'commitlog_sync'").one()[0]
        if synced not in SYNCED:
            raise StoreError(
                f"{self._where}: this Cassandra answers before its log is on disk (commitlog_sync: {synced}); "
                "set commitlog_sync: batch in its cassandra.yaml"
            )
        replication = "{'class': 'SimpleStrategy', 'replication_factor': 1}"
        keyspace = f'"{name}"'
        session.execute(f"CREATE KEYSPACE IF NOT EXISTS {keyspace} WITH replication = {replication}")
        for table in SCHEMA:
            session.execute(table.format(keyspace))
        everything = (WRITE | REMOVE | OTHER).items()
        self._cql = {key: session.prepare(cql.format(keyspace)) for key, cql in everything}

        self._copy = self._committed()
        for jobs in self._staged(self._copy):
            self._do(self._copy.version, jobs)
        self._ids = SortedSet(id for (id,) in self._run("ids"))
        found = map(Remembered._make, self._run("requests"))
        kept = sorted((request for request in found if request.n > self._copy.forgotten), key=lambda one: one.n)
        self._requests = {(request.client, request.number): request for request in kept}
        clients = sorted(map(Forgotten._make, self._run("clients")), key=lambda one: one.n)
        self._clients = {client.client: client for client in clients}

        places = list(self._run("places"))  # of those before us: who comes after us has others
        self._swap(self._next(0, owner=uuid.uuid4()))
        for place in places:
            self._run("unstage", EVER, *place)

    def _committed(self) -> Copy:
        """The row of `copy`. Read as SERIAL: a change whose outcome nobody knew is decided by now."""
        self._run("create", uuid.UUID(int=0), digest(0))
        self._cql["copy"].consistency_level = ConsistencyLevel.SERIAL
        return Copy._make(self._run("copy").one())

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Say the driver's errors in one line."""
        try:
            yield
        except NoHostAvailable as error:
            reasons = [str(reason) for reason in getattr(error, "errors", {}).values()]
            raise StoreError(f"{self._where}: no answer: {_line('; '.join(reasons) or str(error))}") from error
        except (DriverException, ConnectionException, ErrorMessage) as error:
            raise StoreError(f"{self._where}: {type(error).__name__}: {_line(str(error))}") from error

    # --- reading

    @property
    def applied(self) -> int:
        return self._copy.applied

    @property
    def database(self) -> str:
        return self._copy.database

    @property
    def digest(self) -> str:
        return self._copy.digest

    def count(self) -> int:
        return len(self._ids)

    def get(self, id: int) -> list[int] | None:
        found = self._read([id]).get(id)
        return None if found is None else found.copy()

    def rows(self, after: int | None = None, limit: int = 1000) -> list[tuple[int, list[int]]]:
        with self._telling(), self._lock:
            ids = list(islice(self._ids.irange(after, inclusive=(after is None, True)), limit))
            return [(id, events.copy()) for id, events in self._images(ids).items()]

    def _read(self, ids: Iterable[int]) -> dict[int, list[int]]:
        with self._telling(), self._lock:
            return self._images(ids)

    def _images(self, ids: Iterable[int]) -> dict[int, list[int]]:
        """Those of the rows that there are, in the order of `ids`; not to be changed."""
        wanted = [id for id in ids if id in self._ids]
        images = {id: events for id in wanted if (events := self._seen.get(id)) is not None}
        unread = [id for id in wanted if id not in images]
        queries = [(self._cql["rows"], (unread[at : at + IDS],)) for at in range(0, len(unread), IDS)]
        images |= {id: list(events) for rows in self._concurrently(queries, 4) for id, events in rows}
        if len(images) != len(wanted):
            raise StoreError(f"{self._where}: {DAMAGED}")
        return {id: images[id] for id in wanted}

    # --- writing

    @contextmanager
    def transaction(self, upto: int) -> Iterator[TransactionWriter]:
        assert upto > self._copy.applied, f"entry {upto} was applied already"
        with self._telling():
            writer = TransactionWriter(self._read, self._requests, self._clients, self._copy.forgotten)
            yield writer
            jobs, before, sum_more = writer.jobs()
            total = digest(int(self._copy.digest, 16) + sum_more)
            parts = self._stage(jobs)
            copy = self._next(parts, applied=upto, digest=total, forgotten=writer.horizon)
            self._swap(copy, last=False)
            with self._lock:
                self._do(copy.version, jobs)
                for dump in self._dumps:
                    for id, events in before.items():
                        dump.setdefault(id, events)
                for id, now in writer.changes():
                    self._seen.put(id, now)
                    self._ids.discard(id) if now is None else self._ids.add(id)
                writer.remind(self._requests, self._clients)
                self._copy = copy

    def _next(self, parts: int, **changes: Any) -> Copy:
        """The copy's row at the next version."""
        return self._copy._replace(version=self._copy.version + 1, parts=parts, **changes)

    def _stage(self, jobs: Iterable[Job]) -> int:
        """Step 1. How many parts it made."""
        copy, parts, timestamp = self._next(0), 0, next(self._stagings)
        for parts, part in enumerate(cut(jobs, job_values), 1):
            self._run("stage", copy.owner, copy.slot, parts - 1, json.dumps(part), timestamp)
        return parts

    def _swap(self, copy: Copy, last: bool = True) -> None:
        """Step 2; `last`: there is no third one."""
        if not self._run("commit", *copy, self._copy.version).was_applied:
            raise StoreError(f"{self._where}: another process has taken it over")
        if last:
            self._copy = copy

    def _do(self, version: int, jobs: Iterable[Job]) -> None:
        """Step 3."""
        writes: list[tuple[Any, Any]] = []
        strokes: defaultdict[int, Any] = defaultdict(lambda: BatchStatement(BatchType.UNLOGGED))
        for kind, *values in jobs:
            bound = (*values, 2 * version + 1) if kind in WRITE else (2 * version, *values)
            if kind == "remember":  # of one partition: to Cassandra one write
                strokes[values[0]].add(self._cql[kind], bound)
            else:
                writes.append((self._cql[kind], bound))
        self._concurrently([*writes, *((batch, None) for batch in strokes.values())], CONCURRENCY)

    def _staged(self, copy: Copy) -> Iterator[list[Job]]:
        """What step 1 staged for this version."""
        for part in range(copy.parts):
            found = self._run("staged", copy.owner, copy.slot, part).one()
            if found is None:
                raise StoreError(f"{self._where}: {DAMAGED}")
            yield json.loads(found[0])

    def _run(self, key: str, *values: Any) -> Any:
        return self._session.execute(self._cql[key], values)

    def _concurrently(self, statements: list[tuple[Any, Any]], concurrency: int) -> list[Any]:
        return [result for _, result in execute_concurrent(self._session, statements, concurrency=concurrency)]

    def join(self, database: str) -> None:
        if self.database not in ("", database):
            raise StoreError(
                f"{self._where}: a copy of another database ({self.database}, not {database}); "
                "give the server another name, or drop the keyspace"
            )
        if not self.database:
            with self._telling():
                self._swap(self._next(0, database=database))

    def sync(self) -> None:
        """Nothing is left to do: Cassandra answers when its log is on disk; open has looked that it does."""

    def close(self) -> None:
        self._cluster.shutdown()

    # --- state transfer

    def dump(self) -> Generator[Piece, None, None]:
        before: dict[int, list[int]] = {}  # rows that were changed since, as they were
        with self._lock:
            copy, ids, loads = self._copy, list(self._ids), self._loads
            requests, clients = list(self._requests.values()), list(self._clients.values())
            self._dumps.append(before)
        try:
            yield Piece(applied=copy.applied, database=copy.database, digest=copy.digest)
            for rows in cut(self._moment(ids, before, loads), lambda row: 1 + len(row[1])):
                yield Piece(rows=tuple(rows))
            for some in cut(requests, len):
                yield Piece(requests=tuple(some))
            for few in cut(clients, len):
                yield Piece(clients=tuple(few))
            yield Piece(last=True)
        finally:
            with self._lock:
                self._dumps = [dump for dump in self._dumps if dump is not before]

    def _moment(
        self, ids: list[int], before: dict[int, list[int]], loads: int
    ) -> Iterator[tuple[int, tuple[int, ...]]]:
        """The rows as they were when the dump began."""
        for at in range(0, len(ids), IDS):
            with self._telling(), self._lock:
                if self._loads != loads:
                    raise StoreError(f"{self._where}: it was replaced while it was copied")
                some = ids[at : at + IDS]
                now = self._images(id for id in some if id not in before)
                rows = [(id, tuple(before.pop(id) if id in before else now[id])) for id in some]
            yield from rows

    def load(self, pieces: Iterable[Piece]) -> None:
        pieces = iter(pieces)
        head = next(pieces, Piece())
        if not head.database or (self.database and head.database != self.database):
            raise BadCopy(f"{self._where}: what came is no copy of this database")
        if head.applied < self.applied:
            raise BadCopy(f"{self._where}: a copy at {head.applied} came, and this one is at {self.applied}")
        came = Arrived()
        with self._telling():
            parts = self._stage(chain(came.jobs(pieces), self._others(came)))
            if not came.whole or digest(came.sum) != head.digest:
                raise BadCopy(f"{self._where}: the copy that came is not whole")
            forgotten = min((request.n for request in came.requests.values()), default=head.applied + 1) - 1
            copy = self._next(
                parts, database=head.database, applied=head.applied, digest=head.digest, forgotten=forgotten
            )
            self._swap(copy, last=False)
            with self._lock:
                self._loads += 1
                for jobs in self._staged(copy):
                    self._do(copy.version, jobs)
                self._ids, self._requests, self._clients = came.ids, came.requests, came.clients
                self._seen = Seen()
                self._copy = copy
            self._swap(self._next(0))  # so that the next open need not do that much again

    def _others(self, came: Arrived) -> Iterator[Job]:
        """What is here and did not come: read when everything has come."""
        yield from (("delete", id) for id in self._ids if id not in came.ids)
        yield from (("forget", gone) for gone in dict.fromkeys(stroke(one.n) for one in self._requests.values()))
        yield from (("drop", client) for client in self._clients if client not in came.clients)


def _line(text: str) -> str:
    return " ".join(text.split())[:300]
