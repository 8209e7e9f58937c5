"""The data folder for people: one line per record.

Rules: reading only, damaged folders too, beside a running node too. Says places, kinds, zxids, operation codes and
sizes; never data, paths or secrets.
"""

from collections.abc import Iterator

from zooweeper.model.durable import Accepted, Current, Cut, Logged
from zooweeper.model.entry import Batch
from zooweeper.model.zxid import show
from zooweeper.storage.disk import Disk
from zooweeper.storage.folder import read_identity
from zooweeper.storage.log import segment_number
from zooweeper.storage.records import Found, Identity, find_record, mark_of, meaning, sheet_size, unpack_segment
from zooweeper.storage.snapshots import read_chunks, read_head, snapshot_zxid


def dump(disk: Disk) -> Iterator[str]:
    """The lines. FolderError when it is no data folder."""
    identity = read_identity(disk)
    yield f"{disk.where}: {identity}"
    for name in disk.names():
        if segment_number(name) is not None:
            yield from _segment(disk, name, identity)
        elif snapshot_zxid(name) is not None:
            yield _snapshot(disk, name, identity)
        else:
            yield f"{name}: {disk.size(name)} bytes"


def _snapshot(disk: Disk, name: str, identity: Identity) -> str:
    try:
        head = read_head(disk, name)[1]
        sizes = [len(chunk) for chunk in read_chunks(disk, name, identity)]
    except (OSError, ValueError) as error:
        return f"{name}: damaged: {error}"
    return f"{name}: snapshot at {show(head.zxid)}, {len(sizes)} pieces, {sum(sizes)} bytes, log index {head.index}"


def _segment(disk: Disk, name: str, identity: Identity) -> Iterator[str]:
    number = segment_number(name)
    assert number is not None
    try:
        data = disk.read(name)
        at = sheet_size(data)
        head = unpack_segment(data)[1]
    except (OSError, ValueError) as error:
        yield f"{name}: damaged: {error}"
        return
    facts = head.facts
    yield (
        f"{name}: {'root, ' if head.root else ''}from record {head.first}, after {show(facts.last)}, accepted epoch "
        f"{facts.accepted}, current epoch {facts.current}{'' if facts.voting else ', without vote'}"
    )
    mark = mark_of(identity, number)
    while found := find_record(data, at, mark):
        yield f"{name} @{found.at} #{found.index} {_record(found)}"
        at = found.end
    if data[at:].strip(b"\0"):
        yield f"{name} @{at}: bytes that are no record"


def _record(found: Found) -> str:
    try:
        record = meaning(found)
    except ValueError as error:
        return str(error)
    match record:
        case Logged(batch, committed):
            size = f"{batch.count} entries, {len(batch.data)} bytes"
            return f"logged {batch} ({size}) committed={show(committed)}{_codes(batch)}"
        case Accepted(epoch):
            return f"accepted epoch {epoch}"
        case Current(epoch):
            return f"current epoch {epoch}"
        case Cut(zxid):
            return f"cut after {show(zxid)}"
        case _:
            raise AssertionError(record)


def _codes(batch: Batch) -> str:
    """`  1:5 code=1 40 bytes session=0x…` for each entry."""
    try:
        return "".join(f"; {show(entry.zxid)} code={entry.code} {len(entry.body)} bytes" for entry in batch.entries())
    except ValueError as error:
        return f"; {error}"
