"""The members as the nodes themselves know them, and how each of them is.

Rules: the membership is the newest that any node which answers knows; a member that does not answer is a row like any
other. Blocking, and without a session, so it works without a majority.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zooweeper.cli.exits import UNREACHABLE, Failure
from zooweeper.cli.settings import PORTS, parse_address
from zooweeper.cli.status import BROADCAST, DOWN, SERVING, ask_ensemble, newest
from zooweeper.model.zxid import show

if TYPE_CHECKING:
    from zooweeper.pb import client_pb2
    from zooweeper.pb.client_pb2 import StatusReply

COLUMNS = ("id", "role", "votes", "sync", "config", "grpc", "peer", "wire")


@dataclass(frozen=True, slots=True)
class Roster:
    """What the nodes say, all asked at about the same time."""

    knows: "StatusReply"  # of the node with the newest membership
    replies: "dict[int, StatusReply]"  # of those that answered, by id

    @property
    def members(self) -> "list[client_pb2.Member]":
        return sorted(self.knows.members, key=lambda one: one.id)

    def in_sync(self, node: int) -> bool:
        """Whether it follows the leader of the newest epoch, or is it."""
        epochs = [one.epoch for one in self.replies.values() if one.role == "leader" and serves(one)]
        reply = self.replies.get(node)
        return bool(epochs and reply and serves(reply) and reply.epoch == max(epochs))

    def arguments(self, admins: Mapping[int, str]) -> Iterator[str]:
        """The members as `zooweeper init --member` takes them. `admins`: the admin doors of some that do not answer."""
        for member in self.members:
            reply = self.replies.get(member.id)
            doors = {"admin": reply.admin if reply else admins.get(member.id, member.admin), "wire": member.wire}
            doors |= {"grpc": member.grpc, "peer": member.peer}
            ports = [parse_address(doors[door]).port if doors[door] else default for door, default in PORTS]
            host = member.peer.rpartition(":")[0]
            usual = ports == [default for _, default in PORTS]
            places = "" if usual else ":" + ":".join(map(str, ports))
            yield f"{member.id}={host}{places}{':observer' if member.observer else ''}"


def serves(reply: "StatusReply") -> bool:
    """It has a leader, and all that was needed to begin with it."""
    return reply.role in SERVING and reply.phase == BROADCAST


def look(addresses: Sequence[str]) -> Roster:
    """Asks some nodes, then all members that they know. Failure when nobody answers."""
    replies = ask_ensemble(addresses)
    knows = newest(list(replies.values()))
    if knows is None:
        raise Failure(f"no server answers at {','.join(addresses)}; is it running? ./deploy.sh status", UNREACHABLE)
    return Roster(knows, replies)


def rows(roster: Roster) -> list[dict[str, object]]:
    """One row per member. `config` is the version of the membership as that node has it."""
    found: list[dict[str, object]] = []
    for member in roster.members:
        reply = roster.replies.get(member.id)
        found.append(
            {
                "id": member.id,
                "role": reply.role if reply else DOWN,
                "votes": not member.observer,
                "sync": roster.in_sync(member.id),
                "config": reply.config_version if reply else None,
                "grpc": member.grpc,
                "peer": member.peer,
                "wire": member.wire or None,
            }
        )
    return found


def cells(row: dict[str, object]) -> tuple[str, ...]:
    """A row as people read it, in the order of COLUMNS."""
    version = row["config"]
    shown = row | {"config": show(version) if isinstance(version, int) else None}
    words = {None: "-", True: "yes", False: "no"}
    return tuple(words[value] if value is None or isinstance(value, bool) else str(value) for value in shown.values())
