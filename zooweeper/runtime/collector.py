"""The garbage collector, kept away from the tree: a million znodes must not mean a pause.

Rules: called once per process, after recovery. Everything that is alive after a full collection is taken out of the
collector's sight, so each full collection looks only at what is new since the last one. What is frozen by mistake (a
connection that was open at that moment and left a cycle) stays in memory: full collections are rare enough for that.
"""

import gc
from typing import Literal

YOUNG_OBJECTS = 20_000  # some 1 ms of collecting


def _freeze_survivors(phase: Literal["start", "stop"], info: dict[str, int]) -> None:
    if phase == "stop" and info["generation"] == 2:
        gc.freeze()


def tame() -> None:
    """Freeze what there is, and from now on whatever survives a full collection."""
    gc.set_threshold(YOUNG_OBJECTS, 10, 10)
    if _freeze_survivors not in gc.callbacks:
        gc.callbacks.append(_freeze_survivors)
    gc.collect()
