"""Safeguards of reads: in their order, and never stale when they must not be."""

from sim.ablations.patch import Edit, without
from zooweeper.replica.barriers import Barriers
from zooweeper.replica.clients import Clients
from zooweeper.zab.leading import Leading
from zooweeper.zab.rounds import Rounds

READS = {
    "stale_strong_read": without(
        "a linearizable read is answered like any other",
        Edit(Clients._take, "op.kind is READ and not ask.linear", "op.kind is READ"),
    ),
    "barrier_without_quorum_round": without(
        "a leader is sure that it leads",
        Edit(Leading._maybe_confirm, "peer.memberships.reached(rounds)", "self.rounds.current + 1"),
        nemeses=("forsaken",),
        workloads=("registers",),
    ),
    "reuse_read_index": without(
        "a question is answered by a round that was under way before it was asked",
        Edit(Rounds.ask, "Question(self.current + 1,", "Question(self.current,"),
        nemeses=("forsaken",),
        workloads=("registers",),
    ),
    "read_overtakes_write": without(
        "a read does not wait for the writes before it",
        Edit(Clients._read_in_turn, "if connection.pending:", "if False:"),
    ),
    "lost_questions": without(
        "questions to a leader that is gone are not asked again",
        Edit(Barriers.leader_lost, "self.asking.extend(self._asked)", "pass"),
    ),
}
