"""zoo.cfg: every key has its fate, values become settings, mistakes are one line; and the folder of the first start."""

import os
import re
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from zooweeper.cli import main, ports
from zooweeper.cli.settings import SettingsError
from zooweeper.cli.zoocfg import ZooCfg, parse_properties, read_zoo_cfg
from zooweeper.cli.zoocfg_keys import KEYS, Fate, find
from zooweeper.cli.zoofolder import prepare_folder
from zooweeper.model.config import Address, ClientPort, LaneSettings, Timing
from zooweeper.storage.disk import OsDisk
from zooweeper.storage.folder import FolderError, read_identity
from zooweeper.storage.storage import Storage

DOCUMENT = Path(__file__).parents[2] / "docs" / "zoo-cfg.md"
THREE = "server.1=h1:2888:3888\nserver.2=h2:2888:3888\nserver.3=h3:2888:3888:observer\n"


def read(folder: Path, text: str, flags: str = "", id: str = "2") -> ZooCfg:
    """The settings in `text`, with a dataDir whose myid is `id`."""
    (folder / "data").mkdir(exist_ok=True)
    (folder / "data" / "myid").write_text(id)
    (folder / "zoo.cfg").write_text(f"dataDir={folder}/data\n{text}", "utf-8")
    return read_zoo_cfg(folder / "zoo.cfg", flags)


# --- keys


def test_the_document_is_the_table() -> None:
    rows = re.findall(r"^\| `(.+?)` \| (.+?) \| (.*) \|$", DOCUMENT.read_text(), re.MULTILINE)
    assert rows == [(key.name, key.fate.value, key.note) for key in KEYS]


def test_each_key_has_one_row_and_a_reason() -> None:
    assert len({key.name for key in KEYS}) == len(KEYS)
    for key in KEYS:
        assert find(key.name.replace("*", "x")) is key, key.name
        assert key.note or key.fate is Fate.USED, key.name


def test_each_key_that_is_used_is_read() -> None:
    source = (DOCUMENT.parents[1] / "zooweeper" / "cli" / "zoocfg.py").read_text()
    for key in KEYS:
        if key.fate in (Fate.USED, Fate.MAPPED):
            name = key.name.removesuffix("*")
            ends = {"ssl.keyStore", "ssl.trustStore"} & {name.rpartition(".")[0]}
            assert f'"{name}' in source or f'"{ends.pop() if ends else "?"}"' in source or name == "authProvider.", name


def test_unknown_keys_are_named_with_a_suggestion(tmp_path: Path) -> None:
    found = read(tmp_path, "clientPort=2181\nclientport=1\nfoo.bar=1\nzookeeper.admin.enableServer=false\n")
    assert found.warnings == (
        f'{tmp_path}/zoo.cfg:3: unknown key clientport; did you mean "clientPort"?',
        f"{tmp_path}/zoo.cfg:4: unknown key foo.bar",
    )


def test_the_later_line_counts(tmp_path: Path) -> None:
    found = read(tmp_path, "clientPort=1\nclientPort=2\n")
    assert found.config.me.wire.port == 2
    assert found.warnings == (f"{tmp_path}/zoo.cfg:3: clientPort was set before; this one counts",)


def test_what_is_less_safe_than_asked_for_is_refused(tmp_path: Path) -> None:
    for key in KEYS:
        if key.fate is Fate.REFUSED:
            name = key.name.replace("*", "1")
            with pytest.raises(SettingsError) as caught:
                read(tmp_path, f"clientPort=2181\n{name}=strict\n")
            assert str(caught.value) == f"{tmp_path}/zoo.cfg:3: {name} cannot be had: {key.note}"
            for harmless in key.harmless:
                assert read(tmp_path, f"clientPort=2181\n{name}={harmless.upper()}\n").warnings == ()


def test_lines_are_read_as_java_reads_properties() -> None:
    text = "a=1\n ! no\n# no\n\n  b : 2 \nc 3\nd=\\\n   4\\\n  5\ne\\=f=g\\u00e4\\t\nh\ni=#j\nk=l\\"
    found = [(key, value.text, value.where) for key, value in parse_properties(text, "f")]
    assert [(key, value) for key, value, _ in found] == [
        ("a", "1"), ("b", "2"), ("c", "3"), ("d", "45"), ("e=f", "gä"), ("h", ""), ("i", "#j"), ("k", "l"),
    ]  # fmt: skip
    assert [where for _, _, where in found] == ["f:1", "f:5", "f:6", "f:7", "f:10", "f:11", "f:12", "f:13"]


