"""What people write: settings files, users of SASL, connect strings, addresses, durations, zxids, paths, ACLs,
files of scores.

An input is a kind of text and the text. Each is read, or refused with its documented error, in one line.
"""

from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from zooweeper_client.options import BadHosts, parse_hosts

from fuzz.mutator import Mutator
from fuzz.target import Run, Target
from zooweeper.cli.app import seconds
from zooweeper.cli.exits import Failure
from zooweeper.cli.scores import read_scores
from zooweeper.cli.serve import parse_member
from zooweeper.cli.settings import (
    ENSEMBLE_FILE,
    NODE_FILE,
    EnsembleSettings,
    SettingsError,
    member_at,
    parse_address,
    read_ensemble,
    read_node,
    write_ensemble,
    write_node,
)
from zooweeper.cli.zoocfg import read_zoo_cfg
from zooweeper.doors.sasl import UsersError, parse_users
from zooweeper.model.acl import Acl, Id, allows, fixup
from zooweeper.model.errors import BadArguments, InvalidAcl
from zooweeper.model.members import of_settings
from zooweeper.model.paths import join, parent, split, validate
from zooweeper.model.zxid import parse, show

MEMBERS = tuple(member_at(node, 20000) for node in (1, 2, 3))
SETTINGS = EnsembleSettings("fuzz", MEMBERS)
SCORES = b"school,score_milli\n1,500\n2,-7\n1,600\n"
IDENTITIES = (Id("ip", "10.0.0.1"), Id("digest", "bob:hash"), Id("super", "x"))


def _ensemble(text: str, data: bytes, folder: Path) -> Hashable:
    (folder / ENSEMBLE_FILE).write_bytes(data)
    found = read_ensemble(folder)
    write_ensemble(folder, found)
    assert read_ensemble(folder) == found
    return len(found.members)


def _node(text: str, data: bytes, folder: Path) -> Hashable:
    (folder / NODE_FILE).write_bytes(data)
    config = read_node(folder)
    assert config.me.id == config.id in config.voters and config.cluster.encode()
    assert isinstance(config.super_digest.encode(), bytes)
    write_node(folder, config.id, EnsembleSettings(config.cluster, config.members))
    again = read_node(folder)
    assert (again.id, again.members) == (config.id, config.members)
    return len(config.members), config.timing.tick_ms == 100


def _zoo_cfg(text: str, data: bytes, folder: Path) -> Hashable:
    """`@` stands for the folder, where a dataDir, the users of SASL and more server lines are."""
    (folder / "data").mkdir()
    (folder / "data" / "myid").write_text("2")
    (folder / "users").write_text("bob:secret")
    (folder / "dynamic").write_text("server.1=h1:1:2;3\nserver.2=h2:4:5;6\nversion=1")
    (folder / "zoo.cfg").write_bytes(data.replace(b"@", bytes(folder)))
    found = read_zoo_cfg(folder / "zoo.cfg", f"-Djava.security.auth.login.config={folder}/users")
    config, clients = found.config, found.config.clients
    assert config.me.id == config.id and config.voters and config.cluster.encode()
    assert 0 < clients.session_min_ms <= clients.session_max_ms and clients.per_address_max >= 0
    assert (clients.plain or clients.secure) and 0 < config.me.wire.port < 65536
    assert all(line.isascii() and "\n" not in line for line in found.warnings)
    of_settings(config.members, clients.announced)
    return len(config.members), len(found.warnings).bit_length(), clients.secure is not None, clients.announced


def _users(text: str, data: bytes, folder: Path) -> Hashable:
    return len(parse_users(text)).bit_length()


def _scores(text: str, data: bytes, folder: Path) -> Hashable:
    path = folder / "scores.csv"
    path.write_bytes(data)
    return len(read_scores(path)).bit_length()


def _hosts(text: str, data: bytes, folder: Path) -> Hashable:
    hosts, chroot = parse_hosts(text)
    assert hosts and (not chroot or chroot.startswith("/"))
    assert parse_hosts(",".join(map(str, hosts)) + chroot)[0] == hosts
    return len(hosts).bit_length(), bool(chroot)


def _address(text: str, data: bytes, folder: Path) -> Hashable:
    address = parse_address(text)
    assert 0 < address.port < 65536 and address.host
    return ":" in address.host


def _member(text: str, data: bytes, folder: Path) -> Hashable:
    member = parse_member(text)
    assert 0 < member.id < 256
    return member.id.bit_length()


def _seconds(text: str, data: bytes, folder: Path) -> Hashable:
    found = seconds(COMMAND, PARAMETER, text)
    assert found is not None and 0 < found <= 86_400
    return round(found).bit_length()


def _zxid(text: str, data: bytes, folder: Path) -> Hashable:
    zxid = parse(text)
    assert parse(show(zxid)) == zxid
    return zxid.bit_length()


def _path(text: str, data: bytes, folder: Path) -> Hashable:
    validate(text)
    if text != "/":
        assert join(*split(text)) == text and parent(text) == split(text)[0]
    text.encode()
    return text.count("/") > 1


