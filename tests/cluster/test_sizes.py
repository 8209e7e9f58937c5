"""The curves of cost against size, at their small ends."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench import sizes
from bench.say import Say

SMALL = {"nodes": 3, "znodes": 1000, "values": 100, "children": 100, "watches": 100}


@pytest.mark.parametrize("name", sizes.CURVES)
def test_a_curve(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizes, "SECONDS", 0.1)
    monkeypatch.setattr(sizes, "WARM_UP_S", 0.02)
    monkeypatch.setattr(sizes, "RUNS", 1)
    found = sizes.measure(Say(), [name], SMALL[name])
    points = found[name]
    assert [size for size, _ in points] == [size for size in sizes.CURVES[name].sizes if size <= SMALL[name]]
    assert all(value > 0 for _, figures in points for key, value in figures.items() if "cpu" not in key), points
    rows = sizes.tables(found).splitlines()
    assert len(rows) == 1 + len(points) and "cpu us, ratio" in rows[0]
    assert len(json.loads(sizes.as_json(found))[name]) == len(points)
    drawn = sizes.plot(name, points)
    assert drawn.startswith("<svg") and drawn.count("<polyline") == sum(
        key.endswith(("cpu us", sizes.CURVES[name].second[1])) for key in points[0][1]
    )


def nodes_below(folder: Path) -> list[str]:
    """The command lines of nodes that live there."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_text()
        except OSError:
            continue  # it has ended meanwhile
        if str(folder) in command and "zooweeper.cli.serve" in command:
            found.append(command)
    return found


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="there is no /proc to find nodes in")
def test_told_to_end_it_leaves_no_nodes_behind(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench", "sizes", "nodes", "--most", "1"]
    with subprocess.Popen(command, env={**os.environ, "TMPDIR": str(tmp_path)}, stderr=subprocess.DEVNULL) as bench:
        deadline = time.monotonic() + 30
        while not nodes_below(tmp_path):
            assert bench.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        bench.terminate()
        assert bench.wait(30) == 128 + 15
    assert nodes_below(tmp_path) == []
