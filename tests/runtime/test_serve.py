"""One node as a process: what it prints and how it ends."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from zooweeper.cli.ensemble import Ensemble


@pytest.fixture
def ensemble() -> Iterator[Ensemble]:
    with Ensemble.temporary(1) as made:
        yield made


def serve(folder: Path, *flags: str) -> "subprocess.Popen[str]":
    command = [sys.executable, *flags, "-m", "zooweeper.cli.serve", "--dir", str(folder)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def until(process: "subprocess.Popen[str]", word: str) -> list[str]:
    """The lines up to the one with this word."""
    assert process.stderr is not None
    lines: list[str] = []
    for line in process.stderr:
        lines.append(line)
        if word in line:
            return lines
    raise AssertionError(f"{word!r} is not in {lines}")


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_node_that_is_told_to_stop_ends_with_0(ensemble: Ensemble, signum: int) -> None:
    process = serve(ensemble.node_folder(1))
    lines = until(process, " serving ")
    assert all(f" node={1} " in line for line in lines)
    process.send_signal(signum)
    rest = process.communicate(timeout=20)[1]
    assert process.returncode == 0 and rest.splitlines()[-1].endswith(" node=1 stopped")


def test_a_second_process_on_the_same_folder_ends_with_3_and_one_line(ensemble: Ensemble) -> None:
    first = serve(ensemble.node_folder(1))
    until(first, " serving ")
    second = serve(ensemble.node_folder(1))
    complaint = second.communicate(timeout=20)[1]
    assert second.returncode == 3
    assert len(complaint.splitlines()) == 1 and "another process is using it" in complaint
    first.kill()
    first.communicate()


def test_without_assertions_it_does_not_run(ensemble: Ensemble) -> None:
    process = serve(ensemble.node_folder(1), "-O")
    complaint = process.communicate(timeout=20)[1]
    assert process.returncode == 2
    assert len(complaint.splitlines()) == 1 and "-O" in complaint


def test_a_folder_that_cannot_be_read_is_one_line(ensemble: Ensemble) -> None:
    if os.geteuid() == 0:
        identity = ensemble.node_folder(1) / "data" / "identity"
        identity.write_bytes(b"nonsense")
    else:
        (ensemble.node_folder(1) / "data").chmod(0)
    process = serve(ensemble.node_folder(1))
    complaint = process.communicate(timeout=20)[1]
    assert process.returncode == 3 and len(complaint.splitlines()) == 1, complaint
