"""What an operator may ask of a replica beyond its status: who watches what, whose ephemerals, who lives how long.

Rules: reads alone, on demand; nothing is kept for it on the way of a request. Answers are copies of the moment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from zooweeper.model.figures import Figure
from zooweeper.zab.learner import Stage

if TYPE_CHECKING:
    from zooweeper.replica.replica import Replica


class Content(NamedTuple):
    """How much there is."""

    ephemerals: int
    data_bytes: int  # paths and data of all znodes
    watching: int  # connections that watch anything
    watched: int  # paths that are watched


class Lead(NamedTuple):
    """What only a leader knows."""

    learners: int  # that follow it at present, synchronized or not
    synced_voters: int
    synced_observers: int
    questions: int  # reads that wait for a quorum's word
    uptime_ms: int  # as the leader of this epoch
    proposal_bytes: Figure


class Lifetime(NamedTuple):
    """A session, and when it ends unless its client is heard."""

    session: int
    timeout_ms: int
    ends_ms: int  # time of day; 0: only the leader knows


class Inspection:
    """A window into one replica; the replica may change between two looks."""

    __slots__ = ("_replica",)

    def __init__(self, replica: Replica) -> None:
        self._replica = replica

    def content(self) -> Content:
        """In time proportional to what is watched and to the sessions with ephemerals."""
        tree, watches = self._replica.state.tree, self._replica.watches
        ephemerals = sum(len(paths) for paths in tree.ephemerals.values())
        return Content(ephemerals, tree.bytes, *watches.spread())

    def lead(self) -> Lead | None:
        """None: it does not lead."""
        replica = self._replica
        leadership = replica.leadership
        if leadership is None:
            return None
        role = leadership.role
        synced = [learner.id for learner in role.learners.values() if learner.stage is Stage.SYNCED]
        voters = sum(id in replica.zab.voters for id in synced)
        return Lead(
            len(role.learners),
            voters,
            len(synced) - voters,
            len(role.rounds),
            replica.now_ms - leadership.since_ms,
            leadership.proposal_bytes,
        )

    def sessions(self) -> list[Lifetime]:
        """All sessions, oldest first."""
        replica = self._replica
        leadership = replica.leadership
        ahead_ms = replica.wall_ms - replica.now_ms
        return [
            Lifetime(
                session.id,
                session.timeout_ms,
                leadership.ends_ms(session.id, session.timeout_ms) + ahead_ms if leadership is not None else 0,
            )
            for session in replica.state.sessions.values()
        ]

    def ephemerals(self) -> list[tuple[int, list[str]]]:
        """Each session that has some, and their paths in order."""
        return [(session, sorted(paths)) for session, paths in self._replica.state.tree.ephemerals.items()]

    def watches(self) -> list[tuple[int, list[str]]]:
        """The paths that each watching session watches; 0: connections without a session."""
        clients = self._replica.clients
        return [(clients.session(connection), list(paths)) for connection, paths in self._replica.watches.everyone()]

    def digest(self) -> tuple[int, int]:
        """(zxid, digest) of the state: equal at the same zxid on every node."""
        state = self._replica.state
        return state.zxid, state.digest()
