"""The ensembles that are compared: three nodes each of ZooKeeper, etcd and our own, beside each other on loopback.

Rules: every ensemble has a folder of its own below one that the caller gives, so all write to one disk, and each syncs
what it acknowledges; apart from addresses and folders it runs with its defaults, and what is set besides is said in
`settings`. A rival's programs are found, never fetched: `missing()` says in a line how to get them. A process is ended
by the handle of its start and by nothing else.
"""

import json
import platform
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from bench.load import Stuck
from zooweeper import __version__
from zooweeper.cli.ensemble import Ensemble
from zooweeper.cli.ports import free_base_port
from zooweeper.cli.settings import change_node, member_at
from zooweeper.model.config import FAST, Address

NODES = 3
ALL = tuple(range(1, NODES + 1))
READY_S = 60.0
ASK_S = 2.0
POLL_S = 0.005
ROOT = Path(__file__).parents[2]
JARS = ROOT / ".interop" / "java"
DEBIAN_JARS = Path("/usr/share/java")
DEBIAN_NEEDS = ("zookeeper", "zookeeper-jute", "slf4j-api", "snappy-java", "metrics-core", "netty-*", "commons-*")
HEAP_MB = 1000  # what ZooKeeper's own start script gives a server


class Servers(Protocol):
    """An ensemble of NODES nodes, numbered from 1."""

    @property
    def name(self) -> str: ...

    @property
    def settings(self) -> str:
        """What it is and runs with: version, and whatever is not its default."""

    @property
    def hosts(self) -> list[Address]:
        """Where its own clients connect; for ours, the ZooKeeper port."""

    @property
    def pids(self) -> list[int]:
        """Of the nodes that run."""

    def start(self, nodes: Sequence[int] = ALL) -> None:
        """Starts these nodes and returns at once."""

    def wait(self) -> None:
        """Until every node that runs serves clients. Stuck when one does not."""

    def leader(self) -> int:
        """Which node leads; waits until one does."""

    def kill(self, nodes: Sequence[int] = ALL) -> None:
        """SIGKILL to those of these nodes that run, and waits until they are gone."""


class Children:
    """The processes of a rival: how they are started, watched and ended."""

    name: str

    def __init__(self, folder: Path) -> None:
        self.folder = folder / self.name
        base = free_base_port(NODES)
        self.members = [member_at(node, base) for node in ALL]
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        for node in ALL:
            self.node_folder(node).mkdir(parents=True)

    def command(self, node: int) -> list[str]:
        raise NotImplementedError

    def role(self, node: int) -> str:
        """`leader` or `follower` when the node serves, else empty."""
        raise NotImplementedError

    @property
    def hosts(self) -> list[Address]:
        return [member.wire for member in self.members]

    @property
    def pids(self) -> list[int]:
        return [process.pid for process in self._running.values()]

    def node_folder(self, node: int) -> Path:
        return self.folder / f"node-{node}"

    def start(self, nodes: Sequence[int] = ALL) -> None:
        for node in nodes:
            with (self.node_folder(node) / "log").open("ab") as log:
                self._running[node] = subprocess.Popen(
                    self.command(node),
                    cwd=self.node_folder(node),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,  # Ctrl-C is for the measurement, which then ends them
                )

    def wait(self) -> None:
        for node in self._running:
            self._until(lambda node=node: self.role(node) != "", f"{self.name} {node} serves")  # type: ignore[misc]

    def leader(self) -> int:
        found: list[int] = []

        def look() -> bool:
            found[:] = [node for node in self._running if self.role(node) == "leader"]
            return bool(found)

        self._until(look, f"{self.name} has a leader")
        return found[0]

    def kill(self, nodes: Sequence[int] = ALL) -> None:
        ended = [self._running.pop(node) for node in nodes if node in self._running]
        for process in ended:
            process.send_signal(signal.SIGKILL)
        for process in ended:
            process.wait()

    def _until(self, true: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + READY_S
        while not true():
            for node, process in self._running.items():
                if process.poll() is not None:
                    raise Stuck(f"{self.name} {node} has ended: {self._last_words(node)}")
            if time.monotonic() > deadline:
                raise Stuck(f"not within {READY_S:g} s: {what}; see {self.folder}/node-*/log")
            time.sleep(POLL_S)

    def _last_words(self, node: int) -> str:
        lines = (self.node_folder(node) / "log").read_text(errors="replace").splitlines()
        return lines[-1] if lines else "its log is empty"


class ZooKeeper(Children):
    """Apache ZooKeeper from its jars, with the heap of its own start script."""

    name = "zookeeper"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._classpath = ":".join(map(str, zookeeper_jars()))
        self.settings = f"ZooKeeper {zookeeper_version()}, Java {java_version()}, heap {HEAP_MB} MB"
        ensemble = "".join(f"server.{one.id}=127.0.0.1:{one.peer.port}:{one.admin.port}\n" for one in self.members)
        for member in self.members:
            home = self.node_folder(member.id)
            (home / "data").mkdir()
            (home / "data" / "myid").write_text(f"{member.id}\n")
            (home / "zoo.cfg").write_text(
                f"tickTime=2000\ninitLimit=10\nsyncLimit=5\ndataDir={home}/data\n"  # as its zoo_sample.cfg
                f"clientPort={member.wire.port}\nclientPortAddress=127.0.0.1\n"
                "maxClientCnxns=0\n"  # all clients come from one address
                f"admin.enableServer=false\n4lw.commands.whitelist=srvr\n{ensemble}"
            )

    def command(self, node: int) -> list[str]:
        main = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
        return ["java", f"-Xmx{HEAP_MB}m", "-cp", self._classpath, main, "zoo.cfg"]

    def role(self, node: int) -> str:
        address = self.members[node - 1].wire
        try:
            with socket.create_connection((address.host, address.port), ASK_S) as probe:
                probe.sendall(b"srvr")
                said = b"".join(iter(lambda: probe.recv(4096), b""))
        except OSError:
            return ""
        found = re.search(rb"^Mode: (leader|follower)$", said, re.MULTILINE)
        return found[1].decode() if found else ""


class Etcd(Children):
    """etcd; only its quota is larger, so that no load fills it."""

    name = "etcd"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.settings = f"etcd {etcd_version()}, quota 8 GB"

    def command(self, node: int) -> list[str]:
        member = self.members[node - 1]
        client, peer = f"http://{member.wire}", f"http://{member.peer}"
        return [
            *("etcd", "--name", f"n{node}", "--data-dir", "data", "--logger", "zap"),
            *("--listen-client-urls", client, "--advertise-client-urls", client),
            *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer),
            *("--initial-cluster", ",".join(f"n{one.id}=http://{one.peer}" for one in self.members)),
            *("--quota-backend-bytes", str(8 << 30)),
        ]

    def role(self, node: int) -> str:
        url = f"http://{self.members[node - 1].wire}/v3/maintenance/status"  # its JSON gateway
        try:
            with urllib.request.urlopen(urllib.request.Request(url, b"{}"), timeout=ASK_S) as answer:
                status = json.load(answer)
        except OSError:
            return ""
        leader = status.get("leader", "0")
        if leader == "0":
            return ""
        return "leader" if leader == status["header"]["member_id"] else "follower"


