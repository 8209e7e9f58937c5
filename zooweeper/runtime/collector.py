"""The garbage collector, kept away from the tree: a million znodes must not mean a pause.

Rules: it sleeps while a node starts, and what is alive then is taken out of its sight, unseen: nothing that a start
leaves behind is worth a walk over everything. From then on it looks at what is new, once: what survives is taken out of
its sight, too, so that no look is at much more than ten thousand objects, and a znode costs one. What is frozen by
mistake (a connection that was open at that moment and left a cycle) stays in memory: connections leave none.
"""

import gc
from typing import Literal

YOUNG_OBJECTS = 10_000  # more than before are looked at: some 1 ms


def _freeze_survivors(phase: Literal["start", "stop"], info: dict[str, int]) -> None:
    if phase == "stop":
        gc.freeze()


def sleep() -> None:
    """Look at nothing until `tame`."""
    gc.disable()


def tame() -> None:
    """Freeze what there is, and from now on whatever survives a look."""
    gc.set_threshold(YOUNG_OBJECTS)
    if _freeze_survivors not in gc.callbacks:
        gc.callbacks.append(_freeze_survivors)
    gc.freeze()
    gc.enable()
