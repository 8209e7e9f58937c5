"""The four-letter words: lines that programs parse, by those programs' patterns, and the rest as ZooKeeper has it.

The node is real, with connections that speak bytes; only the time of day is made up.
"""

import re
import struct
from collections.abc import Iterator

import pytest

from tests.doors.zkrig import WALL_MS, Client, WireNode, request
from zooweeper.doors import words
from zooweeper.doors.figures import ConnectionRow, Traffic
from zooweeper.doors.host import environment, folder_bytes, open_files
from zooweeper.model.acl import OPEN
from zooweeper.model.config import ALL_WORDS, ClientPort, Config
from zooweeper.model.figures import Figure
from zooweeper.ops.create import Create
from zooweeper.ops.data import GetData
from zooweeper.ops.read import Exists, GetChildren
from zooweeper.replica.inspect import Inspection
from zooweeper.replica.status import Status
from zooweeper.storage import log, snapshots

EPHEMERAL = 1

SRVR = re.compile(  # as the Go client reads it
    r"(?m:\A^Zookeeper version: ([A-Za-z0-9.\-]+), built on (\d\d/\d\d/\d{4} \d\d:\d\d [A-Za-z0-9:+\-]+).*\n"
    r"^Latency min/avg/max: (\d+)/([0-9.]+)/(\d+).*\n"
    r"^Received: (\d+).*\n^Sent: (\d+).*\n^Connections: (\d+).*\n^Outstanding: (\d+).*\n"
    r"^Zxid: (0x[A-Za-z0-9]+).*\n^Mode: (\w+).*\n^Node count: (\d+))"
)
CONS = re.compile(  # the same
    r"(?m:^ /((?:\d{1,3}\.){3}\d{1,3}):(\d+)\[\d+\]\(queued=(\d+),recved=(\d+),sent=(\d+),"
    r"sid=(0x[A-Za-z0-9]+),lop=(\w+),est=(\d+),to=(\d+),lcxid=(0x[A-Za-z0-9]+),lzxid=(0x[A-Za-z0-9]+),"
    r"lresp=(\d+),llat=(\d+),minlat=(\d+),avglat=(\d+),maxlat=(\d+)\)$)"
)


class View:
    """A server of which the words tell: a node, and its connections."""

    version = "1.2.3"
    uptime_ms = 5000
    now_ms = WALL_MS

    def __init__(self, node: WireNode) -> None:
        self.node = node
        self.clients: list[Client] = []

    @property
    def config(self) -> Config:
        return self.node.config

    @property
    def traffic(self) -> Traffic:
        return self.node.port.traffic

    @property
    def read_only(self) -> bool:
        return self.config.clients.read_only and not self.status().quorum

    def status(self) -> Status:
        return self.node.status()

    def inspect(self) -> Inspection:
        return self.node.inspect()

    def carrier(self) -> str:
        return self.node.carrier()

    def connections(self) -> list[ConnectionRow]:
        return [client.connection.row() for client in self.clients]

    def reset_connections(self) -> None:
        for client in self.clients:
            client.connection.reset()

    def ask(self, word: str) -> str:
        return words.answer(word.encode(), self).decode()


def view(members: int = 1, **settings: object) -> View:
    chosen = {"words": (ALL_WORDS,)} | settings
    return View(WireNode(members, ClientPort(**chosen)))  # type: ignore[arg-type]


@pytest.fixture
def busy() -> Iterator[View]:
    """Two sessions; the first has two ephemerals and watches, the second watches one of them."""
    server = view()
    for address in ("10.0.0.1", "10.0.0.2"):
        client = Client(server.node, address)
        client.hello()
        server.clients.append(client)
    one, two = server.clients
    for at, path in enumerate(("/a", "/b"), 1):
        one.ask(request(at, Create.code, Create.Request(path, b"12345", [*OPEN], EPHEMERAL).encode()))
    one.ask(request(3, Exists.code, Exists.Request("/none", True).encode()))
    one.ask(request(4, GetChildren.code, GetChildren.Request("/", True).encode()))
    two.ask(request(7, GetData.code, GetData.Request("/b", True).encode()))
    yield server


def monitored(text: str) -> dict[str, str]:
    assert all(re.fullmatch(r"zk_\w+\t[^\t]+", line) for line in text.splitlines()) and text.endswith("\n")
    return dict(line.split("\t") for line in text.splitlines())


def test_the_words_are_those_of_zookeeper() -> None:
    names = " ".join(sorted(word.decode() for word in words.WORDS))
    assert names == "conf cons crst dirs dump envi hash isro mntr ruok srst srvr stat wchc wchp wchs"
    for word in words.WORDS:
        assert words.is_word(word) and struct.unpack("!i", word)[0] > 0xFFFFF, "it would be a frame's length"
    assert not words.is_word(b"RUOK") and not words.is_word(b"\0\0\0\x2c")


def test_ruok_and_isro_have_no_newline() -> None:
    assert (view().ask("ruok"), view().ask("isro")) == ("imok", "rw")


