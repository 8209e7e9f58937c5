"""What the servers of a load cost: CPU and memory of their processes, as Linux tells.

Rules: a server is found by the port it listens on, when all hosts are this machine; its children count. Where
something cannot be told there is no figure, rather than a wrong one.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from zooweeper.model.config import Address

PROC = Path("/proc")
LISTENING = "0A"
LOCAL = ("127.", "localhost", "::1")


class Usage(NamedTuple):
    """What processes have used until now, and use."""

    cpu_s: float
    rss_bytes: int


def find(addresses: Sequence[Address]) -> tuple[int, ...]:
    """The processes that listen at these addresses of this machine; empty unless all are found."""
    if not all(address.host.startswith(LOCAL) for address in addresses):
        return ()
    wanted = {address.port: "" for address in addresses}
    for table in ("tcp", "tcp6"):
        try:
            lines = (PROC / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            words = line.split()
            port = int(words[1].rsplit(":", 1)[1], 16)
            if words[3] == LISTENING and port in wanted:
                wanted[port] = f"socket:[{words[9]}]"
    owners = _owners([inode for inode in wanted.values() if inode])
    if len(owners) < len(wanted):
        return ()
    return tuple(sorted(dict.fromkeys(owners.values())))


def _owners(inodes: Sequence[str]) -> dict[str, int]:
    """Socket to process, as far as we may look."""
    owners: dict[str, int] = {}
    for process in PROC.glob("[0-9]*"):
        try:
            links = [os.readlink(entry.path) for entry in os.scandir(process / "fd")]  # noqa: PTH115 - names alone
        except OSError:
            continue  # not ours to look into, or just gone
        owners.update(dict.fromkeys((inode for inode in inodes if inode in links), int(process.name)))
    return owners


def family(pids: Iterable[int]) -> list[int]:
    """The processes and all their descendants."""
    children: dict[int, list[int]] = {}
    for process in PROC.glob("[0-9]*"):
        fields = _fields(int(process.name))
        if fields:
            children.setdefault(int(fields[1]), []).append(int(process.name))
    found = list(dict.fromkeys(pids))
    for pid in found:
        found += [child for child in children.get(pid, ()) if child not in found]
    return found


def usage(pids: Sequence[int]) -> Usage | None:
    """Of these and their descendants, the ended ones included; None when one of them is gone."""
    if not pids or not all(_fields(pid) for pid in pids):
        return None
    cpu = rss = 0
    for pid in family(pids):
        fields = _fields(pid)
        cpu += sum(map(int, fields[11:15]))
        rss += int(fields[21]) if fields else 0
    return Usage(cpu / os.sysconf("SC_CLK_TCK"), rss * os.sysconf("SC_PAGE_SIZE"))


def _fields(pid: int) -> list[str]:
    """/proc/pid/stat behind the command's name; empty for a process that is gone."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
