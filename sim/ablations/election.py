"""Safeguards of the election, and of giving up a role."""

from sim.ablations.patch import Edit, without
from zooweeper.zab import vote
from zooweeper.zab.following import Following
from zooweeper.zab.leading import Leading
from zooweeper.zab.peer import Peer

ELECTION = {
    "vote_by_id_not_zxid": without(
        "the highest id is elected, and leads whoever knows more",
        Edit(vote.rank, "vote.epoch, vote.zxid, vote.favoured, candidate", "0, 0, vote.favoured, candidate"),
        Edit(Leading.on_ack_epoch, "(message.current, message.last) > (peer.current, peer.history.last)", "False"),
    ),
    "wiped_node_votes": without(
        "a node that has lost its disk votes as if it had not",
        Edit(Peer.__init__, "self.voting = recovered.voting", "self.voting = True"),
    ),
    "wiped_node_is_taken_in_at_once": without(
        "a leader takes in a node that has lost its disk, whoever may go by what that had promised",
        Edit(Leading._invite, "if learner.voting:", "if True:"),
        Edit(Following.on_new_epoch, "peer.now_ms < peer.quiet_until_ms", "False"),
        nemeses=("forsaken", "wipe"),
    ),
    "no_check_quorum": without(
        "a leader without a majority goes on leading",
        Edit(Leading.on_tick, "if not peer.memberships.is_quorum(", "if False and not peer.memberships.is_quorum("),
        Edit(Leading.on_peer_down, "not self.peer.connected_quorum", "False"),
    ),
    "wait_for_silent_leader": without(
        "a follower waits for a leader that says nothing any more",
        Edit(Following.on_tick, "self.peer.now_ms - self.heard_ms > limit", "False"),
    ),
    "keep_hopeless_candidacy": without(
        "who was elected by mistake never gives up",
        Edit(Leading._hopeless, "if self.phase is Phase.DISCOVERY:", "return False\n    if True:"),
    ),
    "never_outbid": without(
        "a leader does not care that a voter has promised a higher epoch",
        Edit(Leading._outbid, "return any(", "return False and any("),
    ),
}
