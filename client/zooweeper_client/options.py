"""How a client is set up: the connect string and everything else, checked once, frozen after.

Rules: no I/O, no environment; who wants ZOOWEEPER_HOSTS reads it and passes it here. Every bad string is one clear
`BadHosts`. Times that people write are seconds, as in kazoo; inside they are integer milliseconds.
"""

from dataclasses import dataclass, field

from zooweeper.model.config import Address
from zooweeper.model.limits import SESSION_TIMEOUT_MAX_MS, SESSION_TIMEOUT_MIN_MS
from zooweeper_client.retry import RetryPolicy

DEFAULT_PORT = 5181  # of the gRPC door
DEFAULT_HOSTS = f"127.0.0.1:{DEFAULT_PORT}"
HOSTS_MAX = 64  # an ensemble is a handful; a longer list is a mistake
HOST_CHARACTERS_MAX = 255  # of a DNS name


class BadHosts(ValueError):
    """A connect string that is none; the text says why."""


class BadOption(ValueError):
    """An option outside its range; the text says which and the range."""


def parse_hosts(text: str) -> tuple[tuple[Address, ...], str]:
    """The addresses and the chroot ("" when there is none) of `host[:port][,host…][/chroot]` or `zw://…`.

    IPv6 addresses stand in brackets, blanks around commas do not matter. Raises BadHosts.

    >>> parse_hosts("h1, h2:6000/app")
    ((Address(host='h1', port=5181), Address(host='h2', port=6000)), '/app')
    >>> parse_hosts("[::1]:5182")
    ((Address(host='::1', port=5182),), '')
    """
    rest = text.strip()
    scheme, mark, after = rest.partition("://")
    if mark:
        if scheme.lower() == "zk":
            raise BadHosts(f"{text!r}: this client speaks gRPC (zw://, port {DEFAULT_PORT}), not the ZooKeeper wire")
        if scheme.lower() != "zw":
            raise BadHosts(f"{text!r}: unknown protocol {scheme!r}, expected zw://")
        rest = after
    if "?" in rest:
        raise BadHosts(f"{text!r}: options after '?' are not supported")
    listed, slash, path = rest.partition("/")
    chroot = _chroot(text, slash + path)
    names = [name.strip() for name in listed.split(",")]
    if not any(names):
        raise BadHosts(f"{text!r}: no host, expected host[:port][,host…][/chroot]")
    if len(names) > HOSTS_MAX:
        raise BadHosts(f"more than {HOSTS_MAX} hosts")
    return tuple(_address(text, name) for name in names if name), chroot


def _chroot(text: str, path: str) -> str:
    path = path.rstrip()
    if path in ("", "/"):
        return ""
    parts = path[1:].split("/")
    if any(part in ("", ".", "..") for part in parts) or any(ord(char) < 32 for char in path):
        raise BadHosts(f"{text!r}: {path!r} is not a path to root the client at")
    return path


def _address(text: str, name: str) -> Address:
    if name.startswith("["):
        host, bracket, rest = name[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise BadHosts(f"{text!r}: {name!r} is not [address]:port")
        port = rest[1:] if rest else str(DEFAULT_PORT)
    elif name.count(":") > 1:
        raise BadHosts(f"{text!r}: write an IPv6 address in brackets, as in [::1]:{DEFAULT_PORT}")
    else:
        host, colon, port = name.partition(":")
        port = port if colon else str(DEFAULT_PORT)
    if not host or len(host) > HOST_CHARACTERS_MAX or any(char.isspace() for char in host):
        raise BadHosts(f"{text!r}: {name!r} is not a host")
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 1 <= int(port) <= 65535):
        raise BadHosts(f"{text!r}: port {port!r} of {host} is not 1 to 65535")
    return Address(host, int(port))


@dataclass(frozen=True, slots=True)
class Options:
    """Everything a client is told at birth. `make` is the way in for what people write."""

    hosts: tuple[Address, ...]
    chroot: str = ""
    timeout_ms: int = 10_000  # of the session, a wish: the server tells what it granted
    auth: tuple[tuple[str, bytes], ...] = field(default=(), repr=False)  # (scheme, credential); secret
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    session: int = 0  # a session to continue, with its secret
    secret: bytes = field(default=b"", repr=False)
    randomize_hosts: bool = True
    read_only: bool = False  # without a session: reads alone, also where no majority is; they may be stale

    def __post_init__(self) -> None:
        if not self.hosts:
            raise BadHosts("no host")
        if not SESSION_TIMEOUT_MIN_MS <= self.timeout_ms <= SESSION_TIMEOUT_MAX_MS:
            low, high = SESSION_TIMEOUT_MIN_MS / 1000, SESSION_TIMEOUT_MAX_MS / 1000
            raise BadOption(f"timeout {self.timeout_ms / 1000:g} s: expected {low:g} to {high:g} s")
        if (self.session != 0) != bool(self.secret):
            raise BadOption("a session to continue needs its id and its secret")
        if self.read_only and (self.session or self.auth):
            raise BadOption("a read-only client has no session to continue or to identify")


def make_options(
    hosts: str,
    *,
    timeout: float,
    auth: tuple[tuple[str, bytes], ...] = (),
    retry: RetryPolicy | None = None,
    client_id: tuple[int, bytes] | None = None,
    randomize_hosts: bool = True,
    read_only: bool = False,
) -> Options:
    """Options of the arguments that both faces of the client take. Raises BadHosts, BadOption."""
    addresses, chroot = parse_hosts(hosts)
    session, secret = client_id or (0, b"")
    return Options(
        addresses,
        chroot,
        round(timeout * 1000),
        auth,
        retry or RetryPolicy(),
        session,
        secret,
        randomize_hosts,
        read_only,
    )
