"""A ZooKeeper configuration file as the settings of a node: read, checked, mapped (docs/zoo-cfg.md).

Rules: what ZooKeeper would do with a key, we do, or say that we do not. Every mistake is one clear line with file and
line number; nothing of a value that may be a secret is shown. The environment's JVMFLAGS count as far as they are
`-Dzookeeper.<key>=<value>`; the file is stronger, as with ZooKeeper.
"""

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from zooweeper.cli.settings import FILE_BYTES_MAX, NODES_MAX, SHOWN_MAX, SettingsError, number
from zooweeper.cli.text import did_you_mean
from zooweeper.cli.zoocfg_keys import Fate, find, names
from zooweeper.doors.sasl import UsersError, read_users
from zooweeper.model.config import (
    ALL_WORDS,
    CARRIERS,
    FAST,
    Address,
    ClientPort,
    Config,
    LaneSettings,
    Member,
    Timing,
)
from zooweeper.model.errors import BadArguments
from zooweeper.model.limits import SESSION_TIMEOUT_MIN_MS
from zooweeper.model.members import Server, of_settings, parse_server
from zooweeper.storage.records import CLUSTER_BYTES_MAX

FOLDER = "zooweeper"  # below dataDir: it holds what is ZooKeeper's as well, such as myid
FLAGS = "JVMFLAGS"
LOGIN = "java.security.auth.login.config"
TICK_MS = 3000  # ZooKeeper's default
SESSION_TICKS = (2, 20)
NUMBER_MAX = 1 << 31
KEYS_MAX = 1000  # of a file: all that are known, and a line for each server
PEER_STEP, GRPC_STEP = 707, 3000  # from the client port of a server without a server line: 2181, 2888, 5181
WORDS = (
    "conf", "cons", "crst", "dirs", "dump", "envi", "hash", "isro", "mntr", "ruok", "srst", "srvr", "stat", "wchc",
    "wchp", "wchs",
)  # fmt: skip
TRUE, FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0", "")
CLIENT_AUTH = ("none", "want", "need")
STORES_OF_JAVA = (".jks", ".p12", ".pfx", ".bcfks")

_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_KEY = re.compile(r"([^\\\s=:]*(?:\\.[^\\\s=:]*)*)[ \t\f]*[=:]?[ \t\f]*(.*)", re.DOTALL)
_SHORT = {"n": "\n", "t": "\t", "r": "\r", "f": "\f"}


@dataclass(frozen=True, slots=True)
class Value:
    """What a key was set to, and where."""

    text: str
    where: str  # file:line


@dataclass(frozen=True, slots=True)
class ZooCfg:
    """What a file comes to."""

    config: Config
    autocreate: bool  # an empty dataDir may become a voter's
    warnings: tuple[str, ...]


def read_zoo_cfg(path: Path, jvm_flags: str = "") -> ZooCfg:
    """The settings in a file, and in the JVMFLAGS of the environment. SettingsError."""
    values = _flags(jvm_flags)
    warnings: list[str] = []
    for name, value in _file(path, warnings).items():
        values[name] = value
    dynamic = values.get("dynamicConfigFile")
    if dynamic is not None:
        for name, value in _file(Path(dynamic.text), warnings).items():
            if name.startswith(("server.", "group.", "weight.")):
                values[name] = value
            elif name != "version":
                raise SettingsError(f"{value.where}: {_shown(name)} does not belong into a dynamic file")
    warnings += _judge(values)
    return _Reading(values, str(path), warnings).result()


# --- lines


def parse_properties(text: str, name: str) -> Iterable[tuple[str, Value]]:
    """Keys and values in the order of the file, as java.util.Properties reads them; blanks around values go, too."""
    held, first = "", 0
    for row, line in enumerate(text.splitlines(), 1):
        line = line.lstrip()
        if not held and (not line or line[0] in "#!"):
            continue
        first = first if held else row
        if (len(line) - len(line.rstrip("\\"))) % 2:
            held += line[:-1]
            continue
        yield from _property(held + line, f"{name}:{first}")
        held = ""
    if held:
        yield from _property(held, f"{name}:{first}")


def _property(line: str, where: str) -> Iterable[tuple[str, Value]]:
    found = _KEY.fullmatch(line)
    if found is None or not found[1]:
        raise SettingsError(f"{where}: not key=value: {_shown(line)}")
    key, text = (_ESCAPE.sub(_unescaped, part).strip() for part in found.groups())
    if not (key + text).isprintable():
        raise SettingsError(f"{where}: {_shown(key)} holds a character that cannot be printed")
    yield key, Value(text, where)


def _unescaped(found: re.Match[str]) -> str:
    given = found[1]
    return chr(int(given[1:], 16)) if len(given) > 1 else _SHORT.get(given, given)