def test_srvr(busy: View) -> None:
    text = busy.ask("srvr")
    found = SRVR.match(text)
    assert found, text
    version, built, least, mean, most, received, sent, connections, outstanding, zxid, mode, znodes = found.groups()
    assert (version, built) == ("3.9.5-zooweeper", "11/21/2026 12:00 UTC")
    assert (least, mean, most) == ("0", "0.0", "0")
    assert int(received) == sum(row.received for row in busy.connections()) == 7, "two handshakes and five requests"
    assert int(sent) == 7
    assert (connections, outstanding, mode, znodes) == ("2", "0", "standalone", "6")
    assert int(zxid, 16) == busy.status().applied
    assert text.endswith("Node count: 6\n"), "proposals are not shown by a standalone server"


def test_stat_has_the_clients_between(busy: View) -> None:
    head, clients, rest = re.fullmatch(r"(.*\n)Clients:\n(.*?)\n\n(Latency.*)", busy.ask("stat"), re.DOTALL).groups()  # type: ignore[union-attr]
    one, two = busy.connections()
    assert clients.splitlines() == [
        f" /10.0.0.1:4711[1](queued=0,recved={one.received},sent={one.sent})",
        f" /10.0.0.2:4711[1](queued=0,recved={two.received},sent={two.sent})",
    ]
    assert head + rest == busy.ask("srvr") and SRVR.match(head + rest)
    assert "\nClients:\n\nLatency" in view().ask("stat")


def test_cons(busy: View) -> None:
    text = busy.ask("cons")
    assert text.endswith(")\n\n")
    one, two = CONS.findall(text)
    first = busy.connections()[0]
    assert one[:5] == ("10.0.0.1", "4711", "0", str(first.received), str(first.sent))
    assert int(one[5], 16) == first.session and (one[6], two[6]) == ("GETC", "GETD")
    assert (one[7], one[8], one[9], two[9]) == (str(WALL_MS), "10000", "0x4", "0x7")
    assert int(one[10], 16) == first.last_zxid and one[11] == str(WALL_MS)


def row(**changes: object) -> ConnectionRow:
    values: dict[str, object] = {
        "host": "::1", "port": 1, "reading": False, "queued": 1, "received": 2, "sent": 3, "session": -1, "last_op": 11,
        "established_ms": 4, "timeout_ms": 5, "last_xid": -2, "last_zxid": -1, "last_response_ms": 6,
        "latency": Figure(),
    }  # fmt: skip
    return ConnectionRow(**(values | changes))  # type: ignore[arg-type]


def test_odd_rows_of_cons(monkeypatch: pytest.MonkeyPatch) -> None:
    server = view()
    latency = Figure()
    for ms in (3, 1, 7):
        latency.add(ms)
    rows = [row(latency=latency), row(last_op=999, last_xid=0)]
    monkeypatch.setattr(server, "connections", lambda: rows)
    assert server.ask("cons") == (
        " /::1:1[0](queued=1,recved=2,sent=3,sid=0xffffffffffffffff,lop=PING,est=4,to=5,lcxid=0xfffffffffffffffe,"
        "lzxid=0xffffffffffffffff,lresp=6,llat=7,minlat=1,avglat=4,maxlat=7)\n"
        " /::1:1[0](queued=1,recved=2,sent=3,sid=0xffffffffffffffff,lop=NA,est=4,to=5,lcxid=0x0,"
        "lzxid=0xffffffffffffffff,lresp=6,llat=0,minlat=0,avglat=0,maxlat=0)\n\n"
    )


def test_mntr(busy: View) -> None:
    values = monitored(busy.ask("mntr"))
    expected = {
        "version": "3.9.5-zooweeper, built on 11/21/2026 12:00 UTC",
        "server_state": "standalone",
        "num_alive_connections": "2",
        "outstanding_requests": "0",
        "uptime": "5000",
        "znode_count": "6",
        "watch_count": "3",
        "ephemerals_count": "2",
        "global_sessions": "2",
        "local_sessions": "0",
    }
    assert {key: values[f"zk_{key}"] for key in expected} == expected
    before = int(monitored(view().ask("mntr"))["zk_approximate_data_size"])
    assert int(values["zk_approximate_data_size"]) == before + 2 * len("/a12345")
    for key, value in values.items():
        assert key in ("zk_version", "zk_server_state", "zk_peer_state") or float(value) >= -1, key
    assert int(values["zk_max_client_response_size"]) >= int(values["zk_min_client_response_size"]) > 0
    assert int(values["zk_open_file_descriptor_count"]) < int(values["zk_max_file_descriptor_count"])


def test_envi_is_where_kazoo_finds_the_version() -> None:
    text = view().ask("envi")
    assert text.startswith("Environment:\nzookeeper.version=3.9.5-zooweeper, built on ") and len(text) < 8192
    found = dict(line.split("=", 1) for line in text.splitlines()[1:])
    assert re.match(r"[\d.]*", found["zookeeper.version"])[0] == "3.9.5"  # type: ignore[index]
    assert found["zooweeper.version"] == "1.2.3" and found["host.name"] and found["java.version"]
    assert not [key for key, _ in environment() if key not in found]


