"""A pytest plugin: kazoo's harness starts our nodes where it would start Java's.

Rules: runs in an environment that has kazoo and not this project, so our nodes are processes of another interpreter,
named in ZOOWEEPER_PYTHON. A node gets the zoo.cfg that the harness would have written, its certificates as PEM, and
the properties that Java would have had on its command line; nothing of kazoo is changed but the class that starts
servers, and what starts all of them.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import kazoo.testing.common as common  # type: ignore[import-not-found]
import OpenSSL.crypto as crypto  # type: ignore[import-not-found]

PROJECT = Path(__file__).parents[2]
START_S, STOP_S = 20, 10
LOG_LINES = 100
MODES = ("leader", "follower", "observer", "standalone")

CONFIGURATION = """\
tickTime=2000
initLimit=4
syncLimit=2
dataDir={data}
clientPort={info.client_port}
secureClientPort={info.secure_client_port}
maxClientCnxns=0
admin.serverPort={info.admin_port}
readonlymode.enabled=true
authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider
ssl.keyStore.location={folder}/server.pem
ssl.keyStore.type=PEM
ssl.trustStore.location={folder}/ca.pem
ssl.trustStore.type=PEM
"""


class ManagedZooweeper:
    """One node, with the face of the harness's own class."""

    def __init__(
        self,
        software_path: str | None,
        server_info: Any,
        peers: Sequence[Any] = (),
        classpath: str | None = None,
        configuration_entries: Sequence[str] = (),
        java_system_properties: Sequence[str] = (),
        jaas_config: str | None = None,
        ssl_configuration: Mapping[str, Any] | None = None,
    ) -> None:
        self.server_info = server_info
        self.host = "127.0.0.1"
        self._folder = Path(tempfile.mkdtemp(prefix="zooweeper-kazoo-"))
        self._peers = peers
        self._entries = configuration_entries
        self._properties = java_system_properties
        self._jaas = jaas_config
        self._ssl = ssl_configuration or {}
        self._process: subprocess.Popen[bytes] | None = None

    # ---- what the harness calls

    def run(self) -> None:
        """Starts the node and waits until its port is open; it serves when a majority is there."""
        if not self.running:
            self.start()
            self.wait(self._listens)

    def start(self) -> None:
        """Starts the node."""
        self._write_files()
        flags = [*self._properties]
        if self._jaas:
            flags.append(f"-Djava.security.auth.login.config={self._folder}/jaas.conf")
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [os.environ["ZOOWEEPER_PYTHON"], "-m", "zooweeper.cli.serve", "--config", f"{self._folder}/zoo.cfg"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONPATH": f"{PROJECT}:{PROJECT / 'client'}", "JVMFLAGS": " ".join(flags)},
            )

    def wait(self, ready: Callable[[], bool]) -> None:
        """Until it is `ready`. AssertionError when it ends or takes too long."""
        deadline = time.monotonic() + START_S
        while not ready():
            if self._process is None or self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"node {self.server_info.server_id} does not start: {''.join(self.get_logs(3))}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Stops the node; its data stays."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"node {self.server_info.server_id} did not end within {STOP_S} s") from None

    def reset(self) -> None:
        """Stops the node and empties its data."""
        self.stop()
        shutil.rmtree(self._folder / "data", ignore_errors=True)

    def destroy(self) -> None:
        """Stops the node and removes everything of it."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def get_logs(self, num_lines: int = LOG_LINES) -> list[str]:
        log = self._folder / "log"
        return log.read_text(errors="replace").splitlines(keepends=True)[-num_lines:] if log.exists() else []

    @property
    def running(self) -> bool:
        return self._process is not None

    @property
    def client_port(self) -> int:
        return int(self.server_info.client_port)

    @property
    def secure_client_port(self) -> int:
        return int(self.server_info.secure_client_port)

    @property
    def address(self) -> str:
        return f"{self.host}:{self.client_port}"

    @property
    def secure_address(self) -> str:
        return f"{self.host}:{self.secure_client_port}"

    def _listens(self) -> bool:
        try:
            socket.create_connection((self.host, self.client_port), START_S).close()
        except ConnectionRefusedError:
            return False
        return True

    def serves(self) -> bool:
        """It follows or leads."""
        try:
            with socket.create_connection((self.host, self.client_port), START_S) as asked:
                asked.sendall(b"srvr")
                answer = b"".join(iter(lambda: asked.recv(4096), b""))
        except ConnectionError:
            return False
        return any(f"Mode: {mode}".encode() in answer for mode in MODES)

    # ---- its files

    def _write_files(self) -> None:
        info, folder = self.server_info, self._folder
        (folder / "data").mkdir(parents=True, exist_ok=True)
        (folder / "data" / "myid").write_text(f"{info.server_id}\n")
        lines = [*self._entries]
        if self._peers:
            lines += [
                f"server.{one.server_id}=localhost:{one.leader_port}:{one.election_port}:{one.peer_type}"
                for one in chain((info,), self._peers)
            ]
            lines.append(f"peerType={info.peer_type}")
        text = CONFIGURATION.format(info=info, folder=folder, data=folder / "data") + "\n".join(lines) + "\n"
        (folder / "zoo.cfg").write_text(text)
        self._write_private("jaas.conf", (self._jaas or "").encode())
        pem = crypto.FILETYPE_PEM
        key = crypto.dump_privatekey(pem, self._ssl["server_key"])
        self._write_private("server.pem", key + crypto.dump_certificate(pem, self._ssl["server_cert"]))
        (folder / "ca.pem").write_bytes(self._ssl["ca_cert_pem"])

    def _write_private(self, name: str, content: bytes) -> None:
        path = self._folder / name
        path.touch(mode=0o600)
        path.write_bytes(content)


def start_all(cluster: Any) -> None:
    """In place of the harness's own way: one after the other, and two seconds for them to find a leader."""
    stopped = [node for node in cluster if not node.running]
    for node in stopped:
        node.start()
    for node in stopped:
        node.wait(node.serves)


common.ManagedZooKeeper = ManagedZooweeper
common.ZookeeperCluster.start = start_all
