"""A very short comparison with what is installed: every rival starts, takes a load, and is gone afterwards.

Rules: nothing here depends on a ratio, for the machine is busy with other tests. What is missing is the reason of a
skip.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.compare import arena, matrix, recovery, rivals
from bench.compare.arena import OURS, Run
from bench.compare.measured import Load
from bench.compare.recovery import start_to_first_write
from bench.compare.turns import rows_of
from bench.say import Say
from zooweeper.cli.status import ask_rows
from zooweeper.model.config import FAST, GRPC

SECONDS = 0.2
no_etcd = rivals.missing_etcd() or rivals.missing_h2load()
no_zookeeper = rivals.missing_zookeeper()


def run_in(folder: Path, names: Sequence[str], carrier: str = FAST) -> Run:
    return Run(Say(), folder, 1, SECONDS, names, carrier)


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.skipif(bool(no_etcd), reason=no_etcd)
def test_etcd_by_h2load_and_by_our_generator(tmp_path: Path) -> None:
    matches = [match for match in matrix.MATCHES if match.theirs == "etcd" and match.load == matrix.SETS]
    run = run_in(tmp_path, ["etcd"])
    rows = rows_of(matches, arena.loads(run, matches, kills=False))
    assert run.failed == []
    measured = {(row.load, row.player) for row in rows}
    assert measured == {(str(match.load), match.ours) for match in matches}
    assert all(figure > 0 for row in rows if row.figure != "servers_us" for figure in row.ours + row.theirs)
    assert "etcd 3" in run.settings["etcd"] and "idle" in run.settings


@pytest.mark.skipif(bool(no_zookeeper), reason=no_zookeeper)
def test_zookeeper_takes_the_same_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arena, "WARM_LOADS", ())
    monkeypatch.setattr(recovery, "STEADY_S", 0.1)
    monkeypatch.setattr(recovery, "AFTER_S", 0.1)
    matches = [match for match in matrix.MATCHES if match.load == Load("mix", 30, 16)]
    run = run_in(tmp_path, ["zookeeper"])
    rounds = arena.loads(run, matches, kills=True)
    rows = rows_of(matches, rounds)
    assert run.failed == []
    assert [row.figure for row in rows] == [bar.figure for bar in matches[0].bars]
    (kill,) = rows_of([matrix.KILL], rounds)
    assert kill.ours > (0,) and kill.theirs > (0,)


def test_ours_starts_as_asked_and_is_gone(tmp_path: Path) -> None:
    run = run_in(tmp_path, [], GRPC)
    with run.running([OURS]) as servers:
        ours = servers[OURS]
        assert isinstance(ours, rivals.Zooweeper)
        assert {row.carrier for row in ask_rows([str(host) for host in ours.grpc_hosts])} == {GRPC, None}
        pids = servers[OURS].pids
        assert len(pids) == rivals.NODES and servers[OURS].leader() in rivals.ALL
        servers[OURS].kill()
        assert start_to_first_write(servers[OURS]) > 0
        pids += servers[OURS].pids
    assert all(gone(pid) for pid in pids)
