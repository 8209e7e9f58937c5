"""What a replica says of itself: frozen, for the admin faces, traces and tests.

Rules: a value without behaviour; whoever shows it asks for nothing else.
"""

from dataclasses import dataclass

from zooweeper.model.members import Membership


@dataclass(frozen=True, slots=True)
class Status:
    """The state of one node at one moment."""

    id: int
    role: str  # leader, follower, observer, looking
    phase: str  # election, discovery, synchronization, broadcast
    leader: int  # 0: none
    epoch: int  # current epoch
    accepted: int
    zxid: int  # last logged
    committed: int
    applied: int  # last executed
    quorum: bool  # connected to a majority
    serving: bool  # takes writes
    voting: bool
    digest: str
    sessions: int
    connections: int
    watches: int
    znodes: int
    pending: int  # writes of this node's clients that wait for their entry
    members: Membership  # the newest that is known to be committed
