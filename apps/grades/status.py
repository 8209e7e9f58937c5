"""What the database servers say about themselves, and whether that makes a healthy database.

Rules: asks all servers at once with plain blocking gRPC, so that a command that shows one table starts at once. A
server that does not answer is a row like any other, with the state `down`. It only looks.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from types import TracebackType

import grpc

from grades.pb import grades_pb2, grades_pb2_grpc

DOWN, LEVEL = "down", "level"
ASK_TIMEOUT_S = 1.0
COLUMNS = ("name", "role", "state", "applied", "last", "log", "checkpoint", "rows", "digest", "address", "pid")

CHANNEL_OPTIONS: list[tuple[str, int]] = [
    ("grpc.enable_http_proxy", 0),
    ("grpc.initial_reconnect_backoff_ms", 20),
    ("grpc.min_reconnect_backoff_ms", 20),
    ("grpc.max_reconnect_backoff_ms", 200),
    ("grpc.use_local_subchannel_pool", 1),  # a channel made anew must not inherit the old one's back-off
]


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """One row. None: nobody answered, so nobody knows."""

    name: str
    address: str
    state: str  # joining, recovering, transferring, level, suspended; or down
    leader: str | None = None  # name of the leader, as this server knows it
    token: int | None = None  # of that leader
    applied: int | None = None  # number of the last entry in its own database
    last: int | None = None  # number of the last entry of the log, as this server knows it
    log: int | None = None  # entries that the log holds
    checkpoint: int | None = None
    rows: int | None = None
    digest: str | None = None
    pid: int | None = None
    trouble: str = ""  # why it is not level, or cannot write

    @property
    def up(self) -> bool:
        return self.state != DOWN

    @property
    def level(self) -> bool:
        return self.state == LEVEL

    @property
    def leads(self) -> bool:
        return self.level and self.leader == self.name

    @property
    def role(self) -> str:
        return "-" if not self.up else "LEADER" if self.leads else "follower"


class Asker:
    """Asks a fixed set of servers again and again, over one channel each. Close it after use."""

    def __init__(self, servers: Mapping[str, str]) -> None:
        """`servers`: name and address of each."""
        self._servers = dict(servers)
        self._channels = {name: grpc.insecure_channel(to, options=CHANNEL_OPTIONS) for name, to in servers.items()}

    def ask(self, timeout_s: float = ASK_TIMEOUT_S) -> list[ServerStatus]:
        """One row per server, in their order."""
        calls = {
            name: grades_pb2_grpc.GradesStub(channel).Status.future(grades_pb2.StatusRequest(), timeout=timeout_s)
            for name, channel in self._channels.items()
        }
        rows = []
        for name, call in calls.items():
            try:
                rows.append(row(call.result()))
            except grpc.RpcError:
                rows.append(ServerStatus(name, self._servers[name], DOWN))
        return rows

    def close(self) -> None:
        for channel in self._channels.values():
            channel.close()

    def __enter__(self) -> "Asker":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def row(reply: grades_pb2.StatusReply) -> ServerStatus:
    return ServerStatus(
        reply.name,
        reply.address,
        reply.state,
        reply.leader or None,
        reply.token,
        reply.applied,
        reply.last,
        reply.log_size,
        reply.checkpoint,
        reply.rows,
        reply.digest,
        reply.pid,
        reply.trouble,
    )


def leader_of(rows: Sequence[ServerStatus]) -> str | None:
    """Who leads: of those who say so the one with the largest token, since a deposed one may not know it yet."""
    leaders = [one for one in rows if one.leads]
    return max(leaders, key=lambda one: one.token or 0).name if leaders else None


def diverged(rows: Sequence[ServerStatus]) -> bool:
    """Whether two copies of the same number of entries differ: never, unless there is a bug or a broken machine."""
    digests: dict[int, set[str]] = {}
    for one in rows:
        if one.up and one.applied is not None and one.digest:
            digests.setdefault(one.applied, set()).add(one.digest)
    return any(len(found) > 1 for found in digests.values())


def equal(rows: Sequence[ServerStatus]) -> bool:
    """Whether all servers are level, have applied the same and have it in the same table."""
    return all(one.level for one in rows) and len({(one.applied, one.digest) for one in rows}) == 1


def good(rows: Sequence[ServerStatus]) -> bool:
    """Whether statements are answered, and no two copies differ."""
    return leader_of(rows) is not None and not diverged(rows)


def verdict(rows: Sequence[ServerStatus]) -> str:
    """One line about all of them."""
    level = sum(one.level for one in rows)
    if diverged(rows):
        return "COPIES DIFFER at one number: stop writing, and compare the servers' logs"
    if leader_of(rows) is None:
        why = next((f"; {one.trouble}" for one in rows if one.trouble), "")
        return f"NO LEADER, {level}/{len(rows)} servers level{why}"
    return f"GRADES OK, {level}/{len(rows)} servers level, {leader_of(rows)} leads"


def cells(rows: Sequence[ServerStatus]) -> list[tuple[str, ...]]:
    """The rows as people read them, in the order of COLUMNS."""
    shown = [asdict(one) | {"role": one.role} for one in rows]
    return [tuple("-" if one[key] is None else str(one[key]) for key in COLUMNS) for one in shown]


def as_json(rows: Sequence[ServerStatus]) -> str:
    return json.dumps([asdict(one) for one in rows])
