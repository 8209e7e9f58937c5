"""The two settings files, as JSON: `ensemble.json` of an ensemble on this host, `node.json` of one node.

Rules: read here, checked here, one clear line for each mistake; the rest of the program sees only `Config` and
`Member`. A node's folder holds all it needs, so it may be moved to another host together with its `node.json`.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from zooweeper.model.config import (
    CARRIERS,
    FAST,
    Address,
    ClientPort,
    Config,
    LaneSettings,
    Member,
    Timing,
)
from zooweeper.model.limits import SNAPSHOT_EVERY_ENTRIES
from zooweeper.model.members import of_settings
from zooweeper.storage.records import CLUSTER_BYTES_MAX

ENSEMBLE_FILE = "ensemble.json"
NODE_FILE = "node.json"
SUPER_FILE = "super"  # `super:password`, beside ensemble.json
DATA_FOLDER = "data"
PORTS = (("wire", 2181), ("grpc", 5181), ("peer", 2888), ("admin", 8081))
"""The doors of node 1 and their default ports; node i listens i-1 higher. In the order in which --base-port lays
them out, a thousand apart."""

BASE_STEP = 1000
NODES_MAX = 255
FILE_BYTES_MAX = 1 << 20  # of a settings file
SHOWN_MAX = 200  # characters of what somebody wrote, in an error
HOUR_MS = 3_600_000
ENTRIES_MAX = 10**9  # between two snapshots
WORDS_MAX = 100  # in a list of four-letter words


class SettingsError(Exception):
    """A settings file or an argument that cannot be; the text is one clear line."""


@dataclass(frozen=True, slots=True)
class EnsembleSettings:
    """An ensemble as `ensemble.json` describes it."""

    cluster: str
    members: tuple[Member, ...]


def member_at(node: int, base_port: int | None, host: str = "127.0.0.1") -> Member:
    """Node `node` of an ensemble on one host, with the ports of the contract."""
    ports = {
        door: (first if base_port is None else base_port + step * BASE_STEP) + node - 1
        for step, (door, first) in enumerate(PORTS)
    }
    if max(ports.values()) > 65535 or min(ports.values()) < 1:
        raise SettingsError(f"--base-port {base_port} gives node {node} a port outside 1..65535")
    return make_member(node, {door: Address(host, port) for door, port in ports.items()})


def next_member(members: Sequence[Member], observer: bool) -> Member:
    """One more for an ensemble on one host: the next id, and the next ports."""
    last = max(members, key=lambda member: member.id)
    doors = {door: getattr(last, door) for door, _ in PORTS}
    if last.id >= NODES_MAX or max(address.port for address in doors.values()) >= 65535:
        raise SettingsError(f"there is no id or port behind those of node {last.id}")
    return make_member(last.id + 1, {door: Address(at.host, at.port + 1) for door, at in doors.items()}, observer)


def make_member(node: int, doors: Mapping[str, Address], observer: bool = False) -> Member:
    """`doors`: an address for each of PORTS."""
    return Member(node, doors["peer"], doors["grpc"], doors["wire"], doors["admin"], observer)


def parse_address(text: str) -> Address:
    """`host:port`, `[v6]:port`. SettingsError for anything else."""
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not 0 < number(port) < 65536:
        raise SettingsError(f"not an address: {text[:SHOWN_MAX]!r}, expected host:port such as 127.0.0.1:5181")
    return Address(host, number(port))


def number(text: str) -> int:
    """A small whole number in plain digits; -1 for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else -1


