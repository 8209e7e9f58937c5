"""What the nodes say about themselves, and whether that makes a healthy ensemble.

Rules: asks all nodes at once with plain blocking gRPC (no event loop, so the first answer costs little). A node that
does not answer is a row like any other, with the role `down`. Numbers stay numbers; only `table` makes text of them.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from zooweeper.model.zxid import show

if TYPE_CHECKING:
    from zooweeper.model.config import Member
    from zooweeper.pb import client_pb2
    from zooweeper.pb.client_pb2 import StatusReply

    Known = Member | client_pb2.Member

DOWN = "down"
SERVING = ("leader", "follower", "observer")
VOTER, OBSERVER, NOBODY = "voter", "observer", "no member"
BROADCAST = "broadcast"
ASK_TIMEOUT_S = 1.0

CHANNEL_OPTIONS: list[tuple[str, str | int]] = [
    ("grpc.enable_http_proxy", 0),
    ("grpc.initial_reconnect_backoff_ms", 20),
    ("grpc.min_reconnect_backoff_ms", 20),
    ("grpc.max_reconnect_backoff_ms", 200),
    ("grpc.use_local_subchannel_pool", 1),  # a channel made anew must not inherit the old one's back-off
]


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """One row: the fields of `status -o json`, and the phase. None: nobody answered, so nobody knows."""

    id: int | None
    role: str
    epoch: int | None
    zxid: int | None
    applied: int | None
    grpc: str
    wire: str | None
    admin: str | None
    pid: int | None
    sessions: int | None
    digest: str | None
    carrier: str | None = None  # by which the broadcast reaches it from the leader
    phase: str | None = None  # not shown: a follower that is still synchronizing does not serve yet
    standing: str = VOTER  # not shown: only voters count; NOBODY: not a member yet, or not any more

    @property
    def up(self) -> bool:
        return self.role != DOWN

    @property
    def serving(self) -> bool:
        return self.role in SERVING and self.phase == BROADCAST


class Asker:
    """Asks a fixed list of nodes again and again, over one channel each. Close it after use."""

    def __init__(self, addresses: Sequence[str]) -> None:
        import grpc

        from zooweeper.pb.client_pb2_grpc import ZooweeperStub

        self._channels: list[grpc.Channel] = [grpc.insecure_channel(to, options=CHANNEL_OPTIONS) for to in addresses]
        self._stubs = [ZooweeperStub(channel) for channel in self._channels]

    def ask(self, timeout_s: float = ASK_TIMEOUT_S) -> list["StatusReply | None"]:
        """One answer per address, in their order; None where none came in time."""
        import grpc

        from zooweeper.pb.client_pb2 import StatusRequest

        calls = [stub.Status.future(StatusRequest(), timeout=timeout_s) for stub in self._stubs]
        replies: list[StatusReply | None] = []
        for call in calls:
            try:
                replies.append(call.result())
            except grpc.RpcError:
                replies.append(None)
        return replies

    def close(self) -> None:
        for channel in self._channels:
            channel.close()

    def __enter__(self) -> "Asker":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def row(reply: "StatusReply | None", address: str, member: "Known | None" = None) -> NodeStatus:
    """The row of a node that answered, or, with no reply, of one that is down."""
    if reply is None:
        known = (member.id, str(member.wire), str(member.admin)) if member else (None, None, None)
        standing = OBSERVER if member and member.observer else VOTER
        return NodeStatus(
            known[0], DOWN, None, None, None, address, known[1], known[2], None, None, None, standing=standing
        )
    return NodeStatus(
        reply.id,
        reply.role,
        reply.epoch,
        reply.zxid,
        reply.applied,
        reply.grpc or address,
        reply.wire,
        reply.admin,
        reply.pid,
        reply.sessions,
        reply.digest,
        reply.carrier or None,
        reply.phase,
        _standings(reply).get(reply.id, NOBODY),
    )


def _standings(reply: "StatusReply") -> dict[int, str]:
    return {member.id: OBSERVER if member.observer else VOTER for member in reply.members}


def newest(replies: "Sequence[StatusReply | None]") -> "StatusReply | None":
    """The answer of the node with the newest membership; it knows who counts."""
    return max(filter(None, replies), key=lambda reply: reply.config_version, default=None)


def settle(rows: "Sequence[NodeStatus]", replies: "Sequence[StatusReply | None]") -> list[NodeStatus]:
    """The rows with everybody's standing in the newest membership that any of the nodes knows."""
    knows = newest(replies)
    if knows is None:
        return list(rows)
    standings = _standings(knows)
    return [replace(one, standing=standings.get(one.id or 0, NOBODY)) for one in rows]


