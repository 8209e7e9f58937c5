"""Safeguards of the two carriers between nodes: one order, and nothing lost when the faster one breaks."""

from sim.ablations.patch import Edit, without
from zooweeper.transport.lanes import Lanes

BROKEN = ("break_lane", "slow_link", "crash_leader")

LANES = {
    "lane_loses_unconfirmed": without(
        "what was on a lane that broke is not sent again",
        Edit(Lanes.lane_down, "for number, _, message in self._kept]", "for number, _, message in ()]"),
        nemeses=BROKEN,
    ),
    "lanes_unordered": without(
        "what arrives over a lane does not wait for what was sent before over the stream",
        Edit(Lanes.take, "if first == self.received + 1 and not self._held:", "if True:"),
        nemeses=BROKEN,
    ),
    "lane_confirms_what_is_held": without(
        "a message that waits for its turn counts as one that was given out",
        Edit(Lanes.told, "return self.received", "return max((self.received, *self._held))"),
        nemeses=BROKEN,
    ),
}
