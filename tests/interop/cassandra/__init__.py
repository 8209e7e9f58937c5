"""A real Apache Cassandra for tests: one node on loopback, in a folder of its own.

Rules: Java, the jars and the driver are found, never fetched: tools/cassandra.sh does that; `missing()` says what is
not there. A node is ended through its process, and what it held stays in its folder for the next start.
"""

import importlib.util
import shutil
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
JARS = ROOT / ".interop" / "cassandra"
READY_S = 100.0  # seven on two cores with nothing else to do
JAVA = (
    "-Xmx512m",
    "-Xss512k",
    "-XX:TieredStopAtLevel=1",  # it lives for seconds
    "-XX:+UseSerialGC",
    "-Djdk.attach.allowAttachSelf=true",
    "-Djava.security.manager=allow",
    "-Dcassandra-foreground=yes",
    "-Dcassandra.skip_wait_for_gossip_to_settle=0",  # there is nobody to gossip with
    "-Dcassandra.ring_delay_ms=1",
    "-Dcassandra.superuser_setup_delay_ms=0",
    "-Dcassandra.memtable.row_overhead_size=181",  # what it would find out in each start, in a second and a half
)
# What Cassandra reaches of Java's own insides, as its start script opens it.
OPEN = {
    "--add-exports": (
        "java.base/jdk.internal.misc",
        "java.base/jdk.internal.ref",
        "java.base/sun.nio.ch",
        "java.management.rmi/com.sun.jmx.remote.internal.rmi",
        "java.rmi/sun.rmi.registry",
        "java.rmi/sun.rmi.server",
        "java.sql/java.sql",
        "jdk.unsupported/sun.misc",
    ),
    "--add-opens": (
        "java.base/java.io",
        "java.base/java.lang",
        "java.base/java.lang.module",
        "java.base/java.lang.reflect",
        "java.base/java.nio",
        "java.base/java.util",
        "java.base/java.util.concurrent",
        "java.base/java.util.concurrent.atomic",
        "java.base/jdk.internal.loader",
        "java.base/jdk.internal.math",
        "java.base/jdk.internal.module",
        "java.base/jdk.internal.ref",
        "java.base/jdk.internal.reflect",
        "java.base/jdk.internal.util.jar",
        "java.base/sun.nio.ch",
        "jdk.management/com.sun.management.internal",
    ),
}
SETTINGS = """\
cluster_name: grades
num_tokens: 1
initial_token: "0"
partitioner: org.apache.cassandra.dht.Murmur3Partitioner
endpoint_snitch: SimpleSnitch
seed_provider:
  - class_name: org.apache.cassandra.locator.SimpleSeedProvider
    parameters:
      - seeds: "127.0.0.1:{storage}"
listen_address: 127.0.0.1
storage_port: {storage}
rpc_address: 127.0.0.1
native_transport_port: {port}
commitlog_sync: {commitlog}
commitlog_segment_size: 8MiB
commitlog_total_space: 64MiB
auto_snapshot: false
"""
LOGGING = """\
<configuration>
  <appender name="OUT" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%d %-5level %logger{0} %msg%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="OUT"/></root>
</configuration>
"""


def missing() -> str:
    """What is not here of what a real Cassandra and its driver need; empty when all is."""
    if shutil.which("java") is None:
        return "there is no java; tools/cassandra.sh installs it where it may"
    if not any(JARS.glob("cassandra-all-*.jar")):
        return f"no Cassandra in {JARS.relative_to(ROOT)}; tools/cassandra.sh puts it there"
    if importlib.util.find_spec("cassandra") is None:
        return "no cassandra-driver in this environment; tools/cassandra.sh installs it"
    return ""


class Node:
    """One Cassandra. It listens for clients on `port`; `storage` is a port that only a cluster would need."""

    def __init__(self, folder: Path, port: int, storage: int, commitlog: str = "batch") -> None:
        self.folder, self.port = folder, port
        self._settings = SETTINGS.format(port=port, storage=storage, commitlog=commitlog)
        if commitlog == "periodic":
            self._settings += "commitlog_sync_period: 10s\n"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it takes clients. RuntimeError with the end of its log when it does not."""
        assert self._process is None, "it runs already"
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "cassandra.yaml").write_text(self._settings)
        (self.folder / "logback.xml").write_text(LOGGING)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(self._command(), stdout=log, stderr=log, cwd=self.folder)
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline and self._process.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.05)
        self.kill()
        raise RuntimeError("Cassandra did not start:\n" + (self.folder / "log").read_text(errors="replace")[-3000:])

    def _command(self) -> list[str]:
        insides = [word for option, names in OPEN.items() for name in names for word in (option, f"{name}=ALL-UNNAMED")]
        places = {
            "cassandra.config": f"file://{self.folder}/cassandra.yaml",
            "cassandra.storagedir": f"{self.folder}/data",
            "cassandra.logdir": f"{self.folder}",
            "logback.configurationFile": f"file://{self.folder}/logback.xml",
        }
        properties = [f"-D{name}={value}" for name, value in places.items()]
        daemon = "org.apache.cassandra.service.CassandraDaemon"
        return ["java", *JAVA, *insides, *properties, "-cp", f"{JARS}/*", daemon]

    def kill(self) -> None:
        """End it as a crash does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
