"""What the nodes of an ensemble left behind: the operations they logged, made one history, and what they said.

Rules: reading only, of folders that nobody uses any more, and by the storage's own recovery. All nodes must hold the
same batches; one that was repaired may hold fewer in front. After a cold start that ended well, everything in the logs
is committed.
"""

from itertools import pairwise
from pathlib import Path

from sim.world import Violation
from zooweeper.model.entry import Batch
from zooweeper.model.zxid import follows, show
from zooweeper.storage.disk import OsDisk
from zooweeper.storage.folder import read_identity
from zooweeper.storage.recovery import recover

UNEXPLAINED = ("Traceback", "broken event=", "stopped reason=")  # no fault of ours may lead to these
LINES_MAX = 5


def read_batches(folder: Path) -> list[Batch]:
    """All batches of one data folder, in order. FolderError when it cannot be read."""
    disk = OsDisk(folder)
    recovered = recover(disk, read_identity(disk)).recovered
    return [logged.batch for logged in recovered.batches]


def union(logs: dict[int, list[Batch]]) -> list[Batch]:
    """The history from its first entry. Violation when two nodes differ, or entries are missing."""
    batches: dict[int, tuple[Batch, int]] = {}
    for node, log in logs.items():
        for batch in log:
            known, first = batches.setdefault(batch.first, (batch, node))
            if known != batch:
                raise Violation("agreement", f"node {first} logged {known}, node {node} another {batch}")
    history = [batches[first][0] for first in sorted(batches)]
    for before, after in pairwise(history):
        if not follows(before.last, after.first):
            raise Violation("total order", f"{after} does not follow {before}")
    if not history or not follows(0, history[0].first):
        raise Violation("durability", f"the history begins with {history[0] if history else 'nothing'}")
    for node, log in logs.items():
        if not log or log[-1].last != history[-1].last:
            raise Violation("durability", f"node {node} ends before {show(history[-1].last)}")
    return history


def unexplained(said: str) -> list[str]:
    """The first lines of a node's own log that no fault explains."""
    return [line for line in said.splitlines() if any(mark in line for mark in UNEXPLAINED)][:LINES_MAX]
