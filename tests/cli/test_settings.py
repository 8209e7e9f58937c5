"""Settings files: written, read back, and every mistake one clear line."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest

from zooweeper.cli import ports, settings
from zooweeper.cli.serve import parse_member
from zooweeper.cli.settings import EnsembleSettings, SettingsError
from zooweeper.model.config import Address, ClientPort, LaneSettings

THREE = EnsembleSettings("c1", tuple(settings.member_at(node, None) for node in (1, 2, 3)))


def test_the_ports_of_the_contract() -> None:
    assert [str(settings.member_at(3, None).wire), str(settings.member_at(3, None).grpc)] == [
        "127.0.0.1:2183",
        "127.0.0.1:5183",
    ]
    two = settings.member_at(2, 21000)
    assert (two.wire.port, two.grpc.port, two.peer.port, two.admin.port) == (21001, 22001, 23001, 24001)
    with pytest.raises(SettingsError, match=r"outside 1\.\.65535"):
        settings.member_at(1, 63000)


def test_an_ensemble_is_read_as_it_was_written(tmp_path: Path) -> None:
    settings.write_ensemble(tmp_path, THREE)
    assert settings.read_ensemble(tmp_path) == THREE


def test_a_node_is_read_as_it_was_written(tmp_path: Path) -> None:
    settings.write_node(tmp_path, 2, THREE)
    config = settings.read_node(tmp_path)
    assert (config.id, config.cluster, config.members) == (2, "c1", THREE.members)
    assert config.data_dir == str(tmp_path / "data")


def test_observers_routes_and_what_else_there_is(tmp_path: Path) -> None:
    watcher = dataclasses.replace(settings.member_at(4, None), observer=True)
    four = EnsembleSettings("c1", (*THREE.members, watcher))
    settings.write_node(tmp_path, 4, four, super_digest="super:x", routes={"1": "10.0.0.1:99"},
                        peer_carrier="grpc", lane_port=77, lane_routes={"2": "10.0.0.2:98"})  # fmt: skip
    config = settings.read_node(tmp_path)
    assert config.me.observer and config.voters == (1, 2, 3) and config.super_digest == "super:x"
    assert config.routes == ((1, Address("10.0.0.1", 99)),)
    assert config.lanes == LaneSettings("grpc", 77, ((2, Address("10.0.0.2", 98)),))
    settings.write_node(tmp_path, 4, four)
    assert settings.read_node(tmp_path).lanes == LaneSettings("fast", 0, ())


def test_one_more_node_of_an_ensemble_on_this_host() -> None:
    four = settings.next_member(THREE.members, observer=True)
    assert four == dataclasses.replace(settings.member_at(4, None), observer=True)
    last = settings.member_at(255, None)
    with pytest.raises(SettingsError, match="behind those of node 255"):
        settings.next_member([last], observer=False)


@pytest.mark.parametrize(
    ("mode", "content", "line"),
    [
        (0o640, "super:secret", "can be read by others"),
        (0o600, "secret", "does not hold user:password"),
        (0o600, ":secret", "does not hold user:password"),
        (0o600, "super:se\x07cret", "does not hold user:password"),
        (0o600, None, "cannot read"),
    ],
)
def test_a_credential_is_for_its_owner_alone(tmp_path: Path, mode: int, content: str | None, line: str) -> None:
    path = tmp_path / "super"
    if content is not None:
        path.write_text(content)
        path.chmod(mode)
    with pytest.raises(SettingsError) as caught:
        settings.read_credential(path)
    assert line in str(caught.value) and "\n" not in str(caught.value) and "secret" not in str(caught.value)


def changed(**changes: Any) -> str:
    members = [{"id": 1, "wire": "h:1", "grpc": "h:2", "peer": "h:3", "admin": "h:4"}]
    return json.dumps({"id": 1, "cluster": "c", "members": members} | changes)


def member(**changes: object) -> str:
    """The same, with a member of it changed."""
    (one,) = json.loads(changed())["members"]
    return changed(members=[one | changes])


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("{", "is not JSON"),
        ("[]", "is not a JSON object"),
        (changed(cluster=""), "cluster is missing"),
        (changed(members=[]), "members is missing"),
        (changed(members=[{"id": 1}]), "a member is incomplete"),
        (changed(id=2), "id 2 is not one of its members"),
        (changed(timing={"tick": 5}), "unknown timing tick; known: discovery_ms"),
        (changed(timing={"tick_ms": 0}), "timing must be an object of positive milliseconds"),
        (changed(timing={"tick_ms": True}), "timing must be an object of positive milliseconds"),
        (changed(timing={"tick_ms": 10**20}), "timing must be an object of positive milliseconds"),
        (changed(timing={"a\nb": 1}), "unknown timing a\\nb"),
        (changed(id=True), "id True is not one of its members"),
        (changed(cluster="\ud800"), "cluster holds half a character"),
        (changed(cluster="c" * 300), "cluster must be text of at most 255 bytes"),
        (changed(super_digest=5), "super_digest must be text"),
        (member(id=1e999), "a member's id is 1 to 255"),
        (member(id=256), "a member's id is 1 to 255"),
        (member(grpc="h:²"), "not an address"),
        (member(peer="a b:1"), "cannot be told to others"),
        (member(observer=1), "observer of member 1 is true or false"),
        (member(observer=True), "all members are observers"),
        (changed(routes={"0": "h:1"}), "routes must be an object of members' ids"),
        (changed(routes={"2": "h"}), "not an address"),
        (changed(routes={"2": 5}), "route 2 must be text"),
        (changed(lane_routes=[]), "lane_routes must be an object of members' ids"),
        (changed(lane_port="1"), "lane_port is a port"),
        (changed(lane_port=65536), "lane_port is a port"),
        (changed(lane_port=True), "lane_port is a port"),
        (changed(peer_carrier="pigeon"), "peer_carrier is fast or grpc, not pigeon"),
        (changed(peer_carrier=["fast"]), "peer_carrier is fast or grpc, not ['fast']"),
        (changed(clients=[]), "clients must be an object"),
        (changed(clients={"word": []}), "unknown setting word of clients; known: announced, "),
        (changed(clients={"words": "ruok"}), "words must be a list"),
        (changed(clients={"words": [5]}), "a word must be text"),
        (changed(clients={"words": ["ruok"] * 101}), "words must be a list"),
        (changed(clients={"secure": "h"}), "not an address"),
        (changed(clients={"secure": 5}), "secure must be text"),
        (changed(clients={"read_only": 1}), "read_only must be true or false"),
        (changed(clients={"per_address_max": True}), "per_address_max must be a whole number"),
        (changed(clients={"per_address_max": -1}), "per_address_max is a number of connections"),
        (changed(clients={"session_min_ms": 0}), "session_min_ms and session_max_ms are milliseconds"),
        (changed(clients={"session_min_ms": 9, "session_max_ms": 8}), "session_min_ms and session_max_ms are"),
        (changed(clients={"session_max_ms": 10**9}), "session_min_ms and session_max_ms are milliseconds"),
        (changed(clients={"plain": False}), "neither a plain nor a secure port"),
        (changed(clients={"tls_cert": None}), "tls_cert must be text"),
        (changed(reconfig=0), "reconfig must be true or false"),
        (changed(snapshot_entries="many"), "snapshot_entries must be a whole number"),
        (changed(snapshot_entries=0), "snapshot_entries is 1 to 1,000,000,000"),
        (member(grpc="h:" + "9" * 5000), "grpc must be text of at most 255 bytes"),
        ("[" * 100_000, "is not JSON"),
        (" " * 2_000_000 + "{}", "is larger than 1 MiB"),
    ],
)
def test_mistakes_are_one_line(tmp_path: Path, content: str, line: str) -> None:
    (tmp_path / "node.json").write_text(content)
    with pytest.raises(SettingsError) as caught:
        settings.read_node(tmp_path)
    assert line in str(caught.value) and "\n" not in str(caught.value)


def test_the_zookeeper_port(tmp_path: Path) -> None:
    settings.write_node(tmp_path, 1, THREE)
    assert settings.read_node(tmp_path).clients == ClientPort() and settings.read_node(tmp_path).reconfig
    given: dict[str, Any] = {
        "words": ["*"],
        "per_address_max": 0,
        "session_min_ms": 4000,
        "session_max_ms": 40000,
        "plain": False,
        "announced": False,
        "read_only": False,
        "secure": "[::1]:2281",
        "tls_cert": "/etc/zoo/cert.pem",
        "tls_key": "/etc/zoo/key.pem",
        "tls_ca": "/etc/zoo/ca.pem",
        "tls_optional": True,
        "sasl_users": "/etc/zoo/users",
    }
    assert set(given) == {field.name for field in dataclasses.fields(ClientPort)}
    settings.write_node(tmp_path, 1, THREE, clients=given, reconfig=False, snapshot_entries=5)
    read = settings.read_node(tmp_path)
    assert read.clients == ClientPort(**(given | {"words": ("*",), "secure": Address("::1", 2281)}))
    assert not read.reconfig and read.snapshot_entries == 5


def test_the_settings_of_the_port_are_on_its_page() -> None:
    page = (Path(__file__).parents[2] / "docs" / "zookeeper-port.md").read_text()
    table = page.partition("| key | default | meaning |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| (`.+?`) \|", table, re.MULTILINE)
    named = [key for row in rows for key in re.findall(r"\w+", row)]
    assert sorted(named) == sorted(field.name for field in dataclasses.fields(ClientPort))


def test_no_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"no node.json in"):
        settings.read_node(tmp_path)


def test_members_on_the_command_line() -> None:
    assert str(parse_member("3=10.0.0.3").grpc) == "10.0.0.3:5181"
    given = parse_member("3=h:1:2:3:4")
    assert (given.wire.port, given.grpc.port, given.peer.port, given.admin.port) == (1, 2, 3, 4)
    assert not given.observer and parse_member("3=h:observer").observer
    watcher = parse_member("3=[::1]:1:2:3:4:observer")
    assert watcher.observer and str(watcher.peer) == "[::1]:3" and str(parse_member("3=[::1]").wire) == "[::1]:2181"
    for bad in ("3", "x=h", "3=", "3=h:1:2", "3=h:1:2:3:x", "3=:observer", "3=h:observer:observer", "3=[::1]1:2:3:4"):
        with pytest.raises(SettingsError):
            parse_member(bad)


def test_a_taken_port_is_found_with_its_holder() -> None:
    import socket

    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        address = settings.parse_address(f"127.0.0.1:{port}")
        assert not ports.can_bind(address)
        assert "pid" in ports.holder(port)
    assert ports.can_bind(address)


def test_free_base_ports_are_free() -> None:
    base = ports.free_base_port(3)
    assert ports.taken(settings.member_at(node, base) for node in (1, 2, 3)) == []


def test_a_free_run_leaves_the_ports_of_those_who_are_yet_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are free just now, too."""
    base = ports.free_base_port(3)
    member = settings.member_at(1, base)
    monkeypatch.setattr(ports, "BASES", [member.peer.port, member.peer.port - 2, member.peer.port + 1])
    assert {ports.free_run(3, [member]) for _ in range(20)} == {member.peer.port + 1}
