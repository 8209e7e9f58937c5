"""Safeguards of zab: quorums, epochs, histories."""

from sim.ablations.patch import Ablation, Patch
from zooweeper.zab import quorum

AGREEMENT = {
    "commit_without_quorum": Ablation(
        "the leader commits what one node has",
        lambda: [Patch(quorum, "committed", lambda voters, reached: max(reached.values()))],
    ),
}
