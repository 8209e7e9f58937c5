"""The data folder of a node that is configured by a zoo.cfg: made at its first start, for ZooKeeper has no `init`.

Rules: a folder is a node's memory of its promises, so an empty one gets a vote only where nothing speaks against it. A
mark beside it tells that it was there before: if it is gone, the node comes back without a vote and synchronizes, or
does not start if there is nobody to learn from. ZooKeeper's own data is never passed over. All or nothing: a crash on
the way leaves no folder.
"""

import contextlib
import os
import secrets
import shutil
from pathlib import Path

from zooweeper.cli.zoocfg import ZooCfg
from zooweeper.storage.disk import OsDisk
from zooweeper.storage.folder import FolderError, format_folder

MARK = "zooweeper.formatted"
MARK_TEXT = "This server had its data in the folder zooweeper. Without this file it would not know that it lost it.\n"
INITIALIZE = "initialize"  # ZooKeeper's: the operator says that an empty folder may vote
FOREIGN = "version-2"  # where ZooKeeper keeps its log and snapshots


def prepare_folder(found: ZooCfg) -> list[str]:
    """Makes the data folder if there is none; what the operator should know. FolderError, OSError."""
    folder = Path(found.config.data_dir)
    above = folder.parent
    warnings: list[str] = []
    if not folder.exists():
        above.mkdir(mode=0o700, parents=True, exist_ok=True)
        voting = _may_vote(found, above)
        if not voting:
            warnings.append(f"{folder} begins empty and without a vote: it synchronizes with the other nodes first")
        _make(found, folder, voting)
        (above / INITIALIZE).unlink(missing_ok=True)
    if not (above / MARK).exists():
        (above / MARK).write_text(MARK_TEXT)
        _sync(above)
    return warnings


def _may_vote(found: ZooCfg, above: Path) -> bool:
    if (above / INITIALIZE).exists():
        return True
    if (above / FOREIGN).is_dir() and any((above / FOREIGN).iterdir()):
        raise FolderError(
            f"{above / FOREIGN} holds data of Apache ZooKeeper, which this server would not have; "
            f"to begin empty, move it away or make an empty file {above / INITIALIZE}"
        )
    if not (above / MARK).exists():
        return found.autocreate
    if len(found.config.members) == 1:
        raise FolderError(
            f"{found.config.data_dir} is gone, and there is no other server that has its data; "
            f"restore it, or remove {above / MARK} to begin empty"
        )
    return False


def _make(found: ZooCfg, folder: Path, voting: bool) -> None:
    beside = folder.with_name(folder.name + ".new")
    if beside.exists():
        shutil.rmtree(beside)
    with contextlib.closing(OsDisk(beside)) as disk:
        config = found.config
        format_folder(disk, config.cluster, config.id, secrets.token_bytes(16), voting=voting)
    beside.rename(folder)
    _sync(folder.parent)


def _sync(folder: Path) -> None:
    """Its names are durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