def _file(path: Path, warnings: list[str]) -> dict[str, Value]:
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise SettingsError(f"{_shown(str(path))} is larger than {FILE_BYTES_MAX >> 20} MiB")
        data = path.read_bytes()
    except OSError as error:
        raise SettingsError(f"cannot read {_shown(str(path))}: {error.strerror}") from None
    except ValueError:
        raise SettingsError(f"not a path: {_shown(str(path))}") from None
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    values: dict[str, Value] = {}
    again: dict[str, None] = {}
    for name, value in parse_properties(text, _shown(str(path))):
        name = name.removeprefix("zookeeper.")
        if name in values:
            again[name] = None
        elif len(values) == KEYS_MAX:
            raise SettingsError(f"{value.where}: more than {KEYS_MAX} keys")
        values[name] = value
    warnings += [f"{values[name].where}: {_shown(name)} was set before; this one counts" for name in again]
    return values


def _flags(flags: str) -> dict[str, Value]:
    try:
        words = shlex.split(flags)
    except ValueError as error:
        raise SettingsError(f"{FLAGS}: {error}") from None
    values = {}
    for word in words:
        name, _, text = word.removeprefix("-D").partition("=")
        if word.startswith("-D") and (name.startswith("zookeeper.") or name == LOGIN):
            if not text.isprintable():
                raise SettingsError(f"{FLAGS}: {_shown(name)} holds a character that cannot be printed")
            values[name.removeprefix("zookeeper.")] = Value(text, FLAGS)
    return values


def _judge(values: dict[str, Value]) -> list[str]:
    """What the operator should know of the keys. SettingsError for what must not be passed over."""
    warnings = []
    for name, value in values.items():
        if name == LOGIN:
            continue
        key = find(name)
        if key is None:
            warnings.append(f"{value.where}: unknown key {_shown(name)}{did_you_mean(name[:SHOWN_MAX], names())}")
        elif key.fate is Fate.REFUSED and value.text.lower() not in key.harmless:
            raise SettingsError(f"{value.where}: {_shown(name)} cannot be had: {key.note}")
    return warnings


def _shown(text: str) -> str:
    return ascii(text)[1:-1][:SHOWN_MAX]


# --- meaning


