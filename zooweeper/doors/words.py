"""The four-letter words: a question of four bytes on a fresh connection, answered in ZooKeeper's lines, then hung up.

Rules: one table of words. An answer is made whole and at once from what the node knows of itself; it changes nothing,
`crst` and `srst` apart. Monitoring parses these lines: their order and form are ZooKeeper's, and where we have nothing
to say the value is what ZooKeeper would show for nothing. What only some may know is off unless the settings name it.
"""

from collections.abc import Callable, Iterable, Sequence
from time import gmtime, strftime
from typing import NamedTuple, Protocol

from zooweeper.doors.figures import ConnectionRow, Traffic
from zooweeper.doors.host import environment, folder_bytes, open_files
from zooweeper.model.config import ALL_WORDS, Config
from zooweeper.model.figures import Figure
from zooweeper.replica.inspect import Inspection
from zooweeper.replica.status import Status

VERSION = "3.9.5-zooweeper"  # of the ZooKeeper we behave like: clients turn features on by it
BUILT = "11/21/2026 12:00 UTC"  # in the only form that every client's parser takes
FULL_VERSION = f"{VERSION}, built on {BUILT}"

SNAPSHOT_PREFIX, LOG_PREFIX = "snapshot.", "log."  # of the names of files in the data folder
MASK64 = (1 << 64) - 1
OP_NAMES = {
    -11: "CLOS", -10: "SESS", 1: "CREA", 2: "DELE", 3: "EXIS", 4: "GETD", 5: "SETD", 6: "GETA", 7: "SETA", 8: "GETC",
    9: "SYNC", 11: "PING", 12: "GETC", 13: "CHEC", 14: "MULT", 15: "CREA", 16: "RECO", 17: "CHKW", 18: "REMW",
    19: "CREA", 21: "CREA", 22: "MLTR", 100: "AUTH", 101: "SETW", 102: "SASL", 103: "GETE", 104: "GETACN",
    105: "STW2", 106: "ADDW", 107: "HOMI",
}  # fmt: skip

NOT_SERVING = "This ZooKeeper instance is not currently serving requests\n"
NOT_ENABLED = "{} is not executed because it is not in the whitelist.\n"
READ_ONLY = "READ-ONLY mode; serving only read-only clients\n"


class ServerView(Protocol):
    """What the words ask of the node; the ZooKeeper port is one."""

    @property
    def config(self) -> Config: ...

    @property
    def version(self) -> str:
        """Our own."""

    @property
    def traffic(self) -> Traffic: ...

    @property
    def uptime_ms(self) -> int: ...

    @property
    def now_ms(self) -> int:
        """The time of day."""

    @property
    def read_only(self) -> bool:
        """It serves at present, but only those who take stale reads."""

    def status(self) -> Status: ...

    def inspect(self) -> Inspection: ...

    def carrier(self) -> str:
        """As of runtime/gateway.py:Gateway."""

    def connections(self) -> Sequence[ConnectionRow]:
        """All of this port, in the order in which they came."""

    def reset_connections(self) -> None:
        """`crst`: what was counted of each connection."""


class Word(NamedTuple):
    """How a word is answered."""

    answer: Callable[[ServerView], str]
    always: bool = False  # by a node that serves nobody, too


def is_word(head: bytes) -> bool:
    """Whether a connection's first four bytes are a word. (As the length of a frame each is far beyond any bound.)"""
    return head in WORDS


def answer(word: bytes, server: ServerView) -> bytes:
    """The whole answer to a word, to be written at once before the connection is closed."""
    name, (reply, always) = word.decode(), WORDS[word]
    enabled = server.config.clients.words
    if ALL_WORDS not in enabled and name not in enabled:
        return NOT_ENABLED.format(name).encode()
    if not always and not server.status().serving and not server.read_only:
        return NOT_SERVING.encode()
    return reply(server).encode("utf-8", "backslashreplace")


# --- the node at a glance


