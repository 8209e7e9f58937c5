"""Real ensembles for the measurements, and what the system tells about their processes.

Rules: an ensemble lives in a temporary folder on free ports and is gone with its `with` block. Whatever blocks runs on
a thread (`in_thread`), so that the load's event loop keeps its own time.
"""

import asyncio
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.figures import clock
from bench.load import Stuck
from zooweeper.cli.ensemble import Ensemble
from zooweeper.cli.status import NodeStatus

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
in_thread = asyncio.to_thread


@contextmanager
def running(nodes: int) -> Iterator[Ensemble]:
    """A fresh ensemble whose nodes all serve."""
    with Ensemble.temporary(nodes) as ensemble:
        ensemble.start()
        ensemble.wait_healthy()
        yield ensemble


def each_node(ensemble: Ensemble) -> list[str]:
    """One connect string per node."""
    return [str(member.grpc) for member in ensemble.members]


def agreed(ensemble: Ensemble, nodes: Sequence[int] | None = None, wait_s: float = 60.0) -> list[NodeStatus]:
    """Waits until `nodes` (default: all) have executed the same entries; their digests must be equal then. Nothing may
    be written meanwhile. Stuck when they do not get there, or differ."""
    wanted = ensemble.ids if nodes is None else tuple(nodes)
    deadline = clock() + wait_s
    while True:
        rows = [row for row in ensemble.status() if row.id in wanted]
        if all(row.serving and row.applied == rows[0].applied == row.zxid for row in rows):
            if len({row.digest for row in rows}) != 1:
                raise Stuck(f"digests differ at one zxid: {[(row.id, row.applied, row.digest) for row in rows]}")
            return rows
        if clock() > deadline:
            raise Stuck(f"nodes did not catch up: {[(row.id, row.role, row.zxid, row.applied) for row in rows]}")
        time.sleep(0.01)


def resident_bytes(pid: int) -> int:
    """The memory of a process that is in RAM, shared libraries included."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise Stuck(f"process {pid} has ended")


def cpu_seconds(pids: Sequence[int]) -> float:
    """CPU time the processes have used, user and system."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS_PER_S


def pids(ensemble: Ensemble) -> list[int]:
    return [pid for node in ensemble.ids if (pid := ensemble.pid(node)) is not None]
