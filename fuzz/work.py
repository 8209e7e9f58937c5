"""What one process of a run does, and how several share the targets.

Rules: with __main__.py the only place of fuzz/ with real time, processes and printing. What another process is given
must not stand in __main__.py, which a started interpreter does not load.
"""

import logging
import sys
import time
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import NamedTuple

from fuzz.harness import Finding, Fuzzer
from fuzz.table import TARGETS


class Done(NamedTuple):
    """One target, fuzzed with one seed."""

    target: str
    seed: int
    inputs: int
    labels: int
    seconds: float
    checksum: int
    finding: Finding | None

    def __str__(self) -> str:
        rate = self.inputs / max(self.seconds, 0.001)
        counts = f"{self.inputs:>9,} inputs, {rate:>8,.0f}/s, {self.labels:>4} outcomes, checksum {self.checksum:08x}"
        return f"{self.target:10} seed {self.seed}: {counts}, {'FOUND' if self.finding else 'ok'}"


def work(name: str, seed: int, seconds: float, inputs: int) -> Done:
    """Fuzz one target until the time is over, or so many inputs are, or something is found."""
    fuzzer = Fuzzer(TARGETS[name], seed)
    began = time.monotonic()
    finding = None
    before = logging.root.manager.disable
    logging.disable()
    try:
        while finding is None and fuzzer.inputs < inputs and time.monotonic() - began < seconds:
            finding = fuzzer.step()
    finally:
        logging.disable(before)
    return Done(name, seed, fuzzer.inputs, len(fuzzer.labels), time.monotonic() - began, fuzzer.trace, finding)


def run(names: list[str], seed: int, seconds: float, inputs: int, jobs: int) -> list[Done]:
    """Every target, `jobs` processes at a time. With more processes than targets, a target gets several seeds."""
    rounds = max(1, jobs // len(names))
    rows = [(name, seed + round) for round in range(rounds) for name in names]
    done = []
    if jobs == 1:
        for name, own in rows:
            done.append(work(name, own, seconds, inputs))
            print(done[-1], file=sys.stderr, flush=True)
        return done
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        waiting: list[Future[Done]] = [pool.submit(work, name, own, seconds, inputs) for name, own in rows]
        for future in as_completed(waiting):
            done.append(future.result())
            print(done[-1], file=sys.stderr, flush=True)
    return done