def ask_ensemble(addresses: Sequence[str], timeout_s: float = ASK_TIMEOUT_S) -> "dict[int, StatusReply]":
    """The answers, by id, of the nodes at some addresses and of all members that they know of."""
    with Asker(addresses) as asker:
        replies = {reply.id: reply for reply in asker.ask(timeout_s) if reply}
    knows = newest(list(replies.values()))
    others = [one.grpc for one in knows.members if one.id not in replies and one.grpc not in addresses] if knows else []
    if others:
        with Asker(others) as asker:
            replies |= {reply.id: reply for reply in asker.ask(timeout_s) if reply}
    return replies


def ask_rows(addresses: Sequence[str], known: "Sequence[Known]" = ()) -> list[NodeStatus]:
    """The rows of the ensemble behind some addresses: of all its members, as soon as one node answers, and of whoever
    else answers; else of those that are known, or of the bare addresses."""
    replies = ask_ensemble(addresses)
    knows = newest(list(replies.values()))
    if knows is None:
        return [row(None, str(one.grpc), one) for one in known] or [row(None, address) for address in addresses]
    members = {one.id: one for one in knows.members}
    rows = [row(replies.get(id), one.grpc, one) for id, one in members.items()]
    rows += [row(reply, reply.grpc) for id, reply in replies.items() if id not in members]
    return settle(sorted(rows, key=lambda one: one.id or 0), list(replies.values()))


@dataclass(frozen=True, slots=True)
class Health:
    """The verdict over all rows."""

    leader: NodeStatus | None  # the one established leader that a majority follows
    serving: int  # voters that follow it, itself included
    members: int  # all voters
    diverged: bool  # two nodes executed the same zxid and differ: never, unless there is a bug or a broken machine
    observing: int = 0  # observers that follow it
    observers: int = 0  # all of them

    @property
    def quorum(self) -> bool:
        return self.leader is not None

    @property
    def complete(self) -> bool:
        everybody = self.serving == self.members and self.observing == self.observers
        return self.quorum and everybody and not self.diverged

    @property
    def spare(self) -> int:
        """How many more nodes may fail."""
        return self.serving - majority(self.members)

    def __str__(self) -> str:
        if self.diverged:
            return "DIGESTS DIFFER at one zxid: stop writing, and compare the nodes' logs"
        if not self.quorum:
            missing = max(majority(self.members) - self.serving, 0)
            needs = f"{missing} more needed" if missing else "electing"
            return f"NO QUORUM {self.serving}/{self.members}, {needs}"
        watchers = f", observers {self.observing}/{self.observers}" if self.observers else ""
        spare = f"tolerates {self.spare} failure{'s' * (self.spare != 1)}"
        return f"QUORUM OK {self.serving}/{self.members}, {spare}{watchers}"


def majority(members: int) -> int:
    return members // 2 + 1


def health(rows: Sequence[NodeStatus]) -> Health:
    """A quorum is a leader and the voters in its epoch, together a majority of all voters."""
    leaders = sorted((row for row in rows if row.role == "leader" and row.serving), key=lambda row: row.epoch or 0)
    leader = leaders[-1] if leaders else None
    voters, observers = ([row for row in rows if row.standing == standing] for standing in (VOTER, OBSERVER))
    following, observing = (
        [row for row in some if leader and row.serving and row.epoch == leader.epoch] for some in (voters, observers)
    )
    serving = len(following) if leader else len([row for row in voters if row.up])
    if len(following) < majority(len(voters)):
        leader = None
    return Health(leader, serving, len(voters), _diverged(rows), len(observing), len(observers))


def _diverged(rows: Sequence[NodeStatus]) -> bool:
    digests: dict[int, set[str]] = {}
    for one in rows:
        if one.up and one.applied is not None and one.digest:
            digests.setdefault(one.applied, set()).add(one.digest)
    return any(len(found) > 1 for found in digests.values())


def as_json(rows: Sequence[NodeStatus]) -> str:
    shown = [asdict(one) for one in rows]
    for one in shown:
        del one["phase"], one["standing"]
    return json.dumps(shown)


COLUMNS = ("id", "role", "epoch", "zxid", "applied", "sessions", "carrier", "grpc", "wire", "admin", "pid", "digest")


def cells(rows: Sequence[NodeStatus]) -> list[tuple[str, ...]]:
    """The rows as people read them, in the order of COLUMNS."""
    shown = []
    for one in rows:
        values: dict[str, object] = asdict(one)
        for key in ("zxid", "applied"):
            value = values[key]
            values[key] = show(value) if isinstance(value, int) else None
        if one.role == "leader":
            values["role"] = "LEADER"
        shown.append(tuple("-" if values[key] is None else str(values[key]) for key in COLUMNS))
    return shown
