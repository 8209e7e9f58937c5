"""The store in SQLite: one file per server, which `sqlite3 data.db` shows as it is.

    grade     id, events as [90,85]
    request   the requests that are remembered, by the log entry that executed them
    client    the highest number of each client that was forgotten
    copy      one row about the copy itself: of which database, how far, how many rows, their digest

Rules: WAL mode, so that a commit costs no fsync and survives the process, not the machine; `sync` makes it survive the
machine, and a checkpoint is announced only after it. What came after the last sync is lost with the machine as a whole,
`applied` with it, and comes again from the log. Writes go through one connection, reads through another one, so that
they never wait and never see half a transaction; a dump has its own. A file that is damaged, or not ours, is refused
and not touched.
"""

import fcntl
import json
import sqlite3
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from grades.store import PIECE_VALUES, BadCopy, Forgotten, Piece, Remembered, StoreError
from grades.table import digest, row_hash, row_text

APPLICATION = 0x67726164  # "grad", in the header of every file of ours
VERSION = 1  # of the schema
WAL_BYTES_MAX = 64 * 1024 * 1024  # what the write-ahead file is cut down to after a long read held it

SCHEMA = f"""
    PRAGMA application_id = {APPLICATION};
    PRAGMA user_version = {VERSION};
    CREATE TABLE grade (id INTEGER PRIMARY KEY, events TEXT NOT NULL);
    CREATE TABLE request (n INTEGER PRIMARY KEY, client TEXT NOT NULL, number INTEGER NOT NULL, result TEXT NOT NULL,
                          UNIQUE (client, number));
    CREATE TABLE client (client TEXT PRIMARY KEY, number INTEGER NOT NULL, n INTEGER NOT NULL) WITHOUT ROWID;
    CREATE INDEX client_n ON client (n);
    CREATE TABLE copy (database TEXT NOT NULL, applied INTEGER NOT NULL, rows INTEGER NOT NULL, digest TEXT NOT NULL,
                       syncs INTEGER NOT NULL);
    INSERT INTO copy VALUES ('', 0, 0, '{digest(0)}', 0);
"""
GET = "SELECT events FROM grade WHERE id = ?"
PUT = "INSERT INTO grade VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET events = excluded.events"
DELETE = "DELETE FROM grade WHERE id = ?"
REMEMBER = "INSERT INTO request (client, number, n, result) VALUES (?, ?, ?, ?)"
RECALL = "SELECT client, number, n, result FROM request WHERE client = ? AND number = ?"
KEEP_HIGHEST = """
    INSERT INTO client SELECT client, max(number), max(n) FROM request WHERE n <= ? GROUP BY client
    ON CONFLICT (client) DO UPDATE SET number = max(number, excluded.number), n = excluded.n
"""


