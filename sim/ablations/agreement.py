"""Safeguards of zab behind the election: quorums, epochs, the order of durability, one history."""

from sim.ablations.patch import Edit, without
from zooweeper.zab import quorum
from zooweeper.zab.following import Following
from zooweeper.zab.leading import Leading

AGREEMENT = {
    "commit_without_quorum": without(
        "the leader commits what one node has",
        Edit(quorum.committed, "len(voters) // 2", "0"),
    ),
    "commit_before_fsync": without(
        "the leader counts itself before its disk has reported",
        Edit(Leading._maybe_commit, "= self.durable", "= peer.history.last"),
    ),
    "ack_before_persist": without(
        "a follower acknowledges proposals before its disk has reported",
        Edit(Following.flush, "ready.after.append", "ready.now.append"),
    ),
    "newleader_ack_before_sync": without(
        "a follower acknowledges NEWLEADER before the history is durable",
        Edit(Following.on_new_leader, "ready.after.append", "ready.now.append"),
    ),
    "promise_before_persist": without(
        "a follower promises an epoch before its disk has reported",
        Edit(Following.on_new_epoch, "ready.after.append", "ready.now.append"),
    ),
    "epoch_before_history": without(
        "the current epoch is raised before the history that it stands for has come",
        Edit(
            Following.on_sync,
            "history = self.peer.history\n",
            "history = self.peer.history\n"
            "    self.peer.current = self.epoch\n"
            "    self.peer.ready.disk.append(durable.Current(self.epoch))\n",
        ),
    ),
    "two_epochs_same_number": without(
        "a new leader does not look at the epochs that others have promised",
        Edit(Leading._maybe_choose_epoch, "max(peer.epoch_seen, peer.accepted) + 1", "peer.current + 1"),
    ),
    "discovery_without_quorum": without(
        "a leader goes on without the promises of a quorum",
        Edit(Leading._maybe_synchronize, "not peer.memberships.is_quorum([peer.id, *promises])", "False"),
    ),
    "establish_without_quorum": without(
        "an epoch is established before a quorum has its history",
        Edit(Leading._maybe_establish, "or not peer.memberships.is_quorum(", "or not (lambda ids: True)("),
    ),
    "lead_who_knows_more": without(
        "a leader does not give way to a follower with a longer history",
        Edit(Leading.on_ack_epoch, "(message.current, message.last) > (peer.current, peer.history.last)", "False"),
    ),
    "skip_trunc": without(
        "a follower keeps what its leader does not have",
        Edit(Following.on_sync, "elif message.cut < history.last:", "elif False:"),
    ),
    "cut_in_memory_only": without(
        "a cut is not written to the log",
        Edit(Following.on_sync, "self.peer.ready.disk.append(durable.Cut(message.cut))", "pass"),
    ),
    "common_by_zxid": without(
        "histories are compared by their ends, not by their epochs",
        Edit(
            Leading.synchronize,
            "history.common(learner.epochs)",
            "max([one.last for one in history.batches if one.last <= learner.last], default=history.base)",
        ),
    ),
    "execute_uncommitted": without(
        "a follower executes its leader's history before a quorum has it",
        Edit(
            Following.on_new_leader,
            "peer.current = message.epoch",
            "peer.current = message.epoch; peer.commit(message.last)",
        ),
    ),
}
