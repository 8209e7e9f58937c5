"""What a parallel run needs: ports of one's own for every process, and an order in which none is left alone at the end.

Rules: a node that is down leaves its ports to whoever asks for free ones, so no two processes may look in one place.
Blocks of bases are dealt out in turn; what lies a thousand higher (the other doors) falls to the same process, for a
thousand is a multiple of the turn. Files are dealt out whole, in the order of their tests; those that take longest
come first.
"""

import os
import signal
from pathlib import Path

import pytest

from zooweeper.cli import ports

BLOCK, NODES_MAX = 20, 10
TESTS = Path(__file__).parent
LONGEST_FIRST = [  # from a minute down to 15 seconds, on two cores
    TESTS / name
    for name in (
        "interop/test_kazoo.py",
        "robustness/test_fire.py",
        "cluster/test_members.py",
        "sim/test_seeds.py",
        "test_docs.py",
        "cluster/test_recovery.py",
        "cluster/test_compare.py",
        "cli/test_member.py",
        "cluster/test_sizes.py",
        "grades/test_coordination.py",
    )
]
assert all(path.exists() for path in LONGEST_FIRST), "a file has another name now"

# Who was started in the background ignores it, and so would all that is started here.
signal.signal(signal.SIGINT, signal.default_int_handler)

index = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
if 1000 % (BLOCK * count) == 0:
    ports.BASES = tuple(
        base for base in ports.BASES if base // BLOCK % count == index and base % BLOCK <= BLOCK - NODES_MAX
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {path: place for place, path in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))
