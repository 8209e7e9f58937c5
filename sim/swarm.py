"""Many seeds, on all cores, in fresh processes; some of them twice.

Rules: worker processes are started with one hash seed, those that repeat with another; one seed in REPEATED is run
traced and must give the same hash there. A swarm that found nothing says how much that proves. The canary (a plan that
must fail) goes through the same hands as every seed: a swarm that does not see it fail proves nothing.
"""

import gc
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field

from sim.ablations import ablated
from sim.plan import Plan, plan_of
from sim.scenario import Outcome, run_agreement, run_service

REPEATED = 20  # one seed in so many
CHUNK = 10  # seeds a worker is given at once
CANARY = "commit_without_quorum"  # an ablation that hardly a seed survives


@dataclass(frozen=True, slots=True)
class Ask:
    """What kind of seeds."""

    agreement: bool = False
    voters: int = 0  # 0: as drawn
    nemeses: tuple[str, ...] = ()
    workloads: tuple[str, ...] = ()
    ablation: str = ""

    def plan(self, seed: int) -> Plan:
        return plan_of(seed, self.voters, self.nemeses, self.workloads)

    def run(self, seed: int, traced: bool = False) -> Outcome:
        """One seed, with the safeguard off that `ablation` names."""
        return self.run_plan(self.plan(seed), traced)

    def run_plan(self, plan: Plan, traced: bool = False) -> Outcome:
        with ablated(self.ablation):
            return (run_agreement if self.agreement else run_service)(plan, traced)

    def arguments(self) -> str:
        """What to add to a command to ask for the same."""
        parts = ["--agreement"] if self.agreement else []
        parts += [f"--voters {self.voters}"] if self.voters else []
        parts += [f"--nemeses {','.join(self.nemeses)}"] if self.nemeses else []
        parts += [f"--workloads {','.join(self.workloads)}"] if self.workloads else []
        parts += [f"--ablation {self.ablation}"] if self.ablation else []
        return " ".join(parts)


@dataclass(frozen=True, slots=True)
class Result:
    """What one seed gave, as it travels between processes."""

    seed: int
    steps: int
    virtual_us: int
    acknowledged: int
    marks: dict[str, int]
    violation: str
    trace: str  # "" if not traced
    cpu_s: float


@dataclass(slots=True)
class Summary:
    """What a swarm gave."""

    results: int = 0
    steps: int = 0
    virtual_us: int = 0
    acknowledged: int = 0
    cpu_s: float = 0.0
    wall_s: float = 0.0
    marks: dict[str, int] = field(default_factory=dict)  # seeds that reached it
    failed: dict[int, str] = field(default_factory=dict)
    repeated: int = 0
    unequal: list[int] = field(default_factory=list)
    canary: str = ""  # how it failed

    @property
    def good(self) -> bool:
        return bool(self.results and self.canary) and not self.failed and not self.unequal

    def add(self, result: Result) -> None:
        self.results += 1
        self.steps += result.steps
        self.virtual_us += result.virtual_us
        self.acknowledged += result.acknowledged
        self.cpu_s += result.cpu_s
        for mark in result.marks:
            self.marks[mark] = self.marks.get(mark, 0) + 1
        if result.violation:
            self.failed[result.seed] = result.violation

    def progress(self) -> str:
        """One line while it runs."""
        again = f", {self.repeated} repeated" if self.repeated else ""
        return f"{self.results} seeds, {self.results / max(self.wall_s, 1e-9):.1f}/s, {len(self.failed)} failed{again}"

    def lines(self) -> Iterator[str]:
        """For people."""
        seeds = max(1, self.results)
        yield (
            f"{self.results} seeds, {self.steps // seeds} events and {self.virtual_us / seeds / 1e6:.1f} virtual "
            f"seconds a seed, {self.acknowledged} writes acknowledged, {len(self.failed)} failed"
        )
        yield (
            f"{self.results / max(self.cpu_s, 1e-9):.1f} seeds/s per core, {self.steps / max(self.cpu_s, 1e-9):.0f} "
            f"events/s per core, {self.wall_s:.0f} s in all"
        )
        unequal = f"{len(self.unequal)} UNEQUAL {self.unequal}" if self.unequal else "all equal"
        yield f"{self.repeated} seeds repeated in fresh processes with another hash seed: {unequal}"
        yield f"canary: failed as it must ({self.canary})" if self.canary else "CANARY DID NOT FAIL: trust nothing here"
        for seed, violation in sorted(self.failed.items()):
            yield f"FAILED seed {seed}: {violation}"
        if self.results and not self.failed:
            yield f"with 95 % confidence fewer than {3 / self.results:.1e} of such seeds fail"