# --- values


def test_a_server_alone(tmp_path: Path) -> None:
    (tmp_path / "zoo.cfg").write_text(f"dataDir={tmp_path}/new\nclientPort=2181\n")
    found = read_zoo_cfg(tmp_path / "zoo.cfg")
    config, me = found.config, found.config.me
    assert (config.id, config.cluster, config.data_dir) == (1, "zookeeper", f"{tmp_path}/new/zooweeper")
    assert [str(door) for door in (me.wire, me.peer, me.grpc)] == ["127.0.0.1:2181", "127.0.0.1:2888", "127.0.0.1:5181"]
    assert config.timing == Timing() and not config.reconfig and found.autocreate
    assert config.clients == replace(ClientPort(), session_min_ms=6000, session_max_ms=60000, announced=False)


def test_an_ensemble(tmp_path: Path) -> None:
    config = read(tmp_path, f"{THREE}clientPort=2181\n").config
    assert [(one.id, str(one.peer), str(one.grpc), str(one.wire), one.observer) for one in config.members] == [
        (1, "h1:2888", "h1:3888", "h1:2181", False),
        (2, "h2:2888", "h2:3888", "h2:2181", False),
        (3, "h3:2888", "h3:3888", "h3:2181", True),
    ]
    assert config.id == 2 and config.voters == (1, 2)
    assert not config.clients.announced, "it only guesses the client ports of the others"


def test_client_ports_in_server_lines(tmp_path: Path) -> None:
    text = "server.1=h1:1:2;3\nserver.2=h2:4:5:participant;[::1]:6\n"
    config = read(tmp_path, text).config
    assert [str(one.wire) for one in config.members] == ["0.0.0.0:3", "[::1]:6"] and config.clients.announced
    assert str(read(tmp_path, f"{text}clientPort=6\nclientPortAddress=10.0.0.2\n").config.me.wire) == "10.0.0.2:6"


def test_a_dynamic_file(tmp_path: Path) -> None:
    (tmp_path / "dynamic").write_text("server.1=h1:1:2;3\nserver.2=h2:4:5;6\nversion=100000000\n")
    config = read(tmp_path, f"dynamicConfigFile={tmp_path}/dynamic\n").config
    assert [one.id for one in config.members] == [1, 2] and config.me.wire == Address("0.0.0.0", 6)


def test_values_become_settings(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        f"{THREE}clientPort=2181\nclientPortAddress=0.0.0.0\ntickTime=500\nmaxSessionTimeout=7000\nsyncLimit=2\n"
        "initLimit=3\nmaxClientCnxns=0\n4lw.commands.whitelist=stat, ruok ,\nreadonlymode.enabled=FALSE\n"
        "snapCount=5000\n"
        "reconfigEnabled=true\nDigestAuthenticationProvider.superDigest=super:x=\nadmin.serverPort=9090\n"
        "zooweeper.cluster=shop\ndb.autocreate=false\nautopurge.purgeInterval=1\n"
        "zooweeper.peerCarrier=grpc\nzooweeper.lanePort=77\n",
    )
    config, clients = found.config, found.config.clients
    assert found.warnings == () and not found.autocreate
    assert str(config.me.wire) == "0.0.0.0:2181" and config.me.admin == Address("h2", 9090)
    assert config.timing == replace(Timing(), silence_ms=1000, discovery_ms=1500)
    assert (config.cluster, config.super_digest, config.snapshot_entries) == ("shop", "super:x=", 5000)
    assert config.reconfig and config.lanes == LaneSettings("grpc", 77)
    assert (clients.session_min_ms, clients.session_max_ms) == (1000, 7000)
    assert (clients.words, clients.per_address_max, clients.read_only) == (("stat", "ruok"), 0, False)


def test_the_limits_of_zookeeper_never_slow_ours_down(tmp_path: Path) -> None:
    assert read(tmp_path, f"{THREE}clientPort=1\ntickTime=2000\ninitLimit=10\nsyncLimit=5\n").config.timing == Timing()
    timing = read(tmp_path, f"{THREE}clientPort=1\ntickTime=10\ninitLimit=1\nsyncLimit=1\n").config.timing
    assert (timing.tick_ms, timing.silence_ms, timing.discovery_ms) == (10, 300, 500)


