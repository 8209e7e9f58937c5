"""How a learner is brought to the leader's history: a truth table (zab-protocol 8.4 in place of ZooKeeper's if-chain).

Rules: `common` is the exact last zxid both histories share, from their epoch tables; so nothing is guessed from the
order of zxids (ZK-1154). A cut goes exactly to `common`, never below. A test tries every input and demands one row.
"""

from enum import Enum


class Mode(Enum):
    """What the leader sends."""

    DIFF = "DIFF"
    TRUNC = "TRUNC"
    TRUNC_DIFF = "TRUNC+DIFF"
    SNAP = "SNAP"
    REFUSE = "REFUSE"  # the learner executed what the leader does not have: one of them is damaged


ANY = None

# known: something in common; executed: the learner executed beyond it; window: the leader has all after it in memory;
# ahead: the learner's log goes beyond it; more: the leader's does.
TABLE: tuple[tuple[str, tuple[bool | None, ...], Mode], ...] = (
    #       known  executed window ahead more
    ("@A", (True, True, ANY, ANY, ANY), Mode.REFUSE),
    ("@B", (True, False, False, ANY, ANY), Mode.SNAP),
    ("@C", (True, False, True, False, ANY), Mode.DIFF),
    ("@D", (True, False, True, True, False), Mode.TRUNC),
    ("@E", (True, False, True, True, True), Mode.TRUNC_DIFF),
    ("@F", (False, True, ANY, ANY, ANY), Mode.SNAP),  # its epochs are too old for our table
    ("@G", (False, False, False, ANY, ANY), Mode.SNAP),
    ("@H", (False, False, True, False, ANY), Mode.DIFF),  # it is empty
    ("@I", (False, False, True, True, ANY), Mode.TRUNC_DIFF),  # nothing of it ever counted
)


def matching(inputs: tuple[bool, ...]) -> list[tuple[str, Mode]]:
    """The rows that match; by the test over all inputs exactly one."""
    return [
        (label, mode)
        for label, cells, mode in TABLE
        if all(cell is ANY or cell == value for cell, value in zip(cells, inputs, strict=True))
    ]


def decide(common: int, base: int, last: int, learner_last: int, learner_executed: int) -> Mode:
    """What to send to a learner whose log ends at `learner_last`, by a leader with the batches (base, last]."""
    inputs = (common > 0, learner_executed > common, common >= base, learner_last > common, last > common)
    ((_, mode),) = matching(inputs)
    return mode
