"""An ensemble of one."""

from sim.members import membership
from zooweeper.model.config import Timing
from zooweeper.model.durable import Recovered
from zooweeper.ops.reconfig import membership_of
from zooweeper.zab.events import Received, Tick
from zooweeper.zab.peer import Peer
from zooweeper.zab.vote import Phase


def test_it_leads_after_one_epoch_however_late_its_clock_starts() -> None:
    peer = Peer(1, membership((1,)), Timing(), Recovered(0, 0, 0, iter(()), 0, (), []), 1, membership_of)
    for tick in range(10):
        peer.step(Tick(5_000_000 + 100 * tick, 0))
        while (ready := peer.take()).after:
            for to, message in ready.after:
                peer.step(Received(to, message))
    assert (peer.phase, peer.accepted, peer.current) == (Phase.BROADCAST, 1, 1)
