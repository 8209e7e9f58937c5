"""Who should lead: the order of candidates (Zab phase 0).

Rules: strictly lexicographic (ZK-1419): who is not doubted, then current epoch, then last logged zxid, then the one a
leader handed over to, then the id. Never the id alone: a node that lacks committed entries must not lead. Ranking is a
hint; that nobody leads without a quorum's history is decided in discovery.
"""

from enum import IntEnum

from zooweeper.zab.messages import Vote


class State(IntEnum):
    """What a node says it is doing."""

    LOOKING = 0
    FOLLOWING = 1
    LEADING = 2


class Phase(IntEnum):
    """The phases of Zab, within a role."""

    ELECTION = 0
    DISCOVERY = 1
    SYNCHRONIZATION = 2
    BROADCAST = 3


def rank(vote: Vote, candidate: int) -> tuple[bool, int, int, bool, int]:
    """The place of `candidate` in the order; `vote` is its own."""
    return not vote.doubted, vote.epoch, vote.zxid, vote.favoured, candidate


def knows_more(vote: Vote, than: Vote) -> bool:
    """Its sender has a history that the sender of the other must not lead."""
    return (vote.epoch, vote.zxid) > (than.epoch, than.zxid)
