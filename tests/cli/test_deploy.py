"""The life of an ensemble under deploy.sh's commands: real processes on odd ports."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from zooweeper.cli import ports
from zooweeper.cli.ensemble import Ensemble, EnsembleError

ROOT = Path(__file__).resolve().parents[2]


class Deployed:
    """deploy.sh and zooweeper, as a user types them, on one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.base_port = ports.free_base_port(3)

    def deploy(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(ROOT / "deploy.sh"), *words, "--dir", str(self.folder / "data")],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def zooweeper(self, *words: str, stdin: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [str(ROOT / ".venv/bin/zooweeper"), *words],
            input=stdin,
            capture_output=True,
            timeout=60,
            check=False,
            env=os.environ | {"ZOOWEEPER_HOSTS": self.ensemble.hosts} | environment,
        )

    @property
    def ensemble(self) -> Ensemble:
        return Ensemble.open(self.folder / "data")


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    place = Deployed(tmp_path_factory.mktemp("deploy"))
    first = place.deploy("3", "--base-port", str(place.base_port))
    assert first.returncode == 0, first.stderr
    assert "QUORUM OK 3/3, tolerates 1 failure" in first.stdout
    yield place
    if (place.folder / "data").exists():
        place.ensemble.wipe()


def test_a_second_call_shows_what_runs(deployed: Deployed) -> None:
    before = [deployed.ensemble.pid(node) for node in (1, 2, 3)]
    again = deployed.deploy("3")
    assert again.returncode == 0 and "it runs already" in again.stdout, again.stderr
    assert [deployed.ensemble.pid(node) for node in (1, 2, 3)] == before


def test_another_size_is_refused_in_one_line(deployed: Deployed) -> None:
    other = deployed.deploy("5")
    assert other.returncode == 1 and "has 3 nodes, not 5" in other.stderr and other.stderr.count("\n") == 1


def test_status_is_a_list_with_these_keys(deployed: Deployed) -> None:
    rows = json.loads(deployed.zooweeper("status", "-o", "json").stdout)
    keys = ["id", "role", "epoch", "zxid", "applied", "grpc", "wire", "admin", "pid", "sessions", "digest", "carrier"]
    assert [list(row) for row in rows] == [keys] * 3
    assert sorted(row["role"] for row in rows) == ["follower", "follower", "leader"]
    assert {row["pid"] for row in rows} == {deployed.ensemble.pid(node) for node in (1, 2, 3)}
    assert json.loads(deployed.deploy("status", "-o", "json").stdout)[0].keys() == set(keys)


def test_values_pass_byte_for_byte(deployed: Deployed) -> None:
    value = bytes(range(256))
    made = deployed.zooweeper("create", "/bytes", "-", stdin=value)
    assert (made.returncode, made.stdout) == (0, b"/bytes\n"), made.stderr
    assert deployed.zooweeper("get", "/bytes").stdout == value
    shown = json.loads(deployed.zooweeper("get", "/bytes", "-o", "json").stdout)
    assert shown["encoding"] == "base64" and shown["stat"]["data_length"] == 256
    assert deployed.zooweeper("set", "/bytes", "grün").stdout == b"1\n"
    assert json.loads(deployed.zooweeper("get", "/bytes", ZOOWEEPER_OUTPUT="json").stdout)["value"] == "grün"


@pytest.mark.parametrize(
    ("line", "code", "told"),
    [
        ("get /none", 1, "zooweeper: NoNode /none"),
        ("create /no/parent", 1, "makes missing parents with -p"),
        ("create /zookeeper", 1, "NodeExists"),
        ("delete /zookeeper", 2, "BadArguments"),
        ("set /zookeeper x --version 7", 1, "BadVersion"),
        ("delete /deep", 1, "deleteall removes the children, too"),
        ("get //x", 2, "BadArguments"),
    ],
)
def test_refusals_are_one_line(deployed: Deployed, line: str, code: int, told: str) -> None:
    deployed.zooweeper("create", "-p", "/deep/er")
    refused = deployed.zooweeper(*line.split())
    assert refused.returncode == code, refused.stderr
    assert told in refused.stderr.decode() and refused.stderr.count(b"\n") == 1 and refused.stdout == b""


def test_trees_and_deleteall(deployed: Deployed) -> None:
    assert deployed.zooweeper("create", "-p", "/t/a/b", "x").returncode == 0
    assert deployed.zooweeper("create", "-s", "/t/n-").stdout == b"/t/n-0000000001\n"
    assert deployed.zooweeper("ls", "/t").stdout == b"a\nn-0000000001\n"
    drawn = "/t\n├── a\n│   └── b = x\n└── n-0000000001\n"
    assert deployed.zooweeper("tree", "-d", "/t").stdout.decode() == drawn
    assert deployed.zooweeper("deleteall", "/t").returncode == 0
    assert deployed.zooweeper("stat", "/t").returncode == 1


