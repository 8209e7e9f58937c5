"""What this machine allows: root, loop disks, a compiler. What is missing skips its faults, with the reason.

Rules: probed once by doing it, not guessed. A fault names the abilities it needs; the report counts what was skipped.
"""

import contextlib
import os
import sys
import tempfile
from functools import cache
from pathlib import Path

from tests.robustness.disks import DiskTrouble, LoopDisk
from tests.robustness.shim import CannotCompile, compile_shim
from zooweeper.model.config import FAST

DISKS, SHIM, FIVE, LANES = "disks", "shim", "five nodes", "lanes"


@cache
def missing(ability: str) -> str:
    """Why this machine cannot do that; empty when it can."""
    return {DISKS: _disks, SHIM: _shim}[ability]()


def why_not(needs: tuple[str, ...], nodes: int, carrier: str = FAST) -> str:
    """Why something that needs all this cannot be done with so many nodes and that carrier between them; empty when it
    can."""
    of_the_run = {
        FIVE: "" if nodes >= 5 else "needs five nodes",
        LANES: "" if carrier == FAST else f"there are no lanes with carrier {carrier}",
    }
    reasons = [of_the_run[need] if need in of_the_run else missing(need) for need in needs]
    return "; ".join(reason for reason in reasons if reason)


def _disks() -> str:
    if not sys.platform.startswith("linux"):
        return "needs Linux"
    if os.geteuid() != 0:
        return "needs root, to mount disks"
    with tempfile.TemporaryDirectory() as folder:
        try:
            disk = LoopDisk(Path(folder) / "image", Path(folder) / "mount", megabytes=8)
            with contextlib.ExitStack() as stack:
                stack.callback(disk.remove)
                disk.cut()
                return "" if disk.dead() else "the shutdown of ext4 does nothing here"
        except (DiskTrouble, OSError) as error:
            return f"no loop disks: {error}"


def _shim() -> str:
    if not sys.platform.startswith("linux"):
        return "needs Linux"
    with tempfile.TemporaryDirectory() as folder:
        try:
            compile_shim(Path(folder))
        except CannotCompile as error:
            return str(error)
    return ""
