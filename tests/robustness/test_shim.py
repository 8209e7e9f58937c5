"""The shim does to a process what it is told, counts it, and does nothing else."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.robustness.abilities import SHIM, missing
from tests.robustness.shim import COUNTERS, Shim, compile_shim

SYNC = """
import os, sys, time
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
began = time.monotonic()
try:
    os.fdatasync(fd)
    os.fsync(fd)
    os.pwritev(fd, [b'data'], 0, os.RWF_DSYNC)
    print("synced", time.monotonic() - began)
except OSError as error:
    print(error.errno)
print(time.time())
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if missing(SHIM):
        pytest.skip(missing(SHIM))
    return compile_shim(tmp_path_factory.mktemp("shim"))


@pytest.fixture
def shim(library: Path, tmp_path: Path) -> Shim:
    return Shim(library, tmp_path / "faults")


def play(shim: Shim, tmp_path: Path) -> list[str]:
    """What the program above says under the shim, word by word."""
    command = [sys.executable, "-c", SYNC, str(tmp_path / "file")]
    done = subprocess.run(command, env=shim.environment, capture_output=True, text=True, check=True, timeout=30)
    return done.stdout.split()


def counted(shim: Shim) -> dict[str, int]:
    return {name: count for name in COUNTERS if (count := shim.get(name))}


def test_nothing_is_on_at_first(shim: Shim, tmp_path: Path) -> None:
    said = play(shim, tmp_path)
    assert said[0] == "synced" and abs(float(said[2]) - time.time()) < 60
    assert counted(shim) == {}


def test_a_sync_fails(shim: Shim, tmp_path: Path) -> None:
    shim.set("sync_errno", 5)
    assert play(shim, tmp_path)[0] == "5"
    assert counted(shim) == {"failed": 1}


def test_a_sync_takes_longer(shim: Shim, tmp_path: Path) -> None:
    shim.set("sync_delay_us", 100_000)
    assert float(play(shim, tmp_path)[1]) >= 0.2
    assert counted(shim) == {"delayed": 3}


def test_a_sync_lies(shim: Shim, tmp_path: Path) -> None:
    shim.set("sync_lies", 1)
    assert play(shim, tmp_path)[0] == "synced"
    assert counted(shim) == {"lied": 3}


@pytest.mark.parametrize("seconds", [3600, -3600])
def test_the_wall_clock_jumps(shim: Shim, tmp_path: Path, seconds: int) -> None:
    shim.set("clock_offset_ns", seconds * 1_000_000_000 + 1)
    assert abs(float(play(shim, tmp_path)[2]) - time.time() - seconds) < 60
    assert shim.get("shifted") > 0
    shim.clear()
    assert abs(float(play(shim, tmp_path)[2]) - time.time()) < 60
