"""Disks: slow, stalled, full, with errors; bytes that rot, sectors that cannot be read, writes that went elsewhere.

Rules: errors follow what file systems do: after a sync that failed the data counts as clean, is still read back, and
never reaches the platter; the next sync "succeeds". The process must end at once, and nobody may lose anything by it.
Damage at rest strikes at most a minority at a time (Ensemble.may_harm), while the process is down: what a running
process has in memory is not what its disk says. It is killed and keeps its power, for the hint that tells a rotten last
record from a torn one is not synced (docs/storage.md): to lose both at once is beyond what storage can tell.
"""

import random
from collections.abc import Callable

from sim.disk import ROOM, SECTOR, SimDisk
from sim.ensemble import Ensemble
from sim.nemeses.base import downtime_us, prey, revive
from sim.node import Node
from sim.store import DiskStore
from sim.world import MS
from zooweeper.storage.folder import IDENTITY_NAME
from zooweeper.storage.log import segment_number
from zooweeper.storage.snapshots import snapshot_zxid

ERRORS = ("sync", "sync", "sync", "write", "write", "allocate", "rename", "create", "sync_folder", "remove")


def slow(ensemble: Ensemble, chance: random.Random) -> None:
    """A disk takes its time, or stands still for a moment."""
    node = ensemble.victim(chance)
    if chance.random() < 0.5:
        ensemble.world.mark("a disk stood still")
        node.stall_us = chance.randrange(50 * MS, 4000 * MS)
        return
    ensemble.world.mark("a slow disk")
    before = node.disk_us
    node.disk_us = chance.choice((5 * MS, 50 * MS, 200 * MS))
    ensemble.later(chance.randrange(100 * MS, 2000 * MS), _fast, node, before)


def _fast(node: Node, disk_us: int) -> None:
    node.disk_us = disk_us


def error(ensemble: Ensemble, chance: random.Random) -> None:
    """The next operation of a kind fails; once, or from then on until somebody replaces something."""
    found = prey(ensemble, chance)
    if found is not None:
        node, store = found
        store.disk.failing = {chance.choice(ERRORS): chance.randrange(3)}
        store.disk.sticky = chance.random() < 0.3
        if chance.random() < 0.5:  # whoever went on in spite of it has no disk to rely on
            ensemble.later(chance.randrange(5 * MS, 300 * MS), node.crash, True)
        ensemble.later(chance.randrange(50 * MS, 1500 * MS), _replaced, ensemble, node, store)


def _replaced(ensemble: Ensemble, node: Node, store: DiskStore) -> None:
    store.disk.failing.clear()
    store.disk.sticky = False
    revive(ensemble, node)


def full(ensemble: Ensemble, chance: random.Random) -> None:
    """Nothing more fits; later somebody makes room."""
    found = prey(ensemble, chance)
    if found is not None:
        node, store = found
        disk = store.disk
        disk.capacity -= disk.free() - chance.choice((0, 100, 5000, 100_000))
        ensemble.world.mark("a disk was full")
        ensemble.later(chance.randrange(50 * MS, 1000 * MS), revive, ensemble, node)  # in vain, perhaps
        ensemble.later(chance.randrange(200 * MS, 2000 * MS), _room, ensemble, node, disk)


def _room(ensemble: Ensemble, node: Node, disk: SimDisk) -> None:
    disk.capacity = ROOM
    revive(ensemble, node)


def rot(ensemble: Ensemble, chance: random.Random) -> None:
    """One file of one disk is damaged while its process is down."""
    found = prey(ensemble, chance)
    if found is None or not found[0].alive or not ensemble.may_harm(found[0]):
        return
    node, store = found
    node.crash(False)
    disk = store.harm()
    disk.failing.clear()  # what is done here is no operation that could fail
    node.harmed = True
    kind = chance.choices(tuple(KINDS), (4, 3, 2))[0]
    names = [name for name in disk.names() if KINDS[kind](name) and disk.size(name) and disk.readable(name)]
    names = names or [IDENTITY_NAME]
    name = names[-1] if chance.random() < 0.6 else chance.choice(names)
    how = chance.choice(HARMS)
    how(disk, name, _place(disk, name, chance), chance)
    ensemble.world.mark(f"{how.__name__[1:].replace('_', ' ')} in {kind}")
    ensemble.later(downtime_us(chance), revive, ensemble, node)


def _place(disk: SimDisk, name: str, chance: random.Random) -> int:
    """A byte of the file where something was written, near its end more often."""
    end = len(disk.read(name).rstrip(b"\0")) or 1
    return max(0, end - 1 - chance.randrange(100)) if chance.random() < 0.3 else chance.randrange(end)


def _flipped_bits(disk: SimDisk, name: str, at: int, chance: random.Random) -> None:
    disk.flip(name, at, chance.choice((1, 0x80, 0xFF)))


def _lost_sector(disk: SimDisk, name: str, at: int, chance: random.Random) -> None:
    start = at - at % SECTOR
    disk.poke(name, start, bytes(min(SECTOR, disk.size(name) - start)))


def _stale_sector(disk: SimDisk, name: str, at: int, chance: random.Random) -> None:
    """As it was before the last writes to it, in a file that only grows."""
    disk.poke(name, at, bytes(min(SECTOR - at % SECTOR, disk.size(name) - at)))


def _unreadable_sector(disk: SimDisk, name: str, at: int, chance: random.Random) -> None:
    disk.spoil(name, at)


def _misdirected_write(disk: SimDisk, name: str, at: int, chance: random.Random) -> None:
    other = chance.choice([other for other in disk.names() if disk.readable(other)])
    start, source = at - at % SECTOR, chance.randrange(max(1, disk.size(other))) // SECTOR * SECTOR
    disk.poke(name, start, disk.read(other, source, SECTOR)[: disk.size(name) - start])


def _short_file(disk: SimDisk, name: str, at: int, chance: random.Random) -> None:
    disk.shorten(name, at)


def _missing_file(disk: SimDisk, name: str, at: int, chance: random.Random) -> None:
    disk.remove(name)
    disk.sync_folder()


HARMS: tuple[Callable[[SimDisk, str, int, random.Random], None], ...] = (
    _flipped_bits,
    _flipped_bits,
    _lost_sector,
    _stale_sector,
    _stale_sector,
    _unreadable_sector,
    _misdirected_write,
    _short_file,
    _missing_file,
)
KINDS: dict[str, Callable[[str], bool]] = {
    "the log": lambda name: segment_number(name) is not None,
    "a snapshot": lambda name: snapshot_zxid(name) is not None,
    "a small file": lambda name: segment_number(name) is None and snapshot_zxid(name) is None,
}
