"""Who belongs to the ensemble: the servers, which of them vote, and what a change of them comes to.

Rules: a membership is a value, made by parsing text or by changing another one; its text is ZooKeeper's, one line per
server in the order of ids, so that equal memberships have equal bytes everywhere. Our peer port stands where ZooKeeper
has the quorum port, our gRPC port where it has the election port. What a client asks for is checked here once, and
refused with BadArguments that says why.

    server.<id>=<peer host>:<peer port>:<grpc port>:<participant|observer>[;<wire host>:<wire port>]
    version=<zxid of the entry that made it, in hex>
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from zooweeper.model.config import Address, Member
from zooweeper.model.errors import BadArguments

SERVER_ID_MAX = 255  # it fits a byte, as in ZooKeeper's session ids
ANY_ID_MAX = 999_999_999  # what a request may say, so that who may not change members hears that first
HOST_CHARS_MAX = 255  # of a name in DNS
TEXT_CHARS_MAX = 96 * 1024  # every server there can be, with names of common length
SHOWN_MAX = 80
ANY_HOST = "0.0.0.0"  # ZooKeeper's: on whatever address the server is reached

_HOST = r"(?:\[[^\[\];,=|\s]+\]|[^\[\]:;,=|\s]+)"
_SERVER = re.compile(
    rf"server\.(?P<id>[0-9]{{1,9}})\s*=\s*(?P<host>{_HOST}):(?P<peer>[0-9]{{1,5}}):(?P<grpc>[0-9]{{1,5}})"
    rf"(?::(?P<role>[A-Za-z]+))?(?:;(?:(?P<wire_host>{_HOST}):)?(?P<wire>[0-9]{{1,5}}))?"
)
_VERSION = re.compile(r"version\s*=\s*([0-9a-f]{1,16})")
_ID = re.compile(r"[0-9]{1,9}")
_OBSERVER = {"participant": False, "observer": True, "": False}


@dataclass(frozen=True, slots=True)
class Server:
    """One member of the ensemble and where it is reached."""

    id: int  # 1..255
    peer: Address
    grpc: Address  # at the same host
    wire: Address | None
    observer: bool = False

    def __str__(self) -> str:
        role = "observer" if self.observer else "participant"
        client = f";{self.wire}" if self.wire else ""
        return f"server.{self.id}={self.peer}:{self.grpc.port}:{role}{client}"


@dataclass(frozen=True, slots=True)
class Membership:
    """All servers, in the order of their ids. `version` is the zxid of the entry that made it; 0: the settings did."""

    servers: tuple[Server, ...]
    version: int = 0

    @property
    def voters(self) -> tuple[int, ...]:
        """The ids whose majority decides."""
        return tuple(server.id for server in self.servers if not server.observer)

    @property
    def observers(self) -> tuple[int, ...]:
        """The ids that follow and never count."""
        return tuple(server.id for server in self.servers if server.observer)

    @property
    def ids(self) -> tuple[int, ...]:
        return tuple(server.id for server in self.servers)

    def text(self) -> str:
        """The lines of the servers."""
        return "\n".join(map(str, self.servers))

    def shown(self) -> str:
        """The text that clients read: the servers and the version."""
        return f"{self.text()}\nversion={self.version:x}"

    def changed(self, joining: str, leaving: str, new_members: str) -> "Membership":
        """What a client's request makes of it; the three texts are ZooKeeper's, empty where they are not used. Either
        `new_members` is the complete list, or the servers `leaving` go (ids that are not there are no error), then
        those `joining` come, each in the place of a server with its id. Its ids are still to be checked (`bounded`).
        BadArguments with the reason."""
        if new_members:
            result = parse(new_members.replace(",", "\n"), ANY_ID_MAX)
        else:
            servers = {server.id: server for server in self.servers}
            for id in _listed(leaving):
                if not _ID.fullmatch(id):
                    raise BadArguments(f"not the id of a server: {_shown(id)}")
                servers.pop(int(id), None)
            for line in _listed(joining):
                server = parse_server(line, ANY_ID_MAX)
                servers[server.id] = server
            result = Membership(tuple(servers[id] for id in sorted(servers)))
        if not result.voters:
            raise BadArguments("at least one server must be a participant")
        _no_address_twice(result.servers, self.servers)
        if len(result.text()) > TEXT_CHARS_MAX:
            raise BadArguments(f"a membership has at most {TEXT_CHARS_MAX} characters")
        return result

    def bounded(self) -> "Membership":
        """The same, if all its ids can be; else BadArguments."""
        for id in self.ids:
            _check_id(id, SERVER_ID_MAX)
        return self


def _check_id(id: int, id_max: int) -> None:
    if not 1 <= id <= id_max:
        raise BadArguments(f"the id of a server is 1 to {SERVER_ID_MAX}, not {id}")


def _listed(text: str) -> list[str]:
    if len(text) > TEXT_CHARS_MAX:
        raise BadArguments(f"a membership has at most {TEXT_CHARS_MAX} characters")
    return [item for part in text.split(",") if (item := part.strip())]


def _no_address_twice(servers: Iterable[Server], known: Sequence[Server]) -> None:
    """BadArguments if a server that is new would take an address that is taken. Those that are `known` stay."""
    taken: dict[Address, None] = {}
    for server in sorted(servers, key=lambda one: one not in known):
        for door in (server.peer, server.grpc, server.wire):
            if door is None or (door is server.wire and door.host == ANY_HOST):
                continue  # the same words mean another address at each server
            if door in taken and server not in known:
                raise BadArguments(f"the address {door} of server {server.id} is taken")
            taken[door] = None


def parse_server(line: str, id_max: int = SERVER_ID_MAX) -> Server:
    """One line without blanks around it. BadArguments that says what is wrong."""
    found = _SERVER.fullmatch(line)
    if found is None:
        raise BadArguments(
            f"not a server: {_shown(line)}; expected server.<id>=<host>:<port>:<port>:<role>;<host>:<port>"
        )
    id, host, role = int(found["id"]), _host(found["host"]), (found["role"] or "").lower()
    _check_id(id, id_max)
    if role not in _OBSERVER:
        raise BadArguments(f"the role of a server is participant or observer, not {_shown(role)}")
    wire = Address(_host(found["wire_host"] or ANY_HOST), _port(found["wire"])) if found["wire"] else None
    return Server(id, Address(host, _port(found["peer"])), Address(host, _port(found["grpc"])), wire, _OBSERVER[role])


def parse(text: str, id_max: int = SERVER_ID_MAX) -> Membership:
    """The membership with this text, as `text` or `shown` made it, or as a client wrote it. BadArguments."""
    if len(text) > TEXT_CHARS_MAX:
        raise BadArguments(f"a membership has at most {TEXT_CHARS_MAX} characters")
    servers: dict[int, Server] = {}
    version = 0
    for line in filter(None, map(str.strip, text.split("\n"))):
        found = _VERSION.fullmatch(line)
        if found is not None:
            version = int(found[1], 16)
            continue
        if line.startswith(("group.", "weight.")):
            raise BadArguments("groups and weights are not supported: every voter counts once")
        server = parse_server(line, id_max)
        if server.id in servers:
            raise BadArguments(f"server {server.id} is there twice")
        servers[server.id] = server
    if not servers:
        raise BadArguments("a membership has at least one server")
    return Membership(tuple(servers[id] for id in sorted(servers)), version)


def of_settings(members: Iterable[Member], announced: bool = True) -> Membership:
    """The membership of a node's settings, in force until the log holds one. Unless the ZooKeeper ports are to be
    `announced` it is without them: a client that is told some goes to these alone. ValueError for what has no text."""
    servers = [Server(one.id, one.peer, one.grpc, one.wire if announced else None, one.observer) for one in members]
    result = Membership(tuple(sorted(servers, key=lambda server: server.id)))
    try:
        if parse(result.text()) != result:
            raise BadArguments("a server has its peer port and its gRPC port at one host")
    except BadArguments as error:
        raise ValueError(f"the members of the settings cannot be told to others: {error.detail}") from None
    return result


def with_version(membership: Membership, zxid: int) -> Membership:
    """The same servers, made by the entry at `zxid`."""
    return replace(membership, version=zxid)


def _host(text: str) -> str:
    host = text.removeprefix("[").removesuffix("]")
    if len(host) > HOST_CHARS_MAX or not host.isprintable():
        raise BadArguments(f"not a host: {_shown(host)}")
    return host


def _port(text: str) -> int:
    if not 0 < int(text) < 65536:
        raise BadArguments(f"a port is 1 to 65535, not {text}")
    return int(text)


def _shown(text: str) -> str:
    return ascii(text[:SHOWN_MAX])