def _acl(text: str, data: bytes, folder: Path) -> Hashable:
    scheme, _, name = text.partition(":")
    rows = fixup([Acl(len(text), Id(scheme, name)), Acl(31, Id(scheme or None, None))][: 1 + len(text) % 2], IDENTITIES)
    return len(rows), tuple(allows(rows, 31, [mine]) for mine in IDENTITIES)


ZOO_CFGS = (
    b"tickTime=2000\ninitLimit=10\nsyncLimit=5\ndataDir=@/data\nclientPort=2181\n4lw.commands.whitelist=*\n",
    b"dataDir=@/data\nclientPort:1\nserver.1=h1:2888:3888\nserver.2=h2:2888:3888:observer\nserver.3=[::1]:1:2;3\n"
    b"maxClientCnxns=0\nminSessionTimeout=1\nmaxSessionTimeout=90000\nreconfigEnabled=true\npeerType=observer\n",
    b"dataDir @/data\ndynamicConfigFile=@/dynamic\nzookeeper.superUser=x\nautopurge.purgeInterval=1\nclientprt=\\\n7",
    b"dataDir=@/data\nsecureClientPort=2281\nssl.keyStore.location=@/k.pem\nssl.keyStore.type=PEM\n"
    b"ssl.trustStore.location=@/t.pem\nssl.clientAuth=want\nenforce.auth.enabled=false\nzooweeper.cluster=a\\u00e4\n",
)
COMMAND = click.Context(click.Command("fuzz"))
PARAMETER = click.Option(["--timeout"])
Reader = Callable[[str, bytes, Path], Hashable]
KINDS: tuple[tuple[Reader, type[Exception], tuple[bytes, ...]], ...] = (
    (_scores, Failure, (SCORES,)),
    (_hosts, BadHosts, (b"a:1,b:2", b"zw://h1, h2:6000/app", b"[::1]:5182", b"127.0.0.1")),
    (_address, SettingsError, (b"127.0.0.1:5181", b"[::1]:80")),
    (_member, SettingsError, (b"1=host", b"2=host:2181:5181:2888:8081", b"3=[::1]")),
    (_seconds, click.BadParameter, (b"10", b"2.5", b"500ms", b"30s", b"5m", b"1e3", b"nan", b"inf")),
    (_zxid, ValueError, (b"2:17", b"0:0", b"8388607:1099511627775")),
    (_path, BadArguments, (b"/", b"/a/b", b"/zookeeper/quota")),
    (_acl, InvalidAcl, (b"world:anyone", b"digest:bob:hash", b"ip:10.0.0.0/8", b"ip:::1", b"auth:", b"super:x")),
    (_zoo_cfg, SettingsError, ZOO_CFGS),
    (
        _users,
        UsersError,
        (b'Server { x required user_bob="s"; user_ann="t"; };', b"bob:secret\n# no\nann:x", b'user_a="1"'),
    ),
    (_ensemble, SettingsError, ()),
    (_node, SettingsError, ()),
)
"""How a kind is read, the error that refuses it, and some that are right (of the files, see `seeds`)."""


class Refused(Exception):
    """The text was refused as it should be."""


class Settings(Target):
    name = "settings"
    about = "settings files, zoo.cfg, users of SASL, connect strings, addresses, durations, zxids, paths, ACLs, scores"
    refusals = (Refused,)
    bytes_max = 512 * 1024  # a file, read and parsed by the standard library
    words = ("²".encode(), "\u0664".encode(), b"9" * 5000, b"null", b"true", b"-1", b"1e999", b"Infinity", b"[" * 3000,
             b"{}", b'"', b"\\ud800", b"\0", b":", b"/", b",", b"0x1", b"1_0", b"\xff", b'"tick_ms": 5',
             b'"super_digest": 5', b'"clients": {"words": ["*"]}', b"server.1=", b"\\", b"\\u000a", b";",
             b"'")  # fmt: skip

    def seeds(self) -> Sequence[bytes]:
        with TemporaryDirectory() as name:
            folder = Path(name)
            write_ensemble(folder, SETTINGS)
            write_node(folder, 1, SETTINGS)
            ensemble, node = (folder / ENSEMBLE_FILE).read_bytes(), (folder / NODE_FILE).read_bytes()
        timed = node.rstrip()[:-1] + b', "timing": {"tick_ms": 100, "silence_ms": 900}, "super_digest": "super:x"}'
        files = ((ensemble,), (node, timed))
        rows = [*(texts for _, _, texts in KINDS[: -len(files)]), *files]
        return [bytes((place,)) + text for place, texts in enumerate(rows) for text in texts]

    def mutate(self, data: bytes, mutator: Mutator, others: Sequence[bytes]) -> bytes:
        return data[:1] + mutator.mutate(data[1:], [other[1:] for other in others if other[:1] == data[:1]])

    def prepare(self) -> Run:
        return self._run

    def _run(self, data: bytes) -> Hashable:
        place = (data[0] if data else 0) % len(KINDS)
        reader, refusal, _ = KINDS[place]
        with TemporaryDirectory() as name:
            try:
                return place, reader(data[1:].decode("utf-8", "surrogateescape"), data[1:], Path(name))
            except refusal as error:
                known = type(error) is refusal, str(error)
                assert all(known) and "\n" not in str(error), f"{error!r} is not one clear line"
                raise Refused from None
