"""Safeguards of changing members: whose word counts, from when on, and until when."""

from sim.ablations.patch import Edit, without
from zooweeper.replica import membership
from zooweeper.replica.order import Gathering
from zooweeper.zab.following import Following
from zooweeper.zab.leading import Leading
from zooweeper.zab.memberships import Memberships
from zooweeper.zab.peer import Peer

ASKED = ("membership", "crash", "crash_leader", "crash_all", "partition", "hand_off")
PARTED = ("membership", "aimed", "crash_leader", "partition", "forsaken")

MEMBERS = {
    "only_the_new_members_count": without(
        "a membership counts alone from the moment it is logged",
        Edit(Memberships._settle, "self._logged[-2:]", "self._logged[-1:]"),
        nemeses=ASKED,
    ),
    "only_the_old_members_count": without(
        "until it is committed a membership is not asked",
        Edit(Memberships._settle, "self._logged[-2:]", "self._logged[:1]"),
        nemeses=ASKED,
    ),
    "either_members_elect": without(
        "a quorum of one of two memberships is enough to lead",
        Edit(Memberships.is_quorum, "return all(", "return any("),
        nemeses=PARTED,
    ),
    "either_members_commit": without(
        "a quorum of one of two memberships is enough to commit",
        Edit(Memberships.reached, "return min(", "return max("),
        nemeses=ASKED,
    ),
    "members_not_rolled_back": without(
        "a membership that was cut from the log goes on counting",
        Edit(Peer.cut, "if self.memberships.cut(zxid):", "if False:"),
        nemeses=PARTED,
    ),
    "members_forgotten_at_a_restart": without(
        "a restarted node goes by the membership of its snapshot",
        Edit(Peer.__init__, "Memberships(membership, later,", "Memberships(membership, [],"),
        nemeses=ASKED,
    ),
    "settings_over_state": without(
        "a restarted node goes by its settings",
        Edit(membership.membership_in, "parse(text) if text else settings", "settings"),
        nemeses=ASKED,
    ),
    "state_without_members": without(
        "who takes over the leader's state keeps its own membership",
        Edit(Following.on_snap_chunk, "parse(begun.members) if begun.members else None", "None"),
        nemeses=ASKED,
    ),
    "observers_count": without(
        "observers are voters",
        Edit(Memberships.is_quorum, "membership.voters", "membership.ids"),
        Edit(Memberships.reached, "membership.voters", "membership.ids"),
        nemeses=ASKED,
    ),
    "anybody_leads": without(
        "who is no voter may lead",
        Edit(Peer.eligible.fget, "and self.memberships.is_voter(self.id)", ""),  # type: ignore[attr-defined]
        nemeses=ASKED,
    ),
    "voted_out_leader_stays": without(
        "a leader that was removed leads on",
        Edit(Leading.on_members, "if not self.peer.memberships.is_voter(self.peer.id):", "if False:"),
        nemeses=ASKED,
    ),
    "members_among_others": without(
        "a change of the members shares its batch with other requests",
        Edit(Gathering.take, "if alone:", "if False:"),
        nemeses=ASKED,
    ),
}
