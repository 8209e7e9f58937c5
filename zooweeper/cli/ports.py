"""Which ports are free, and who has the others.

Rules: a port counts as free when it can be bound right now; between that and its use somebody else may take it, so
the node's own error stays the last word. Who holds a port is looked up where the system tells (Linux), else left out.
"""

import random
import socket
from collections.abc import Iterable, Sequence
from pathlib import Path

from zooweeper.cli.settings import BASE_STEP, PORTS, SettingsError, member_at
from zooweeper.model.config import Address, Member

BASES: Sequence[int] = range(20_000, 28_000)  # below the ports that systems draw for outgoing connections
DRAWN_FROM = Path("/proc/sys/net/ipv4/ip_local_port_range")  # on Linux


def taken(members: Iterable[Member]) -> list[tuple[int, str, Address]]:
    """(node id, door, address) for each address of these nodes that cannot be bound."""
    return [
        (member.id, door, getattr(member, door))
        for member in members
        for door, _ in PORTS
        if not can_bind(getattr(member, door))
    ]


def can_bind(address: Address) -> bool:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.host, address.port))
        except OSError:
            return False
    return True


def free_base_port(nodes: int) -> int:
    """A base port at which all ports of an ensemble of `nodes` are free just now."""
    for _ in range(200):
        base = random.choice(BASES)
        if not taken(member_at(node, base) for node in range(1, nodes + 1)):
            return base
    raise SettingsError(
        f"found no {nodes} x {len(PORTS)} free ports in {BASES[0]}..{BASES[-1] + BASE_STEP * len(PORTS)}"
    )


def free_run(count: int, apart: Iterable[Member] = ()) -> int:
    """The first of `count` ports in a row that are free just now, and not of the members `apart`, which may be yet to
    start."""
    theirs = {getattr(member, door).port for member in apart for door, _ in PORTS}
    for _ in range(200):
        first = random.choice(BASES)
        ours = range(first, first + count)
        if theirs.isdisjoint(ours) and all(can_bind(Address("127.0.0.1", port)) for port in ours):
            return first
    raise SettingsError(f"found no {count} free ports in {BASES[0]}..{BASES[-1] + count}")


def drawn(chosen: Iterable[int]) -> str:
    """A warning that some of these ports are among those that the system draws for outgoing connections, so that at a
    start one may be taken; empty if none is, or where the system does not tell."""
    try:
        low, high = map(int, DRAWN_FROM.read_text().split())
    except (OSError, ValueError):
        return ""
    among = sorted(port for port in chosen if low <= port <= high)
    if not among:
        return ""
    which = f"port {among[0]} is" if len(among) == 1 else f"ports {among[0]} to {among[-1]} are"
    return f"{which} in {low}-{high}, which outgoing connections take ports from; choose a lower --base-port"


def holder(port: int) -> str:
    """The program that listens on a port, as `name (pid N)`; empty where that cannot be told."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            words = line.split()
            if words[3] == "0A" and int(words[1].rsplit(":", 1)[1], 16) == port:
                inodes.add(f"socket:[{words[9]}]")
    if not inodes:
        return ""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(link.readlink().name in inodes for link in (process / "fd").iterdir()):
                return f"{(process / 'comm').read_text().strip()} (pid {process.name})"
        except OSError:
            continue  # not ours to look into, or just gone
    return ""
