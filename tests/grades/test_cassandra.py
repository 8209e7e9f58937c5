"""The Cassandra store on a real Cassandra: what every store must do, and what no crash, of whomever, may undo."""

import asyncio
import itertools
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from grades import cassandra_work
from grades.statements import Append, Put
from grades.store import StoreError
from grades.table import Request

from tests.conformance import store as conformance
from tests.conformance.store import Model, Opener, agree, run
from tests.grades.world import running
from tests.grades.writer import entry
from tests.interop import cassandra
from zooweeper.cli.ports import free_run

if TYPE_CHECKING:
    from grades.cassandra import CassandraStore

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.cassandra, pytest.mark.skipif(bool(cassandra.missing()), reason=cassandra.missing())]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[cassandra.Node]:
    port = free_run(2)
    node = cassandra.Node(tmp_path_factory.mktemp("cassandra"), port, port + 1)
    try:
        node.start()
        yield node
    finally:
        node.kill()


def opened(node: cassandra.Node, name: str) -> "CassandraStore":
    from grades.cassandra import CassandraStore  # where there is no driver, only this may not be imported

    return CassandraStore("127.0.0.1", node.port, name)


@pytest.mark.parametrize("check", conformance.CHECKS, ids=lambda check: check.__name__)
def test_it_does_what_every_store_must(check: Callable[[Opener], None], node: cassandra.Node) -> None:
    prefix = check.__name__.removeprefix("check_")[:30]
    check(lambda name: opened(node, f"{prefix}_{name}"))


class Cut:
    """A session in which all goes well `after` times. Of the next request nothing comes back, executed or not; those
    after it are lost."""

    def __init__(self, session: Any, after: int, executed: bool) -> None:
        self._session, self._left, self._executed = session, after, executed
        self.lost: list[tuple[Any, ...]] = []

    def execute(self, *request: Any) -> Any:
        return self._send(self._session.execute, *request)

    def execute_async(self, *request: Any, **options: Any) -> Any:
        return self._send(self._session.execute_async, *request, **options)

    def _send(self, send: Callable[..., Any], *request: Any, **options: Any) -> Any:
        from cassandra import OperationTimedOut

        self._left -= 1
        answer = send(*request, **options) if self._left >= (-1 if self._executed else 0) else None
        if self._left >= 0:
            return answer
        self.lost.append(request)
        raise OperationTimedOut


@pytest.mark.parametrize("executed", [False, True], ids=["the request is lost", "the answer is lost"])
def test_a_transaction_may_be_cut_off_anywhere(
    node: cassandra.Node, executed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cassandra_work, "PIECE_VALUES", 15)  # several parts
    model, name, late = Model(), f"cut_{executed}", list[tuple[Any, ...]]()
    outcomes = set()
    for after in itertools.count():
        requests = [entry(n) for n in range(model.n + 1, model.n + 6)]
        with closing(opened(node, name)) as store:
            store._session = cut = Cut(store._session, after, executed)
            try:
                run(store, requests)
            except StoreError as error:
                assert "OperationTimedOut" in str(error)
        with closing(opened(node, name)) as store:
            assert store.applied in (model.n, model.n + 5)
            outcomes.add((bool(cut.lost), store.applied > model.n))
            if store.applied > model.n:
                for request in requests:
                    model.execute(request)
            agree(store, model)
            # what was given up arrives after all, each time later
            late += cut.lost
            for statement, *values in late:
                store._session.execute(statement, *values)
        if not cut.lost:
            break
    with closing(opened(node, name)) as store:
        agree(store, model)
    assert outcomes == {(True, False), (True, True), (False, True)}, "before the commit, after it, and none"


def test_who_opens_it_takes_it_over(node: cassandra.Node) -> None:
    with closing(opened(node, "over")) as first:
        run(first, [Request("a", 1, Put(1, (1,)))])
        with closing(opened(node, "over")) as second:
            with pytest.raises(StoreError, match="another process has taken it over"):
                run(first, [Request("a", 2, Append(1, (2,)))])
            run(second, [Request("a", 2, Append(1, (3,)))])
            assert second.rows() == [(1, [1, 3])]


def test_who_opens_it_does_not_touch_what_the_next_one_commits(node: cassandra.Node) -> None:
    from grades.cassandra import CassandraStore

    model, requests = Model(), [entry(n) for n in range(1, 6)]
    swap = CassandraStore._swap

    def and_sleep(store: CassandraStore, *arguments: Any) -> None:
        swap(store, *arguments)
        patch.undo()
        with closing(opened(node, "slow")) as other:  # commits, and dies before it has done its work
            other._session = Cut(other._session, 2, executed=False)
            with pytest.raises(StoreError, match="OperationTimedOut"):
                run(other, requests)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CassandraStore, "_swap", and_sleep)
        opened(node, "slow").close()
    with closing(opened(node, "slow")) as store:
        for request in requests:
            model.execute(request)
        agree(store, model)


