"""TLS for the secure client port: a context from PEM files, and the name in a client's certificate.

Rules: TLS 1.2 at least. What cannot work is one clear line before the port opens; a certificate that has expired is a
warning, for a node that does not start takes part in nothing. A client's name is the subject of a certificate that the
handshake has verified, written as Java writes it (RFC 2253), for that is what ACLs of scheme x509 hold.
"""

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from zooweeper.model.config import ClientPort

SOON = timedelta(days=14)
FILE_BYTES_MAX = 1 << 20

SEQUENCE, SET, OID, UTC_TIME, CONTEXT_0 = 0x30, 0x31, 0x06, 0x17, 0xA0  # tags of DER
TEXTS = {0x0C: "utf-8", 0x13: "ascii", 0x14: "latin-1", 0x16: "ascii", 0x1B: "latin-1", 0x1C: "utf-32-be",
         0x1E: "utf-16-be"}  # fmt: skip
KEYWORDS = {
    "2.5.4.3": "CN", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "ST", "2.5.4.9": "STREET", "2.5.4.10": "O",
    "2.5.4.11": "OU", "0.9.2342.19200300.100.1.25": "DC", "0.9.2342.19200300.100.1.1": "UID",
}  # fmt: skip
ESCAPED = frozenset(',=+<>#;"\\')


class TlsError(Exception):
    """The secure port cannot open; the text is one clear line."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What is read of one: whose it is and when it is valid."""

    subject: str
    begins: datetime
    ends: datetime


def server_context(clients: ClientPort) -> ssl.SSLContext:
    """The context of the secure port. Without a `tls_key` the key is in the file of the certificate. TlsError."""
    if not clients.tls_cert:
        raise TlsError("the secure client port needs a certificate: tls_cert, a PEM file")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    for path in filter(None, (clients.tls_cert, clients.tls_key, clients.tls_ca)):
        _pem(path)
    try:
        context.load_cert_chain(clients.tls_cert, clients.tls_key or None, password=_no_password)
    except _Encrypted:
        raise TlsError(f"{clients.tls_key or clients.tls_cert}: the key is encrypted; keys must be plain") from None
    except ssl.SSLError as error:
        key = f" and {clients.tls_key}" if clients.tls_key else ""
        raise TlsError(f"{clients.tls_cert}{key}: no certificate with its key ({_reason(error)})") from None
    if clients.tls_ca:
        try:
            context.load_verify_locations(clients.tls_ca)
        except ssl.SSLError as error:
            raise TlsError(f"{clients.tls_ca}: no certificate of an authority ({_reason(error)})") from None
        context.verify_mode = ssl.CERT_OPTIONAL if clients.tls_optional else ssl.CERT_REQUIRED
    return context


def warnings(clients: ClientPort, now: datetime) -> list[str]:
    """What will not work for long, one line each. After `server_context`."""
    found = []
    for path in dict.fromkeys(filter(None, (clients.tls_cert, clients.tls_ca))):
        for certificate in read_certificates(path):
            whose = f"{path}: the certificate of {ascii(certificate.subject)[1:-1]}"
            if certificate.ends <= now:
                found.append(f"{whose} expired on {certificate.ends:%Y-%m-%d %H:%M} UTC; clients will refuse it")
            elif certificate.ends <= now + SOON:
                found.append(f"{whose} expires on {certificate.ends:%Y-%m-%d %H:%M} UTC")
            elif certificate.begins > now:
                found.append(f"{whose} is not valid before {certificate.begins:%Y-%m-%d %H:%M} UTC")
    return found


def read_certificates(path: str) -> list[Certificate]:
    """All certificates in a PEM file. TlsError."""
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    parts = _pem(path).split(begin)[1:]
    try:
        return [parse(ssl.PEM_cert_to_DER_cert(f"{begin}{part.partition(end)[0]}{end}")) for part in parts]
    except ValueError:
        raise TlsError(f"{path}: a certificate in it is damaged") from None


