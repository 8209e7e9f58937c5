"""`./deploy.sh N --grades M` and `grades`, as a user types them: answers, exit codes, one line for each error."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from grades.fleet import Fleet

from zooweeper.cli import deploy, main, ports
from zooweeper.cli.ensemble import Ensemble, EnsembleError

ROOT = Path(__file__).resolve().parents[2]
NOBODY = "127.0.0.1:19"  # nothing listens on the discard port


class Place:
    """A folder in which somebody sits."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(words, cwd=self.folder, capture_output=True, text=True, timeout=60, check=False)

    def deploy(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.run(str(ROOT / "deploy.sh"), *words, "--dir", ".zooweeper")

    def grades(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.run(str(ROOT / ".venv/bin/grades"), *words)

    @property
    def fleet(self) -> Fleet:
        return Fleet.open(Ensemble.open(self.folder / ".zooweeper"))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    place = Place(tmp_path_factory.mktemp("grades"))
    first = place.deploy("3", "--grades", "3", "--base-port", str(ports.free_base_port(3)))
    assert first.returncode == 0, first.stderr
    assert "QUORUM OK 3/3" in first.stdout and "GRADES OK, 3/3 servers level" in first.stdout
    yield place
    place.fleet.kill()
    place.fleet.ensemble.wipe()


def test_a_second_call_shows_what_runs(place: Place) -> None:
    before = [place.fleet.pid(name) for name in place.fleet.names]
    again = place.deploy("3", "--grades", "3")
    assert again.returncode == 0 and "it runs already" in again.stdout, again.stderr
    assert [place.fleet.pid(name) for name in place.fleet.names] == before and None not in before
    other = place.deploy("3", "--grades", "5")
    assert other.returncode == 1 and "has 3 database servers, not 5" in other.stderr and other.stderr.count("\n") == 1
    elsewhere = place.deploy("3", "--grades", "3", "--cassandra", "127.0.0.1:9042")
    assert elsewhere.returncode == 1 and "whose copies are not at 127.0.0.1:9042; wipe it first" in elsewhere.stderr
    assert place.deploy("3", "--cassandra", "127.0.0.1:9042").returncode == 2
    with pytest.raises(EnsembleError, match="holds database servers already"):
        Fleet.create(place.fleet.ensemble, 3)


@pytest.mark.parametrize("first", [0, 1])
def test_ports_that_outgoing_connections_may_take_are_warned_of(
    first: int, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, two, three = place.fleet.ports
    told = tmp_path / "ip_local_port_range"
    told.write_text(f"{(two, three + 1)[first]}\t60999\n")
    monkeypatch.setattr(ports, "DRAWN_FROM", told)
    assert deploy.main(["3", "--grades", "3", "--dir", str(place.folder / ".zooweeper")]) == 0
    warning = f"ports {two} to {three} are in {two}-60999, which outgoing connections take ports from"
    assert capsys.readouterr().err == ("" if first else f"deploy.sh: {warning}; choose a lower --base-port\n")


def test_rows_are_made_changed_read_and_removed(place: Place) -> None:
    assert place.grades("put", "123", "90", "-85").returncode == 0
    numbers = [int(place.grades("append", "123", "7").stdout), int(place.grades("append", "123", "8").stdout)]
    assert numbers[1] == numbers[0] + 1, "each write is an entry of the log"
    assert place.grades("get", "--linear", "123").stdout == "90 -85 7 8\n"
    assert json.loads(place.grades("get", "123", "-o", "json").stdout) == {"id": 123, "events": [90, -85, 7, 8]}
    done = place.grades("exec", "insert into grade (id, events) values (-5, []);", "-o", "json")
    assert json.loads(done.stdout) == {"entry": numbers[1] + 1}
    assert place.grades("list", "--linear").stdout == "-5\n123 90 -85 7 8\n"
    assert place.grades("exec", "--linear", "SELECT * FROM grade WHERE id = 123").stdout == "123 90 -85 7 8\n"
    assert "90 -85 7 8" in place.grades("list", "-o", "table").stdout
    assert place.grades("delete", "--", "-5").returncode == 0
    gone = place.grades("get", "--linear", "--", "-5")
    assert (gone.returncode, gone.stdout) == (1, "") and gone.stderr.startswith("grades: no row -5;")


def test_a_file_is_loaded_in_its_order(place: Place) -> None:
    (place.folder / "marks.csv").write_text("student,mark\n9,3\n9,1\n8,2\n9,2\n")
    loaded = place.grades("load", "marks.csv", "--columns", "student,mark", "-o", "json")
    assert json.loads(loaded.stdout) == {"appended": 4, "rows": 2}, loaded.stderr
    assert place.grades("get", "--linear", "9").stdout == "3 1 2\n"


@pytest.mark.parametrize(
    ("line", "code", "told"),
    [
        ("exec SELECT", 2, "BadStatement: column 7: expected"),
        ("put 1 2147483648", 2, "is not in the range"),
        ("put one 1", 2, "'one' is not a valid"),
        ("append 1", 2, "Missing argument"),
        ("gett 1", 2, "No such command 'gett'"),
        ("get 1 --colour", 2, "see grades get --help"),
        ("load /nowhere", 2, "cannot read /nowhere"),
        (f"get 1 --hosts {NOBODY} --timeout 0.3", 69, "is it running? ./deploy.sh status"),
        (f"status --hosts {NOBODY}", 69, ""),
        ("status --hosts ,", 2, "--hosts names no server"),
    ],
)
def test_one_line_and_the_code(place: Place, line: str, code: int, told: str) -> None:
    done = place.grades(*line.split())
    assert done.returncode == code and told in done.stderr, (done.returncode, done.stderr)
    assert "Traceback" not in done.stderr and done.stderr.count("\n") <= 1, done.stderr


def test_status_has_a_row_for_each_server(place: Place) -> None:
    rows = json.loads(place.grades("status", "-o", "json").stdout)
    assert [row["name"] for row in rows] == ["db1", "db2", "db3"] and {row["state"] for row in rows} == {"level"}
    assert [row["pid"] for row in rows] == [place.fleet.pid(row["name"]) for row in rows]
    shown = place.deploy("status").stdout
    assert "QUORUM OK" in shown and "GRADES OK" in shown and "LEADER    level" in shown


def test_commands_take_a_servers_name(place: Place) -> None:
    leader = place.fleet.leader()
    killed = place.deploy("kill", "grades-leader")
    assert f"{leader} (LEADER, applied" in killed.stdout and "leads after" in killed.stdout, killed
    status = place.grades("status")
    assert status.returncode == 0 and "GRADES OK, 2/3 servers level" in status.stdout
    assert place.deploy("start", leader).stdout.startswith(f"started {leader}\n")
    assert place.deploy("start", leader).stdout.startswith("nothing was down\n")
    assert place.deploy("restart", "db2").stdout.startswith("restarted db2\n")
    assert place.deploy("stop", "db2").stdout == "stopped db2\n"
    assert place.deploy("stop", "db2").stdout == "nothing ran\n"
    refused = place.deploy("kill", "db2")
    assert refused.returncode == 1 and refused.stderr == "deploy.sh: db2 does not run\n"
    assert "there is no database server db9; there are db1, db2, db3" in place.deploy("logs", "db9").stderr
    assert "concerns nodes" in place.deploy("rejoin", "db1").stderr
    assert f"--- db1: {place.fleet.log_path('db1')}\n20" in place.deploy("logs", "db1").stdout
    assert "started db2" in place.deploy("start").stdout


def test_all_of_it_stops_starts_and_keeps_its_rows(place: Place) -> None:
    place.grades("put", "77", "1", "2")
    stopped = place.deploy("stop")
    assert stopped.stdout == "stopped node 1 node 2 node 3 db1 db2 db3\n", stopped
    for name in place.fleet.names:
        assert "Traceback" not in place.fleet.log_tail(name, 50), "an orderly end leaves no trace"
    assert place.deploy("3", "--grades", "3").returncode == 0
    assert place.grades("get", "--linear", "77").stdout == "1 2\n"


def test_wipe_takes_the_servers_too(tmp_path: Path) -> None:
    place = Place(tmp_path)
    assert place.deploy("1", "--grades", "1", "--base-port", str(ports.free_base_port(1))).returncode == 0
    assert place.fleet.running() == ("db1",)
    fleet = place.fleet
    assert place.deploy("wipe").returncode == 0
    assert not (tmp_path / ".zooweeper").exists()
    assert fleet.status()[0].state == "down"


def test_the_demo_ends_with_the_file(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    lines = (ROOT / "data" / "math_achievement.csv").read_text().splitlines()[:1_201]
    (tmp_path / "some.csv").write_text("\n".join(lines))
    words = ["demo", "grades", str(tmp_path / "some.csv"), "--rate", "400", "--seed", "7"]
    assert main.run(words) == 0
    out = capfd.readouterr().out
    found = {line.rpartition("  ")[0].strip(): line.rpartition("  ")[2] for line in out.splitlines()}
    assert found["appends acknowledged"] == "1200" and int(found["database servers killed"]) >= 1, out
    assert [found[name] for name in ("appends lost", "appends doubled", "rows that differ from the file")] == ["0"] * 3


def test_a_file_that_is_none_is_one_line(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("school,score_milli\n1,two\n")
    assert main.run(["demo", "grades", str(tmp_path / "bad.csv")]) == 2
    assert "line 2: school and score_milli must be whole numbers" in capfd.readouterr().err
    assert main.run(["demo", "grades", os.devnull]) == 2
