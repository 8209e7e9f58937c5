"""TLS: contexts from PEM files, names as Java writes them, and each mistake one clear line."""

import shutil
import socket
import ssl
import subprocess
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from zooweeper.doors.tls import TlsError, parse, peer_name, read_certificates, server_context, warnings
from zooweeper.model.acl import Acl, Id, Perm, allows, fixup
from zooweeper.model.config import ClientPort

pytestmark = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="openssl, which makes the certificates, is missing"
)

NAMES = {
    "/C=DE/O=Acme, Inc./OU=A/CN=ann": "CN=ann,OU=A,O=Acme\\, Inc.,C=DE",
    "/CN= lead and trail /O=#x": "O=\\#x,CN=\\ lead and trail\\ ",
    '/DC=com/UID=u1/CN=b\\\\c"q"<x>;=y': 'CN=b\\\\c\\"q\\"\\<x\\>\\;\\=y,UID=u1,DC=com',
    "/emailAddress=a@b.c/CN=jürgen/title=Dr": "2.5.4.12=#0c024472,CN=jürgen,1.2.840.113549.1.9.1=#16056140622e63",
    "/CN=x+O=y/ST=z/L=l/street=s 1": "STREET=s 1,L=l,ST=z,CN=x+O=y",
    "/O=o/description=" + "y" * 200: "2.5.4.13=#0c81c8" + "79" * 200 + ",O=o",
}
"""Subjects as openssl takes them, and what X500Principal.getName of Java makes of the certificates."""


def openssl(folder: Path, *words: str) -> None:
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


