"""Two sides of a network and the cable between them: network namespaces, a switch, and a link that can be pulled.

    here ──────────────┐            here reaches both sides, always, on links of its own
     │        switch   │
    side 0 ──────╳── side 1         cut(): packets between the sides are lost, as with a pulled cable

Rules: runs inside a network namespace of its own (`unshare -n` as root, `unshare -Urn` where users may), so nothing of
the host is touched and all of it is gone with the processes. A process belongs to the side in which it was started.
"""

import contextlib
import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

HOSTS = ("10.77.0.1", "10.77.0.2")
CLONE_NEWNET = 0x40000000
HOLDER_S = 300  # a side does not outlive this, whatever happens to us


def unshare() -> list[str]:
    """The words before a command that is to have a network of its own."""
    return ["unshare", "-n" if os.geteuid() == 0 else "-Urn"]


def missing() -> str:
    """Why there can be no sides here; empty when there can."""
    absent = [tool for tool in ("unshare", "ip", "nsenter") if shutil.which(tool) is None]
    if absent:
        return f"needs {', '.join(absent)}"
    probe = ["sh", "-c", "ip link set lo up && ip link add v0 type veth peer name v1 && ip link add sw type bridge"]
    tried = subprocess.run([*unshare(), *probe], capture_output=True, text=True, check=False)
    return f"no network namespaces: {tried.stderr.strip()}" if tried.returncode else ""


def ip(*words: str, side: "int | None" = None) -> None:
    """`ip` here, or in the namespace of a process."""
    there = [] if side is None else ["nsenter", "-t", str(side), "-n"]
    done = subprocess.run([*there, "ip", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"


class Sides:
    """Both sides, connected; to be used in a `with` statement."""

    def __init__(self) -> None:
        self._holders: list[subprocess.Popen[bytes]] = []
        self._libc = ctypes.CDLL(None, use_errno=True)

    def __enter__(self) -> "Sides":
        ip("link", "set", "lo", "up")
        ip("link", "add", "switch", "type", "bridge")
        ip("link", "set", "switch", "up")
        for side, host in enumerate(HOSTS):
            holder = subprocess.Popen(["unshare", "-n", "sh", "-c", f"echo; exec sleep {HOLDER_S}"], stdout=-1)
            self._holders.append(holder)
            assert holder.stdout is not None and holder.stdout.readline()  # it is in its namespace
            self._connect(side, host, holder.pid)
        return self

    def _connect(self, side: int, host: str, pid: int) -> None:
        ip("link", "add", f"port{side}", "type", "veth", "peer", "name", "eth0", "netns", str(pid))
        ip("link", "set", f"port{side}", "master", "switch", "up")
        ip("link", "add", f"own{side}", "type", "veth", "peer", "name", "eth1", "netns", str(pid))
        ip("address", "add", f"10.77.{side + 1}.254/24", "dev", f"own{side}")
        ip("link", "set", f"own{side}", "up")
        ip("link", "set", "lo", "up", side=pid)
        for device, address in (("eth0", f"{host}/24"), ("eth1", f"10.77.{side + 1}.1/24")):
            ip("address", "add", address, "dev", device, side=pid)
            ip("link", "set", device, "up", side=pid)
        ip("route", "add", f"{host}/32", "dev", f"own{side}")

    def __exit__(self, *_: object) -> None:
        for holder in self._holders:
            holder.kill()
            holder.wait()

    @contextlib.contextmanager
    def inside(self, side: int) -> Iterator[None]:
        """What this thread starts, it starts on that side."""
        own = Path("/proc/thread-self/ns/net")
        with own.open() as home, Path(f"/proc/{self._holders[side].pid}/ns/net").open() as away:
            self._enter(away.fileno())
            try:
                yield
            finally:
                self._enter(home.fileno())

    def _enter(self, namespace: int) -> None:
        if self._libc.setns(namespace, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "cannot enter a network namespace")

    def cut(self) -> None:
        ip("link", "set", "port1", "down")

    def heal(self) -> None:
        ip("link", "set", "port1", "up")
