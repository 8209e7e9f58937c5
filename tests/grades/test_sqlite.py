"""The SQLite store: what every store must do, a model beside it, and a process that is killed in the middle."""

import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from grades import table
from grades.sqlite import SqliteStore
from grades.statements import Append, Delete, Put
from grades.store import StoreError
from grades.table import Request
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.conformance import store as conformance
from tests.conformance.store import Model, Opener, agree, run, same
from tests.grades.writer import entry

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("check", conformance.CHECKS, ids=lambda check: check.__name__)
def test_it_does_what_every_store_must(check: Callable[[Opener], None], tmp_path: Path) -> None:
    check(lambda name: SqliteStore(tmp_path / name / "data.db"))


class SqliteMachine(RuleBasedStateMachine):
    """Any history, in any transactions, with restarts and transfers between: always what the model says."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(table, "KEPT", 12)
        self.patch.setattr(table, "FORGET_EVERY", 5)
        self.folder = tempfile.TemporaryDirectory()
        self.generation = 0
        self.model = Model()
        self.open()
        self.store.join("x")

    def open(self) -> None:
        self.store = SqliteStore(Path(self.folder.name) / f"{self.generation}.db")

    ids = st.integers(0, 3)
    events = st.lists(st.integers(-3, 3), max_size=3).map(tuple)
    statements = st.one_of(st.builds(Put, ids, events), st.builds(Append, ids, events), st.builds(Delete, ids))
    requests = st.lists(st.builds(Request, st.sampled_from("ab"), st.integers(1, 30), statements), min_size=1)

    @rule(requests=requests)
    def execute(self, requests: list[Request]) -> None:
        same(run(self.store, requests), [self.model.execute(request) for request in requests])

    @rule(requests=requests)
    def fail(self, requests: list[Request]) -> None:
        with pytest.raises(ZeroDivisionError), self.store.transaction(self.store.applied + len(requests)) as writer:
            for n, request in enumerate(requests, self.store.applied + 1):
                table.execute(writer, n, request)
            _ = 1 / 0

    @rule()
    def restart(self) -> None:
        self.store.close()
        self.open()

    @rule()
    def transfer(self) -> None:
        old = self.store
        self.generation += 1
        self.open()
        self.store.load(old.dump())
        old.close()

    @rule()
    def sync(self) -> None:
        self.store.sync()

    @invariant()
    def agrees(self) -> None:
        agree(self.store, self.model)

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()
        self.patch.undo()


class TestAnyHistory(SqliteMachine.TestCase):  # type: ignore[valid-type,misc]
    settings = settings(max_examples=15, stateful_step_count=20, deadline=None)


def test_a_killed_process_leaves_data_and_number_that_agree(tmp_path: Path) -> None:
    path = tmp_path / "data.db"
    source = random.Random(5)
    model = Model()
    for batch in (1, 10, 100, 1, 10, 100):
        worker = subprocess.Popen(
            [sys.executable, "-m", "tests.grades.writer", str(batch), str(path)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert worker.stdout is not None
        committed = [worker.stdout.readline()]  # it works
        # The moment is of no importance to what must hold, so any will do.
        threading.Timer(source.uniform(0.0, 0.2), worker.send_signal, (signal.SIGKILL,)).start()
        committed += worker.stdout.readlines()
        worker.stdout.close()
        assert worker.wait() == -signal.SIGKILL
        with closing(SqliteStore(path)) as store:
            assert store.applied >= int(committed[-1]) > model.n
            while model.n < store.applied:
                model.execute(entry(model.n + 1))
            agree(store, model)
            kept = [request.n for piece in store.dump() for request in piece.requests]
            assert kept == list(range(1, store.applied + 1))


def test_after_a_power_loss_everything_synced_is_there(tmp_path: Path) -> None:
    """What was written after the last sync may be on the disk, in part, or not at all."""
    source = random.Random(7)
    path = tmp_path / "data.db"
    log = tmp_path / "data.db-wal"
    with closing(SqliteStore(path)) as store:
        for first in range(1, 61, 3):
            run(store, [entry(n) for n in range(first, first + 3)])
            if first == 31:
                store.sync()
                synced, size = store.applied, log.stat().st_size
        database, whole = path.read_bytes(), log.read_bytes()
    assert len(whole) > size + 20_000
    seen = []
    for at in range(25):
        kept = bytearray(whole[: source.randrange(size, len(whole) + 1) if at else size])
        if at % 2 and len(kept) > size + 100:
            torn = source.randrange(size, len(kept) - 100)
            kept[torn : torn + 100] = bytes(100)
        lost = tmp_path / f"lost{at}.db"
        lost.write_bytes(database)
        lost.with_name(lost.name + "-wal").write_bytes(kept)
        model = Model()
        with closing(SqliteStore(lost)) as store:
            assert store.applied >= synced
            while model.n < store.applied:
                model.execute(entry(model.n + 1))
            agree(store, model)
            seen.append(store.applied)
            run(store, [entry(store.applied + 1)])  # and it goes on from there
    assert seen[0] == synced and len(set(seen)) > 5, "the losses were of many lengths"


def test_a_full_disk_ends_it_and_harms_nothing(tmp_path: Path) -> None:
    model = Model()
    with closing(SqliteStore(tmp_path / "data.db")) as store:
        store._write.execute("PRAGMA max_page_count = 60")
        with pytest.raises(StoreError, match="database or disk is full"):
            while model.n < 100:
                run(store, [Request("a", model.n + 1, Put(model.n, tuple(range(1000))))])
                model.execute(Request("a", model.n + 1, Put(model.n, tuple(range(1000)))))
        assert model.n > 5
        agree(store, model)
    with closing(SqliteStore(tmp_path / "data.db")) as store:
        agree(store, model)


def test_a_reader_in_another_thread_sees_whole_transactions(tmp_path: Path) -> None:
    with closing(SqliteStore(tmp_path / "data.db")) as store, ThreadPoolExecutor(1) as reader:
        run(store, [Request("w", 1, Put(1, (0,))), Request("w", 2, Put(2, (0,)))])
        done = threading.Event()
        looks = 0

        def look() -> None:
            nonlocal looks
            while not done.is_set():
                (_, one), (_, two) = store.rows()
                assert one == two
                looks += 1

        reading = reader.submit(look)
        number = 2
        while not reading.done() and (number < 1000 or looks < 100):
            run(store, [Request("w", number + 1, Put(1, (number,))), Request("w", number + 2, Put(2, (number,)))])
            number += 2
        done.set()
        reading.result()


def test_reads_neither_wait_for_a_transaction_nor_see_it(tmp_path: Path) -> None:
    with closing(SqliteStore(tmp_path / "data.db")) as store:
        run(store, [Request("a", 1, Put(1, (1,)))])
        with store.transaction(2) as writer:
            table.execute(writer, 2, Request("a", 2, Put(1, (2,))))
            table.execute(writer, 3, Request("a", 3, Put(2, (2,))))
            assert (store.get(1), store.rows(), store.count()) == ([1], [(1, [1])], 1)
        assert (store.get(1), store.count()) == ([2], 2)


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    with closing(SqliteStore(tmp_path / "data.db")):
        with pytest.raises(StoreError, match="in use by another process"):
            SqliteStore(tmp_path / "data.db")
    SqliteStore(tmp_path / "data.db").close()


def one_line(text: str, path: Path) -> str:
    assert "\n" not in text and text.startswith(f"{path}: ")
    return text


def test_a_file_of_something_else_is_refused_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "data.db"
    path.write_text("grades of last year\n" * 500)
    with pytest.raises(StoreError) as error:
        SqliteStore(path)
    assert "not a database" in one_line(str(error.value), path)
    assert path.read_text().startswith("grades of last year")

    foreign = tmp_path / "foreign.db"
    with closing(sqlite3.connect(foreign)) as connection:
        connection.execute("CREATE TABLE grade (id, events)")
    before = foreign.read_bytes()
    with pytest.raises(StoreError) as error:
        SqliteStore(foreign)
    assert "not a grade database of this version" in one_line(str(error.value), foreign)
    assert foreign.read_bytes() == before

    newer = tmp_path / "newer.db"
    SqliteStore(newer).close()
    with closing(sqlite3.connect(newer)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError) as error:
        SqliteStore(newer)
    assert "of this version" in one_line(str(error.value), newer)

    with pytest.raises(StoreError) as error:
        SqliteStore(tmp_path)
    one_line(str(error.value), tmp_path)
    with pytest.raises(StoreError) as error:
        SqliteStore(path / "below" / "a-file.db")
    one_line(str(error.value), path / "below" / "a-file.db")


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.db"
    with closing(SqliteStore(path)) as store:
        for first in range(0, 2000, 100):
            run(store, [Request("a", first + i + 1, Put(first + i, (i,) * 20)) for i in range(100)])
        rows = store.rows(limit=2000)
    good = path.read_bytes()
    source = random.Random(6)
    refused = 0
    for _ in range(40):
        bad = bytearray(good)
        at = source.randrange(0, len(bad) - 200)
        bad[at : at + 200] = source.randbytes(200)
        if source.random() < 0.3:
            del bad[source.randrange(len(bad)) :]
        path.write_bytes(bad)
        try:
            with closing(SqliteStore(path)) as store:
                assert store.rows(limit=2001) == rows, "it opened, so the damage must lie elsewhere"
        except StoreError as error:
            refused += 1
            one_line(str(error), path)
    assert refused > 20


def test_a_crash_while_the_file_is_made_leaves_one_that_opens(tmp_path: Path) -> None:
    path = tmp_path / "data.db"
    path.touch()
    SqliteStore(path).close()
    with closing(SqliteStore(path)) as store:
        assert store.applied == 0
    half = tmp_path / "half.db"
    with closing(sqlite3.connect(half)) as connection:  # the mode is written, the tables are not
        connection.execute("PRAGMA journal_mode = WAL")
    SqliteStore(half).close()
