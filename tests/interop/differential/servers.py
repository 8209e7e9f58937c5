"""The two servers that are compared: Apache ZooKeeper, run from its jars, and an ensemble of ours.

Rules: each has a folder of its own that goes with it, listens on loopback, and is ready when it answers. Java and the
jars are found, never fetched: tools/java-interop.sh does that; `missing()` says what is not there.
"""

import contextlib
import json
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.interop.differential.play import SUPER_DIGEST
from tests.interop.differential.session import Address
from zooweeper.cli.ensemble import Ensemble
from zooweeper.cli.ports import free_base_port

ROOT = Path(__file__).resolve().parents[3]
JARS = ROOT / ".interop" / "java"
READY_S = 30.0
SETTINGS = {"super_digest": SUPER_DIGEST, "clients": {"session_min_ms": 4000, "session_max_ms": 40_000}}
JAVA = (
    "-Xmx512m",
    "-XX:TieredStopAtLevel=1",  # it lives for seconds
    "-XX:+UseSerialGC",
    f"-Dzookeeper.DigestAuthenticationProvider.superDigest={SUPER_DIGEST}",
    "-Dzookeeper.authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider",
    "-Dzookeeper.extendedTypesEnabled=true",
    "-Dzookeeper.admin.enableServer=false",
    "-Dzookeeper.forceSync=no",
    "-Dznode.container.checkIntervalMs=36000000",
    "-Dzookeeper.4lw.commands.whitelist=*",
)


def missing() -> str:
    """What is not here of what a real ZooKeeper needs; empty when all is."""
    if shutil.which("java") is None:
        return "there is no java; tools/java-interop.sh installs it where it may"
    if not any(JARS.glob("zookeeper-3.9.*.jar")):  # older ones mix up watches of several kinds on one path
        return f"no ZooKeeper 3.9 in {JARS.relative_to(ROOT)}; tools/java-interop.sh puts it there"
    return ""


def missing_tools() -> str:
    """What is not here of what our own Java programs need; empty when all is."""
    if shutil.which("javac") is None:
        return missing() or "there is no javac; tools/java-interop.sh installs it where it may"
    if not any(JARS.glob("curator-recipes-*.jar")):
        return missing() or f"no Curator in {JARS.relative_to(ROOT)}; tools/java-interop.sh puts it there"
    return missing()


def version() -> str:
    """Which ZooKeeper it is."""
    return next(JARS.glob("zookeeper-3.9.*.jar")).stem


def classpath() -> str:
    return ":".join(map(str, sorted(JARS.glob("*.jar"))))


@contextlib.contextmanager
def zookeeper(*properties: str) -> Iterator[list[Address]]:
    """A standalone Apache ZooKeeper, with these properties (`-Dname=value`) besides ours; its address."""
    port = free_base_port(1)
    with tempfile.TemporaryDirectory(prefix="zookeeper-") as folder, Path(folder, "log").open("wb") as log:
        Path(folder, "zoo.cfg").write_text(
            f"tickTime=2000\ndataDir={folder}/data\nclientPort={port}\nclientPortAddress=127.0.0.1\nmaxClientCnxns=0\n"
        )
        process = subprocess.Popen(
            [
                "java",
                *JAVA,
                *properties,
                "-cp",
                classpath(),
                "org.apache.zookeeper.server.ZooKeeperServerMain",
                f"{folder}/zoo.cfg",
            ],
            stdout=log,
            stderr=log,
            cwd=folder,
        )
        try:
            _wait_ready(("127.0.0.1", port), process, Path(folder, "log"))
            yield [("127.0.0.1", port)]
        finally:
            process.kill()
            process.wait()


def _wait_ready(address: Address, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(address, 1) as probe:
            probe.sendall(b"srvr")
            if b"Mode:" in probe.recv(4096):
                return
        time.sleep(0.05)
    raise RuntimeError("ZooKeeper did not start:\n" + log.read_text(errors="replace")[-2000:])


@contextlib.contextmanager
def zooweeper(nodes: int) -> Iterator[list[Address]]:
    """An ensemble of ours; its addresses for ZooKeeper programs."""
    with Ensemble.temporary(nodes) as ensemble:
        for node in ensemble.ids:
            file = ensemble.node_folder(node) / "node.json"
            file.write_text(json.dumps(json.loads(file.read_text()) | SETTINGS))
        ensemble.start()
        ensemble.wait_healthy()
        yield [(ensemble.member(node).wire.host, ensemble.member(node).wire.port) for node in ensemble.ids]