def test_things_to_know_of_values(tmp_path: Path) -> None:
    found = read(tmp_path, f"{THREE}clientPort=1\ntickTime=5\npeerType=observer\n4lw.commands.whitelist=ruko\n")
    assert (found.config.clients.session_min_ms, found.config.clients.session_max_ms) == (500, 500)
    assert [line.removeprefix(f"{tmp_path}/") for line in found.warnings] == [
        "zoo.cfg: the least session timeout is 500 ms here, not 10 ms",
        'zoo.cfg:8: there is no word ruko; did you mean "ruok"?',
        "zoo.cfg:7: the line server.2 says otherwise, and counts",
    ]


def test_tls(tmp_path: Path) -> None:
    text = "clientPort=1\nsecureClientPort=2\nssl.keyStore.location=/k.pem\nssl.keyStore.password=hidden\n"
    trust = "ssl.trustStore.location=/t.pem\nssl.trustStore.type=pem\n"
    clients = read(tmp_path, text + trust).config.clients
    assert (clients.secure, clients.plain) == (Address("127.0.0.1", 2), True)
    assert (clients.tls_cert, clients.tls_key, clients.tls_ca, clients.tls_optional) == ("/k.pem", "", "/t.pem", False)
    want = read(tmp_path, f"{text}{trust}ssl.clientAuth=want\nsecureClientPortAddress=::1\n").config.clients
    assert want.tls_optional and want.secure == Address("::1", 2)
    assert read(tmp_path, f"{text}{trust}ssl.clientAuth=none\n").config.clients.tls_ca == ""
    alone = read(tmp_path, f"{text}{trust}".removeprefix("clientPort=1\n")).config
    assert not alone.clients.plain and alone.clients.secure == Address("127.0.0.1", 2)


def test_flags_of_java(tmp_path: Path) -> None:
    jaas = tmp_path / "jaas.conf"
    jaas.write_text('Server { x required user_bob="secret"; };')
    flags = (
        "-Xmx1g -Dzookeeper.DigestAuthenticationProvider.superDigest=super:a -Dother=1 '-Dzookeeper.skipACL=no' "
        f"-Djava.security.auth.login.config={jaas}"
    )
    found = read(tmp_path, "clientPort=1\n", flags)
    assert found.config.super_digest == "super:a" and found.config.clients.sasl_users == str(jaas)
    assert found.warnings == ()
    line = "clientPort=1\nzookeeper.DigestAuthenticationProvider.superDigest=super:b\n"
    assert read(tmp_path, line, flags).config.super_digest == "super:b"
    jaas.write_text('Client { x required username="bob"; };')
    without = read(tmp_path, "clientPort=1\n", flags)
    assert without.config.clients.sasl_users == ""
    assert without.warnings == (f"JVMFLAGS: the users of SASL in {jaas}: it has no section Server; SASL is off",)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "zoo.cfg: clientPort is missing"),
        (THREE, "zoo.cfg: clientPort is missing"),
        ("clientPort=0", "zoo.cfg:2: clientPort is a whole number from 1 to 65535, not 0"),
        ("clientPort=²", "zoo.cfg:2: clientPort is a whole number from 1 to 65535, not \\xb2"),
        ("clientPort=65000", "zoo.cfg: above port 65000 is no room for the gRPC port; add a line server.1"),
        ("clientPort=1\ntickTime=a", "zoo.cfg:3: tickTime is a whole number from 1 to 3600000, not a"),
        ("clientPort=1\nminSessionTimeout=9999999", "minSessionTimeout makes the least session timeout, 9999999 ms, "),
        ("clientPort=1\nmaxSessionTimeout=1", "maxSessionTimeout makes the least session timeout, 6000 ms, larger"),
        ("clientPort=1\nreconfigEnabled=ja", "zoo.cfg:3: reconfigEnabled is true or false, not ja"),
        ("clientPort=1\nclientPortAddress=a b", "zoo.cfg:3: clientPortAddress is not a host: a b"),
        ("clientPort=1\nsnapCount=1", "zoo.cfg:3: snapCount is a whole number from 2"),
        ("clientPort=1\nsecureClientPort=2", "zoo.cfg:3: secureClientPort needs ssl.keyStore.location"),
        ("clientPort=2\nssl.keyStore.location=/k\nssl.trustStore.location=/t\nsecureClientPort=2", "zoo.cfg:5: secure"),
        (
            "clientPort=1\nsecureClientPort=2\nssl.keyStore.location=/k",
            "secureClientPort needs ssl.trustStore.location",
        ),
        ("clientPort=1\nsecureClientPort=2\nssl.keyStore.location=/k.JKS", "is a key store of Java; convert it to PEM"),
        ("clientPort=1\nsecureClientPort=2\nssl.keyStore.location=/k\nssl.keyStore.type=JKS", "type is PEM alone, not"),
        (
            "clientPort=1\nsecureClientPort=2\nssl.keyStore.location=/k\nssl.clientAuth=x",
            "is none, want or need, not x",
        ),
        ("clientPort=1\nserver.1=h:1:2", "there is no line server.2, the id in "),
        ("clientPort=1\nserver.x=h:1:2", "zoo.cfg:3: not a server: "),
        ("clientPort=1\nserver.2=h", "zoo.cfg:3: not a server: "),
        ("clientPort=1\nserver.2=h:1:2\nserver.02=h:3:4", "zoo.cfg: two server lines have one id"),
        ("clientPort=1\nserver.2=h:1:2:observer", "zoo.cfg: all servers are observers"),
        ("clientPort=1\nserver.2=h:1:2;3", "zoo.cfg:2: clientPort is not the 3 of the line server.2"),
        ("clientPort=1\nserver.2=h:1:2\npeerType=x", "zoo.cfg:4: peerType is participant or observer, not x"),
        ("clientPort=1\ngroup.1=1:2", "zoo.cfg:3: group.1 cannot be had: groups are not supported"),
        ("clientPort=1\nzooweeper.peerCarrier=x", "zoo.cfg:3: zooweeper.peerCarrier is fast or grpc, not x"),
        ("clientPort=1\nzooweeper.lanePort=65536", "zoo.cfg:3: zooweeper.lanePort is a whole number from 0 to 65535"),
        ("clientPort=1\nzooweeper.cluster=" + "x" * 256, "zoo.cfg:3: zooweeper.cluster has 1 to 255 bytes"),
        ("clientPort=1\n=5", "zoo.cfg:3: not key=value: =5"),
        ("clientPort=1\na=\\u0007", "zoo.cfg:3: a holds a character that cannot be printed"),
        ("clientPort=1\ndynamicConfigFile=/none/there", "cannot read /none/there: No such file or directory"),
        ("\n".join(f"key{i}=1" for i in range(1001)), "zoo.cfg:1001: more than 1000 keys"),
        ("clientPort=1\n" + " " * 2_000_000, "is larger than 1 MiB"),
    ],
)
def test_mistakes_are_one_line(tmp_path: Path, text: str, line: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, text)
    assert line in str(caught.value) and "\n" not in str(caught.value) and str(caught.value).isascii()


