"""`zooweeper bench` against real servers: every operation, every way to say what came out, and how it refuses."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.rig import running
from zooweeper.bench import BenchError, Load, Progress, Target, run, servers
from zooweeper.bench.load import SUPPORTED
from zooweeper.cli import ports
from zooweeper.cli.ensemble import Ensemble
from zooweeper.cli.exits import INTERRUPTED, REFUSED, USAGE

SHORT = {"connections": 3, "depth": 4, "seconds": 0.25, "warm_up": 0.05}
KEYS = {"target", "operation", "connections", "depth", "value_bytes", "seconds", "operations", "ops_per_s", "reads",
        "writes", "errors", "generator_cpu_us_per_op", "generator_cores", "server_cpu_us_per_op", "server_cores",
        "server_rss_mb", "interrupted"}  # fmt: skip
READS = ("get", "linear-get", "mix", "fan-out")


@pytest.fixture(scope="module")
def ensemble() -> Iterator[Ensemble]:
    with running(1) as one:
        yield one


def target(ensemble: Ensemble, scheme: str) -> Target:
    door = {"zk": "wire", "zw": "grpc"}[scheme]
    return Target(scheme, tuple(getattr(member, door) for member in ensemble.members))


def check(load: Load) -> None:
    result = run(load)
    assert result.operations > 0 and not result.errors, result
    assert result.seconds >= load.seconds and result.ops_per_s == pytest.approx(result.operations / result.seconds)
    assert (result.reads is not None) == (load.operation in READS)
    assert (result.writes is not None) == (load.operation not in ("get", "linear-get"))
    for side in (result.reads, result.writes):
        assert side is None or 0 < side.p50_us <= side.p99_us <= side.p999_us <= side.max_us < 30e6
    if load.operation != "fan-out":
        noted = sum(times for rows in result.latencies.values() for _, times in rows)
        assert noted == result.operations
    assert result.generator_cpu_us_per_op > 0
    assert result.server_rss_mb is not None and result.server_rss_mb > 10
    assert result.as_json().keys() == KEYS


@pytest.mark.parametrize(("scheme", "operation"), [(one, name) for one in ("zk", "zw") for name in SUPPORTED[one]])
def test_every_operation(ensemble: Ensemble, scheme: str, operation: str) -> None:
    check(Load(target(ensemble, scheme), operation, **SHORT))  # type: ignore[arg-type]


@pytest.mark.parametrize("scheme", ["zk", "zw"])
def test_large_values_many_keys_and_deep_queues(ensemble: Ensemble, scheme: str) -> None:
    more = {**SHORT, "depth": 100, "keys": 50, "value_bytes": 20_000, "root": "/a/b"}
    check(Load(target(ensemble, scheme), "mix", **more))  # type: ignore[arg-type]


def test_etcd(tmp_path: Path) -> None:
    program = shutil.which("etcd")
    if program is None:
        pytest.skip("no etcd here; Debian has it as etcd-server")
    with etcd(program, tmp_path) as address:
        for operation in SUPPORTED["etcd"]:
            check(Load(Target.parse(f"etcd://{address}"), operation, **SHORT))  # type: ignore[arg-type]
        more = {**SHORT, "depth": 50, "keys": 5, "value_bytes": 50_000}
        check(Load(Target.parse(f"etcd://{address}"), "mix", **more))  # type: ignore[arg-type]


@contextmanager
def etcd(program: str, folder: Path) -> Iterator[str]:
    """One etcd on free ports; its address."""
    base = ports.free_base_port(1)
    clients, peers = (f"127.0.0.1:{base + step}" for step in (0, 1000))
    urls = {
        "listen-client-urls": clients,
        "advertise-client-urls": clients,
        "listen-peer-urls": peers,
        "initial-advertise-peer-urls": peers,
    }
    words = [f"--{name}=http://{address}" for name, address in urls.items()]
    words += [f"--data-dir={folder}/data", f"--initial-cluster=default=http://{peers}"]
    with subprocess.Popen([program, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + 30
            while not answers(clients):
                assert time.monotonic() < deadline and process.poll() is None
                time.sleep(0.05)
            yield clients
        finally:
            process.kill()


def answers(address: str) -> bool:
    try:
        run(Load(Target.parse(f"etcd://{address}"), "get", 1, 1, seconds=0.01, warm_up=0))
    except BenchError:
        return False
    return True


# ---- the command


def command(*words: str, wait_s: float = 60) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "zooweeper", "bench", *words],
        capture_output=True,
        text=True,
        timeout=wait_s,
        check=False,
    )


def test_the_command(ensemble: Ensemble, tmp_path: Path) -> None:
    drawn = tmp_path / "out.svg"
    words = (str(target(ensemble, "zk")), "--seconds", "300ms", "--warm-up", "10ms", "--connections", "2")
    done = command(*words, "-n", "get,mix", "-o", "json", "--plot", str(drawn))
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["operation"] for row in rows] == ["get", "mix"]
    assert all(row.keys() == KEYS for row in rows)
    assert rows[0]["reads"].keys() == {"per_s", "p50_us", "p99_us", "p999_us", "max_us"}
    assert rows[0]["writes"] is None
    picture = drawn.read_text()
    assert picture.startswith("<svg") and picture.count("<polyline") == 5 and "zk mix writes" in picture
    shown = command(*words, "-n", "fan-out")
    assert shown.returncode == 0, shown.stderr
    assert "fan-out 2x16 100 B" in shown.stdout and "rounds" in shown.stdout and "generator:" in shown.stdout


def test_ctrl_c_prints_what_was_measured(ensemble: Ensemble) -> None:
    words = (str(target(ensemble, "zk")), "-n", "get", "--seconds", "60s", "--warm-up", "10ms", "-c", "2", "-o", "json")
    with subprocess.Popen(
        [sys.executable, "-m", "zooweeper", "bench", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        process.stderr.readline()  # how it goes, after some seconds
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=30)
    assert process.returncode == INTERRUPTED
    row = json.loads(out)
    assert row["interrupted"] and row["operations"] > 0 and row["seconds"] < 60


REFUSALS = {
    ("bars",): (USAGE, "not a target"),
    ("http://127.0.0.1:1",): (USAGE, "not a target"),
    ("zk://127.0.0.1:1", "-n", "gte"): (USAGE, "no operation 'gte'"),
    ("zk://127.0.0.1:1", "-c", "0"): (USAGE, "connections is more than 0"),
    ("zk://127.0.0.1:1", "--pids", "x"): (USAGE, "not processes"),
    ("zk://127.0.0.1:1", "--plot", "a.gif"): (USAGE, "an .svg or a .png"),
    ("zk://127.0.0.1:1", "--plot", "/nowhere/a.svg"): (USAGE, "no folder"),
    ("zk://127.0.0.1:1",): (REFUSED, "cannot connect to 127.0.0.1:1"),
}


@pytest.mark.parametrize("words", REFUSALS, ids=" ".join)
def test_refusals(words: tuple[str, ...]) -> None:
    code, line = REFUSALS[words]
    done = command(*words)
    assert (done.returncode, done.stdout) == (code, "")
    assert line in done.stderr and done.stderr.count("\n") == 1 and done.stderr.startswith("zooweeper: ")


@pytest.mark.parametrize(("scheme", "door"), [("zk", "grpc"), ("zw", "wire"), ("etcd", "grpc"), ("etcd", "admin")])
def test_the_wrong_language_is_said_in_a_line(ensemble: Ensemble, scheme: str, door: str) -> None:
    wrong = Target(scheme, (getattr(ensemble.members[0], door),))
    with pytest.raises(BenchError, match=r"127\.0\.0\.1|HTTP/2"):
        run(Load(wrong, "get", **SHORT))  # type: ignore[arg-type]


def test_a_server_that_dies_ends_the_run() -> None:
    with running(1) as alone:

        def strike(progress: Progress) -> None:
            if progress.phase == "measuring" and alone.pid(1):
                alone.kill(1)

        with pytest.raises(BenchError, match="closed all connections"):
            run(Load(target(alone, "zk"), "get", connections=2, seconds=30, warm_up=0), strike)


# ---- what the servers cost


def test_servers_are_found_by_their_ports(ensemble: Ensemble) -> None:
    pid = ensemble.pid(1)
    assert pid is not None
    hosts = target(ensemble, "zk").hosts
    assert servers.find(hosts) == (pid,)
    assert servers.find((*hosts, Target.parse("zk://127.0.0.1:1").hosts[0])) == ()
    assert servers.find(Target.parse("zk://192.0.2.1:2181").hosts) == ()
    before = servers.usage((pid,))
    assert before is not None and before.cpu_s > 0
    assert servers.usage((pid, 1 << 22)) is None


def test_children_count() -> None:
    script = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'])"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE) as parent:
        deadline = time.monotonic() + 20
        while len(servers.family([parent.pid])) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        parent.communicate(b"\n")
