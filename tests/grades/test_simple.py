"""The simple variant on a real coordination node: copies that come, crash and come back are always the same."""

import io
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from grades import simple
from grades.simple import Copy, Full
from grades.statements import BadStatement
from grades.store import StoreError
from grades.table import LIST_MAX, Code, Result
from zooweeper_client import Client

from zooweeper.cli.ensemble import Ensemble

CHUNK = 9000  # events of a statement that nearly fills its 64 KiB


@pytest.fixture(scope="module")
def ensemble() -> Iterator[Ensemble]:
    with Ensemble.temporary(1) as ensemble:
        ensemble.start()
        ensemble.wait_healthy()
        yield ensemble


@pytest.fixture
def hosts(ensemble: Ensemble) -> str:
    """The node, with nothing in it from before."""
    with Client(ensemble.hosts) as zk:
        if zk.exists(simple.REQUESTS):
            zk.delete(simple.REQUESTS, recursive=True)
    return str(ensemble.hosts)


def append(id: int, *events: int) -> str:
    return f"UPDATE grade SET events = events + {json.dumps(events)} WHERE id = {id}"


def test_a_copy_executes_and_the_others_follow(hosts: str, tmp_path: Path) -> None:
    with closing(Copy(hosts, tmp_path / "a.db")) as a, closing(Copy(hosts, tmp_path / "b.db")) as b:
        assert a.execute("INSERT INTO grade (id, events) VALUES (123, [90, 85])") == Result(1)
        assert b.get(123) == [90, 85]
        assert b.execute(append(123, 70)) == Result(2)
        assert a.execute("SELECT * FROM grade WHERE id = 123") == [(123, [90, 85, 70])]
        assert a.execute("DELETE FROM grade WHERE id = 5") == Result(3)
        assert a.execute(append(7, -1)) == Result(4)
        assert b.execute("SELECT * FROM grade") == [(7, [-1]), (123, [90, 85, 70])]
        assert b.execute("SELECT * FROM grade WHERE id = 8") == [] and b.get(8) is None
        with pytest.raises(BadStatement, match="expected VALUES"):
            a.execute("INSERT INTO grade (id, events) 123")
        assert b.execute("DELETE FROM grade WHERE id = 7") == Result(5), "what is no statement is no request"
        with closing(Copy(hosts, tmp_path / "c.db")) as c:  # replays everything in its constructor
            assert c.store.applied == 5 and c.store.rows() == [(123, [90, 85, 70])]
            assert a.rows() == b.rows() == c.rows() and a.store.digest == b.store.digest == c.store.digest


def test_a_copy_that_was_away_replays_what_it_missed(hosts: str, tmp_path: Path) -> None:
    with closing(Copy(hosts, tmp_path / "a.db")) as a:
        a.execute(append(1, 1))
    with closing(Copy(hosts, tmp_path / "b.db")) as b:
        for number in range(2, 60):
            b.execute(append(1, number))
    with closing(Copy(hosts, tmp_path / "a.db")) as a:
        assert a.store.get(1) == list(range(1, 60))


def test_the_node_may_restart(ensemble: Ensemble, hosts: str, tmp_path: Path) -> None:
    with closing(Copy(hosts, tmp_path / "a.db")) as a:
        a.execute(append(1, 1))
        ensemble.kill(1)
        ensemble.start()
        assert a.execute(append(1, 2)) == Result(2)
        assert a.get(1) == [1, 2]


def test_a_killed_copy_comes_back(hosts: str, tmp_path: Path) -> None:
    for round in range(1, 4):
        command = [sys.executable, "-m", "grades.simple", "--hosts", hosts, "--file", str(tmp_path / "killed.db")]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write("".join(append(round, number) + "\n" for number in range(500)))
        process.stdin.flush()
        answered = 0
        while answered < 20 * round:  # and then in the middle of something
            assert process.stdout.readline() == "OK\n"
            answered += 1
        process.send_signal(signal.SIGKILL)
        answered += process.stdout.read().count("OK\n")
        process.wait()
        process.stdout.close()
        process.stdin.close()
        with closing(Copy(hosts, tmp_path / "killed.db")) as a, closing(Copy(hosts, tmp_path / f"{round}.db")) as b:
            assert a.store.digest == b.store.digest and a.store.applied == b.store.applied
            events = a.get(round)
            assert events is not None and len(events) >= answered and events == list(range(len(events)))


