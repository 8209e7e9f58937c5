"""What other nodes wait for leaves a replica before it executes what was committed."""

from fuzz.subject import BEST, OTHER, following, serving
from fuzz.values import TIME_MS
from zooweeper.model.entry import Batch, pack_request
from zooweeper.ops.session import CloseSession
from zooweeper.replica.events import Connect, Received
from zooweeper.replica.outbox import Welcome
from zooweeper.zab.messages import Ack, Commit, Propose


def test_a_leader_proposes_the_next_batch_before_it_executes_the_last() -> None:
    node = serving()
    node.hear(OTHER, Ack(21, node.replica.zab.current, node.replica.zab.history.last))  # the membership
    replica = node.replica
    executed, last = replica.state.zxid, replica.zab.history.last
    assert executed < last, "the session of a client is in flight"
    replica.step(Connect(9, 0, b"", 5000, 0, 10, "10.0.0.1"))
    replica.take()
    replica.step(Received(OTHER, Ack(21, replica.zab.current, last)))
    first = replica.take()
    proposed = [message for _, message in first.now if isinstance(message, Propose)]
    assert first.more and proposed and not first.deliver and replica.state.zxid == executed
    second = replica.take()
    assert not second.more and replica.state.zxid == last
    assert second.deliver and all(type(one) is Welcome for one in second.deliver)


def test_a_follower_hands_a_batch_to_the_disk_before_it_executes_the_one_before() -> None:
    node = following()
    replica = node.replica
    role, at = replica.zab.role, replica.zab.history.last + 1
    batches = [Batch(zxid, zxid, TIME_MS, pack_request(0, 0, 0, CloseSession.code, b"")) for zxid in (at, at + 1)]
    node.hear(BEST, Propose(node.attempt, role.epoch, batches[0], 0))  # type: ignore[union-attr]
    replica.step(Received(BEST, Propose(node.attempt, role.epoch, batches[1], at)))  # type: ignore[union-attr]
    first = replica.take()
    assert first.more and [record.batch for record in first.disk] == [batches[1]]  # type: ignore[union-attr]
    assert replica.state.zxid < at
    assert not replica.take().more and replica.state.zxid == at
    replica.step(Received(BEST, Commit(node.attempt, role.epoch, at + 1)))  # type: ignore[union-attr]
    assert not replica.take().more, "nobody waits for anything"
    assert replica.state.zxid == at + 1