def _ruok(_: ServerView) -> str:
    return "imok"  # the process lives; nothing more


def _isro(server: ServerView) -> str:
    """Clients compare it whole: no newline."""
    if server.status().serving:
        return "rw"
    return "ro" if server.read_only else "null"


def _mode(server: ServerView) -> str:
    status = server.status()
    if not status.serving:
        return "read-only"
    return "standalone" if _alone(status) else status.role


def _alone(status: Status) -> bool:
    """ZooKeeper knows no ensemble of one: it is a standalone server, and shows nothing of agreement."""
    return status.serving and len(status.members.ids) == 1


def _head(server: ServerView) -> str:
    return f"Zookeeper version: {FULL_VERSION}\n" + ("" if server.status().serving else READ_ONLY)


def _srvr(server: ServerView) -> str:
    return _head(server) + _numbers(server)


def _stat(server: ServerView) -> str:
    clients = "".join(
        f" {_name(row)}(queued={row.queued},recved={row.received},sent={row.sent})\n" for row in server.connections()
    )
    return f"{_head(server)}Clients:\n{clients}\n{_numbers(server)}"


def _numbers(server: ServerView) -> str:
    """What `srvr` and `stat` share."""
    status, traffic, connections = server.status(), server.traffic, server.connections()
    lead = None if _alone(status) else server.inspect().lead()
    text = (
        f"Latency min/avg/max: {_latency(traffic.latency)}\n"
        f"Received: {traffic.received}\n"
        f"Sent: {traffic.sent}\n"
        f"Connections: {len(connections)}\n"
        f"Outstanding: {sum(row.queued for row in connections)}\n"
        f"Zxid: {status.applied:#x}\n"
        f"Mode: {_mode(server)}\n"
        f"Node count: {status.znodes}\n"
    )
    if lead is not None:
        sizes = lead.proposal_bytes
        text += f"Proposal sizes last/min/max: {sizes.last}/{sizes.least}/{sizes.most}\n"
    return text


def _latency(latency: Figure) -> str:
    return f"{max(latency.least, 0)}/{_mean(latency)}/{max(latency.most, 0)}"


def _mean(latency: Figure) -> str:
    """With a point, as Java writes it."""
    digits = f"{latency.mean:.4f}".rstrip("0")
    return digits + "0" if digits.endswith(".") else digits


def _mntr(server: ServerView) -> str:
    return "".join(f"zk_{key}\t{value}\n" for key, value in _monitored(server))


def _monitored(server: ServerView) -> Iterable[tuple[str, object]]:
    status, traffic, inspection = server.status(), server.traffic, server.inspect()
    connections, content = server.connections(), inspection.content()
    responses = traffic.response_bytes
    opened, openable = open_files()
    yield "version", FULL_VERSION
    yield "server_state", _mode(server)
    yield "avg_latency", _mean(traffic.latency)
    yield "min_latency", max(traffic.latency.least, 0)
    yield "max_latency", max(traffic.latency.most, 0)
    yield "packets_received", traffic.received
    yield "packets_sent", traffic.sent
    yield "num_alive_connections", len(connections)
    yield "outstanding_requests", sum(row.queued for row in connections)
    yield "uptime", server.uptime_ms
    yield "znode_count", status.znodes
    yield "watch_count", status.watches
    yield "ephemerals_count", content.ephemerals
    yield "approximate_data_size", content.data_bytes
    yield "global_sessions", status.sessions
    yield "local_sessions", 0  # every session is replicated
    yield "connection_drop_probability", "0.0"
    yield "open_file_descriptor_count", opened
    yield "max_file_descriptor_count", openable
    yield "last_client_response_size", responses.last
    yield "max_client_response_size", responses.most
    yield "min_client_response_size", responses.least
    if _alone(status):
        return
    lead, carrier = inspection.lead(), server.carrier()
    yield "peer_state", _peer_state(status)
    yield "quorum_size", len(status.members.voters)
    if carrier:
        yield "peer_carrier", carrier  # no key of ZooKeeper's
    if lead is not None:
        yield "learners", lead.learners
        yield "followers", lead.learners  # its name before 3.6
        yield "synced_followers", lead.synced_voters
        yield "synced_non_voting_followers", 0
        yield "synced_observers", lead.synced_observers
        yield "pending_syncs", lead.questions
        yield "leader_uptime", lead.uptime_ms
        yield "last_proposal_size", lead.proposal_bytes.last
        yield "max_proposal_size", lead.proposal_bytes.most
        yield "min_proposal_size", lead.proposal_bytes.least


