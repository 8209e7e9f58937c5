"""The simulator as a tool: replay one seed, or explore many.

Rules: the only place of sim/ with real time, processes and printing. `python -m sim 42` replays a seed to the byte;
`python -m sim --swarm 60s --jobs 2` runs new seeds until the time is over. Exit code 1 when a promise was broken.
"""

import argparse
import multiprocessing
import random
import sys
import time
from collections.abc import Callable, Iterator

from sim.scenario import Outcome, run_agreement, run_service

UNITS = {"s": 1, "m": 60, "h": 3600}


def seconds_of(text: str) -> int:
    """`90`, `90s`, `2m` or `8h`. argparse.ArgumentTypeError for anything else."""
    number, unit = (text[:-1], text[-1]) if text[-1:] in UNITS else (text, "s")
    if not number.isdigit():
        raise argparse.ArgumentTypeError(f"not a duration: {text!r}, expected something like 60s, 5m or 8h")
    return int(number) * UNITS[unit]


def explore(run: Callable[[int], Outcome], first: int, step: int, until: float) -> Iterator[Outcome]:
    """Seeds first, first + step, ... until it is that late."""
    seed = first
    while time.monotonic() < until:
        yield run(seed)
        seed += step


def work(agreement: bool, first: int, step: int, until: float, keep_going: bool) -> tuple[int, int, list[int]]:
    """One process of a swarm: (seeds, acknowledged writes, seeds that failed). Prints each failure."""
    run = run_agreement if agreement else run_service
    seeds, acknowledged, failed = 0, 0, []
    for outcome in explore(run, first, step, until):
        seeds += 1
        acknowledged += outcome.acknowledged
        if outcome.violation is not None:
            print(outcome.report(), flush=True)
            failed.append(outcome.seed)
            if not keep_going:
                break
    return seeds, acknowledged, failed


def swarm(options: argparse.Namespace) -> int:
    first = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
    print(f"swarm of {options.jobs} from seed {first}", flush=True)
    until = time.monotonic() + options.swarm
    jobs = [(options.agreement, first + job, options.jobs, until, options.keep_going) for job in range(options.jobs)]
    if options.jobs == 1:
        results = [work(*jobs[0])]
    else:
        with multiprocessing.Pool(options.jobs) as pool:
            results = pool.starmap(work, jobs)
    seeds = sum(result[0] for result in results)
    failed = [seed for result in results for seed in result[2]]
    print(f"{seeds} seeds, {sum(result[1] for result in results)} writes acknowledged, {len(failed)} failed {failed}")
    if not failed and seeds:
        print(f"with 95 % confidence fewer than {3 / seeds:.1e} of seeds fail")
    return 1 if failed else 0


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m sim", description="The simulated world of zooweeper.")
    parser.add_argument("seed", type=int, nargs="?", help="the seed to replay, or to begin with")
    parser.add_argument("--swarm", type=seconds_of, metavar="TIME", help="explore new seeds for so long")
    parser.add_argument("--jobs", type=int, default=1, help="processes of a swarm")
    parser.add_argument("--agreement", action="store_true", help="zab alone, without sessions and tree")
    parser.add_argument("--keep-going", action="store_true", help="do not end a swarm at the first failure")
    parser.add_argument("--lines", type=int, default=40, help="of the trace, with a failure")
    options = parser.parse_args(arguments)
    if options.swarm:
        return swarm(options)
    if options.seed is None:
        parser.error("a seed, or --swarm TIME")
    outcome = (run_agreement if options.agreement else run_service)(options.seed)
    if outcome.violation is None:
        print("\n".join(outcome.world.tail(options.lines)))
    print(outcome.report(options.lines))
    return 0 if outcome.violation is None else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
