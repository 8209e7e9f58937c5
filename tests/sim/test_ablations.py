"""The simulator notices when a safeguard is off; here a slice of them, all with `python -m sim.ablations`.

Rules: no seed is chosen: the hunt begins with seed 1, as the command does, and ends soon.
"""

from types import FunctionType

import pytest

from sim import __main__ as simulator
from sim import swarm
from sim.ablations import ABLATIONS, ablated
from sim.ablations import __main__ as command
from sim.ablations.hunt import Finding, look
from sim.ablations.patch import Edit, rewritten, rewritten_all
from sim.checks.ledger import Ledger
from sim.marks import EXPECTED, Marks, missing
from sim.swarm import Ask
from sim.world import World
from zooweeper.replica.liveness import Agreement
from zooweeper.zab import messages

SOON = 40  # seeds; each of these needs a few
SLICE = (
    "commit_before_fsync",
    "ack_before_persist",
    "promise_before_persist",
    "epoch_before_history",
    "establish_without_quorum",
    "skip_trunc",
    "vote_by_id_not_zxid",
    "wiped_node_votes",
    "skip_log_fsync",
    "skip_epoch_fsync",
    "skip_folder_fsync",
    "fuzzy_snapshot",
    "replay_overlap",
    "half_change_on_error",
    "clock_in_execution",
    "no_running_number",
    "permissions_ignored",
    "ephemeral_survives_close",
    "attach_without_password",
    "old_deadlines",
    "read_overtakes_write",
    "watch_after_reply",
    "fire_twice",
    "missed_events_not_told",
    "drop_watch_on_reattach",
    "client_reuses_numbers",
    "only_the_old_members_count",
    "observers_count",
    "lane_loses_unconfirmed",
    "lanes_unordered",
)


def test_every_ablation_fits_the_product() -> None:
    assert len(ABLATIONS) >= 30
    for ablation in ABLATIONS.values():
        rewritten_all(ablation)


def test_an_ablation_is_off_again_afterwards() -> None:
    functions = [edit.function for ablation in ABLATIONS.values() for edit in ablation.edits]
    before = [function.__code__ for function in functions]
    for name, ablation in ABLATIONS.items():
        with ablated(name):
            assert all(edit.function.__code__ is rewritten(edit) for edit in ablation.edits[-1:]), name
    assert [function.__code__ for function in functions] == before


def test_an_ablation_whose_line_is_gone_says_so() -> None:
    assert isinstance(look, FunctionType)
    with pytest.raises(AssertionError, match="look has 0 times"):
        rewritten(Edit(look, "not a line of it", ""))


@pytest.mark.parametrize("name", SLICE)
def test_a_safeguard_that_is_off_is_noticed(name: str) -> None:
    looked = look(name, 1, SOON)
    assert looked.seed, f"{name}: {ABLATIONS[name].off}, and {SOON} seeds noticed nothing"


def test_the_command_fails_when_nobody_notices(capsys: pytest.CaptureFixture[str]) -> None:
    found, lost = Finding("skip_trunc", 3, "equal digests: ...", 3), Finding("fire_twice", 0, "", 2000)
    assert command.report({"skip_trunc": found}, 2000) == 0
    assert command.report({"skip_trunc": found, "fire_twice": lost}, 2000) == 1
    assert "found 1 of 2" in capsys.readouterr().out
    assert command.report({"skip_trunc": Finding("skip_trunc", 51, "equal digests: ...", 51)}, 2000) == 1
    assert command.main(["skip_trunc", "--most", "40", "--jobs", "1"]) == 0


def test_a_swarm_whose_canary_lives_is_not_trusted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert simulator.main(["1", "--seeds", "1", "--jobs", "1"]) == 0
    assert "canary: failed as it must" in capsys.readouterr().out
    monkeypatch.setattr(swarm, "CANARY", "")  # nothing is switched off, so nothing fails
    assert simulator.main(["1", "--seeds", "1", "--jobs", "1"]) == 3
    assert "CANARY DID NOT FAIL" in capsys.readouterr().out


def stops(seeds: range) -> list[str]:
    """Of seeds in which the nodes' executions differ, and our own check does not look: how nodes stopped themselves."""
    violations = [Ask(ablation="local_limit_in_execution", voters=3).run(seed).violation for seed in seeds]
    return [violation.detail for violation in violations if violation is not None and violation.check == "stop"]


def test_the_replicas_find_a_divergence_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ledger, "_digest", lambda ledger, node, status: None)
    assert any("differs" in detail for detail in stops(range(1, 5)))
    monkeypatch.setattr(Agreement, "diverged", lambda agreement, me, voters: [])
    assert not stops(range(1, 5))


def test_marks_that_are_missing_are_named() -> None:
    assert missing(EXPECTED) == []
    assert missing(mark for mark in EXPECTED if mark != "SNAP") == ["SNAP"]


def test_how_a_learner_was_synchronized_is_marked() -> None:
    world = World(1)
    marks = Marks(world)
    for cut, more in ((7, True), (5, True), (5, False)):
        marks.sent(1, 2, messages.Sync(1, 1, cut), 7)
        if more:
            marks.sent(1, 2, messages.Propose(1, 1, None, 0), 7)  # type: ignore[arg-type]
        marks.sent(1, 2, messages.NewLeader(1, 1, 9), 7)
    assert world.marks == {"DIFF": 1, "TRUNC+DIFF": 1, "TRUNC": 1}