def test_a_watch_ends_after_its_count(deployed: Deployed) -> None:
    deployed.zooweeper("create", "/w")
    watch = subprocess.Popen(
        [str(ROOT / ".venv/bin/zooweeper"), "watch", "-r", "-n", "2", "/w", "--hosts", deployed.ensemble.hosts],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert watch.stderr is not None and b"watching /w" in watch.stderr.readline()
    deployed.zooweeper("create", "/w/child")
    deployed.zooweeper("set", "/w", "1")
    out, _ = watch.communicate(timeout=30)
    assert out == b"created\t/w/child\nchanged\t/w\n"


def test_the_shell_keeps_a_place_and_a_session(deployed: Deployed) -> None:
    script = b"create -p /s/deep v\ncd /s\ncreate -e me\nls\nget deep\npwd\nstatus -o json\nquit\n"
    done = deployed.zooweeper("shell", "--run-from-stdin", stdin=script)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.decode().splitlines()
    assert lines[:6] == ["/s/deep", "/s/me", "deep", "me", "v", "/s"]
    assert len(json.loads(lines[6])) == 3
    assert deployed.zooweeper("ls", "/s").stdout == b"deep\n"
    assert deployed.zooweeper("shell", "--run-once", "get /none").returncode == 1
    assert b'did you mean "get"' in deployed.zooweeper("shell", "--run-once", "gt /").stderr


def test_the_leader_is_killed_and_comes_back(deployed: Deployed) -> None:
    leader = deployed.ensemble.leader()
    killed = deployed.deploy("kill", "leader")
    assert killed.returncode == 0 and f"node {leader} (leader, epoch" in killed.stdout, killed.stderr
    assert "leads epoch" in killed.stdout
    assert deployed.zooweeper("create", "/after-the-kill").returncode == 0
    status = deployed.deploy("status")
    assert status.returncode == 0 and "QUORUM OK 2/3, tolerates 0 failures" in status.stdout
    started = deployed.deploy("start")
    assert f"started node {leader}\n" in started.stdout and "QUORUM OK 3/3" in started.stdout, started.stderr


def test_without_a_majority_the_cli_says_so(deployed: Deployed) -> None:
    ensemble = deployed.ensemble
    leader = ensemble.leader()
    ensemble.kill([node for node in ensemble.ids if node != leader][:1])
    ensemble.kill(leader)
    refused = deployed.zooweeper("create", "/refused", "--timeout", "1s")
    assert refused.returncode == 75, refused.stderr
    assert b"NoQuorum" in refused.stderr and refused.stderr.count(b"\n") == 1
    read = deployed.zooweeper("get", "/after-the-kill")
    assert read.returncode == 0 and b"stale" in read.stderr, read.stderr
    assert deployed.zooweeper("get", "--linear", "/after-the-kill", "--timeout", "1s").returncode == 75
    assert deployed.zooweeper("status").returncode == 75
    waited = deployed.zooweeper("status", "--wait", "quorum", "--timeout", "300ms")
    assert waited.returncode == 75
    deployed.deploy("start")
    assert deployed.zooweeper("status", "--wait", "healthy", "--timeout", "30s").returncode == 0


def test_restart_one_node_and_logs(deployed: Deployed) -> None:
    before = deployed.ensemble.pid(2)
    assert deployed.deploy("restart", "2").returncode == 0
    assert deployed.ensemble.pid(2) not in (None, before)
    logs = deployed.deploy("logs", "2")
    assert "node=2" in logs.stdout and "node 1" not in logs.stdout
    assert deployed.deploy("restart", "9").stderr.endswith("this ensemble has 1, 2, 3\n")


def test_a_lost_folder_is_not_made_again_by_itself(deployed: Deployed) -> None:
    ensemble = deployed.ensemble
    ensemble.stop([3])
    (ensemble.node_folder(3)).rename(deployed.folder / "lost")
    refused = deployed.deploy("start")
    assert refused.returncode == 1 and "./deploy.sh rejoin 3" in refused.stderr
    rejoined = deployed.deploy("rejoin", "3")
    assert rejoined.returncode == 0 and "QUORUM OK 3/3" in rejoined.stdout, rejoined.stderr


def test_taken_ports_are_named_with_their_holder(deployed: Deployed, tmp_path: Path) -> None:
    with pytest.raises(EnsembleError, match=r"port 127\.0\.0\.1:\d+ \(wire of node 1\) is taken|\(grpc of node 1\)"):
        Ensemble.create(tmp_path / "other", 3, deployed.base_port)
    assert not (tmp_path / "other").exists(), "another --base-port would be refused there"


def test_stop_start_wipe(deployed: Deployed) -> None:
    deployed.zooweeper("create", "/kept", "yes")
    began = time.monotonic()
    stopped = deployed.deploy("stop")
    assert stopped.stdout == "stopped node 1 node 2 node 3\n", stopped.stderr
    assert time.monotonic() - began < 9, "a node had to be killed"
    assert deployed.deploy("stop").stdout == "nothing ran\n"
    assert deployed.deploy("status").returncode == 75
    assert deployed.deploy("3").returncode == 0
    assert deployed.zooweeper("get", "/kept").stdout == b"yes"
    assert deployed.deploy("wipe").returncode == 0
    assert not (deployed.folder / "data").exists()
