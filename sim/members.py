"""Servers that are nowhere: memberships by ids alone, for worlds without addresses.

Rules: a server's address follows from its id, so equal ids make equal texts.
"""

from collections.abc import Iterable

from zooweeper.model.config import Address, Member
from zooweeper.model.entry import pack_request
from zooweeper.model.members import Membership, Server, of_settings
from zooweeper.ops.reconfig import Founding, Members

HOST = "127.0.0.1"


def member(id: int, observer: bool = False) -> Member:
    """A node of the settings."""
    peer, grpc, wire, admin = (Address(HOST, 1000 * door + id) for door in (1, 2, 3, 4))
    return Member(id, peer, grpc, wire, admin, observer)


def server(id: int, observer: bool = False) -> Server:
    """A node as a membership names it."""
    return membership((), (id,)).servers[0] if observer else membership((id,)).servers[0]


def members(voters: Iterable[int], observers: Iterable[int] = ()) -> tuple[Member, ...]:
    """All nodes of the settings."""
    return (*map(member, voters), *(member(id, True) for id in observers))


def membership(voters: Iterable[int], observers: Iterable[int] = ()) -> Membership:
    """Of the settings."""
    return of_settings(members(voters, observers))


def proposal(membership: Membership) -> bytes:
    """The request that makes it, as a leader orders it who asks nobody."""
    return pack_request(0, 0, 0, Founding.code, Members.Request(0, "", membership.text()).encode())


def ids_words(membership: Membership) -> str:
    """`1,2,3` or, with observers, `1,2,3/4`."""
    observers = ",".join(map(str, membership.observers))
    return ",".join(map(str, membership.voters)) + (f"/{observers}" if observers else "")


def parse_ids(text: str) -> Membership:
    """What `ids_words` made."""
    voters, _, observers = text.partition("/")
    return membership(*([int(id) for id in part.split(",") if id] for part in (voters, observers)))