class Zooweeper:
    """Our own, as `deploy.sh` starts it, but for what carries the broadcast between the nodes, if that is said."""

    name = "zooweeper"

    def __init__(self, folder: Path, carrier: str = FAST) -> None:
        self.ensemble = Ensemble.create(folder / self.name, NODES, free_base_port(NODES))
        self.settings = f"Zooweeper {__version__}, Python {platform.python_version()}"
        if carrier != FAST:
            self.settings += f", peer_carrier {carrier}"
            for node in self.ensemble.ids:
                change_node(self.ensemble.node_folder(node), peer_carrier=carrier)

    @property
    def hosts(self) -> list[Address]:
        return [member.wire for member in self.ensemble.members]

    @property
    def grpc_hosts(self) -> list[Address]:
        return [member.grpc for member in self.ensemble.members]

    @property
    def pids(self) -> list[int]:
        return [pid for node in self.ensemble.ids if (pid := self.ensemble.pid(node)) is not None]

    def start(self, nodes: Sequence[int] = ALL) -> None:
        self.ensemble.start(nodes)

    def wait(self) -> None:
        self.ensemble.wait_healthy(READY_S, self.ensemble.running())

    def leader(self) -> int:
        return self.ensemble.leader()

    def kill(self, nodes: Sequence[int] = ALL) -> None:
        self.ensemble.kill(nodes)


# ---- what is here, and in which version


def missing_zookeeper() -> str:
    """Why there is no ZooKeeper to compare with, and how to get one; empty when there is."""
    if shutil.which("java") is None:
        return (
            "ZooKeeper: there is no java; tools/java-interop.sh installs it, or: apt-get install default-jre-headless"
        )
    if not zookeeper_jars():
        return "ZooKeeper: its jars are missing; tools/java-interop.sh fetches 3.9, or: apt-get install zookeeper (3.8)"
    return ""


def missing_etcd() -> str:
    return "" if shutil.which("etcd") else "etcd: not installed; apt-get install etcd-server"


def missing_h2load() -> str:
    return "" if shutil.which("h2load") else "h2load: not installed; apt-get install nghttp2-client"


def zookeeper_jars() -> list[Path]:
    """The jars to run: the project's own of 3.9, else those of Debian's package; empty without either."""
    if any(JARS.glob("zookeeper-3.9.*.jar")):
        return sorted(JARS.glob("*.jar"))
    if not any(DEBIAN_JARS.glob("zookeeper-[0-9]*.jar")):
        return []
    return sorted(jar for name in DEBIAN_NEEDS for jar in DEBIAN_JARS.glob(f"{name}.jar"))


def zookeeper_version() -> str:
    names = " ".join(jar.name for folder in (JARS, DEBIAN_JARS) for jar in sorted(folder.glob("zookeeper-[0-9]*.jar")))
    found = re.search(r"zookeeper-([\d.]+)\.jar", names)
    return found[1] if found else "?"


def java_version() -> str:
    return first_match(("java", "-version"), r'version "([^"]+)"')


def etcd_version() -> str:
    return first_match(("etcd", "--version"), r"etcd Version: (\S+)")


def first_match(command: Sequence[str], pattern: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(pattern, done.stdout + done.stderr)
    return found[1] if found else "?"


RIVALS: dict[str, tuple[Callable[[Path], Servers], Callable[[], str]]] = {
    "zookeeper": (ZooKeeper, missing_zookeeper),
    "etcd": (Etcd, missing_etcd),
}