class _Reading:
    """The values of one file on their way to a Config."""

    def __init__(self, values: dict[str, Value], name: str, warnings: list[str]) -> None:
        self._values = values
        self._name = _shown(name)
        self._warnings = warnings

    def result(self) -> ZooCfg:
        data_dir = self._text("dataDir")
        if not data_dir:
            raise SettingsError(f"{self._name}: dataDir is missing")
        servers = self._servers()
        clients = self._clients()
        members, me = self._ensemble(servers, data_dir) if servers else self._alone(data_dir)
        if clients.secure is not None:
            clients = self._with_secure(clients, members, me)
        cluster = self._text("zooweeper.cluster", "zookeeper")
        if not 0 < len(cluster.encode()) <= CLUSTER_BYTES_MAX:
            raise self._bad("zooweeper.cluster", f"has 1 to {CLUSTER_BYTES_MAX} bytes")
        config = Config(
            id=me,
            cluster=cluster,
            members=members,
            data_dir=str(Path(data_dir).absolute() / FOLDER),
            timing=self._timing(),
            super_digest=self._text("DigestAuthenticationProvider.superDigest"),
            clients=replace(clients, announced=bool(servers) and all(server.wire for server in servers)),
            reconfig=self._flag("reconfigEnabled", False),
            lanes=self._lanes(),
        )
        if "snapCount" in self._values:
            config = replace(config, snapshot_entries=self._number("snapCount", 0, 2))
        return ZooCfg(config, self._flag("db.autocreate", True), tuple(self._warnings))

    # --- kinds of values

    def _bad(self, key: str, why: str) -> SettingsError:
        return SettingsError(f"{self._values[key].where}: {key} {why}")

    def _text(self, key: str, default: str = "") -> str:
        value = self._values.get(key)
        return value.text if value is not None else default

    def _number(self, key: str, default: int, low: int, high: int = NUMBER_MAX) -> int:
        """-1 stands for the default, as in ZooKeeper."""
        text = self._text(key)
        if not text or text == "-1":
            return default
        if not low <= number(text) <= high:
            raise self._bad(key, f"is a whole number from {low} to {high}, not {_shown(text)}")
        return number(text)

    def _flag(self, key: str, default: bool) -> bool:
        if key not in self._values:
            return default
        text = self._text(key).lower()
        if text not in TRUE + FALSE:
            raise self._bad(key, f"is true or false, not {_shown(text)}")
        return text in TRUE

    # --- the parts

    def _timing(self) -> Timing:
        """Ours is a faster clock: ZooKeeper's limits only bound it."""
        ours, tick_ms = Timing(), self._tick_ms()
        return replace(
            ours,
            tick_ms=min(ours.tick_ms, tick_ms),
            silence_ms=max(min(ours.silence_ms, self._number("syncLimit", 5, 1) * tick_ms), 3 * ours.tick_ms),
            discovery_ms=max(min(ours.discovery_ms, self._number("initLimit", 10, 1) * tick_ms), 5 * ours.tick_ms),
        )

    def _lanes(self) -> LaneSettings:
        carrier = self._text("zooweeper.peerCarrier", FAST)
        if carrier not in CARRIERS:
            raise self._bad("zooweeper.peerCarrier", f"is {' or '.join(CARRIERS)}, not {_shown(carrier)}")
        return LaneSettings(carrier, self._number("zooweeper.lanePort", 0, 0, 65535))

    def _tick_ms(self) -> int:
        return self._number("tickTime", TICK_MS, 1, 3_600_000)

    def _clients(self) -> ClientPort:
        low, high = (ticks * self._tick_ms() for ticks in SESSION_TICKS)
        low = self._number("minSessionTimeout", low, 1)
        high = self._number("maxSessionTimeout", high, 1)
        if low > high:
            key = "minSessionTimeout" if "minSessionTimeout" in self._values else "maxSessionTimeout"
            raise self._bad(key, f"makes the least session timeout, {low} ms, larger than the largest, {high} ms")
        if low < SESSION_TIMEOUT_MIN_MS:
            self._warnings.append(
                f"{self._name}: the least session timeout is {SESSION_TIMEOUT_MIN_MS} ms here, not {low} ms"
            )
        least = max(low, SESSION_TIMEOUT_MIN_MS)
        ours = ClientPort()
        clients = ClientPort(
            words=self._words(ours.words),
            per_address_max=self._number("maxClientCnxns", ours.per_address_max, 0),
            session_min_ms=least,
            session_max_ms=max(high, least),
            read_only=self._flag("readonlymode.enabled", ours.read_only),
            sasl_users=self._text("zooweeper.saslUsers") or self._login(),
        )
        port = self._number("secureClientPort", 0, 0, 65535)
        if not port:
            return clients
        certificate, authority = self._store("ssl.keyStore"), self._store("ssl.trustStore")
        if not certificate:
            raise self._bad("secureClientPort", "needs ssl.keyStore.location, a PEM file with certificate and key")
        auth = (self._text("ssl.clientAuth") or "need").lower()
        if auth not in CLIENT_AUTH:
            raise self._bad("ssl.clientAuth", f"is none, want or need, not {_shown(auth)}")
        if auth != "none" and not authority:
            raise self._bad("secureClientPort", "needs ssl.trustStore.location, or ssl.clientAuth=none")
        return replace(
            clients,
            secure=Address("", port),
            tls_cert=certificate,
            tls_ca=authority if auth != "none" else "",
            tls_optional=auth == "want",
        )

    def _login(self) -> str:
        """The JAAS file that the properties name, if it has users for us: it may be meant for other programs."""
        path = self._text(LOGIN)
        try:
            if path:
                read_users(path)
        except UsersError as error:
            self._warnings.append(f"{FLAGS}: {error}; SASL is off")
            return ""
        return path

    def _store(self, key: str) -> str:
        path, type = self._text(f"{key}.location"), self._text(f"{key}.type")
        if path and (type or "PEM").upper() != "PEM":
            raise self._bad(f"{key}.type", f"is PEM alone, not {_shown(type)}; convert it with openssl pkcs12")
        if path and not type and path.lower().endswith(STORES_OF_JAVA):
            raise self._bad(f"{key}.location", "is a key store of Java; convert it to PEM with openssl pkcs12")
        return path

    def _words(self, default: tuple[str, ...]) -> tuple[str, ...]:
        key = "4lw.commands.whitelist"
        if key not in self._values:
            return default
        words = tuple(filter(None, (word.strip() for word in self._text(key).split(","))))
        for word in words:
            if word not in (ALL_WORDS, "gtmk", "stmk", *WORDS):
                self._warnings.append(
                    f"{self._values[key].where}: there is no word {_shown(word)}{did_you_mean(word[:SHOWN_MAX], WORDS)}"
                )
        return words

    # --- the servers

    def _servers(self) -> tuple[Server, ...]:
        found = []
        for key, value in self._values.items():
            if key.startswith("server."):
                try:
                    found.append(parse_server(f"{key}={value.text}"))
                except BadArguments as error:
                    raise SettingsError(f"{value.where}: {_shown(error.about)}") from None
        if len({server.id for server in found}) != len(found):
            raise SettingsError(f"{self._name}: two server lines have one id")
        if found and all(server.observer for server in found):
            raise SettingsError(f"{self._name}: all servers are observers, nobody could decide")
        return tuple(sorted(found, key=lambda server: server.id))

    def _ensemble(self, servers: Sequence[Server], data_dir: str) -> tuple[tuple[Member, ...], int]:
        me = _myid(Path(data_dir))
        mine = next((server for server in servers if server.id == me), None)
        if mine is None:
            raise SettingsError(f"{self._name}: there is no line server.{me}, the id in {_shown(data_dir)}/myid")
        role = self._text("peerType")
        if role and role.lower() not in ("participant", "observer"):
            raise self._bad("peerType", f"is participant or observer, not {_shown(role)}")
        if role and (role.lower() == "observer") != mine.observer:
            self._warnings.append(f"{self._values['peerType'].where}: the line server.{me} says otherwise, and counts")
        here = self._listen(mine)
        admin = self._admin_port()
        members = tuple(
            Member(
                server.id,
                server.peer,
                server.grpc,
                here if server is mine else server.wire or Address(server.peer.host, here.port),
                Address(server.peer.host, admin),
                server.observer,
            )
            for server in servers
        )
        try:
            of_settings(members)
        except ValueError as error:
            raise SettingsError(f"{self._name}: {_shown(str(error))}") from None
        return members, me

    def _listen(self, mine: Server) -> Address:
        """Where the plain client port of this server is."""
        port, host = self._number("clientPort", 0, 1, 65535), self._host("clientPortAddress")
        if mine.wire is not None:
            if port and port != mine.wire.port:
                raise self._bad("clientPort", f"is not the {mine.wire.port} of the line server.{mine.id}")
            return Address(host or mine.wire.host, mine.wire.port)
        return Address(host or mine.peer.host, port or self._secure_alone())

    def _secure_alone(self) -> int:
        """The port of clients where there is no plain one."""
        port = self._number("secureClientPort", 0, 0, 65535)
        if not port:
            raise SettingsError(f"{self._name}: clientPort is missing")
        return port

    def _alone(self, data_dir: str) -> tuple[tuple[Member, ...], int]:
        """A server without server lines: an ensemble of one, whose other ports follow from the client port."""
        port = self._number("clientPort", 0, 1, 65535) or self._secure_alone()
        if port + GRPC_STEP > 65535:
            raise SettingsError(f"{self._name}: above port {port} is no room for the gRPC port; add a line server.1")
        id = _myid(Path(data_dir), 1)
        here = "127.0.0.1"
        wire = Address(self._host("clientPortAddress") or here, port)
        peer, grpc = Address(here, port + PEER_STEP), Address(here, port + GRPC_STEP)
        return (Member(id, peer, grpc, wire, Address(here, self._admin_port())),), id

    def _with_secure(self, clients: ClientPort, members: Sequence[Member], me: int) -> ClientPort:
        """The secure port is on the host of the plain one, unless it has its own."""
        wire = next(member.wire for member in members if member.id == me)
        port = self._number("secureClientPort", 0, 1, 65535)
        plain = "clientPort" in self._values or wire.port != port
        if plain and port == wire.port:
            raise self._bad("secureClientPort", "and the plain client port are one")
        secure = Address(self._host("secureClientPortAddress") or wire.host, port)
        return replace(clients, secure=secure, plain=plain)

    def _host(self, key: str) -> str:
        host = self._text(key).removeprefix("[").removesuffix("]")
        if any(char.isspace() or char in "[];,=|/" for char in host):
            raise self._bad(key, f"is not a host: {_shown(host)}")
        return host

    def _admin_port(self) -> int:
        return self._number("admin.serverPort", 8080, 0, 65535)


def _myid(data_dir: Path, otherwise: int = 0) -> int:
    """The id in the folder; `otherwise`, unless that is 0, where there is none."""
    path = data_dir / "myid"
    try:
        with path.open("rb") as file:
            text = file.read(1024).decode("ascii", "replace").strip()
    except OSError as error:
        if otherwise and isinstance(error, FileNotFoundError | NotADirectoryError):
            return otherwise
        raise SettingsError(f"cannot read {_shown(str(path))}: {error.strerror}; it holds this server's id") from None
    except ValueError:
        raise SettingsError(f"not a path: {_shown(str(path))}") from None
    if not 1 <= number(text) <= NODES_MAX:
        raise SettingsError(f"{_shown(str(path))} holds {_shown(text)}, not an id from 1 to {NODES_MAX}")
    return number(text)
