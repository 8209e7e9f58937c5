"""One run: real nodes under load and under fire; then all is healed, read, stopped, started cold, read again, judged.

Rules: a broken promise is a violation; that the ensemble does not come back, or something is never answered after
healing, is one too. Trouble of the rig itself makes the run invalid, and is told.
"""

import asyncio
import platform
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sim.checks.verdict import judge
from sim.history import History
from sim.model import Model
from sim.workloads import WORKLOADS
from sim.world import NEVER_US, Violation
from tests.robustness.abilities import DISKS, missing, why_not
from tests.robustness.bed import Bed
from tests.robustness.client import Door
from tests.robustness.disks import DiskTrouble
from tests.robustness.facts import Facts, counts_of, ledger_of, measure_gaps, sample_of, seconds_of, stalls
from tests.robustness.faults import Fault, named
from tests.robustness.load import Load, Stuck
from tests.robustness.records import read_batches, unexplained, union
from tests.robustness.strikes import Striker
from tests.robustness.world import RealWorld
from zooweeper import __version__
from zooweeper.cli.ensemble import EnsembleError
from zooweeper.cli.status import health
from zooweeper.model.config import FAST
from zooweeper.storage.folder import FolderError

SETTLE_S = 60.0
SAMPLE_S = 0.5
ROOT = Path(__file__).resolve().parent.parent.parent
in_thread = asyncio.to_thread
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Options:
    """What a run is made of."""

    nodes: int = 3
    seconds: float = 60.0  # of faults, at least
    victims: int = 0  # so many nodes are struck, at least
    seed: int = 1
    faults: tuple[str, ...] = ()  # names or families; all without one
    clients: int = 6
    carrier: str = FAST  # of the broadcast between the nodes
    warm_up_s: float = 4.0
    workloads: tuple[str, ...] = tuple(WORKLOADS)


def header(options: Options) -> dict[str, str]:
    """Where and what this was."""
    git = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    return {
        "seed": str(options.seed),
        "topology": f"{options.nodes} nodes, {options.clients} clients, carrier {options.carrier}",
        "faults": ", ".join(options.faults) or "all",
        "workloads": ", ".join(options.workloads),
        "zooweeper": __version__,
        "commit": git.stdout.strip() or "unknown",
        "python": platform.python_version(),
        "kernel": f"{platform.system()} {platform.release()}",
    }


async def run(
    options: Options, tell: Tell = lambda line: None, rows: Sequence[Fault] = (), keep: Path | None = None
) -> Facts:
    """All of it. `rows`: these faults, rather than those that the options name. `keep`: where the nodes' logs and data
    go if a promise was broken."""
    facts = Facts(header(options), options.seconds)
    chosen, facts.skipped = possible(rows or named(options.faults), options)
    disks = any(DISKS in fault.needs for fault in chosen) and not missing(DISKS)
    try:
        with Bed(
            options.nodes, options.seed, disks, options.carrier
        ) as bed:  # not on a thread: it must not be made without its end
            await in_thread(bed.start)
            await in_thread(bed.wait_complete, SETTLE_S)
            await under_fire(bed, options, facts, chosen, tell)
            if facts.violations and keep is not None:
                await in_thread(bed.keep, keep)
    except (DiskTrouble, EnsembleError, OSError) as error:
        facts.trouble = f"{type(error).__name__}: {error}"
    return facts


def possible(faults: Sequence[Fault], options: Options) -> tuple[list[Fault], dict[str, str]]:
    """Those that can be done here, and why the others cannot."""
    reasons = {fault.name: why_not(fault.needs, options.nodes, options.carrier) for fault in faults}
    skipped = {name: reason for name, reason in reasons.items() if reason}
    return [fault for fault in faults if fault.name not in skipped], skipped


async def under_fire(bed: Bed, options: Options, facts: Facts, chosen: Sequence[Fault], tell: Tell) -> None:
    world = RealWorld(options.seed)
    load = Load(world, [Door(m.id, m.grpc) for m in bed.ensemble.members], options.clients, options.workloads)
    striker = Striker(bed, world, load, chosen, tell)
    watching = asyncio.create_task(watch(bed, world, facts))
    try:
        load.begin()
        await asyncio.sleep(options.warm_up_s)
        facts.began_s = world.now_s
        await striker.run(facts.began_s + options.seconds, options.victims)
        facts.fire_s = world.now_s - facts.began_s
        tell(f"{world.now_s:6.1f} s  all is healed")
        await settle(bed, load, tell)
        facts.violations += [str(violation) for violation in world.violations]
        await load.close()
        await in_thread(bed.ensemble.stop)
        check(bed, world, load, facts, striker)
    except (EnsembleError, Stuck) as error:
        facts.violations.append(f"liveness: {error}")
    except FolderError as error:
        facts.violations.append(f"durability: {error}")
    except Violation as violation:
        facts.violations.append(str(violation))
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        if not world.stopped:
            await load.close()
        facts.violations += [text for one in world.violations if (text := str(one)) not in facts.violations]
        facts.violations += [f"node {node}: {line}" for node in bed.ids for line in unexplained(bed.log_since(node))]
        facts.strikes = striker.strikes
        facts.marks = dict(sorted(world.marks.items()))
        operations = load.operations
        facts.asked = len(operations)
        facts.seconds = seconds_of(operations, world.now_s)
        facts.counts = counts_of(operations)
        measure_gaps(operations, facts.strikes)
        facts.violations += stalls(facts.strikes)


async def settle(bed: Bed, load: Load, tell: Tell) -> None:
    """Everything is answered, every node has everything, and has it still after a cold start."""
    await in_thread(bed.wait_complete, SETTLE_S)
    load.stop()
    await load.idle(SETTLE_S)
    await load.probe(SETTLE_S)
    await in_thread(bed.wait_agreed, SETTLE_S)
    await load.read_all(SETTLE_S)
    tell(f"{load.world.now_s:6.1f} s  cold start")
    for client in load.clients:
        client.calm_us = NEVER_US
    await in_thread(bed.ensemble.stop)
    await in_thread(bed.start)
    await in_thread(bed.wait_complete, SETTLE_S)
    await load.idle(SETTLE_S)
    await in_thread(bed.wait_agreed, SETTLE_S)
    await load.read_all(SETTLE_S)


async def watch(bed: Bed, world: RealWorld, facts: Facts) -> None:
    """What the nodes say, now and then."""
    while True:
        rows = await in_thread(bed.rows)
        facts.samples.append(sample_of(world.now_s, rows, health(rows).leader))
        await asyncio.sleep(SAMPLE_S)


def check(bed: Bed, world: RealWorld, load: Load, facts: Facts, striker: Striker) -> None:
    """The histories of all clients against the logs of all nodes. Violation, FolderError."""
    history = union({node: read_batches(bed.data_folder(node)) for node in bed.ids})
    model = Model()
    model.run(history)
    seen = History(model, load.clients)
    facts.ledger = ledger_of(seen, striker.strikes)
    judge(world, history, load.drivers, ())
    facts.checked = len(seen.operations)