def write_json(path: Path, value: object) -> None:
    """Replaces a small file at once and for good."""
    beside = path.with_name(path.name + ".new")
    with beside.open("w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o600)
        json.dump(value, file, indent=1)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a small file. SettingsError."""
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise SettingsError(f"{path} is larger than {FILE_BYTES_MAX >> 20} MiB")
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise SettingsError(f"no {path.name} in {path.parent}") from None
    except OSError as error:
        raise SettingsError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{path} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise SettingsError(f"{path} is not a JSON object")
    return value


def write_ensemble(folder: Path, settings: EnsembleSettings) -> None:
    write_json(
        folder / ENSEMBLE_FILE,
        {"cluster": settings.cluster, "members": [member_out(member) for member in settings.members]},
    )


def write_node(folder: Path, node: int, settings: EnsembleSettings, **more: object) -> None:
    """`more`: further keys of the file, such as super_digest."""
    members = [member_out(member) for member in settings.members]
    write_json(folder / NODE_FILE, {"id": node, "cluster": settings.cluster, "members": members} | more)


def change_node(folder: Path, **changes: object) -> None:
    """Gives some keys of a node's file other values."""
    write_json(folder / NODE_FILE, read_json(folder / NODE_FILE) | changes)


def read_ensemble(folder: Path) -> EnsembleSettings:
    """The ensemble in a folder. SettingsError when there is none or its file is damaged."""
    value = read_json(folder / ENSEMBLE_FILE)
    return EnsembleSettings(_text(value, "cluster", folder / ENSEMBLE_FILE), _members(value, folder / ENSEMBLE_FILE))


def read_node(folder: Path) -> Config:
    """The settings of the node in a folder. SettingsError when they are missing or cannot be."""
    path = folder / NODE_FILE
    value = read_json(path)
    members = _members(value, path)
    node = value.get("id")
    if type(node) is not int or node not in [member.id for member in members]:
        raise SettingsError(f"{path}: id {_shown(node)} is not one of its members")
    return Config(
        id=node,
        cluster=_text(value, "cluster", path),
        members=members,
        data_dir=str(folder / DATA_FOLDER),
        timing=_timing(value.get("timing", {}), path),
        super_digest=_plain(value.get("super_digest", ""), "super_digest", path),
        clients=_clients(value.get("clients", {}), path),
        reconfig=_value(value.get("reconfig", True), bool, "reconfig", path),
        routes=_routes(value.get("routes", {}), "route", path),
        lanes=_lanes(value, path),
        snapshot_entries=_entries(value, path),
    )


def read_credential(path: Path) -> str:
    """The `user:password` in a file that only its owner can read. SettingsError."""
    try:
        mode, text = path.stat().st_mode, path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot read {path}: {getattr(error, 'strerror', None) or 'not text'}") from None
    if mode & 0o077:
        raise SettingsError(f"{path} can be read by others; chmod 600 {path}")
    user, _, password = text.partition(":")
    if not user or not password or not text.isprintable():
        raise SettingsError(f"{path} does not hold user:password")
    return text


def member_out(member: Member) -> dict[str, object]:
    doors: dict[str, object] = {door: str(getattr(member, door)) for door, _ in PORTS}
    return {"id": member.id} | doors | ({"observer": True} if member.observer else {})


def _text(value: dict[str, Any], key: str, path: Path) -> str:
    text = value.get(key)
    if not isinstance(text, str) or not text:
        raise SettingsError(f"{path}: {key} is missing")
    return _plain(text, key, path)


def _plain(text: object, key: str, path: Path) -> str:
    """Text that can be written anywhere, and is no longer than a cluster's name may be."""
    if not isinstance(text, str) or len(text.encode("utf-8", "surrogatepass")) > CLUSTER_BYTES_MAX:
        raise SettingsError(f"{path}: {key} must be text of at most {CLUSTER_BYTES_MAX} bytes")
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise SettingsError(f"{path}: {key} holds half a character")
    return text


def _shown(value: object) -> str:
    """What somebody wrote, as a piece of one line."""
    return ascii(value)[:SHOWN_MAX] if not isinstance(value, str) else ascii(value)[1:-1][:SHOWN_MAX]


def _members(value: dict[str, Any], path: Path) -> tuple[Member, ...]:
    rows = value.get("members")
    if not isinstance(rows, list) or not rows:
        raise SettingsError(f"{path}: members is missing")
    members = []
    for row in rows:
        try:
            id, doors = row["id"], {door: parse_address(_plain(row[door], door, path)) for door, _ in PORTS}
            observer = row.get("observer", False)
        except (KeyError, TypeError, AttributeError) as error:
            raise SettingsError(f"{path}: a member is incomplete ({error!r})") from None
        if type(id) is not int or not 1 <= id <= NODES_MAX:
            raise SettingsError(f"{path}: a member's id is 1 to {NODES_MAX}")
        if type(observer) is not bool:
            raise SettingsError(f"{path}: observer of member {id} is true or false")
        members.append(make_member(id, doors, observer))
    if len({member.id for member in members}) != len(members):
        raise SettingsError(f"{path}: two members have one id")
    if all(member.observer for member in members):
        raise SettingsError(f"{path}: all members are observers, nobody could decide")
    try:
        of_settings(members)
    except ValueError as error:
        raise SettingsError(f"{path}: {_shown(str(error))}") from None
    return tuple(members)


def _routes(value: Any, key: str, path: Path) -> tuple[tuple[int, Address], ...]:
    """`{"3": "host:port"}`: how this node reaches a port of another one, if not as the others do."""
    if not isinstance(value, dict) or not all(1 <= number(id) <= NODES_MAX for id in value):
        raise SettingsError(f"{path}: {key}s must be an object of members' ids, 1 to {NODES_MAX}, and addresses")
    return tuple((number(id), parse_address(_plain(to, f"{key} {id}", path))) for id, to in value.items())


def _lanes(value: dict[str, Any], path: Path) -> LaneSettings:
    """What carries the broadcast between nodes."""
    carrier, port = value.get("peer_carrier", FAST), value.get("lane_port", 0)
    if carrier not in CARRIERS:
        raise SettingsError(f"{path}: peer_carrier is {' or '.join(CARRIERS)}, not {_shown(carrier)}")
    if type(port) is not int or not 0 <= port < 65536:
        raise SettingsError(f"{path}: lane_port is a port, or 0 for any that is free")
    return LaneSettings(carrier, port, _routes(value.get("lane_routes", {}), "lane_route", path))


def _clients(value: Any, path: Path) -> ClientPort:
    """The settings of the ZooKeeper port; what is missing has its default."""
    known = {field.name: field.default for field in fields(ClientPort)}
    if not isinstance(value, dict):
        raise SettingsError(f"{path}: clients must be an object of settings of the ZooKeeper port")
    given: dict[str, Any] = {}
    for key, item in value.items():
        if key not in known:
            raise SettingsError(f"{path}: unknown setting {_shown(key)} of clients; known: {', '.join(sorted(known))}")
        if key == "secure":
            given[key] = parse_address(_plain(item, key, path)) if item is not None else None
        elif key == "words":
            if not isinstance(item, list) or len(item) > WORDS_MAX:
                raise SettingsError(f"{path}: words must be a list of four-letter words, or of *")
            given[key] = tuple(_plain(word, "a word", path) for word in item)
        elif isinstance(known[key], str):
            given[key] = _plain(item, key, path)
        else:
            given[key] = _value(item, type(known[key]), key, path)
    clients = ClientPort(**given)
    if not 0 < clients.session_min_ms <= clients.session_max_ms <= HOUR_MS:
        raise SettingsError(f"{path}: session_min_ms and session_max_ms are milliseconds, in this order, to {HOUR_MS}")
    if clients.per_address_max < 0:
        raise SettingsError(f"{path}: per_address_max is a number of connections, or 0 for no bound")
    if clients.secure is None and not clients.plain:
        raise SettingsError(f"{path}: clients have neither a plain nor a secure port")
    return clients


def _value(item: Any, kind: type, key: str, path: Path) -> Any:
    if type(item) is not kind:
        raise SettingsError(f"{path}: {key} must be {'true or false' if kind is bool else 'a whole number'}")
    return item


def _entries(value: dict[str, Any], path: Path) -> int:
    entries = _value(value.get("snapshot_entries", SNAPSHOT_EVERY_ENTRIES), int, "snapshot_entries", path)
    if not 1 <= entries <= ENTRIES_MAX:
        raise SettingsError(f"{path}: snapshot_entries is 1 to {ENTRIES_MAX:,}")
    return int(entries)


def _timing(value: Any, path: Path) -> Timing:
    known = {field.name for field in fields(Timing)}
    if not isinstance(value, dict) or not all(type(item) is int and 0 < item <= HOUR_MS for item in value.values()):
        raise SettingsError(f"{path}: timing must be an object of positive milliseconds, at most {HOUR_MS}")
    unknown = sorted(set(value) - known)
    if unknown:
        raise SettingsError(f"{path}: unknown timing {_shown(unknown[0])}; known: {', '.join(sorted(known))}")
    return Timing(**value)
