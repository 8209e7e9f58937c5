"""What a replica does with what its disk held."""

from random import Random

from zooweeper.model.config import Address, Config, Member
from zooweeper.model.durable import Logged, Recovered
from zooweeper.model.entry import Batch, pack_request
from zooweeper.model.zxid import make
from zooweeper.ops.session import OpenSession
from zooweeper.replica.replica import Replica

NOWHERE = Address("127.0.0.1", 1)
CONFIG = Config(1, "test", (Member(1, NOWHERE, NOWHERE, NOWHERE, NOWHERE),), "")


class Counted(Recovered):
    """Counts how often all batches are walked."""

    walks = 0

    @property
    def committed(self) -> int:
        Counted.walks += 1
        return super().committed


def held(batches: int) -> Counted:
    body = OpenSession.Request(b"secret", 5000, 0, "").encode()
    logged = [
        Logged(Batch(make(1, n), make(1, n), n, pack_request(0, 7, n, OpenSession.code, body)), make(1, n) - 1)
        for n in range(1, batches + 1)
    ]
    logged[0].committed = 0
    return Counted(1, 1, 0, iter(()), 0, ((1, batches),), logged)


def test_executes_as_far_as_it_is_known_to_be_committed_and_no_further() -> None:
    replica = Replica(CONFIG, held(5), Random(1))
    assert replica.state.zxid == make(1, 4) and replica.status().zxid == make(1, 5)
    assert len(replica.state.sessions) == 4


def test_recovery_walks_the_batches_a_fixed_number_of_times() -> None:
    counts = []
    for batches in (10, 500):
        Counted.walks = 0
        Replica(CONFIG, held(batches), Random(1))
        counts.append(Counted.walks)
    assert counts[0] == counts[1] <= 3