class _Encrypted(Exception):
    """A passphrase was asked for."""


def _no_password() -> str:
    """Nobody is there to type one; without this, OpenSSL would ask the terminal."""
    raise _Encrypted


def _pem(path: str) -> str:
    try:
        if Path(path).stat().st_size > FILE_BYTES_MAX:
            raise TlsError(f"{path} is larger than {FILE_BYTES_MAX >> 20} MiB")
        data = Path(path).read_bytes()
    except OSError as error:
        raise TlsError(f"cannot read {path}: {error.strerror}") from None
    except ValueError:
        raise TlsError(f"not a path: {path!a}") from None
    if b"-----BEGIN " not in data:
        raise TlsError(f"{path} is not a PEM file")
    return data.decode("latin-1")


def _reason(error: ssl.SSLError) -> str:
    return (error.reason or "unreadable").replace("_", " ").lower()


# --- DER, as much of it as the name and the dates need


def parse(der: bytes) -> Certificate:
    """ValueError for what is no certificate."""
    try:
        (_, whole), *_ = _values(der)
        (_, body), *_ = _values(whole)
        fields = [(tag, value) for tag, value in _values(body) if tag != CONTEXT_0]  # CONTEXT_0: the version
        _, _, _, (_, validity), (_, subject), *_ = fields
        (first, second) = (_time(tag, value) for tag, value in _values(validity))
        return Certificate(_name(subject), first, second)
    except (IndexError, OverflowError) as error:
        raise ValueError(str(error)) from None


def peer_name(der: bytes) -> str:
    """The subject of a client's certificate, as RFC 2253 and Java write it. ValueError."""
    return parse(der).subject


def _values(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The values of a constructed one, each with its tag."""
    at = 0
    while at < len(data):
        tag, size = data[at], data[at + 1]
        at += 2
        if size & 0x80:
            count = size & 0x7F
            size = int.from_bytes(data[at : at + count])
            at += count
        if at + size > len(data):
            raise ValueError("it ends early")
        yield tag, data[at : at + size]
        at += size


def _time(tag: int, value: bytes) -> datetime:
    text = value.decode("ascii")
    if tag == UTC_TIME:
        text = ("19" if text >= "50" else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _name(subject: bytes) -> str:
    """The last part first; within a part with several attributes, their order."""
    parts = ["+".join(_attribute(pair) for _, pair in _values(part)) for _, part in _values(subject)]
    return ",".join(reversed(parts))


def _attribute(pair: bytes) -> str:
    (_, oid), (tag, value) = _values(pair)
    dotted = _dotted(oid)
    keyword = KEYWORDS.get(dotted)
    if keyword is None or tag not in TEXTS:
        encoded = pair[len(pair) - _encoded_bytes(value) :]
        return f"{keyword or dotted}=#{encoded.hex()}"
    return f"{keyword}={_escaped(value.decode(TEXTS[tag], 'replace'))}"


def _encoded_bytes(value: bytes) -> int:
    """How long a value is with tag and length."""
    size = len(value)
    return 2 + size + (0 if size < 0x80 else (size.bit_length() + 7) // 8)


def _dotted(oid: bytes) -> str:
    first, *rest = _arcs(oid)
    top = min(first // 40, 2)
    return ".".join(map(str, (top, first - 40 * top, *rest)))


def _arcs(oid: bytes) -> Iterator[int]:
    number = 0
    for byte in oid:
        number = number << 7 | byte & 0x7F
        if not byte & 0x80:
            yield number
            number = 0


def _escaped(text: str) -> str:
    text = "".join("\\" + char if char in ESCAPED else char for char in text).replace("\0", "\\00")
    middle = text.strip(" \r")
    if not middle:
        return text.replace(" ", "\\ ").replace("\r", "\\\r")
    lead, trail = text[: text.index(middle)], text[text.index(middle) + len(middle) :]
    return "".join("\\" + char for char in lead) + middle + "".join("\\" + char for char in trail)
