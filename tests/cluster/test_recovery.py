"""A node whose folder is behind, torn, damaged or gone comes back equal to the others, and never harms them."""

import resource
import shutil
import time
from pathlib import Path

import pytest
from zooweeper_client import Client

from bench.rig import agreed
from zooweeper.cli.ensemble import Ensemble, EnsembleError


def follower(ensemble: Ensemble) -> int:
    leader = ensemble.leader()
    return next(node for node in ensemble.ids if node != leader)


def newest_segment(ensemble: Ensemble, node: int) -> Path:
    """The log file that is written to."""
    return max((ensemble.node_folder(node) / "data").glob("log*"), key=lambda path: path.name)


def log_since(ensemble: Ensemble, node: int, mark: int) -> str:
    return ensemble.log_path(node).read_text()[mark:]


def mark_of(ensemble: Ensemble, node: int) -> int:
    return len(ensemble.log_path(node).read_text())


def write(hosts: str, path: str, count: int, size: int = 10) -> None:
    with Client(hosts) as client:
        client.ensure_path(path)
        for number in range(count):
            client.set(path, b"%0*d" % (size, number))


def read(host: str, path: str) -> bytes:
    with Client(host) as client:
        value, _ = client.get(path, consistency="linearizable")
    return value


def test_few_missed_writes_come_by_diff(three: Ensemble) -> None:
    node = follower(three)
    three.kill(node)
    write(three.hosts, "/diff", 200)
    mark = mark_of(three, node)
    three.start([node])
    three.wait_healthy()
    agreed(three)
    assert "by=snap" not in log_since(three, node, mark)
    assert read(str(three.member(node).grpc), "/diff") == b"0000000199"


def test_many_missed_writes_come_by_snapshot(three: Ensemble) -> None:
    node = follower(three)
    three.kill(node)
    write(three.hosts, "/snap", 40, size=900_000)
    mark = mark_of(three, node)
    three.start([node])
    three.wait_healthy()
    agreed(three)
    assert "by=snap" in log_since(three, node, mark)


def test_a_torn_tail_is_cut_and_the_node_catches_up(three: Ensemble) -> None:
    node = follower(three)
    write(three.hosts, "/torn", 20)
    three.kill(node)
    segment = newest_segment(three, node)
    data = segment.read_bytes()
    end = len(data.rstrip(b"\0"))
    segment.write_bytes(data[: end - 3] + bytes(len(data) - end + 3))
    three.start([node])
    three.wait_healthy()
    agreed(three)
    assert read(str(three.member(node).grpc), "/torn") == b"0000000019"


def test_a_damaged_log_is_repaired_from_a_peer(three: Ensemble) -> None:
    node = follower(three)
    write(three.hosts, "/damaged", 20)
    three.kill(node)
    segment = newest_segment(three, node)
    data = bytearray(segment.read_bytes())
    place = len(bytes(data).rstrip(b"\0")) // 2
    data[place] ^= 0xFF
    segment.write_bytes(data)
    mark = mark_of(three, node)
    three.start([node])
    three.wait_healthy()
    agreed(three)
    assert "damaged" in log_since(three, node, mark)
    assert read(str(three.member(node).grpc), "/damaged") == b"0000000019"


def test_a_wiped_node_is_refused_until_it_is_told_to_rejoin(three: Ensemble) -> None:
    node = follower(three)
    write(three.hosts, "/wiped", 20)
    three.kill(node)
    shutil.rmtree(three.node_folder(node) / "data")
    mark = mark_of(three, node)
    three.start([node])
    with pytest.raises(EnsembleError, match=f"node {node} has ended"):
        three.wait_healthy()
    lines = log_since(three, node, mark).strip().splitlines()
    assert len(lines) == 1 and "rejoin" in lines[0], lines
    three.rejoin(node)
    three.start([node])
    three.wait_healthy()
    agreed(three)
    assert read(str(three.member(node).grpc), "/wiped") == b"0000000019"


@pytest.mark.parametrize("of", ["leader", "follower"])
def test_a_disk_that_takes_no_more_stops_its_node_and_nobody_else(three: Ensemble, of: str) -> None:
    node = three.leader() if of == "leader" else follower(three)
    others = ",".join(str(three.member(other).grpc) for other in three.ids if other != node)
    mark = mark_of(three, node)
    pid = three.pid(node)
    assert pid is not None
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
    write(others, "/full", 10, size=200_000)
    deadline = time.monotonic() + 20
    while three.pid(node) is not None:
        assert time.monotonic() < deadline, "the node goes on without a disk"
        time.sleep(0.02)
    lines = log_since(three, node, mark)
    assert lines.count("disk.failed") == 1 and "Traceback" not in lines, lines
    three.start([node])
    three.wait_healthy()
    agreed(three)
    assert read(str(three.member(node).grpc), "/full").endswith(b"09")
