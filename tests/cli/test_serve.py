"""init and serve, as on a host of its own: one node, made by hand."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from zooweeper.cli import main, ports


def zooweeper(*words: str) -> list[str]:
    return [sys.executable, "-m", "zooweeper", *words]


def test_a_node_made_by_hand_serves_until_it_is_told_to_stop(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    base = ports.free_base_port(1)
    member = f"1=127.0.0.1:{base}:{base + 1000}:{base + 2000}:{base + 3000}"
    node = str(tmp_path / "node")
    assert main.run(["init", "--dir", node, "--id", "1", "--cluster", "alone", "--member", member]) == 0
    assert main.run(["init", "--dir", node, "--id", "1", "--cluster", "alone", "--member", member]) == 2
    assert "exists already; a node is made once" in capfd.readouterr().err
    hosts = f"127.0.0.1:{base + 1000}"
    serving = subprocess.Popen(zooweeper("serve", "--dir", node), stderr=subprocess.PIPE)
    try:
        assert main.run(["status", "--wait", "healthy", "--hosts", hosts]) == 0
        assert "QUORUM OK 1/1, tolerates 0 failures" in capfd.readouterr().out
        assert main.run(["create", "/alone", "yes", "--hosts", hosts]) == 0
        second = subprocess.run(zooweeper("serve", "--dir", node), capture_output=True, timeout=30, check=False)
        assert second.returncode == 3 and b"another process is using it" in second.stderr
    finally:
        serving.send_signal(signal.SIGTERM)
    _, err = serving.communicate(timeout=30)
    assert serving.returncode == 0, err
    assert main.run(["dump", node]) == 0
    out = capfd.readouterr().out
    assert " logged " in out and "yes" not in out, "a dump tells no data"
