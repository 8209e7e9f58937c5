"""ZooKeeper's own Java client proves who it is: by a password over SASL, and by its certificate over TLS.

Rules: the node runs from a zoo.cfg as ZooKeeper has it, with the JAAS file that ZooKeeper would read. The client checks
nothing itself; it tells whom the server takes it for.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doors.test_tls import make
from tests.interop.differential.servers import classpath, missing_tools
from zooweeper.cli import main, ports

HERE = Path(__file__).parent
JVM = ("java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dzookeeper.fips-mode=false")
PROGRAM_S = 60
MODULE = "org.apache.zookeeper.server.auth.DigestLoginModule required"
NETTY = "org.apache.zookeeper.ClientCnxnSocketNetty"

pytestmark = [
    pytest.mark.skipif(bool(missing_tools()), reason=missing_tools()),
    pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl, which makes the certificates, is missing"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates with their keys, JAAS files, and the program."""
    folder = tmp_path_factory.mktemp("identity")
    for name in ("server", "client"):
        make(folder, name, f"/O=Acme, Inc./CN={name}", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost")
        both = (folder / f"{name}.pem").read_bytes() + (folder / f"{name}.key").read_bytes()
        (folder / f"{name}.both.pem").write_bytes(both)
    (folder / "server.jaas").write_text(f'Server {{ {MODULE} user_bob="secret"; }};')
    (folder / "server.jaas").chmod(0o600)
    for name, password in (("right", "secret"), ("wrong", "Secret")):
        (folder / f"{name}.jaas").write_text(f'Client {{ {MODULE} username="bob" password="{password}"; }};')
    source = str(HERE / "java" / "Identity.java")
    subprocess.run(["javac", "-Xlint:all,-processing", "-cp", classpath(), "-d", str(folder), source], check=True)
    return folder


@pytest.fixture(scope="module")
def port(folder: Path) -> Iterator[int]:
    """A node's plain port; the secure one is the next."""
    port = ports.free_base_port(2)
    (folder / "data").mkdir()
    (folder / "data" / "myid").write_text("1")
    (folder / "zoo.cfg").write_text(
        f"tickTime=2000\ndataDir={folder}/data\nclientPort={port}\nsecureClientPort={port + 1}\n"
        f"ssl.keyStore.location={folder}/server.both.pem\nssl.trustStore.location={folder}/client.pem\n"
        f"authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider\n"
        f"server.1=127.0.0.1:{port + 2000}:{port + 1000}\n"
    )
    environment = {**os.environ, "JVMFLAGS": f"-Djava.security.auth.login.config={folder}/server.jaas"}
    command = [sys.executable, "-m", "zooweeper.cli.serve", "--config", str(folder / "zoo.cfg")]
    serving = subprocess.Popen(command, stderr=subprocess.PIPE, env=environment)
    try:
        assert main.run(["status", "--wait", "healthy", "--hosts", f"127.0.0.1:{port + 1000}"]) == 0
        yield port
    finally:
        serving.send_signal(signal.SIGTERM)
        _, err = serving.communicate(timeout=30)
    assert serving.returncode == 0, err


def told(folder: Path, port: int, **properties: object) -> list[str]:
    """What the program says."""
    given = [f"-D{key.replace('_', '.')}={value}" for key, value in properties.items()]
    command = [*JVM, *given, "-cp", f"{classpath()}:{folder}", "Identity", f"127.0.0.1:{port}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PROGRAM_S, check=False)
    assert done.returncode == 0, done.stderr
    return [line for line in done.stdout.splitlines() if line.startswith(("sasl ", "x509 ", "Auth", "not ", "done"))]


def test_a_user_of_sasl(folder: Path, port: int) -> None:
    jaas = folder / "right.jaas"
    assert told(folder, port, java_security_auth_login_config=jaas) == ["sasl bob", "done"]


def test_a_wrong_password(folder: Path, port: int) -> None:
    jaas = folder / "wrong.jaas"
    assert told(folder, port, java_security_auth_login_config=jaas, expected="failure") == ["AuthFailed"]


def test_a_certificate(folder: Path, port: int) -> None:
    said = told(
        folder,
        port + 1,
        zookeeper_client_secure="true",
        zookeeper_clientCnxnSocket=NETTY,
        zookeeper_ssl_keyStore_location=folder / "client.both.pem",
        zookeeper_ssl_trustStore_location=folder / "server.pem",
    )
    assert said == ["x509 CN=client,O=Acme\\, Inc.", "done"]
