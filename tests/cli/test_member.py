"""`zooweeper member` and its shortcuts in deploy.sh, as an operator types them, on real processes."""

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from zooweeper.cli import ports
from zooweeper.cli.ensemble import Ensemble, EnsembleError
from zooweeper.cli.settings import SUPER_FILE

ROOT = Path(__file__).resolve().parents[2]
Done = subprocess.CompletedProcess[str]


class Place:
    """An ensemble of deploy.sh, and the commands on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.base_port = ports.free_base_port(5)
        self.super = str(folder / "e" / SUPER_FILE)

    @property
    def ensemble(self) -> Ensemble:
        return Ensemble.open(self.folder / "e")

    def run(self, *words: str) -> Done:
        environment = os.environ | {"ZOOWEEPER_HOSTS": self.ensemble.hosts} if words[0] != DEPLOY else os.environ
        return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False, env=environment)

    def deploy(self, *words: str) -> Done:
        return self.run(DEPLOY, *words, "--dir", str(self.folder / "e"))

    def member(self, *words: str) -> Done:
        return self.run(ZOOWEEPER, "member", *words)

    def change(self, *words: str) -> Done:
        return self.member(*words, "--credential", self.super)

    def who(self) -> dict[int, str]:
        return {row["id"]: row["role"] for row in json.loads(self.member("list", "-o", "json").stdout)}


DEPLOY, ZOOWEEPER = str(ROOT / "deploy.sh"), str(ROOT / ".venv/bin/zooweeper")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    made = Place(tmp_path_factory.mktemp("member"))
    first = made.deploy("2", "--observers", "1", "--base-port", str(made.base_port))
    assert first.returncode == 0, first.stderr
    assert "QUORUM OK 2/2, tolerates 0 failures, observers 1/1" in first.stdout
    yield made
    made.ensemble.wipe()


def test_the_list_shows_who_votes_and_who_is_in_sync(place: Place) -> None:
    rows = json.loads(place.member("list", "-o", "json").stdout)
    assert [list(row) for row in rows] == [["id", "role", "votes", "sync", "config", "grpc", "peer", "wire"]] * 3
    assert [(row["id"], row["votes"], row["sync"]) for row in rows] == [
        (1, True, True),
        (2, True, True),
        (3, False, True),
    ]
    assert sorted(row["role"] for row in rows) == ["follower", "leader", "observer"]
    assert len({row["config"] for row in rows}) == 1 and rows[0]["config"] > 0
    table = place.member("list", "-o", "table").stdout.splitlines()
    assert table[0].split() == list(rows[0]) and len(table) == 4
    assert len(place.member("list").stdout.splitlines()) == 3


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ("remove 3", 77, "NoAuth: who changes members has to be the super user"),
        ("add 3", 77, "NoAuth"),
        ("remove 9 --credential SUPER", 1, "node 9 is no member; zooweeper member list shows who is"),
        ("remove 0", 2, "not in the range"),
        ("add 9 --credential SUPER", 2, "not a member: '9', expected ID=HOST"),
        ("add 9=h:1:2 --credential SUPER", 2, "not a member"),
        ("add 4=127.0.0.1:1:2:TAKEN:4 --credential SUPER", 2, "is taken"),
        ("remove 2 --credential /nowhere", 2, "cannot read /nowhere"),
        ("remove 2 --credential OPEN", 2, "can be read by others; chmod 600"),
        ("remove 2 --credential WRONG", 77, "NoAuth"),
    ],
)
def test_refusals_are_one_line(place: Place, words: str, code: int, told: str) -> None:
    opened, wrong = place.folder / "open", place.folder / "wrong"
    for path, mode in ((opened, 0o644), (wrong, 0o600)):
        path.write_text("super:guessed\n")
        path.chmod(mode)
    taken = str(place.ensemble.member(1).peer.port)
    for name, value in (("SUPER", place.super), ("OPEN", str(opened)), ("WRONG", str(wrong)), ("TAKEN", taken)):
        words = words.replace(name, value)
    done = place.member(*words.split())
    assert (done.returncode, done.stdout) == (code, ""), done
    assert told in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert "guessed" not in done.stderr and sorted(place.who()) == [1, 2, 3]


def test_an_observer_gets_a_vote_and_loses_it_and_asking_twice_changes_nothing(place: Place) -> None:
    for words, told in (
        ("add 3", "node 3 votes; voters 1 2 3; membership"),
        ("add 3", "node 3 votes already; voters 1 2 3; membership"),
        ("add 3 --observer", "node 3 is an observer; voters 1 2, observers 3; membership"),
        ("add 3 --observer", "node 3 is an observer already; voters 1 2, observers 3"),
        ("add 3", "node 3 votes; voters 1 2 3"),
    ):
        done = place.change(*words.split())
        assert done.returncode == 0 and done.stdout.startswith(told), done
    shown = json.loads(place.change("add", "3", "-o", "json").stdout)
    assert list(shown) == ["id", "done", "config", "voters", "observers"] and shown["voters"] == [1, 2, 3]
    assert "QUORUM OK 3/3, tolerates 1 failure\n" in place.deploy("status").stdout


def test_what_would_leave_no_majority_is_refused(place: Place) -> None:
    ensemble = place.ensemble
    leader = ensemble.leader()
    follower, dead = (node for node in (1, 2, 3) if node != leader)
    ensemble.kill(dead)
    refused = place.change("remove", str(follower))
    assert refused.returncode == 75 and refused.stderr.count("\n") == 1, refused
    assert f"without node {follower}, 1 of 2 voters would be there, 2 are needed" in refused.stderr
    assert place.deploy("start").returncode == 0
    assert sorted(place.who()) == [1, 2, 3]


def test_deploy_adds_a_node_and_removes_the_leader(place: Place) -> None:
    added = place.deploy("add")
    assert added.returncode == 0, added.stderr
    assert "if it has not been started" not in added.stderr
    assert "node 4 votes; voters 1 2 3 4" in added.stdout and "QUORUM OK 4/4, tolerates 1 failure" in added.stdout
    leader = place.ensemble.leader()
    removed = place.deploy("remove", str(leader))
    assert removed.returncode == 0, removed.stderr
    assert f"node {leader} is removed; voters" in removed.stdout and "QUORUM OK 3/3" in removed.stdout
    (log,) = (place.folder / "e").glob(f"removed-{leader}-*/log")
    assert "the ensemble goes on without this node" in log.read_text() and "still answers" not in removed.stderr
    assert leader not in place.who() and leader not in place.ensemble.ids
    again = place.deploy("remove", str(leader))
    assert again.returncode == 1 and f"there is no node {leader}" in again.stderr


def test_a_node_that_cannot_start_leaves_no_trace(place: Place) -> None:
    before = place.ensemble.ids
    door = max(member.wire.port for member in place.ensemble.members) + 1
    with socket.create_server(("127.0.0.1", door)):
        added = place.deploy("add")
    assert added.returncode == 1 and f"port 127.0.0.1:{door}" in added.stderr, added
    assert added.stderr.count("\n") == 1 and place.ensemble.ids == before
    assert not (place.folder / "e" / f"node-{max(before) + 1}").exists()


def test_a_node_that_ends_at_once_is_not_waited_for() -> None:
    with Ensemble.temporary(1) as ensemble:
        shutil.rmtree(ensemble.node_folder(1) / "data")
        ensemble.start()
        with pytest.raises(EnsembleError, match=r"node 1 has ended: .* cannot start: .* no such folder"):
            ensemble.wait_up(1)


def test_what_is_no_member_any_more_leaves_the_folder(place: Place) -> None:
    added = place.deploy("add", "--observer")
    assert added.returncode == 0, added
    node = max(place.ensemble.ids)
    assert place.change("remove", str(node)).returncode == 0
    removed = place.deploy("remove", str(node))
    assert removed.returncode == 0 and "its folder is" in removed.stdout and removed.stderr == "", removed
    assert node not in place.ensemble.ids


def test_who_was_removed_is_not_waited_for_when_all_start_again(place: Place) -> None:
    ensemble = place.ensemble
    gone = next(node for node in ensemble.ids if node != ensemble.leader())
    assert place.change("remove", str(gone)).returncode == 0
    assert place.deploy("stop").returncode == 0
    added = place.deploy("add")
    assert added.returncode == 1 and "no majority is there to agree" in added.stderr, added
    started = place.deploy("start")
    assert started.returncode == 0 and "QUORUM OK 2/2, tolerates 0 failures" in started.stdout, started
    assert place.deploy("status").returncode == 0
    place.ensemble.stop([gone])
    place.ensemble.leave(gone)


def test_a_node_elsewhere_comes_by_the_lines_that_are_printed(place: Place, tmp_path: Path) -> None:
    port = place.base_port + 4
    words = f"9=127.0.0.1:{port}:{port + 1000}:{port + 2000}:{port + 3000}"
    watching = place.change("add", words, "--observer")
    assert watching.returncode == 0 and "zooweeper init --dir DIR --id 9" in watching.stderr, watching
    early = place.change("add", words, "--wait", "500ms")
    assert early.returncode == 75 and "it stays an observer, run this again" in early.stderr, early
    lines = [line.removeprefix("zooweeper:").strip() for line in early.stderr.splitlines()]
    init, serve = (next(line for line in lines if line.startswith(f"zooweeper {what} ")) for what in ("init", "serve"))
    folder = tmp_path / "node"
    init = init.replace("DIR", str(folder)).replace("FILE", place.super)
    assert f"--member {words}:observer" in init
    done = subprocess.run([ZOOWEEPER, *shlex.split(init)[1:]], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    with (tmp_path / "log").open("wb") as log:
        node = subprocess.Popen([ZOOWEEPER, *shlex.split(serve.replace("DIR", str(folder)))[1:]], stderr=log)
    try:
        added = place.change("add", "9")
        assert added.returncode == 0 and "node 9 votes" in added.stdout, added
        assert place.who()[9] == "follower"
        assert place.change("remove", "9").returncode == 0
        assert node.wait(20) == 0, "a removed node ends, and nothing failed"
    finally:
        if node.poll() is None:
            node.send_signal(signal.SIGKILL)
            node.wait()
    assert "the ensemble goes on without this node" in (tmp_path / "log").read_text()


def test_the_last_voter_stays(tmp_path: Path) -> None:
    with Ensemble.temporary(1) as one:
        one.start()
        one.wait_healthy()
        words = ["member", "remove", "1", "--hosts", one.hosts, "--credential", str(one.folder / SUPER_FILE)]
        done = subprocess.run([ZOOWEEPER, *words], capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stdout) == (1, "") and "node 1 is the last voter" in done.stderr