def _peer_state(status: Status) -> str:
    """As ZooKeeper words it: `leading - broadcast`."""
    doing = {"leader": "leading", "follower": "following", "observer": "observing"}.get(status.role)
    return f"{doing} - {status.phase}" if doing else "looking"


def _conf(server: ServerView) -> str:
    config, clients = server.config, server.config.clients
    me, timing, folder, status = config.me, config.timing, config.data_dir, server.status()
    rows: list[tuple[str, object]] = [
        ("clientPort", me.wire.port),
        ("secureClientPort", clients.secure.port if clients.secure else -1),
        ("dataDir", folder),
        ("dataDirSize", _snapshot_bytes(server)),
        ("dataLogDir", folder),
        ("dataLogSize", _log_bytes(server)),
        ("tickTime", timing.tick_ms),
        ("maxClientCnxns", clients.per_address_max),
        ("minSessionTimeout", clients.session_min_ms),
        ("maxSessionTimeout", clients.session_max_ms),
        ("clientPortListenBacklog", -1),
        ("serverId", config.id),
    ]
    if not _alone(status):
        rows += [
            ("initLimit", timing.discovery_ms // timing.tick_ms),
            ("syncLimit", timing.silence_ms // timing.tick_ms),
            ("electionAlg", 3),
            ("electionPort", me.grpc.port),
            ("quorumPort", me.peer.port),
            ("peerType", int(config.id in status.members.observers)),
        ]
    text = "".join(f"{key}={value}\n" for key, value in rows)
    return text if _alone(status) else f"{text}membership: \n{status.members.shown()}\n"


def _envi(server: ServerView) -> str:
    """The line of the version comes first: some clients read only the first packet."""
    lines = "".join(f"{key}={value}\n" for key, value in environment())
    return f"Environment:\nzookeeper.version={FULL_VERSION}\n{lines}zooweeper.version={server.version}\n"


def _dirs(server: ServerView) -> str:
    return f"datadir_size: {_snapshot_bytes(server)}\nlogdir_size: {_log_bytes(server)}\n"


def _snapshot_bytes(server: ServerView) -> int:
    return folder_bytes(server.config.data_dir, SNAPSHOT_PREFIX)


def _log_bytes(server: ServerView) -> int:
    return folder_bytes(server.config.data_dir, LOG_PREFIX)


def _hash(server: ServerView) -> str:
    """One line: the state as it is now, to be compared with another node's at the same zxid."""
    zxid, digest = server.inspect().digest()
    return f"{zxid:x}: {digest - (digest >> 63 << 64)}\n"


# --- connections and sessions


def _name(row: ConnectionRow) -> str:
    """`/10.1.2.3:41234[1]`; in brackets whether the port reads from it."""
    return f"/{row.host}:{row.port}[{int(row.reading)}]"


def _cons(server: ServerView) -> str:
    return "".join(f" {_name(row)}({_cons_row(row)})\n" for row in server.connections()) + "\n"


def _cons_row(row: ConnectionRow) -> str:
    latency = row.latency
    return (
        f"queued={row.queued},recved={row.received},sent={row.sent},sid={_hex(row.session)},"
        f"lop={OP_NAMES.get(row.last_op, 'NA')},est={row.established_ms},to={row.timeout_ms},"
        f"lcxid={_hex(row.last_xid)},lzxid={_hex(row.last_zxid)},lresp={row.last_response_ms},"
        f"llat={max(latency.last, 0)},minlat={max(latency.least, 0)},avglat={round(latency.mean)},"
        f"maxlat={max(latency.most, 0)}"
    )


def _hex(number: int) -> str:
    """As a Java long: -1 is all bits set."""
    return f"{number & MASK64:#x}"


def _dump(server: ServerView) -> str:
    inspection, connections = server.inspect(), server.connections()
    owners = inspection.ephemerals()
    ephemerals = "".join(f"{_hex(session)}:\n{_tabbed(paths)}" for session, paths in owners)
    waiting = [
        (row.last_response_ms + row.timeout_ms, f"ip: /{row.host}:{row.port} sessionId: {_hex(row.session)}")
        for row in connections
    ]
    return (
        f"SessionTracker dump:\n{_sessions(inspection)}"
        f"ephemeral nodes dump:\nSessions with Ephemerals ({len(owners)}):\n{ephemerals}"
        f"Connections dump:\nConnections {_by_second(waiting)}"
    )


def _sessions(inspection: Inspection) -> str:
    lifetimes = inspection.sessions()
    if inspection.lead() is not None:
        return f"Session {_by_second([(one.ends_ms, _hex(one.session)) for one in lifetimes])}"
    rows = "".join(f"{_hex(one.session)}\t{one.timeout_ms}ms\n" for one in lifetimes)
    return f"Global Sessions({len(lifetimes)}):\n{rows}"


def _by_second(ends: Sequence[tuple[int, str]]) -> str:
    """What ends when (time of day in ms): one set for each second."""
    sets: dict[int, list[str]] = {}
    for ends_ms, text in ends:
        sets.setdefault(-(-ends_ms // 1000), []).append(text)
    lines = "".join(
        f"{len(rows)} expire at {strftime('%a %b %d %H:%M:%S UTC %Y', gmtime(second))}:\n{_tabbed(rows)}"
        for second, rows in sorted(sets.items())
    )
    return f"Sets ({len(sets)})/({sum(map(len, sets.values()))}):\n{lines}"


def _tabbed(rows: Iterable[str]) -> str:
    return "".join(f"\t{row}\n" for row in rows)


# --- watches


def _wchs(server: ServerView) -> str:
    content = server.inspect().content()
    return f"{content.watching} connections watching {content.watched} paths\nTotal watches:{server.status().watches}\n"


def _wchc(server: ServerView) -> str:
    return "".join(f"{_hex(session)}\n{_tabbed(paths)}" for session, paths in server.inspect().watches()) + "\n"


def _wchp(server: ServerView) -> str:
    watchers: dict[str, list[str]] = {}
    for session, paths in server.inspect().watches():
        for path in paths:
            watchers.setdefault(path, []).append(_hex(session))
    return "".join(f"{path}\n{_tabbed(sessions)}" for path, sessions in watchers.items()) + "\n"


# --- starting to count anew


def _srst(server: ServerView) -> str:
    server.traffic.reset()
    return "Server stats reset.\n"


def _crst(server: ServerView) -> str:
    server.reset_connections()
    return "Connection stats reset.\n"


WORDS: dict[bytes, Word] = {
    b"ruok": Word(_ruok, always=True),
    b"envi": Word(_envi, always=True),
    b"isro": Word(_isro, always=True),
    b"srvr": Word(_srvr),
    b"stat": Word(_stat),
    b"mntr": Word(_mntr),
    b"conf": Word(_conf),
    b"cons": Word(_cons),
    b"dump": Word(_dump),
    b"wchs": Word(_wchs),
    b"wchc": Word(_wchc),
    b"wchp": Word(_wchp),
    b"dirs": Word(_dirs),
    b"hash": Word(_hash),
    b"crst": Word(_crst),
    b"srst": Word(_srst),
}
