"""A million znodes of 100 bytes: memory, restart, and what a snapshot of them costs those who write meanwhile.

Method: an ensemble for each side, one after the other, to which the generator gives its znodes. SETTLE_S later the
largest resident memory of a node counts. Then every node is killed and all are started again, and the clock runs until
the first write is acknowledged. For the snapshots there are two more ensembles of ours with as many znodes, which have
the same sets in turns: one writes snapshots as it always does, the other none; both is checked.

Rules: memory and restart are measured once, for they take long and vary little. ZooKeeper has the heap of its start
script here, too: it is enough, and bounds what it may take.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from bench.compare import matrix
from bench.compare.arena import OURS, WARM_UP_S, Run
from bench.compare.measured import Figures, Load, generate
from bench.compare.recovery import start_to_first_write
from bench.compare.rivals import ALL, Servers, Zooweeper
from bench.compare.turns import Round
from bench.load import Stuck
from bench.rig import resident_bytes
from zooweeper.cli import settings
from zooweeper.cli.settings import ENTRIES_MAX

ZNODES = 1_000_000
FILLED_BY = Load("set", 30, 16)
FILL_S = 0.5
SETTLE_S = 10.0  # snapshots that are written when clients have stopped are written
SNAPSHOT_S = 40.0  # of sets: snapshots begin meanwhile
NO_SNAPSHOT = "no snapshot"


def measure(run: Run) -> list[Round]:
    sides = [OURS, *(name for name in run.rivals if name == "zookeeper")]
    rounds: list[Round] = [{}]
    for name in run.say.each("a million znodes", sides, len(sides)):
        try:
            memory, restart = size_and_restart(run, name)
        except Stuck as error:
            run.failed.append(f"{name}: {error}")
            continue
        rounds[0][name, matrix.MEMORY.load] = {"mb": memory}
        rounds[0][name, matrix.RESTART.load] = {"s": restart}
    return rounds + snapshots(run)


def size_and_restart(run: Run, name: str) -> tuple[float, float]:
    """Megabytes of the largest node, and seconds until the first write after a restart of all."""
    with run.running([name]) as made:
        servers = made[name]
        fill(run, servers)
        memory = max(resident_bytes(pid) for pid in servers.pids) / 1e6
        servers.kill()
        return memory, start_to_first_write(servers)


def fill(run: Run, servers: Servers) -> None:
    run.say.line(f"{servers.name}: making {ZNODES:,} znodes")
    generate("zk", servers.hosts, FILLED_BY, FILL_S, WARM_UP_S, servers.pids, keys=ZNODES)
    time.sleep(SETTLE_S)


def snapshots(run: Run) -> list[Round]:
    """Sets while snapshots are written, and where none are."""
    with run.running([OURS]) as made, without(run) as quiet:
        busy = made[OURS]
        assert isinstance(busy, Zooweeper)
        fill(run, busy)
        fill(run, quiet)
        players = {OURS: partial(sets, busy, True), NO_SNAPSHOT: partial(sets, quiet, False)}
        return run.play("snapshots of a million znodes", [matrix.SNAPSHOT], players)


@contextmanager
def without(run: Run) -> Iterator[Zooweeper]:
    """An ensemble of ours that writes no snapshots while it is measured."""
    quiet = run.make(OURS)
    assert isinstance(quiet, Zooweeper)
    for node in ALL:
        settings.change_node(quiet.ensemble.node_folder(node), snapshot_entries=ENTRIES_MAX)
    try:
        quiet.start()
        quiet.wait()
        yield quiet
    finally:
        quiet.kill()


def sets(servers: Zooweeper, expected: bool, load: Load) -> Figures:
    """The figures of sets. Stuck when snapshots were not written as expected meanwhile."""
    before = snapshot_names(servers)
    figures = generate("zk", servers.hosts, Load("set", 30, 16), SNAPSHOT_S, WARM_UP_S, servers.pids)
    if (snapshot_names(servers) != before) is not expected:
        raise Stuck(f"snapshots were {'not ' if expected else ''}written meanwhile")
    return figures


def snapshot_names(servers: Zooweeper) -> set[str]:
    folders = [servers.ensemble.node_folder(node) / settings.DATA_FOLDER for node in ALL]
    return {str(path) for folder in folders for path in folder.glob("snapshot.*")}
