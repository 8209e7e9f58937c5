"""Which entries of the log may go: the decision, alone.

An entry may go once nobody will need it: every server that matters has it safely on its disk. All servers that were
ever seen matter (each has a checkpoint), so that a short absence costs nobody more than the entries it missed. Only
when the log would grow above its limit, those that are not registered stop to matter: they will take a state transfer
from one that is, and whoever is registered has all that goes, on its disk. If even that makes no room, a registered
server is slow, and the append has to wait for it. (One that stands still does not stay registered: server.py.)

Rules: pure. The answer is never above the smallest checkpoint of the registered servers: whatever is deleted is on the
disk of all of them, and the leader is always one of them.
"""

from collections.abc import Collection, Mapping

from grades.layout import MAX_LOG_SIZE


def trim(
    first: int, last: int, adding: int, checkpoints: Mapping[str, int], registered: Collection[str]
) -> tuple[int, int]:
    """(up to which entry the log may be cut, how many of `adding` entries fit behind it then).

    `first`, `last`: the log holds the entries first..last (first = last + 1: none). `checkpoints`: of every server
    ever seen; a registered one without a checkpoint has nothing on its disk.

    >>> trim(1, 400, 100, {"db1": 350, "db2": 120}, ["db1", "db2"])
    (120, 100)
    >>> trim(1, 400, 100, {"db1": 350, "db2": 20}, ["db1"])
    (350, 100)
    >>> trim(1, 400, 100, {"db1": 350, "db2": 20}, ["db1", "db2"])
    (20, 20)
    """
    everybody = min(checkpoints.values(), default=0)
    counting = min((checkpoints.get(name, 0) for name in registered), default=0)
    upto = min(everybody, counting)
    if last - max(upto, first - 1) + adding > MAX_LOG_SIZE:
        upto = counting
    upto = min(max(upto, first - 1), last)
    return upto, max(0, min(adding, MAX_LOG_SIZE - (last - upto)))
