"""The data folder as a whole: made explicitly, owned by one node, repaired by starting anew without vote.

Rules: a folder is a node's memory of its promises. So an empty or missing folder is never taken for a new node,
another's folder is never opened, and two processes never share one: each is a FolderError of one clear line. A
damaged folder is never cut to fit: its files are set aside, and the node begins again as a learner that has no vote
until a leader has synchronized it, under a new incarnation.
"""

from collections.abc import Iterator
from contextlib import suppress
from struct import Struct

from zooweeper.model.durable import Accepted, Current
from zooweeper.model.limits import SEGMENT_BYTES
from zooweeper.model.zxid import epoch_of
from zooweeper.storage.disk import Disk
from zooweeper.storage.facts import Facts
from zooweeper.storage.log import (
    HINT_NAME,
    TEMPORARY,
    create_segment,
    segment_name,
    segment_number,
    segment_size,
)
from zooweeper.storage.records import (
    CLUSTER_BYTES_MAX,
    IDENTITY_MAGIC,
    REPAIR_MAGIC,
    Identity,
    SegmentHead,
    find_record,
    mark_of,
    meaning,
    seal,
    unpack_segment,
    unseal,
)
from zooweeper.storage.snapshots import read_head, snapshot_zxid

IDENTITY_NAME = "identity"
REPAIR_NAME = "repair"
ASIDE = "aside."
INCARNATION_BYTES = 16
NODE_MAX = 255

_REPAIR = Struct("!I")
MISSING = "no such folder; format it first (zooweeper init; --rejoin if it was lost)"


class FolderError(Exception):
    """This folder cannot be used as it is; the text says where, what, and what to do."""


class Damaged(FolderError):
    """Something that had been durable is gone or changed. The node must not vote before `begin_repair` and a leader's
    synchronization."""


def format_folder(
    disk: Disk, cluster: str, node: int, incarnation: bytes, voting: bool = True, segment_bytes: int = SEGMENT_BYTES
) -> Identity:
    """Make the folder of a new node. `incarnation`: 16 random bytes. `voting` False: for a node that joins an ensemble
    which already runs, or lost its folder. FolderError if there is anything in it."""
    if not 0 < len(cluster.encode()) <= CLUSTER_BYTES_MAX or not 1 <= node <= NODE_MAX:
        raise FolderError(f"cluster {cluster!r}, node {node}: a name of 1 to 255 bytes and a node 1 to 255 are needed")
    assert len(incarnation) == INCARNATION_BYTES
    disk.make()
    take_lock(disk)
    remove_temporaries(disk)
    if disk.names():
        raise FolderError(f"{disk.where}: holds files already; format an empty folder, or remove this one first")
    identity = Identity(cluster, node, incarnation)
    _first_segment(disk, identity, Facts(voting=voting), segment_bytes)
    _write_sheet(disk, IDENTITY_NAME, seal(IDENTITY_MAGIC, identity))
    return identity


def read_identity(disk: Disk, cluster: str = "", node: int = 0) -> Identity:
    """Whose folder it is. FolderError when there is none, or it is another cluster's or node's than the given."""
    try:
        sheet = disk.read(IDENTITY_NAME)
    except FileNotFoundError:
        try:
            found = disk.names()
        except FileNotFoundError:
            raise FolderError(f"{disk.where}: {MISSING}") from None
        what = "holds files, but not whose they are; restore it or remove it" if found else "is empty; format it first"
        raise FolderError(f"{disk.where}: {what} (zooweeper init)") from None
    except OSError as error:
        raise FolderError(f"{disk.where}/{IDENTITY_NAME}: cannot be read ({error})") from None
    try:
        identity, _, end = unseal(IDENTITY_MAGIC, sheet)
        if end != len(sheet):
            raise ValueError("too long")
    except ValueError as error:
        raise FolderError(f"{disk.where}/{IDENTITY_NAME}: {error}; restore it or remove the folder") from None
    if cluster and identity.cluster != cluster:
        raise FolderError(
            f"{disk.where}: belongs to cluster {identity.cluster!r}, not to {cluster!r}; give its own folder"
        )
    if node and identity.node != node:
        raise FolderError(f"{disk.where}: belongs to node {identity.node}, not to node {node}; give its own folder")
    return identity


