"""One run of a plan: build the ensemble, let it work under faults, heal a quorum, heal the rest, restart all, judge.

Rules: phases as in docs/simulator.md: safety (anything may fail), liveness (a quorum is whole, the rest stays broken:
what is asked must be answered), order (all is whole: everybody gets to one place), cold restart, quiet (a sign of life
is enough for a session), verdict. A run follows from its plan alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from traceback import extract_tb
from typing import Any

from sim.checks.ledger import Ledger
from sim.ensemble import Ensemble
from sim.members import member, members
from sim.memory import MemoryStore
from sim.nemeses import NEMESES
from sim.network import Network
from sim.node import Brain, Node, Store
from sim.options import QUALITIES, TIMINGS, Options, limited
from sim.plan import Plan, Strike
from sim.store import DiskStore
from sim.work import AgreementWork, ServiceWork, Work
from sim.world import MS, SECOND, Violation, World
from zooweeper.model.config import FAST, Member
from zooweeper.model.durable import Recovered
from zooweeper.model.members import of_settings
from zooweeper.model.zxid import show

PROGRESS_US = 60 * SECOND  # a slow leader outside of the healed quorum may be kept, and lost, and elected again
QUIET_MS = 1000  # sessions of this timeout at most are looked at for as long as they might expire
LOOK_US = 20 * MS  # how often it is looked whether a phase is over


@dataclass(slots=True)
class Outcome:
    """What a plan gave."""

    plan: Plan
    world: World
    violation: Violation | None = None
    acknowledged: int = 0
    how: str = ""  # to run it again

    def report(self, lines: int = 40) -> str:
        """For people: the verdict, and how it came to it if it is bad and the run was traced."""
        world = self.world
        head = f"seed {self.plan.seed}: {self.plan.options}\n"
        tail = f"{world.now_us / SECOND:.1f} s in {world.steps} steps, {self.acknowledged} acknowledged"
        if self.violation is None:
            return f"{head}ok: {tail}" + (f", trace {world.trace_hash()[:16]}" if world.traced else "")
        trace = "\n".join(world.tail(lines))
        return f"{head}{trace}\nVIOLATION {self.violation}\n{tail}; replay: python -m sim {self.how}"


def run_service(plan: Plan, traced: bool = False) -> Outcome:
    """The whole brain, with clients."""
    return run(plan, ServiceWork, traced, str(plan.seed))


def run_agreement(plan: Plan, traced: bool = False) -> Outcome:
    """Zab alone: faster, and without the floors above it."""
    return run(plan, AgreementWork, traced, f"--agreement {plan.seed}")


def run(plan: Plan, kind: type[Work], traced: bool, how: str) -> Outcome:
    """All phases; a Violation ends it and is in the outcome."""
    options = plan.options
    world = World(plan.seed, traced, options.shuffle)
    outcome = Outcome(plan, world, how=how)
    with limited(options):
        work = kind(world, options)
        ensemble, ledger = build(world, options, work.brain)
        work.begin(ensemble)
        try:
            safety(plan, ensemble, work)
            liveness(ensemble, work)
            order(ensemble, work)
            cold_restart(ensemble, work)
            quiet(plan, ensemble)
            nodes = [node for node in ensemble.nodes if node.id in ensemble.newest().ids]
            ledger.complete(nodes)
            outcome.acknowledged = work.judge(ledger, nodes)
        except Violation as violation:
            outcome.violation = violation
        except Exception as error:  # nothing may raise, so this is what the run has found
            last = extract_tb(error.__traceback__)[-1]
            outcome.violation = Violation("defect", f"{error!r} in {last.name}, {last.filename}:{last.lineno}")
    return outcome


def build(
    world: World, options: Options, make: Callable[[int, tuple[Member, ...]], Callable[[Recovered, int], Brain]]
) -> tuple[Ensemble, Ledger]:
    """Nodes that know one another, and spare ones that know them, watched by a ledger; none is started."""
    network = Network(world, QUALITIES[options.network], wire=options.wire, lanes=options.carrier == FAST)
    timing = TIMINGS[options.timing]
    network.parting_us = 2 * timing.silence_ms * MS
    voters = range(1, options.voters + 1)
    observers = range(voters.stop, voters.stop + options.observers)
    spares = range(observers.stop, observers.stop + options.spares)
    settings = members(voters, observers)
    nodes = [
        Node(
            world,
            network,
            id,
            store_of(world, id, options, id not in spares),
            make(id, settings if id not in spares else (*settings, member(id, observer=True))),
            options.disk_us,
            timing.tick_ms,
        )
        for id in (*voters, *observers, *spares)
    ]
    for node in nodes:
        node.lost = node.new = node.id in spares
    network.nodes = {node.id: node for node in nodes}
    ledger = Ledger(world, nodes, of_settings(settings))
    for node in nodes:
        node.observe = ledger.observe
    return Ensemble(world, network, nodes, ledger.newest, ledger.in_force), ledger


def store_of(world: World, id: int, options: Options, voting: bool) -> Store:
    """`voting` False: of a node that is to join a running ensemble."""
    if options.segment_bytes:
        return DiskStore(id, world.chance(f"disk {id}"), options.segment_bytes, voting)
    return MemoryStore(voting, purges=options.purges)


# --- the phases


def safety(plan: Plan, ensemble: Ensemble, work: Work) -> None:
    """Everything that was planned."""
    world = ensemble.world
    for node in ensemble.nodes:
        world.after(world.chance("start").randrange(200 * MS), ensemble.restart, node)
    ensemble.network.start()
    for strike in plan.strikes:
        world.after(strike.at_us, hit, ensemble, strike)
    for doing in plan.doings:
        world.after(doing.at_us, work.do, doing)
    world.run(plan.options.milliseconds * MS)


def hit(ensemble: Ensemble, strike: Strike) -> None:
    if not ensemble.healing:
        if ensemble.world.traced:
            ensemble.world.note("nemesis", strike.nemesis)
        NEMESES[strike.nemesis].strike(ensemble, ensemble.world.dice(strike.dice))


def liveness(ensemble: Ensemble, work: Work) -> None:
    """A quorum is healed and the rest stays as broken as it is: what is asked from now on is answered."""
    world = ensemble.world
    core = ensemble.core(world.chance("core"))
    world.note("world", f"heals {core}")
    ensemble.heal(core)
    if not run_until(world, PROGRESS_US, work.probe()):
        raise Violation("liveness", f"{core} are whole for {PROGRESS_US // SECOND} s, no progress: {states(ensemble)}")


def order(ensemble: Ensemble, work: Work) -> None:
    """All is healed: everybody gets to one place, and from then on nothing fails."""
    world = ensemble.world
    world.note("world", "heals all")
    ensemble.heal([node.id for node in ensemble.nodes])
    if not run_until(world, PROGRESS_US, lambda: settled(ensemble) and work.idle()):
        raise Violation("order", f"all whole for {PROGRESS_US // SECOND} s, not in order: {states(ensemble)}")
    work.calm()
    answered = work.probe()
    if not run_until(world, PROGRESS_US, lambda: answered() and settled(ensemble)):
        raise Violation("calm", f"nothing is broken, and something is not answered: {states(ensemble)}")


def cold_restart(ensemble: Ensemble, work: Work) -> None:
    """All lose power at once, and come back to where they were."""
    world = ensemble.world
    before = max(node.brain.status().applied for node in ensemble.nodes if node.brain is not None)
    for node in ensemble.nodes:
        node.crash(True)
    for node in ensemble.nodes:
        ensemble.restart(node)
    if not run_until(world, PROGRESS_US, lambda: settled(ensemble) and work.idle()):
        raise Violation("cold restart", f"not in order after {PROGRESS_US // SECOND} s: {states(ensemble)}")
    after = max(node.brain.status().applied for node in ensemble.nodes if node.brain is not None)
    if after < before:
        raise Violation("cold restart", f"{show(before)} was executed everywhere, {show(after)} is left")


def quiet(plan: Plan, ensemble: Ensemble) -> None:
    """A while in which clients only say that they live; it must be enough for their sessions to live on."""
    timeout_ms = plan.options.timeout_ms
    if timeout_ms <= QUIET_MS:
        ensemble.world.run(ensemble.world.now_us + 2 * timeout_ms * MS)


def run_until(world: World, limit_us: int, done: Callable[[], bool]) -> bool:
    """Whether it was done within the limit; asked now and then, for asking costs."""
    end_us = world.now_us + limit_us
    while world.now_us < end_us:
        world.run(world.now_us + LOOK_US)
        if done():
            return True
    return False


def settled(ensemble: Ensemble) -> bool:
    """All members serve, are at one place, behind what made them members, and a voter leads."""
    newest, leader = ensemble.newest(), ensemble.leader()
    if leader is None or leader.id not in newest.voters:
        return False
    ids = newest.ids
    brains = [ensemble.node(id).brain for id in ids]
    views: list[Any] = [brain.status() for brain in brains if brain is not None]
    everybody = len(views) == len(ids) and all(view.serving for view in views)
    return everybody and all(newest.version < view.applied == view.zxid == views[0].zxid for view in views)


def states(ensemble: Ensemble) -> str:
    """Where everybody is."""
    parts = []
    for node in ensemble.nodes:
        if node.brain is None:
            parts.append(f"{node.id} down")
            continue
        status = node.brain.status()
        parts.append(f"{node.id} {status.role} {status.phase} e{status.epoch} {show(status.zxid)}")
    return ", ".join(parts)
