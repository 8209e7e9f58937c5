"""The fuzzer as a tool: all targets or some, for so long, or one input again.

Rules: the only place of fuzz/ with real time, processes and printing. A finding is printed with the command that
repeats it. Exit code 1 with findings, 2 for a command line that cannot be.
"""

import argparse
import logging
import math
import random
import sys
import time
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import NamedTuple

from fuzz.harness import Finding, Fuzzer, replay
from fuzz.table import TARGETS

EPILOG = """targets:
{targets}

examples:
  python -m fuzz --seconds 60 --jobs 2       every target for a minute, on two cores
  python -m fuzz peers entries --seconds 600
  python -m fuzz peers --inputs 5000 --seed 7   the same inputs, wherever it runs
  python -m fuzz requests --replay 0000000100000003"""
JOBS_MAX = 256


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


def main(arguments: list[str]) -> int:
    listed = "\n".join(f"  {name:10} {target.about}" for name, target in TARGETS.items())
    parser = argparse.ArgumentParser(
        prog="python -m fuzz",
        description="Bytes that are nearly right, for everything that reads bytes of others.",
        epilog=EPILOG.format(targets=listed),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="which (all)")
    parser.add_argument("--seconds", type=float, help="for each target (10)")
    parser.add_argument("--inputs", type=int, help="at most so many for each target, instead")
    parser.add_argument("--seed", type=int, help="of all chance (drawn, and printed)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (1)")
    parser.add_argument("--replay", metavar="HEX", help="feed one input to one target; - for the empty one")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.targets if name not in TARGETS]
    if unknown:
        parser.error(f"no target {unknown[0]!r}; known: {', '.join(TARGETS)}")
    if not 1 <= options.jobs <= JOBS_MAX:
        parser.error(f"--jobs is 1 to {JOBS_MAX}")
    names = options.targets or list(TARGETS)
    if options.replay is not None:
        if len(names) != 1:
            parser.error("--replay takes one target")
        return _replay(parser, names[0], options.replay)
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
    seconds = options.seconds or (10.0 if options.inputs is None else math.inf)
    print(f"seed {seed}", file=sys.stderr, flush=True)
    done = run(names, seed, seconds, options.inputs or sys.maxsize, options.jobs)
    findings = [one.finding for one in done if one.finding is not None]
    for finding in findings:
        print(f"\n{finding}")
    print(f"{sum(one.inputs for one in done):,} inputs, {len(findings)} findings, seed {seed}")
    return 1 if findings else 0


def _replay(parser: argparse.ArgumentParser, name: str, text: str) -> int:
    try:
        data = bytes.fromhex("" if text == "-" else text)
    except ValueError:
        parser.error("--replay takes hexadecimal digits")
    trace = replay(TARGETS[name], data)
    print(trace or "ok")
    return 1 if trace else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
