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
    "no_check_quorum": without(
        "a leader without a majority goes on leading",
        Edit(Leading.on_tick, "not peer.memberships.is_quorum([peer.id, *self.learners])", "False"),
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