@pytest.mark.parametrize("id", ["", "0", "256", "x", "1 2", "\xff"])
def test_ids_that_are_none(tmp_path: Path, id: str) -> None:
    with pytest.raises(SettingsError, match=r"data/myid holds .*, not an id from 1 to 255"):
        read(tmp_path, THREE + "clientPort=1\n", id=id)


def test_files_that_are_missing(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file or directory"):
        read_zoo_cfg(tmp_path / "none")
    (tmp_path / "zoo.cfg").write_text(f"{THREE}clientPort=1\n")
    with pytest.raises(SettingsError, match=r"zoo.cfg: dataDir is missing"):
        read_zoo_cfg(tmp_path / "zoo.cfg")
    (tmp_path / "zoo.cfg").write_text(f"{THREE}clientPort=1\ndataDir={tmp_path}/none\n")
    with pytest.raises(SettingsError, match="none/myid: No such file or directory; it holds this server's id"):
        read_zoo_cfg(tmp_path / "zoo.cfg")
    (tmp_path / "zoo.cfg").write_text(f"clientPort=1\ndataDir={tmp_path}/{'9' * 300}\n")
    with pytest.raises(SettingsError, match="999: File name too long"):
        read_zoo_cfg(tmp_path / "zoo.cfg")
    with pytest.raises(SettingsError, match="JVMFLAGS: No closing quotation"):
        read(tmp_path, "clientPort=1\n", "-Dzookeeper.a='")


# --- the folder


def votes(found: ZooCfg) -> bool:
    """Whether the folder that was made has a vote."""
    disk = OsDisk(Path(found.config.data_dir))
    storage, recovered = Storage.open(disk, read_identity(disk, found.config.cluster, found.config.id))
    storage.close()
    disk.close()
    return recovered.voting


def lose(found: ZooCfg) -> None:
    folder = Path(found.config.data_dir)
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


def test_the_first_start_makes_the_folder_and_the_second_keeps_it(tmp_path: Path) -> None:
    found = read(tmp_path, f"{THREE}clientPort=1\n")
    (tmp_path / "data" / "zooweeper.new").mkdir()  # of a crash in the middle
    (tmp_path / "data" / "zooweeper.new" / "log.0000000001.new").touch()
    assert prepare_folder(found) == [] and votes(found)
    identity = (tmp_path / "data" / "zooweeper" / "identity").read_bytes()
    assert prepare_folder(found) == []
    assert (tmp_path / "data" / "zooweeper" / "identity").read_bytes() == identity
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["myid", "zooweeper", "zooweeper.formatted"]


def test_a_lost_folder_comes_back_without_a_vote(tmp_path: Path) -> None:
    found = read(tmp_path, f"{THREE}clientPort=1\n")
    prepare_folder(found)
    lose(found)
    (warning,) = prepare_folder(found)
    assert "begins empty and without a vote" in warning and not votes(found)
    lose(found)
    (tmp_path / "data" / "initialize").touch()
    assert prepare_folder(found) == [] and votes(found), "the operator says that it may"
    assert not (tmp_path / "data" / "initialize").exists()


def test_the_only_server_does_not_begin_anew_unseen(tmp_path: Path) -> None:
    found = read(tmp_path, "clientPort=1\n")
    prepare_folder(found)
    lose(found)
    with pytest.raises(FolderError, match=r"is gone, and there is no other server that has its data"):
        prepare_folder(found)
    (tmp_path / "data" / "zooweeper.formatted").unlink()
    assert prepare_folder(found) == [] and votes(found)


def test_an_empty_folder_may_be_told_not_to_vote(tmp_path: Path) -> None:
    found = read(tmp_path, f"{THREE}clientPort=1\ndb.autocreate=false\n")
    assert len(prepare_folder(found)) == 1 and not votes(found)


def test_data_of_zookeeper_is_not_passed_over(tmp_path: Path) -> None:
    found = read(tmp_path, "clientPort=1\n")
    (tmp_path / "data" / "version-2").mkdir()
    (tmp_path / "data" / "version-2" / "snapshot.0").touch()
    with pytest.raises(FolderError, match="holds data of Apache ZooKeeper"):
        prepare_folder(found)
    (tmp_path / "data" / "version-2" / "snapshot.0").unlink()
    assert prepare_folder(found) == []


# --- as a process


def word(port: int, word: bytes) -> str:
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(word)
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()


def test_a_node_runs_from_a_zoo_cfg(tmp_path: Path) -> None:
    port = ports.free_base_port(1)
    (tmp_path / "zoo.cfg").write_text(
        f"dataDir={tmp_path}/data\nclientPort={port}\ntickTime=2000\nserver.5=127.0.0.1:{port + 2000}:{port + 1000}\n"
        "4lw.commands.whitelist=*\n"
    )
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "myid").write_text("5\n")
    command = [sys.executable, "-m", "zooweeper.cli.serve", "--config", str(tmp_path / "zoo.cfg")]
    environment = {**os.environ, "JVMFLAGS": "-Dzookeeper.maxClientCnxns=7"}
    serving = subprocess.Popen(command, stderr=subprocess.PIPE, env=environment)
    try:
        assert main.run(["status", "--wait", "healthy", "--hosts", f"127.0.0.1:{port + 1000}"]) == 0
        assert word(port, b"ruok") == "imok" and word(port, b"isro") == "rw"
        shown = word(port, b"conf")
        for line in (f"clientPort={port}", "maxClientCnxns=7", "minSessionTimeout=4000", "serverId=5"):
            assert f"{line}\n" in shown
    finally:
        serving.send_signal(signal.SIGTERM)
    _, err = serving.communicate(timeout=30)
    assert serving.returncode == 0, err
    for text, code, said in (
        ("clientPort=x\n", 2, b"clientPort is a whole number"),
        (f"clientPort={port}\ndataDir=/dev/null/x\n", 3, b"Not a directory"),
    ):
        (tmp_path / "bad.cfg").write_text(f"dataDir={tmp_path}/bad\n{text}")
        ended = subprocess.run([*command[:-1], str(tmp_path / "bad.cfg")], capture_output=True, timeout=30, check=False)
        assert ended.returncode == code and said in ended.stderr and ended.stderr.count(b"\n") <= 2, ended.stderr
