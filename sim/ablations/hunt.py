"""The hunt: for each ablation, seeds one after the other until one notices.

Rules: a seed notices when it fails with the safeguard off, and does not with all of them on. A worker takes a slice of
the seeds of one ablation; slices of one follow one another, different ones run side by side. So the answer is the first
seed that notices, however many workers there are.
"""

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass

from sim.ablations import ABLATIONS
from sim.swarm import Ask, workers

SLICE = 25  # seeds


@dataclass(frozen=True, slots=True)
class Look:
    """What some seeds gave with a safeguard off."""

    name: str
    first: int
    seed: int  # that noticed; 0: none of these
    violation: str
    cpu_s: float


def look(name: str, first: int, count: int) -> Look:
    """In a worker: up to the first seed that notices."""
    gc.disable()
    begin = time.process_time()
    found, violation = 0, ""
    nemeses, workloads = ABLATIONS[name].nemeses, ABLATIONS[name].workloads
    for seed in range(first, first + count):
        outcome = Ask(nemeses=nemeses, workloads=workloads, ablation=name).run(seed)
        if outcome.violation is not None and Ask(nemeses=nemeses, workloads=workloads).run(seed).violation is None:
            found, violation = seed, str(outcome.violation)
            break
    gc.enable()
    return Look(name, first, found, violation, time.process_time() - begin)


@dataclass(slots=True)
class Finding:
    """One ablation: the first seed that noticed, if one did."""

    name: str
    seed: int = 0
    violation: str = ""
    looked: int = 0
    cpu_s: float = 0.0

    def add(self, looked: Look, most: int) -> bool:
        """Whether to look on."""
        self.cpu_s += looked.cpu_s
        self.seed, self.violation = looked.seed, looked.violation
        self.looked = looked.seed or looked.first + SLICE - 1
        return not self.seed and self.looked < most


def hunt(names: Sequence[str], most: int, jobs: int, say: Callable[[dict[str, Finding]], None]) -> dict[str, Finding]:
    """Look for each until it is found, or `most` seeds have not noticed."""
    findings = {name: Finding(name) for name in names}
    waiting: Iterator[str] = iter(names)
    under_way: set[Future[Look]] = set()
    with workers(jobs, "1") as pool:
        while True:
            while len(under_way) < jobs + 1 and (name := next(waiting, None)):
                under_way.add(pool.submit(look, name, 1, min(SLICE, most)))
            if not under_way:
                return findings
            done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
            for future in done:
                looked = future.result()
                finding = findings[looked.name]
                if finding.add(looked, most):
                    first = finding.looked + 1
                    under_way.add(pool.submit(look, looked.name, first, min(SLICE, most + 1 - first)))
                say(findings)