def make(folder: Path, name: str, subject: str, *more: str, days: int = 30) -> Path:
    """A certificate of its own authority, and its key: name.pem, name.key."""
    openssl(
        folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-utf8",
        "-multivalue-rdn", "-keyout", f"{name}.key", "-out", f"{name}.pem", "-days", str(days), "-subj", subject, *more,
    )  # fmt: skip
    return folder / f"{name}.pem"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A server, an authority with a client of it, and a stranger."""
    folder = tmp_path_factory.mktemp("tls")
    make(folder, "server", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1")
    make(folder, "ca", "/CN=authority")
    make(folder, "stranger", "/CN=eve")
    openssl(folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
            "client.key", "-out", "client.csr", "-subj", "/O=shop/CN=bob")  # fmt: skip
    openssl(folder, "x509", "-req", "-in", "client.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-out", "client.pem", "-days", "30")  # fmt: skip
    return folder


def port(folder: Path, ca: bool = False, optional: bool = False) -> ClientPort:
    return ClientPort(
        tls_cert=str(folder / "server.pem"),
        tls_key=str(folder / "server.key"),
        tls_ca=str(folder / "ca.pem") if ca else "",
        tls_optional=optional,
    )


def name_at_the_door(clients: ClientPort, folder: Path, client: str = "", newest: ssl.TLSVersion | None = None) -> str:
    """A handshake over a socket; the name the server then knows. SSLError or OSError when it is refused."""
    context = ssl.create_default_context(cafile=str(folder / "server.pem"))
    if newest is not None:
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.maximum_version = newest
    if client:
        context.load_cert_chain(folder / f"{client}.pem", folder / f"{client}.key")
    names: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with listener.accept()[0] as plain:
                plain.settimeout(10)
                try:
                    with server_context(clients).wrap_socket(plain, server_side=True) as secure:
                        der = secure.getpeercert(binary_form=True)
                        names.append(peer_name(der) if der else "")
                        secure.sendall(b"!")
                except ssl.SSLError:
                    pass  # the client hears of it, too

        serving = threading.Thread(target=serve)
        serving.start()
        try:
            with socket.create_connection(listener.getsockname(), 10) as plain:
                with context.wrap_socket(plain, server_hostname="127.0.0.1") as secure:
                    if secure.recv(1) != b"!":
                        raise ConnectionError("hung up")
        finally:
            serving.join()
    return names[0]


def test_without_an_authority_nobody_is_asked(folder: Path) -> None:
    assert name_at_the_door(port(folder), folder) == ""
    assert name_at_the_door(port(folder), folder, "client") == ""


def test_a_client_shows_who_it_is(folder: Path) -> None:
    assert name_at_the_door(port(folder, ca=True), folder, "client") == "CN=bob,O=shop"
    assert name_at_the_door(port(folder, ca=True, optional=True), folder, "client") == "CN=bob,O=shop"
    assert name_at_the_door(port(folder, ca=True, optional=True), folder) == ""


@pytest.mark.parametrize(("client", "optional"), [("", False), ("stranger", False), ("stranger", True)])
def test_strangers_are_refused(folder: Path, client: str, optional: bool) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError)):
        name_at_the_door(port(folder, ca=True, optional=optional), folder, client)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_old_versions_are_refused(folder: Path) -> None:
    assert name_at_the_door(port(folder), folder, newest=ssl.TLSVersion.TLSv1_2) == ""
    with pytest.raises((ssl.SSLError, ConnectionError)):
        name_at_the_door(port(folder), folder, newest=ssl.TLSVersion.TLSv1_1)


def test_certificate_and_key_in_one_file(folder: Path) -> None:
    both = folder / "both.pem"
    both.write_bytes((folder / "server.pem").read_bytes() + (folder / "server.key").read_bytes())
    assert name_at_the_door(ClientPort(tls_cert=str(both)), folder) == ""


@pytest.mark.parametrize(("subject", "name"), NAMES.items())
def test_names_are_those_of_java(tmp_path: Path, subject: str, name: str) -> None:
    (certificate,) = read_certificates(str(make(tmp_path, "c", subject)))
    assert certificate.subject == name


def test_dates_and_warnings(folder: Path, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    (certificate,) = read_certificates(str(folder / "server.pem"))
    assert abs(certificate.begins - now) < timedelta(hours=1)
    assert certificate.ends - certificate.begins == timedelta(days=30)
    clients = port(folder, ca=True)
    assert warnings(clients, now) == []
    soon = warnings(clients, now + timedelta(days=20))
    assert len(soon) == 2 and f"{clients.tls_cert}: the certificate of CN=localhost expires on " in soon[0]
    late = warnings(clients, now + timedelta(days=40))
    assert f"expired on {certificate.ends:%Y-%m-%d %H:%M} UTC; clients will refuse it" in late[0]
    assert "is not valid before" in warnings(clients, now - timedelta(days=2))[0]
    far = make(tmp_path, "far", "/CN=x", days=365 * 60)  # beyond 2050 the dates are written another way
    assert warnings(ClientPort(tls_cert=str(far)), now) == []


def test_mistakes_are_one_line(folder: Path, tmp_path: Path) -> None:
    cert, key, other = (str(folder / name) for name in ("server.pem", "server.key", "stranger.key"))
    openssl(tmp_path, "pkey", "-in", key, "-aes256", "-passout", "pass:hidden", "-out", "locked.key")
    (tmp_path / "text").write_text("hello")
    (tmp_path / "cut.pem").write_text((folder / "server.pem").read_text()[:300])
    for clients, line in (
        (ClientPort(), "the secure client port needs a certificate"),
        (ClientPort(tls_cert=str(tmp_path / "none"), tls_key=key), "none: No such file or directory"),
        (ClientPort(tls_cert="\0"), "not a path"),
        (ClientPort(tls_cert=str(tmp_path / "text")), "text is not a PEM file"),
        (ClientPort(tls_cert=cert), "server.pem: no certificate with its key"),
        (ClientPort(tls_cert=cert, tls_key=other), "(key values mismatch)"),
        (ClientPort(tls_cert=str(tmp_path / "cut.pem"), tls_key=key), "no certificate with its key"),
        (ClientPort(tls_cert=cert, tls_key=str(tmp_path / "locked.key")), "the key is encrypted; keys must be plain"),
        (ClientPort(tls_cert=cert, tls_key=key, tls_ca=key), "server.key: no certificate of an authority"),
    ):
        with pytest.raises(TlsError) as caught:
            server_context(clients)
        assert line in str(caught.value) and "\n" not in str(caught.value)


def test_damaged_certificates_are_told(folder: Path) -> None:
    der = ssl.PEM_cert_to_DER_cert((folder / "client.pem").read_text())
    assert parse(der).subject == "CN=bob,O=shop"
    for at in range(len(der)):
        for damaged in (der[:at], der[:at] + bytes([der[at] ^ 0x80]) + der[at + 1 :]):
            try:
                parse(damaged)
            except ValueError:
                continue
            assert len(damaged) == len(der), "it was cut and not told"


def test_identities_of_certificates_and_sasl_count_as_authenticated() -> None:
    for mine in (Id("x509", "CN=bob,O=shop"), Id("sasl", "bob")):
        rows = fixup([Acl(31, Id("auth", ""))], [mine])
        assert rows == (Acl(31, mine),) and allows(rows, Perm.WRITE, [mine])
        assert not allows(rows, Perm.READ, [Id(mine.scheme, "CN=bob")])