class SqliteStore:
    """A store.Store in the file `path`, which is made, with its folder, if it is not there."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._lock = self._hold()
        try:
            with self._telling():
                self._write = self._open()
                self._read = self._connect()
                self._read.execute("PRAGMA query_only = ON")
                self._look()
                self._verify()
        except StoreError:
            self._lock.close()
            raise

    def _hold(self) -> TextIOWrapper:
        """Two servers on one file would be one server too many."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lock = self.path.with_name(self.path.name + ".lock").open("w")
        except OSError as error:
            raise StoreError(f"{self.path}: cannot be made here: {error.strerror}") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise StoreError(f"{self.path}: in use by another process") from None
        return lock

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)

    def _open(self) -> sqlite3.Connection:
        connection = self._connect()
        try:
            ours = (self._pragma(connection, "application_id"), self._pragma(connection, "user_version"))
            if ours == (0, 0) and not connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
                self._pragma(connection, "journal_mode = WAL")
                connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA} COMMIT")
            elif ours != (APPLICATION, VERSION):
                raise StoreError(f"{self.path}: not a grade database of this version; it was not touched")
            elif self._pragma(connection, "quick_check(1)") != "ok":
                raise sqlite3.DatabaseError("damaged pages")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA fullfsync = ON")  # macOS: fsync alone leaves the drive's cache unflushed
            connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES_MAX}")
        except BaseException:
            connection.close()
            raise
        return connection

    @staticmethod
    def _pragma(connection: sqlite3.Connection, name: str) -> Any:
        return connection.execute(f"PRAGMA {name}").fetchone()[0]

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Say SQLite's errors in one line."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            hint = "if the file is damaged, move it away: the server then fetches a copy from another one"
            raise StoreError(f"{self.path}: {error}; {hint}") from error

    def _look(self) -> None:
        """Read again what is known about the copy."""
        self._database, self._applied, self._rows, shown = self._write.execute(
            "SELECT database, applied, rows, digest FROM copy"
        ).fetchone()
        self._sum = int(shown, 16)

    def _verify(self) -> None:
        """SQLite sees damage to its pages, not to what is in them; a few seconds for a million rows."""
        total = sum(row_hash(id, text) for id, text in self._read.execute("SELECT id, events FROM grade"))
        if digest(total) != self.digest:
            raise sqlite3.DatabaseError("damaged: the rows are not what was written")

    # --- reading

    @property
    def applied(self) -> int:
        return int(self._applied)

    @property
    def database(self) -> str:
        return str(self._database)

    @property
    def digest(self) -> str:
        return digest(self._sum)

    def count(self) -> int:
        return int(self._rows)

    def get(self, id: int) -> list[int] | None:
        with self._telling():
            return _events(self._read.execute(GET, (id,)).fetchone())

    def rows(self, after: int | None = None, limit: int = 1000) -> list[tuple[int, list[int]]]:
        where, values = ("", (limit,)) if after is None else ("WHERE id > ?", (after, limit))
        with self._telling():
            found = self._read.execute(f"SELECT id, events FROM grade {where} ORDER BY id LIMIT ?", values).fetchall()
        return [(id, json.loads(events)) for id, events in found]

    # --- writing

    @contextmanager
    def transaction(self, upto: int) -> Iterator["_Writer"]:
        assert upto > self._applied, f"entry {upto} was applied already"
        with self._telling(), self._atomic():
            writer = _Writer(self._write)
            yield writer
            writer.flush()
            rows, total = self._rows + writer.rows_more, self._sum + writer.sum_more
            self._write.execute("UPDATE copy SET applied = ?, rows = ?, digest = ?", (upto, rows, digest(total)))
        self._applied, self._rows, self._sum = upto, rows, total

    @contextmanager
    def _atomic(self) -> Iterator[None]:
        self._write.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._write.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # SQLite may have rolled back by itself; what is told is the first error
                self._write.execute("ROLLBACK")
            raise

    def join(self, database: str) -> None:
        if self._database not in ("", database):
            raise StoreError(
                f"{self.path}: a copy of another database ({self._database}, not {database}); "
                "start the server on a folder of its own"
            )
        with self._telling(), self._atomic():
            self._write.execute("UPDATE copy SET database = ?", (database,))
        self._database = database

    def sync(self) -> None:
        with self._telling():
            # A commit in FULL mode syncs the whole write-ahead file, all commits before it included; there must be
            # something to commit.
            self._write.execute("PRAGMA synchronous = FULL")
            self._write.execute("UPDATE copy SET syncs = syncs + 1")
            self._write.execute("PRAGMA synchronous = NORMAL")

    def close(self) -> None:
        self._read.close()
        self._write.close()
        self._lock.close()

    # --- state transfer

    def dump(self) -> Generator[Piece, None, None]:
        with self._telling(), closing(self._connect()) as moment:
            moment.execute("BEGIN")  # what the first query sees, all the others see
            database, applied, shown = moment.execute("SELECT database, applied, digest FROM copy").fetchone()
            yield Piece(applied=applied, database=database, digest=shown)
            rows: list[tuple[int, tuple[int, ...]]] = []
            values = 0
            for id, text in moment.execute("SELECT id, events FROM grade ORDER BY id"):
                events = tuple(json.loads(text))
                rows.append((id, events))
                values += 1 + len(events)
                if values >= PIECE_VALUES:
                    yield Piece(rows=tuple(rows))
                    rows, values = [], 0
            if rows:
                yield Piece(rows=tuple(rows))
            requests = moment.execute("SELECT client, number, n, result FROM request ORDER BY n")
            while some := requests.fetchmany(PIECE_VALUES // 4):
                yield Piece(requests=tuple(map(Remembered._make, some)))
            clients = moment.execute("SELECT client, number, n FROM client ORDER BY client")
            while some := clients.fetchmany(PIECE_VALUES // 4):
                yield Piece(clients=tuple(map(Forgotten._make, some)))
            yield Piece(last=True)

    def load(self, pieces: Iterable[Piece]) -> None:
        with self._telling(), self._atomic():
            self._replace(iter(pieces))
        self._look()
        self.sync()

    def _replace(self, pieces: Iterator[Piece]) -> None:
        head = next(pieces, Piece())
        if not head.database or (self._database and head.database != self._database):
            raise BadCopy(f"{self.path}: what came is no copy of this database")
        if head.applied < self._applied:
            raise BadCopy(f"{self.path}: a copy at {head.applied} came, and this one is at {self._applied}")
        for table in ("grade", "request", "client"):
            self._write.execute(f"DELETE FROM {table}")
        count = total = 0
        whole = False
        for piece in pieces:
            texts = [(id, row_text(events)) for id, events in piece.rows]
            count += len(texts)
            total += sum(row_hash(id, text) for id, text in texts)
            try:
                self._write.executemany("INSERT INTO grade VALUES (?, ?)", texts)
                self._write.executemany(REMEMBER, piece.requests)
                self._write.executemany("INSERT INTO client VALUES (?, ?, ?)", piece.clients)
            except sqlite3.IntegrityError as error:
                raise BadCopy(f"{self.path}: the copy that came has something twice: {error}") from None
            whole = piece.last
        if not whole or digest(total) != head.digest:
            raise BadCopy(f"{self.path}: the copy that came is not whole")
        self._write.execute(
            "UPDATE copy SET database = ?, applied = ?, rows = ?, digest = ?",
            (head.database, head.applied, count, head.digest),
        )


class _Writer:
    """A store.Writer. Rows are read once and written once at the end, however often a transaction changes them."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._sql = connection.execute
        self._many = connection.executemany
        self._before: dict[int, str | None] = {}  # the rows that were read, as they were
        self._changed: dict[int, list[int] | None] = {}
        self._remembered: dict[tuple[str, int], Remembered] = {}
        self._forgotten: dict[str, int] = {}
        self.rows_more = 0
        self.sum_more = 0

    def get(self, id: int) -> list[int] | None:
        if id in self._changed:
            events = self._changed[id]
            return None if events is None else events.copy()
        text = self._text(id)
        return None if text is None else json.loads(text)

    def _text(self, id: int) -> str | None:
        if id not in self._before:
            found = self._sql(GET, (id,)).fetchone()
            self._before[id] = found[0] if found else None
        return self._before[id]

    def put(self, id: int, events: list[int]) -> None:
        self._changed[id] = events

    def delete(self, id: int) -> None:
        self._changed[id] = None

    def recall(self, client: str, number: int) -> Remembered | None:
        waiting = self._remembered.get((client, number))
        if waiting is not None:
            return waiting
        found = self._sql(RECALL, (client, number)).fetchone()
        return Remembered._make(found) if found else None

    def forgotten(self, client: str) -> int:
        if client not in self._forgotten:
            found = self._sql("SELECT number FROM client WHERE client = ?", (client,)).fetchone()
            self._forgotten[client] = found[0] if found else 0
        return self._forgotten[client]

    def remember(self, request: Remembered) -> None:
        self._remembered[request.client, request.number] = request

    def forget(self, requests: int, clients: int) -> None:
        self._flush_requests()
        self._sql(KEEP_HIGHEST, (requests,))
        self._sql("DELETE FROM request WHERE n <= ?", (requests,))
        self._sql("DELETE FROM client WHERE n <= ?", (clients,))
        self._forgotten.clear()

    def _flush_requests(self) -> None:
        self._many(REMEMBER, self._remembered.values())
        self._remembered.clear()

    def flush(self) -> None:
        """Write everything that waited, and count what it changes of the table."""
        self._flush_requests()
        puts, deletes = [], []
        for id, events in self._changed.items():
            old = self._text(id)
            new = None if events is None else row_text(events)
            if old == new:
                continue
            if old is not None:
                self.sum_more -= row_hash(id, old)
                self.rows_more -= 1
            if new is None:
                deletes.append((id,))
            else:
                self.sum_more += row_hash(id, new)
                self.rows_more += 1
                puts.append((id, new))
        self._many(PUT, puts)
        self._many(DELETE, deletes)


def _events(found: tuple[str] | None) -> list[int] | None:
    return None if found is None else json.loads(found[0])