def take_lock(disk: Disk) -> None:
    """FolderError if the folder is missing, or another process has it."""
    try:
        disk.lock()
    except BlockingIOError:
        raise FolderError(f"{disk.where}: another process is using it; stop that one first") from None
    except FileNotFoundError:
        raise FolderError(f"{disk.where}: {MISSING}") from None


def remove_temporaries(disk: Disk) -> None:
    """What a crash left half done."""
    for name in disk.names():
        if name.endswith(TEMPORARY):
            disk.remove(name)


def begin_repair(disk: Disk, identity: Identity, incarnation: bytes, segment_bytes: int = SEGMENT_BYTES) -> Identity:
    """Set the files of a damaged folder aside (as `aside.*`, until the next repair) and begin anew: empty, without
    vote, under the new incarnation, with the highest epoch that can still be read as the accepted one. A crash on the
    way leaves a folder that opens as Damaged; calling again goes on. Returns the new identity."""
    assert len(incarnation) == INCARNATION_BYTES and incarnation != identity.incarnation
    take_lock(disk)
    remove_temporaries(disk)
    if REPAIR_NAME in disk.names():
        try:
            renewed, payload, _ = unseal(REPAIR_MAGIC, disk.read(REPAIR_NAME))
            if len(payload) != _REPAIR.size:
                raise ValueError("no note of a repair")
        except ValueError as error:
            raise FolderError(f"{disk.where}/{REPAIR_NAME}: {error}; remove the folder, format it anew") from None
        (accepted,) = _REPAIR.unpack(payload)
    else:
        for name in disk.names():
            if name.startswith(ASIDE):
                disk.remove(name)
        renewed = Identity(identity.cluster, identity.node, incarnation)
        accepted = max(_epochs_seen(disk, identity), default=0)
        _write_sheet(disk, REPAIR_NAME, seal(REPAIR_MAGIC, renewed, _REPAIR.pack(accepted)))
    names = disk.names()
    for name in names:
        if segment_number(name) is None and snapshot_zxid(name) is None and name != HINT_NAME:
            continue
        if ASIDE + name in names:  # set aside before a crash; this one is our own beginning
            disk.remove(name)
        else:
            disk.rename(name, ASIDE + name)
    disk.sync_folder()
    _first_segment(disk, renewed, Facts(accepted=accepted, voting=False), segment_bytes)
    _write_sheet(disk, IDENTITY_NAME, seal(IDENTITY_MAGIC, renewed))
    disk.remove(REPAIR_NAME)
    disk.sync_folder()
    return renewed


def check_repair(disk: Disk) -> None:
    """Damaged when a repair was begun and not finished."""
    if REPAIR_NAME in disk.names():
        raise Damaged(f"{disk.where}: a repair was interrupted; it must go on before the node can start")


def _epochs_seen(disk: Disk, identity: Identity) -> Iterator[int]:
    """Every epoch that anything sound in the folder speaks of."""
    for name in disk.names():
        number = segment_number(name)
        try:
            if snapshot_zxid(name) is not None:
                yield epoch_of(read_head(disk, name)[1].zxid)
            if number is None:
                continue
            data = disk.read(name)
        except (OSError, ValueError):
            continue
        with suppress(ValueError):
            yield unpack_segment(data)[1].facts.accepted
        mark = mark_of(identity, number)
        at = data.find(mark.to_bytes(4))
        while at >= 0:
            found = find_record(data, at, mark)
            if found:
                yield epoch_of(found.zxid)
                with suppress(ValueError):
                    record = meaning(found)
                    if isinstance(record, Accepted | Current):
                        yield record.epoch
            at = data.find(mark.to_bytes(4), found.end if found else at + 1)


def _first_segment(disk: Disk, identity: Identity, facts: Facts, segment_bytes: int) -> None:
    head = SegmentHead(1, 1, 0, True, facts)
    size = max(segment_bytes, segment_size(identity, head, 0))
    create_segment(disk, identity, head, size)[0].close()
    assert segment_name(1) in disk.names()


def _write_sheet(disk: Disk, name: str, sheet: bytes) -> None:
    """A small file, durable as a whole or not there."""
    file = disk.create(name + TEMPORARY)
    file.write(0, sheet)
    file.sync()
    file.close()
    disk.rename(name + TEMPORARY, name)
    disk.sync_folder()
