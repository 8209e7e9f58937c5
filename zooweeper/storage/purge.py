"""Which old files may go: decided by names and zxids alone.

Rules: pure. The newest snapshots stay, and every segment that the history after the oldest of them needs; called only
when the newest was read back whole (a purge must never remove the last good copy).
"""

from collections.abc import Sequence

from zooweeper.model.limits import SNAPSHOTS_KEPT
from zooweeper.storage.log import Segment


def superfluous(
    segments: Sequence[Segment], snapshots: Sequence[int], kept: int = SNAPSHOTS_KEPT
) -> tuple[list[Segment], list[int]]:
    """The segments and the snapshots (zxids) to remove, oldest first. `segments` in their order. Nothing goes before
    there are enough snapshots: until then the log from its beginning is one way more to the same state."""
    newest = sorted(snapshots)[-kept:]
    if len(newest) < kept:
        return [], []
    return list(segments[: needed_from(segments, newest[0])]), sorted(set(snapshots) - set(newest))


def needed_from(segments: Sequence[Segment], zxid: int) -> int:
    """The position of the last segment that begins at or before `zxid`: it and those behind it hold everything after
    `zxid`. 0 when all begin later. (Bases are not always rising: a cut lies between two of them now and then.)"""
    return max((at for at, segment in enumerate(segments) if segment.base <= zxid), default=0)
