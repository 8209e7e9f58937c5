"""Processes that must not run say why in one line, with an exit code that names the kind, and harm nobody."""

import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from zooweeper.cli.ensemble import Ensemble
from zooweeper.cli.ports import free_base_port


def serve(folder: Path, timeout_s: float = 20) -> tuple[int, list[str]]:
    """Runs a node until it ends by itself; its exit code and what it wrote."""
    words = [sys.executable, "-m", "zooweeper.cli.serve", "--dir", str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=timeout_s, check=False)
    assert "Traceback" not in done.stdout + done.stderr
    return done.returncode, (done.stdout + done.stderr).strip().splitlines()


@pytest.fixture
def alone(tmp_path: Path) -> Ensemble:
    """One node that was never started."""
    return Ensemble.create(tmp_path / "alone", 1, free_base_port(1))


def test_second_process_on_one_folder(three: Ensemble) -> None:
    code, lines = serve(three.node_folder(1))
    assert code == 3 and len(lines) == 1, (code, lines)
    three.wait_healthy()


def test_copy_of_a_running_node_is_refused_by_its_peers(three: Ensemble, tmp_path: Path) -> None:
    """A backup started beside the original: same id, same incarnation, another process on other ports."""
    copied = three.ids[-1]
    epoch = max(row.epoch or 0 for row in three.wait_healthy())
    folder = tmp_path / "copy"
    three.stop([copied])
    shutil.copytree(three.node_folder(copied), folder)
    three.start([copied])
    three.wait_healthy()
    settings = json.loads((folder / "node.json").read_text())
    base = free_base_port(1)
    for step, door in enumerate(("wire", "grpc", "peer", "admin")):
        settings["members"][copied - 1][door] = f"127.0.0.1:{base + step * 1000}"
    (folder / "node.json").write_text(json.dumps(settings))
    words = [sys.executable, "-m", "zooweeper.cli.serve", "--dir", str(folder)]
    with subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        assert process.stderr is not None
        line = next((line for line in process.stderr if "refused" in line or "another process" in line), "")
        process.kill()
    assert line, "the copy was not told that it is refused"
    rows = three.wait_healthy()
    assert max(row.epoch or 0 for row in rows) <= epoch + 1, "the copy disturbed the others"


def test_foreign_folder(alone: Ensemble, tmp_path: Path) -> None:
    other = Ensemble.create(tmp_path / "other", 1, free_base_port(1))
    shutil.rmtree(alone.node_folder(1) / "data")
    shutil.copytree(other.node_folder(1) / "data", alone.node_folder(1) / "data")
    code, lines = serve(alone.node_folder(1))
    assert code == 3 and len(lines) == 1, (code, lines)


def test_folder_that_is_none(alone: Ensemble) -> None:
    shutil.rmtree(alone.node_folder(1) / "data")
    (alone.node_folder(1) / "data").write_text("not a folder")
    code, lines = serve(alone.node_folder(1))
    assert code == 3 and len(lines) == 1, (code, lines)


def test_folder_that_does_not_exist(tmp_path: Path) -> None:
    code, lines = serve(tmp_path / "nothing")
    assert code in (2, 3) and len(lines) == 1, (code, lines)


@pytest.mark.parametrize(("door", "expected"), [("grpc", 1), ("peer", 14)])
def test_taken_port(alone: Ensemble, door: str, expected: int) -> None:
    address = getattr(alone.member(1), door)
    with socket.socket() as taken:
        taken.bind((address.host, address.port))
        taken.listen()
        code, lines = serve(alone.node_folder(1))
    assert code == expected, (code, lines)
    assert str(address.port) in lines[-1] and sum("error" in line for line in lines) == 1, lines