def test_several_processes_at_once_lose_nothing(hosts: str, tmp_path: Path) -> None:
    writers = []
    for name in range(3):
        command = [sys.executable, "-m", "grades.simple", "--hosts", hosts, "--file", str(tmp_path / f"{name}.db")]
        writers.append(subprocess.Popen([*command, *(append(1, name * 100 + at) for at in range(40))]))
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    tables = []
    for name in range(3):
        with closing(Copy(hosts, tmp_path / f"{name}.db")) as copy:
            tables.append(copy.rows())
    assert tables[0] == tables[1] == tables[2]
    events = dict(tables[0])[1]
    assert sorted(events) == [name * 100 + at for name in range(3) for at in range(40)]
    assert [event for event in events if event >= 200] == list(range(200, 240))


def test_long_statements_are_read_back(hosts: str, tmp_path: Path) -> None:
    with closing(Copy(hosts, tmp_path / "a.db")) as a:
        numbers = list(range(10_000, 10_000 + CHUNK))
        for id in range(40):
            assert a.execute(append(id, *numbers)) == Result(id + 1)
        failed = a.execute(append(3, *numbers[: LIST_MAX - CHUNK + 1]))
        assert isinstance(failed, Result) and failed.code is Code.LIST_TOO_LONG
    with closing(Copy(hosts, tmp_path / "b.db")) as b:
        assert b.store.applied == 41 and b.rows() == [(id, numbers) for id in range(40)]


def test_nonsense_among_the_requests_does_nothing_anywhere(hosts: str, tmp_path: Path) -> None:
    with closing(Copy(hosts, tmp_path / "a.db")) as a, Client(hosts) as zk:
        for nonsense in (b"", b"\xff", b"DROP TABLE grade", b"SELECT * FROM grade"):
            zk.create(simple.REQUEST, nonsense, sequence=True)
        assert a.execute(append(1, 5)) == Result(5)
        assert a.rows() == [(1, [5])]


def test_a_copy_of_other_requests_is_refused(hosts: str, tmp_path: Path) -> None:
    with closing(Copy(hosts, tmp_path / "a.db")) as a:
        a.execute(append(1, 1))
    with Client(hosts) as zk:
        zk.delete(simple.REQUESTS, recursive=True)
    with pytest.raises(StoreError, match="copy of another database"):
        Copy(hosts, tmp_path / "a.db")
    Copy(hosts, tmp_path / "b.db").close()


def test_there_is_an_end_of_requests(hosts: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simple, "REQUESTS_MAX", 2)
    with closing(Copy(hosts, tmp_path / "a.db")) as a:
        a.execute(append(1, 1))
        a.execute(append(1, 2))
        with pytest.raises(Full, match="there are 2 requests"):
            a.execute(append(1, 3))
        assert a.get(1) == [1, 2]


def test_the_command(hosts: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here = ["--hosts", hosts, "--file", str(tmp_path / "a.db")]
    insert, select = "INSERT INTO grade (id, events) VALUES (123, [90, 85])", "SELECT * FROM grade"
    assert simple.main([*here, insert, select]) == 0
    assert capsys.readouterr() == ("OK\n123 [90,85]\n", "")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", io.StringIO(f"{append(123, 1)}\n\n{select} WHERE id = 123;\n"))
        assert simple.main(here) == 0
    assert capsys.readouterr() == ("OK\n123 [90,85,1]\n", "")
    assert simple.main([*here, "SELECT", select]) == 2
    out, err = capsys.readouterr()
    assert out == "123 [90,85,1]\n" and err.startswith("grades: column 7: expected") and err.count("\n") == 1
    (tmp_path / "other").write_text("a poem " * 1000)
    assert simple.main(["--hosts", hosts, "--file", str(tmp_path / "other"), select]) == 1
    assert "not a database" in capsys.readouterr().err
    assert simple.main(["--hosts", "nowhere:x", *here[2:]]) == 1
    assert "port" in capsys.readouterr().err
