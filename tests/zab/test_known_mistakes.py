"""Mistakes that others have made, each by its name in ZooKeeper's tracker, and the rule that keeps us from it.

Rules: one test per mistake; a script in the words of tests/traces/zab_runner.py, and what must be true after it. Those
that a golden trace shows whole are only listed, in TRACES, with the file that shows them.
"""

from pathlib import Path

import pytest

from tests.golden import parse_command
from tests.traces.zab_runner import ZabRunner, batch_of
from zooweeper.model import durable
from zooweeper.model.zxid import COUNTER_MAX, make, parse
from zooweeper.zab.events import PeerDown, PeerUp, Received
from zooweeper.zab.messages import Ack, Commit, NewEpoch, Propose, SnapBegin, SnapChunk, Sync, Vote

TRACES = {
    "ZK-335 the new epoch counts only once a quorum has it": "first_epoch_of_an_empty_ensemble",
    "ZK-962 no proposal falls between decision and forwarding": "late_follower_joins_between_proposals",
    "ZK-1154 the common point is known, not guessed": "trunc_same_counters_of_different_epochs",
    "ZK-1282 current epoch before the acknowledgement of NEWLEADER": "current_epoch_after_history",
    "ZK-2872 an interrupted snapshot leaves history as it was": "snap_interrupted",
    "ZK-2959 only voters are counted": "learner_without_vote_never_counted",
    "ZK-3104 what is proposed during a snapshot follows it": "snap",
    "ZK-3109 a voter that changed its mind is not waited for": "discovery_gives_up_on_a_better_history",
    "ZK-4643 current epoch after the history": "current_epoch_after_history",
    "ZK-4685 the acknowledgement of NEWLEADER first": "ack_newleader_before_ack",
    "stale acknowledgements after a second join": "ack_of_old_attempt_dropped",
    "a learner that promised more is not locked out": "promised_higher_epoch_is_not_locked_out",
}


def play(runner: ZabRunner, script: str) -> list[str]:
    return runner.run([parse_command(line.strip()) for line in script.strip().splitlines()])


@pytest.fixture
def runner() -> ZabRunner:
    """Three voters that have started, know one another, and follow 3 in epoch 1."""
    runner = ZabRunner()
    play(runner, "cluster nodes=3\nstart all\nconnect all\nelect")
    return runner


@pytest.mark.parametrize("trace", sorted(set(TRACES.values())))
def test_the_trace_that_shows_it_exists(trace: str) -> None:
    assert (Path(__file__).parent.parent / "traces" / "zab" / f"{trace}.txt").exists()


def test_zk_790_zxid_of_an_epoch_alone_is_never_in_a_log(runner: ZabRunner) -> None:
    play(runner, "propose 3\nsettle")
    assert [batch.first for batch in runner.nodes[1].peer.history.batches] == [make(1, 1)]


def test_zk_1653_a_crash_between_history_and_epoch_does_not_stop_the_start() -> None:
    runner = ZabRunner()
    play(runner, 'cluster nodes=3\ndisk 1 log="1:1 2:1" current=1 accepted=2\nstart 1 2\nconnect 1 2\nelect')
    assert runner.nodes[1].peer.leader == 1, "its history is the longer one"
    assert runner.nodes[2].peer.history.last == parse("2:1")


def test_zk_2832_votes_name_what_is_logged_not_the_epoch(runner: ZabRunner) -> None:
    play(runner, "propose 3\nsettle\ncrash 3")
    assert runner.nodes[1].peer.vote().zxid == parse("1:1")


def test_zk_1277_a_new_epoch_long_before_the_counter_ends(runner: ZabRunner) -> None:
    last = make(1, COUNTER_MAX - (1 << 20) - 1)
    for node in runner.nodes.values():
        node.peer.history.reset(last, ((1, COUNTER_MAX - (1 << 20) - 1),))
    play(runner, "propose 3\nsettle\nelect")
    leader = next(node.peer for node in runner.nodes.values() if node.peer.leader == node.id)
    assert leader.current == 2 and leader.role.next_zxid == make(2, 1)


def test_zk_3911_history_is_durable_before_newleader_is_acknowledged() -> None:
    runner = ZabRunner()
    play(runner, 'cluster nodes=3\ndisk 2 log="1:1 1:2" current=1\nstart 1 2\nconnect 1 2')
    lines = play(runner, "settle")
    kinds = [line for line in lines if line.startswith(("1 disk", "1 → 2 AckNewLeader"))]
    assert [line.split()[2] for line in kinds] == ["Accepted", "Logged", "Logged", "Current", "2"]


def test_zk_4394_a_commit_right_behind_newleader_finds_its_batch(runner: ZabRunner) -> None:
    play(runner, "crash 1\npropose 3\nsettle\npropose 3\nstart 1\nconnect all\nsettle")
    assert runner.nodes[1].peer.history.committed == parse("1:2")


def test_zk_1549_what_is_not_committed_is_not_executed(runner: ZabRunner) -> None:
    play(runner, "propose 3\nsettle\npropose 3\ndeliver 1\nsynced 1\ncrash 1\nstart 1")
    peer = runner.nodes[1].peer
    assert (peer.history.last, peer.history.committed) == (parse("1:2"), parse("1:1")), "1:2 tells of 1:1"


