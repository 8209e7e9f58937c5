"""A nemesis that does not bite proves nothing: each one, alone, reaches its marks, and breaks no promise by it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sim import store
from sim.disk import SimDisk
from sim.ensemble import Ensemble
from sim.nemeses import NEMESES, Nemesis
from sim.plan import Plan, Strike, plan_of
from sim.scenario import run_service
from sim.store import DiskStore
from sim.world import MS
from zooweeper.storage import folder, storage
from zooweeper.storage.records import Identity
from zooweeper.storage.recovery import Recovery

SEEDS = range(7000, 7030)

BITES: dict[str, tuple[str, ...]] = {
    "crash": ("a node was killed", "a node lost power"),
    "crash_some": ("a minority lost power", "a majority was killed"),
    "crash_all": ("everybody lost power",),
    "crash_leader": ("a leader was killed", "a leader just elected died"),
    "crash_synced": ("a follower just synchronized died",),
    "aimed": ("died at Logged", "died at Current", "died at AckEpoch"),
    "disk_cut": ("died inside the storage", "a torn tail was cut"),
    "partition": tuple(f"partition by {shape}" for shape in ("size", "member", "one", "leader", "bridge", "ring")),
    "forsaken": ("a leader was forsaken", "two believed that they lead"),
    "one_way": ("partition of one direction",),
    "swizzle": ("swizzle",),
    "flap": ("a link flapped",),
    "slow_link": ("a slow link",),
    "break_stream": ("a stream broke", "a stream broke for one side", "a new stream while the old one was read"),
    "break_lane": (
        "a lane broke",
        "a lane stood still",
        "a lane was stalled",
        "a message came before its turn, or twice",
        "a message went again over the stream",
    ),
    "break_all": ("many streams broke",),
    "pause": ("a process went on", "an old leader woke up", "a clock stood still"),
    "restart": ("a node was restarted in good order",),
    "rolling_restart": ("rolling restart",),
    "wipe": ("a disk was wiped", "a node that had lost its memory was synchronized"),
    "slow_disk": ("a slow disk", "a disk stood still"),
    "disk_error": ("EIO stopped a node",),
    "disk_full": ("a disk was full", "ENOSPC stopped a node"),
    "rot": (
        "a damaged folder was repaired",
        "a damaged snapshot was set aside",
        "the operator made a new folder",
        "damage cost nothing",
        "a node that had lost its memory was synchronized",
    ),
    "wall_clock": ("a wall clock was set", "a wall clock went back and forth"),
    "drift": ("a clock ran fast", "a clock ran slow"),
    "jump": ("a clock jumped",),
    "hand_off": ("a leader was asked to hand over",),
    "break_client": ("a client lost its connection",),
    "break_clients": ("all clients lost their connections", "a node lost its clients"),
    "half_open": ("half-open: client knows", "half-open: node knows", "half-open: neither knows"),
    "slow_reader": ("a client read nothing", "a client was not heard"),
    "membership": (
        "a membership was committed",
        "a leader was voted out",
        "a new node was synchronized",
        "a removed node ended",
    ),
}


def test_every_nemesis_is_here() -> None:
    assert sorted(BITES) == sorted(NEMESES)


@pytest.mark.parametrize("name", NEMESES)
def test_it_bites(name: str) -> None:
    missing = set(BITES[name])
    for seed in SEEDS:
        outcome = run_service(plan(seed, name))
        assert outcome.violation is None, outcome.report()
        missing -= set(outcome.world.marks)
        if not missing:
            return
    raise AssertionError(f"{name}: not reached in {len(SEEDS)} seeds: {sorted(missing)}")


def plan(seed: int, *names: str) -> Plan:
    """Three nodes with real storage."""
    return plan_of(seed, voters=3, nemeses=names).with_options(segment_bytes=4096, snapshot_entries=30)


# --- beyond what is promised: a majority loses its memory, and nobody may make anything up


def wiped(ensemble: Ensemble, ids: tuple[int, ...]) -> None:
    for id in ids:
        node = ensemble.node(id)
        node.crash(True)
        node.harmed = True
        node.store.wipe()


def rotten(ensemble: Ensemble, ids: tuple[int, ...]) -> None:
    for id in ids:
        node = ensemble.node(id)
        node.crash(False)
        assert isinstance(node.store, DiskStore)
        disk = node.store.harm()
        node.harmed = True
        name = next(name for name in disk.names() if name.startswith("log."))
        disk.poke(name, 0, bytes(64))


@pytest.mark.parametrize("harm", [wiped, rotten])
@pytest.mark.parametrize(("ids", "serves"), [((1,), True), ((2, 3), False), ((1, 2, 3), False)])
def test_a_majority_without_memory_refuses(
    harm: Callable[[Ensemble, tuple[int, ...]], None],
    ids: tuple[int, ...],
    serves: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(NEMESES, "test", Nemesis(lambda ensemble, chance: harm(ensemble, ids), 1000))
    outcome = run_service(struck(7, "test"))
    if serves:
        assert outcome.violation is None, outcome.report()
    else:
        assert outcome.violation is not None and outcome.violation.check == "liveness", outcome.report()


def struck(seed: int, name: str) -> Plan:
    """One strike, late enough for something to have been acknowledged."""
    quiet = plan(seed).with_options(nemeses=(), network="LAN", timing="quick", milliseconds=1500)
    return Plan(quiet.seed, quiet.options, (Strike(1200 * MS, name, 1),), quiet.doings)


# --- what the simulator holds against a node that forgets


def test_a_vote_without_memory_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(disk: SimDisk, cluster: str, id: int, fresh: bytes, voting: bool, size: int) -> Identity:
        return folder.format_folder(disk, cluster, id, fresh, True, size)

    monkeypatch.setattr(store, "format_folder", forgetful)
    assert found("no vote without memory", "wipe", "crash_leader")


def test_damage_after_a_mere_crash_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DiskStore, "harm", lambda self: self.disk)
    assert found("recovery", "rot")


def test_an_acknowledgement_from_memory_only_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sync that failed, then one that had nothing to do."""
    settle = storage._settle

    def trusting(disk: SimDisk, recovery: Recovery) -> None:
        settle(disk, replace(recovery, doubtful=(0, b"")))

    monkeypatch.setattr(storage, "_settle", trusting)
    strikes = [Strike(at_ms * MS, "disk_error", at_ms) for at_ms in range(300, 1500, 100)]
    strikes += [Strike(at_ms * MS, "crash_all", at_ms) for at_ms in (900, 1200, 1500)]
    assert found("recovery, durable stays", strikes=tuple(sorted(strikes, key=lambda strike: strike.at_us)))


def found(checks: str, *names: str, strikes: tuple[Strike, ...] = ()) -> bool:
    plans = (plan(seed, *names) for seed in range(7000, 7100))
    outcomes = (run_service(replace(one, strikes=strikes or one.strikes)) for one in plans)
    violation = next(outcome.violation for outcome in outcomes if outcome.violation is not None)
    return violation.check in checks.split(", ")


def test_the_page_names_every_nemesis() -> None:
    page = (Path(__file__).parent.parent.parent / "docs" / "simulator.md").read_text()
    assert [name for name in NEMESES if f"`{name}`" not in page] == []