def test_conf_of_a_server_alone() -> None:
    found = dict(line.split("=") for line in view(per_address_max=7).ask("conf").splitlines())
    assert (found["clientPort"], found["maxClientCnxns"], found["serverId"]) == ("1", "7", "1")
    assert (found["secureClientPort"], found["clientPortListenBacklog"]) == ("-1", "-1")
    assert (found["minSessionTimeout"], found["maxSessionTimeout"]) == ("500", "60000")
    assert "electionAlg" not in found


def test_dump(busy: View) -> None:
    one, two = (f"0x{row.session:x}" for row in busy.connections())
    text = busy.ask("dump")
    shown = re.sub(r"expire at \w{3} \w{3} \d\d \d\d:\d\d:\d\d UTC \d{4}:", "expire at …:", text)
    assert shown == (
        f"SessionTracker dump:\nSession Sets (1)/(2):\n2 expire at …:\n\t{one}\n\t{two}\n"
        f"ephemeral nodes dump:\nSessions with Ephemerals (1):\n{one}:\n\t/a\n\t/b\n"
        "Connections dump:\nConnections Sets (1)/(2):\n2 expire at …:\n"
        f"\tip: /10.0.0.1:4711 sessionId: {one}\n\tip: /10.0.0.2:4711 sessionId: {two}\n"
    )
    assert "expire at Tue Nov 14 22:13:30 UTC 2023:" in text, "ten seconds after the last word of a client"


def test_watches(busy: View) -> None:
    one, two = (f"0x{row.session:x}" for row in busy.connections())
    assert busy.ask("wchs") == "2 connections watching 3 paths\nTotal watches:3\n"
    assert busy.ask("wchc") == f"{one}\n\t/none\n\t/\n{two}\n\t/b\n\n"
    assert busy.ask("wchp") == f"/none\n\t{one}\n/\n\t{one}\n/b\n\t{two}\n\n"
    assert (view().ask("wchc"), view().ask("wchp")) == ("\n", "\n")


def test_hash_is_the_digest_as_a_number_of_java(busy: View) -> None:
    zxid, digest = re.fullmatch(r"([0-9a-f]+): (-?\d+)\n", busy.ask("hash")).groups()  # type: ignore[union-attr]
    status = busy.status()
    assert int(zxid, 16) == status.applied and int(digest) % (1 << 64) == int(status.digest, 16)
    assert -(1 << 63) <= int(digest) < 1 << 63


def test_resets(busy: View) -> None:
    assert busy.ask("srst") == "Server stats reset.\n"
    assert (busy.traffic.received, busy.traffic.sent, busy.traffic.latency.count) == (0, 0, 0)
    assert busy.ask("crst") == "Connection stats reset.\n"
    assert [(row.received, row.sent) for row in busy.connections()] == [(0, 0), (0, 0)]


def test_the_whitelist() -> None:
    usual = View(WireNode(1, ClientPort()))
    for word in words.WORDS:
        refused = f"{word.decode()} is not executed because it is not in the whitelist.\n"
        assert (usual.ask(word.decode()) == refused) == (word.decode() not in ClientPort().words)
    assert view(words=()).ask("ruok") == "ruok is not executed because it is not in the whitelist.\n"


def test_a_server_without_quorum_serves_those_who_read() -> None:
    server = view(members=3)
    assert (server.ask("ruok"), server.ask("isro")) == ("imok", "ro")
    text = server.ask("srvr")
    assert text.splitlines()[1] == "READ-ONLY mode; serving only read-only clients" and "\nMode: read-only\n" in text
    values = monitored(server.ask("mntr"))
    assert (values["zk_server_state"], values["zk_peer_state"], values["zk_quorum_size"]) == (
        "read-only",
        "looking",
        "3",
    )


@pytest.mark.parametrize("meet", [False, True])
def test_a_server_that_serves_nobody_says_so(meet: bool) -> None:
    server = view(members=3, read_only=False)
    if meet:  # a quorum is there, and no leader yet
        server.node.meet(2)
    assert (server.ask("ruok"), server.ask("isro")) == ("imok", "null")
    assert server.ask("envi").startswith("Environment:\n")
    for word in words.WORDS:
        if word not in (b"ruok", b"isro", b"envi"):
            assert server.ask(word.decode()) == "This ZooKeeper instance is not currently serving requests\n"


def test_sizes_of_folders(tmp_path: pytest.TempPathFactory) -> None:
    assert (words.SNAPSHOT_PREFIX, words.LOG_PREFIX) == (snapshots.PREFIX, log.PREFIX)
    assert folder_bytes("/none/there", "log.") == 0
    assert re.fullmatch(r"datadir_size: 0\nlogdir_size: 0\n", view().ask("dirs"))
    opened, openable = open_files()
    assert 0 < opened < openable


def test_figures() -> None:
    figure = Figure()
    assert (figure.least, figure.mean, figure.most, figure.last) == (-1, 0.0, -1, -1)
    for value in (5, 0, 7):
        figure.add(value)
    assert (figure.least, figure.mean, figure.most, figure.last, figure.count) == (0, 4.0, 7, 7, 3)
    figure.reset()
    assert (figure.least, figure.count) == (-1, 0)