def test_reads_never_see_half_a_transaction(node: cassandra.Node) -> None:
    done = threading.Event()
    with closing(opened(node, "whole")) as store:
        run(store, [Request("a", 1 + id, Put(id, (0,))) for id in range(10)])

        def write() -> None:
            for value in range(1, 30):
                with store.transaction(store.applied + 1) as writer:
                    for id in range(10):
                        writer.put(id, [value])
            done.set()

        writing = threading.Thread(target=write)
        writing.start()
        looks = 0
        while not done.is_set():
            assert len({tuple(events) for _, events in store.rows()}) == 1
            looks += 1
        writing.join()
        assert looks > 3


def test_what_cannot_be_opened_is_one_line(node: cassandra.Node, monkeypatch: pytest.MonkeyPatch) -> None:
    from grades import cassandra as module

    def refused(name: str = "one_line", port: int = node.port) -> str:
        with pytest.raises(StoreError) as error:
            module.CassandraStore("127.0.0.1", port, name)
        assert "\n" not in str(error.value)
        return str(error.value)

    assert "cannot name a keyspace" in refused("my-db")
    assert "no answer" in refused(port=free_run(1))
    assert "system" in refused("system")
    monkeypatch.setattr(module, "SYNCED", ("another",))
    assert "commitlog_sync: batch" in refused()


def test_a_killed_process_leaves_data_and_number_that_agree(node: cassandra.Node) -> None:
    source, model = random.Random(5), Model()
    for batch in (1, 20, 100):
        with Worker(node, "killed", batch) as worker:
            # The moment is of no importance to what must hold, so any will do.
            threading.Timer(source.uniform(0.0, 0.3), worker.process.kill).start()
            worker.wait_end()
            assert worker.process.returncode == -signal.SIGKILL
        worker.check(model)


def test_a_killed_cassandra_leaves_data_and_number_that_agree(node: cassandra.Node) -> None:
    with Worker(node, "crashed", 20) as worker:
        killing = threading.Timer(0.3, node.kill)
        killing.start()
        worker.wait_end()
        assert worker.process.returncode == 1 and "StoreError: keyspace crashed of" in worker.complaint
        killing.join()
    node.start()
    worker.check(Model())


class Worker:
    """A process that writes and writes (tests.grades.writer). It has begun."""

    def __init__(self, node: cassandra.Node, name: str, batch: int) -> None:
        self._node, self._name = node, name
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.grades.writer", str(batch), str(node.port), name],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None and self.process.stderr is not None
        self._out, self._err = self.process.stdout, self.process.stderr
        self._committed = [self._out.readline()]
        self.complaint = ""

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        with self.process:  # closes its pipes
            self.process.kill()

    def wait_end(self) -> None:
        self._committed += self._out.readlines()
        self.complaint = self._err.read()
        self.process.wait()

    def check(self, model: Model) -> None:
        """What it committed is there, and goes with the number; `model` comes to that number, too."""
        with closing(opened(self._node, self._name)) as store:
            assert store.applied >= int(self._committed[-1]) > model.n
            while model.n < store.applied:
                model.execute(entry(model.n + 1))
            agree(store, model)
            kept = [request.n for piece in store.dump() for request in piece.requests]
            assert kept == list(range(1, store.applied + 1)), "far fewer than are ever forgotten"


def test_three_database_servers_in_three_keyspaces_stay_equal(node: cassandra.Node) -> None:
    """Whatever is killed: a database server, then the Cassandra below all of them, which ends whoever writes to it."""
    with running(options=("--store", "cassandra", "--cassandra", f"127.0.0.1:{node.port}")) as world:

        async def crashes() -> None:
            async with world.load(world.everywhere(2)) as load:
                world.fleet.kill(world.fleet.leader())
                await load.progress()
                was = set(world.fleet.running())
                node.kill()
                async with asyncio.timeout(cassandra.READY_S):
                    while not (ended := was - set(world.fleet.running())):
                        await asyncio.sleep(0.02)
                for name in ended:
                    assert f"keyspace {name} of 127.0.0.1:{node.port}" in world.fleet.log_tail(name)
                await asyncio.to_thread(node.start)
                await asyncio.to_thread(world.heal)
                await load.progress()

        asyncio.run(crashes())
        assert world.check().acknowledged > 0