def test_zk_1413_a_divergent_end_is_cut_from_the_log(runner: ZabRunner) -> None:
    play(runner, "propose 3\nsynced 3\ncrash 3\nelect\npropose 2\nsettle\nstart 3\nconnect all\nsettle")
    assert durable.Cut(0) in runner.nodes[3].store.records
    assert [str(logged.batch) for logged in runner.nodes[3].store.recover().batches] == ["2:1"]


def test_zk_5094_executed_history_is_never_cut(runner: ZabRunner) -> None:
    play(runner, "propose 3\nsettle")
    follower = runner.nodes[1].peer
    for event in (PeerDown(3), PeerUp(3), Received(3, Vote(2, 1, parse("1:1"), True, 3, False))):
        follower.step(event)
    attempt = follower.role.attempt
    follower.step(Received(3, NewEpoch(attempt, 2)))
    follower.step(Received(3, Sync(attempt, 2, 0)))
    assert "cut" in follower.take().stop
    assert follower.history.last == parse("1:1")


def test_zk_4925_a_follower_takes_no_batch_that_leaves_a_gap(runner: ZabRunner) -> None:
    follower = runner.nodes[1].peer
    follower.step(Received(3, Propose(follower.role.attempt, 1, batch_of("1:2"), 0)))
    assert follower.history.last == 0
    assert follower.leader == 0, "it starts anew rather than patch up"


def test_zk_3642_a_snapshot_counts_when_its_last_chunk_is_there() -> None:
    runner = ZabRunner()
    play(
        runner,
        """cluster nodes=3
        disk 1 log="5:1 5:2" current=5 committed=5:1
        disk 2 log="6:1" current=6
        disk 3 log="6:1" current=6
        start all
        connect all
        elect""",
    )
    learner = runner.nodes[1].peer
    attempt = learner.role.attempt
    learner.step(Received(3, SnapBegin(attempt, 7, parse("6:1"), ((6, 1),))))
    learner.step(Received(3, SnapChunk(attempt, 0, False, b"x")))
    assert learner.history.last == parse("5:2")
    learner.step(Received(3, SnapChunk(attempt, 1, True, b"")))
    assert learner.history.last == learner.history.committed == parse("6:1")


def test_zk_1732_a_newcomer_follows_the_leader_whatever_the_votes_say(runner: ZabRunner) -> None:
    play(runner, "crash 1\nsettle\nstart 1\nconnect 1 3\nsettle")
    assert runner.nodes[1].peer.leader == 3
    assert runner.nodes[3].peer.current == 1, "no epoch was consumed"


def test_zk_3537_a_peer_that_says_it_leads_is_checked_by_itself() -> None:
    """Node 2 claims to follow 3; nobody leads. A claim about another is no reason to follow that one."""
    runner = ZabRunner()
    play(runner, "cluster nodes=3\nstart 1 2\nconnect 1 2")
    peer = runner.nodes[1].peer
    peer.step(Received(2, Vote(1, 0, 0, True, 3, False)))
    assert peer.leader == 0


def test_zk_3023_a_leader_counts_its_own_disk_when_it_has_answered(runner: ZabRunner) -> None:
    play(runner, "propose 3\ndeliver 1\nsynced 1\ndeliver 3")
    assert runner.nodes[3].peer.history.committed == 0, "one disk of three"
    play(runner, "synced 3")
    assert runner.nodes[3].peer.history.committed == parse("1:1")


def test_zk_2678_the_committed_prefix_survives_an_election(runner: ZabRunner) -> None:
    play(runner, "propose 3\nsettle\ndisconnect 1 3\nsettle")
    assert runner.nodes[1].peer.history.committed == parse("1:1")


def test_zk_4712_messages_of_a_leader_that_was_left_change_nothing(runner: ZabRunner) -> None:
    follower = runner.nodes[1].peer
    attempt = follower.role.attempt
    play(runner, "propose 3\ndeliver 1\nsynced 1\ndisconnect 1 3")
    follower.up[3] = None  # even if the stream were there
    follower.step(Received(3, Commit(attempt, 1, parse("1:1"))))
    assert follower.history.committed == 0


def test_an_acknowledgement_of_nobody_we_lead_is_dropped(runner: ZabRunner) -> None:
    play(runner, "propose 3\nsynced 3\ndisconnect 2 3")
    leader = runner.nodes[3].peer
    leader.up[2] = None
    leader.step(Received(2, Ack(1, 1, parse("1:1"))))
    assert leader.history.committed == 0


def test_partial_partition_finds_a_leader_that_reaches_a_quorum() -> None:
    """1 and 3 do not reach one another, 2 reaches both: whoever wins, a quorum is served."""
    runner = ZabRunner()
    play(runner, "cluster nodes=3\nstart all\nconnect 1 2\nconnect 2 3\nelect ms=2000")
    assert sum(node.peer.serving for node in runner.nodes.values()) >= 2


def test_a_returning_node_does_not_depose_a_leader(runner: ZabRunner) -> None:
    play(runner, "crash 3\nelect\nstart 3\nconnect all\nelect ms=3000")
    assert [node.peer.current for node in runner.nodes.values()] == [2, 2, 2]
    assert runner.nodes[2].peer.leader == 2