def run_chunk(ask: Ask, seeds: list[int], traced: bool) -> list[Result]:
    """In a worker. The collector runs between seeds, not in them."""
    gc.disable()
    results = []
    for seed in seeds:
        begin = time.process_time()
        outcome = ask.run(seed, traced or seed % REPEATED == 0)
        world, violation = outcome.world, outcome.violation
        results.append(
            Result(
                seed,
                world.steps,
                world.now_us,
                outcome.acknowledged,
                world.marks,
                str(violation) if violation is not None else "",
                world.trace_hash() if world.traced else "",
                time.process_time() - begin,
            )
        )
    gc.collect()
    return results


@contextmanager
def workers(jobs: int, hash_seed: str) -> Iterator[ProcessPoolExecutor]:
    """Fresh interpreters with that PYTHONHASHSEED."""
    before = os.environ.get("PYTHONHASHSEED")
    os.environ["PYTHONHASHSEED"] = hash_seed
    try:
        with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
            yield pool
    finally:
        if before is None:
            del os.environ["PYTHONHASHSEED"]
        else:
            os.environ["PYTHONHASHSEED"] = before


def results_of(
    pool: ProcessPoolExecutor, jobs: int, ask: Ask, chunks: Iterator[list[int]], traced: bool = False
) -> Iterator[Result]:
    """As they come; never more work handed out than keeps the workers busy."""
    waiting: set[Future[list[Result]]] = set()
    more = True
    while more or waiting:
        while more and len(waiting) < 2 * jobs:
            chunk = next(chunks, None)
            if chunk is None:
                more = False
            else:
                waiting.add(pool.submit(run_chunk, ask, chunk, traced))
        done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
        for future in done:
            yield from future.result()


def chunks_of(first: int, count: int, until: float) -> Iterator[list[int]]:
    """Seeds in chunks: `count` of them (0: no end), and none is begun after `until`."""
    seed, end = first, first + count
    while (not count or seed < end) and time.monotonic() < until:
        size = CHUNK if not count else min(CHUNK, end - seed)
        yield list(range(seed, seed + size))
        seed += size


def swarm(
    ask: Ask,
    first: int,
    count: int,
    seconds: float,
    jobs: int,
    keep_going: bool,
    say: Callable[[Summary], None],
) -> Summary:
    """Run seeds until `count` (0: any number) or the time is over; `say` is called now and then."""
    summary, begin = Summary(), time.monotonic()
    traces: dict[int, str] = {}
    stop = False

    def chunks() -> Iterator[list[int]]:
        for chunk in chunks_of(first, count, begin + seconds):
            if stop:
                return
            yield chunk

    with workers(jobs, "1") as pool:
        if not ask.ablation:
            summary.canary = canary(pool, ask, first)
        for result in results_of(pool, jobs, ask, chunks()):
            summary.add(result)
            if result.trace:
                traces[result.seed] = result.trace
            stop = bool(result.violation) and not keep_going
            summary.wall_s = time.monotonic() - begin
            say(summary)
    again = sorted(traces, reverse=True)  # in another order, too
    with workers(jobs, "2") as pool:
        repeats = iter([again[at : at + CHUNK] for at in range(0, len(again), CHUNK)])
        for result in results_of(pool, jobs, ask, repeats, True):
            summary.repeated += 1
            if result.trace != traces[result.seed]:
                summary.unequal.append(result.seed)
            say(summary)
    summary.wall_s = time.monotonic() - begin
    return summary


def canary(pool: ProcessPoolExecutor, ask: Ask, first: int) -> str:
    """The violation of a seed near `first` with a safeguard switched off; "" if a whole chunk of them passes."""
    ill = Ask(ask.agreement, 3, ask.nemeses, ask.workloads, CANARY)
    results: list[Result] = pool.submit(run_chunk, ill, list(range(first, first + CHUNK)), False).result()
    return next((f"seed {result.seed}, {CANARY}: {result.violation}" for result in results if result.violation), "")
