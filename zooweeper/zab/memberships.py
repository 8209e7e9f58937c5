"""Whose word counts: the memberships that the log holds, and the quorums that follow from them.

Rules: the log is the only truth. From the moment a membership is in a node's log until the node knows it to be
committed, whatever it decides needs a quorum of that membership and of the one before; then of that one alone
(docs/decisions/membership.md). A cut takes it back. It is known to be committed from the leader, from anybody who knows
and says so, for a zxid names one entry for ever, and from what stands behind it in the log: a leader has one batch in
flight, and proposes nothing upon what is not final.
"""

from collections.abc import Callable, Collection, Iterable, Mapping

from zooweeper.model.entry import Batch
from zooweeper.model.members import Membership
from zooweeper.zab import quorum

Recognize = Callable[[Batch], Membership | None]
"""The membership that executing a batch of one entry will bring about, if it is of that kind; its version is the
entry's zxid. zab does not read what it carries, but for this."""


class Memberships:
    """The newest that is known to be committed, and the one behind it in the log, if there is one."""

    __slots__ = ("_committed", "_confirmed", "_logged", "in_force")

    def __init__(self, base: Membership, later: Iterable[Membership], committed: int) -> None:
        """`base` is that of the state at some zxid, or of the settings; `later` are in the log after that zxid, and all
        up to `committed` is known to be so."""
        self._logged = [base, *later]
        self._committed = committed
        self._confirmed = 0  # version of one that somebody else knows to be committed
        self.in_force: tuple[Membership, ...] = ()
        self._settle()

    @property
    def newest(self) -> Membership:
        """The last of the log, committed or not."""
        return self._logged[-1]

    @property
    def settled(self) -> Membership:
        """The newest that is known to be committed."""
        return self._logged[0]

    @property
    def pending(self) -> bool:
        """There is one that is not known to be committed."""
        return len(self._logged) > 1

    def everybody(self) -> Membership:
        """Whom to be connected with. A server that changes its addresses has the old ones until that is committed."""
        found = {server.id: server for membership in reversed(self.in_force) for server in membership.servers}
        return Membership(tuple(found[id] for id in sorted(found)), self.newest.version)

    # --- quorums

    def is_voter(self, id: int) -> bool:
        """Whether its word counts at present."""
        return any(id in membership.voters for membership in self.in_force)

    def is_quorum(self, ids: Iterable[int]) -> bool:
        """Whether `ids` hold a quorum of each membership in force."""
        present = dict.fromkeys(ids)
        return all(quorum.is_quorum(membership.voters, present) for membership in self.in_force)

    def leave_quorum(self, ids: Collection[int]) -> bool:
        """Whether there is a quorum of each without `ids`."""
        return all(
            quorum.is_quorum(membership.voters, [id for id in membership.voters if id not in ids])
            for membership in self.in_force
        )

    def reached(self, numbers: Mapping[int, int]) -> int:
        """The highest number that a quorum of each has reached; `numbers` maps ids to theirs."""
        if len(self.in_force) == 1:
            return quorum.committed(self.in_force[0].voters, numbers)
        return min(quorum.committed(membership.voters, numbers) for membership in self.in_force)

    # --- what happens to the log

    def append(self, membership: Membership) -> None:
        """The log has grown by its entry."""
        self._logged.append(membership)
        self._settle()

    def cut(self, zxid: int) -> bool:
        """The log ends at `zxid` again; whether that took one away."""
        kept = [membership for membership in self._logged if membership.version <= zxid]
        if len(kept) == len(self._logged):
            return False
        assert kept, "what is committed is never cut"
        self._logged = kept
        self._settle()
        return True

    def commit(self, zxid: int) -> bool:
        """All up to `zxid` is committed; whether that settled one."""
        self._committed = max(self._committed, zxid)
        return self._settle()

    def confirm(self, version: int) -> bool:
        """Somebody knows that the membership with that version, of whatever log, is committed; whether that settled
        one of ours."""
        self._confirmed = max(self._confirmed, version)
        return self._settle()

    def reset(self, membership: Membership | None, zxid: int) -> None:
        """The state of a leader at `zxid` took the place of the log. None: the settings' is as good as any so far."""
        self._logged = [self._logged[0] if membership is None else membership]
        self._committed = zxid
        self._settle()

    def _settle(self) -> bool:
        """Forget those before the newest that is known to be committed."""
        known = 0
        for at, membership in enumerate(self._logged):
            if membership.version <= self._committed or membership.version == self._confirmed:
                known = at
        del self._logged[:known]
        self.in_force = tuple(self._logged[-2:])
        return known > 0
