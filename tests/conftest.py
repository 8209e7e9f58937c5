"""Ports of one's own for every process of a parallel run.

Rules: a node that is down leaves its ports to whoever asks for free ones, so no two processes may look in one place.
Blocks of bases are dealt out in turn; what lies a thousand higher (the other doors) falls to the same process, for a
thousand is a multiple of the turn.
"""

import os

from zooweeper.cli import ports

BLOCK, NODES_MAX = 20, 10

index = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
if 1000 % (BLOCK * count) == 0:
    ports.BASES = tuple(
        base for base in ports.BASES if base // BLOCK % count == index and base % BLOCK <= BLOCK - NODES_MAX
    )
