"""Processes die: by kill or by loss of power; alone or together; at any seam, or at the very moment that is aimed at.

Rules: random moments miss some windows for thousands of seeds, so `aimed` sets a trap at one type of outbox item and
`disk_cut` at one kind of disk operation. A trap that was set for several nodes kills the first that steps into it.
"""

import random
from collections.abc import Sequence

from sim.ensemble import Ensemble
from sim.nemeses.base import downtime_us, kill, prey, revive
from sim.node import Node, Trap
from sim.store import DiskStore
from sim.world import MS
from zooweeper.model import durable
from zooweeper.replica.outbox import Answer, Notice, Welcome
from zooweeper.zab import messages

FUSES = (0, 1, 2, 3, 5, 8, 13, 30)
DOWN_US = 700 * MS  # who stepped into a trap is back after this at the latest

RECORDS = (
    durable.Logged,
    durable.Logged,
    durable.Cut,
    durable.Accepted,
    durable.Current,
    durable.SnapshotBegin,
    durable.SnapshotChunk,
    durable.SnapshotEnd,
    durable.Installed,
)
JOINING = (
    messages.FollowerInfo,
    messages.NewEpoch,
    messages.AckEpoch,
    messages.Sync,
    messages.SnapBegin,
    messages.SnapChunk,
    messages.SnapAck,
    messages.NewLeader,
    messages.AckNewLeader,
    messages.UpToDate,
)
ITEMS = (
    *JOINING,
    messages.Propose,
    messages.Ack,
    messages.Commit,
    messages.Forward,
    messages.HandOver,
    messages.BarrierAnswer,
    messages.Vote,
    Answer,
    Notice,
    Welcome,
)
OF_ELECTIONS = (durable.Accepted, durable.Current, durable.Cut, durable.Installed, *JOINING)
OPERATIONS = ("write", *("sync",) * 5, "allocate", "create", "rename", "remove", "sync_folder", "truncate")


def crash(ensemble: Ensemble, chance: random.Random) -> None:
    """One dies a few seams from now."""
    node = ensemble.victim(chance)
    node.power_loss = chance.random() < 0.5
    node.fuse = chance.choice(FUSES)
    ensemble.world.mark("a node lost power" if node.power_loss else "a node was killed")
    ensemble.later(downtime_us(chance), _out, ensemble, node)


def _out(ensemble: Ensemble, node: Node) -> None:
    """What was left of the fuse is put out."""
    node.fuse = None
    revive(ensemble, node)


def crash_some(ensemble: Ensemble, chance: random.Random) -> None:
    """A minority, a majority, or all at once."""
    count = len(ensemble.nodes)
    size, name = chance.choice(((max(1, (count - 1) // 2), "a minority"), (count // 2 + 1, "a majority")))
    power_loss = chance.random() < 0.5
    ensemble.world.mark(f"{name} {'lost power' if power_loss else 'was killed'}")
    kill(ensemble, chance, chance.sample(ensemble.nodes, size), power_loss)


def crash_all(ensemble: Ensemble, chance: random.Random) -> None:
    """The power fails for everybody."""
    ensemble.world.mark("everybody lost power")
    kill(ensemble, chance, ensemble.nodes, True)


def crash_leader(ensemble: Ensemble, chance: random.Random) -> None:
    """Who leads dies; in half of the cases the next one does too, just elected."""
    leader = ensemble.leader()
    if leader is None:
        return
    ensemble.world.mark("a leader was killed")
    if chance.random() < 0.5:
        kind = chance.choice((messages.NewLeader, messages.UpToDate))
        _set(ensemble, chance, ensemble.nodes, kind, "a leader just elected died")
    kill(ensemble, chance, [leader], chance.random() < 0.5)


def crash_synced(ensemble: Ensemble, chance: random.Random) -> None:
    """A follower dies when it has just been synchronized; somebody is sent to be so."""
    node = chance.choice(ensemble.nodes)
    _set(ensemble, chance, [node], messages.AckNewLeader, "a follower just synchronized died", "after")
    for other in ensemble.nodes:
        ensemble.network.break_pair(node.id, other.id)


def aimed(ensemble: Ensemble, chance: random.Random) -> None:
    """Whoever does a certain thing next dies right before it, in it or after it."""
    kind: type = chance.choice(RECORDS if chance.random() < 0.5 else ITEMS)
    nodes = ensemble.nodes if chance.random() < 0.7 else [chance.choice(ensemble.nodes)]
    _set(ensemble, chance, nodes, kind, f"died at {kind.__name__}")
    if kind in OF_ELECTIONS:  # which will not happen by itself
        leader = ensemble.leader()
        if leader is not None and chance.random() < 0.5:
            kill(ensemble, chance, [leader], chance.random() < 0.5)
        elif leader is not None:
            for node in ensemble.nodes:
                ensemble.network.break_pair(leader.id, node.id)


def _set(
    ensemble: Ensemble, chance: random.Random, nodes: Sequence[Node], kind: type, mark: str, when: str = ""
) -> None:
    when = when or chance.choice(("before", "within", "after") if kind in RECORDS else ("before", "after"))

    def sprung(victim: Node) -> None:
        ensemble.world.mark(mark)
        for node in nodes:
            if node.trap is trap:
                node.trap = None
        ensemble.later(chance.randrange(1 * MS, DOWN_US), revive, ensemble, victim)

    trap = Trap(kind, when, chance.random() < 0.5, sprung)
    for node in nodes:
        node.trap = trap


def disk_cut(ensemble: Ensemble, chance: random.Random) -> None:
    """One dies right before or right after its next disk operation of a certain kind, inside the storage."""
    found = prey(ensemble, chance)
    if found is None or not found[0].alive:
        return
    node, store = found
    operation = chance.choice(OPERATIONS)
    store.disk.cut_on, store.disk.cut_after = operation, chance.random() < 0.3
    node.power_loss = chance.random() < 0.7
    ensemble.later(chance.randrange(100 * MS, DOWN_US), _back, ensemble, node, store)


def _back(ensemble: Ensemble, node: Node, store: DiskStore) -> None:
    if node.alive:
        store.disk.cut_on = ""
    else:
        ensemble.world.mark("died inside the storage")
    revive(ensemble, node)
