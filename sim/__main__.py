"""`python -m sim`: replay a seed or a kept plan, explore new seeds, make a failure small.

Rules: answers to stdout, progress to stderr; exit code 1 when a promise was broken, 2 for a wrong command, 3 when the
simulator itself cannot be trusted (the canary lived, or a seed was not the same twice).
"""

import argparse
import os
import random
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

from sim.marks import LARGE, missing
from sim.nemeses import NEMESES
from sim.plan import Plan
from sim.scenario import Outcome
from sim.shrink import Shrinker
from sim.swarm import Ask, Summary, swarm
from sim.workloads import WORKLOADS

UNITS = {"s": 1, "m": 60, "h": 3600}
EXAMPLES = """examples:
  python -m sim 42                        replay a seed: the end of its trace, and the verdict
  python -m sim --swarm 60s --jobs 2      new seeds until the time is over
  python -m sim --seeds 10000 --jobs 2    so many seeds, with the bound that they prove
  python -m sim 42 --shrink small.json    a small plan that fails as seed 42 does
  python -m sim --plan small.json         run a plan that was kept
"""


def seconds_of(text: str) -> float:
    """60s, 5m, 8h."""
    unit = UNITS.get(text[-1:])
    number = text[:-1] if unit else text
    if not number.isdigit():
        raise argparse.ArgumentTypeError(f"not a duration: {text!r}, expected something like 60s, 5m or 8h")
    return float(int(number) * (unit or 1))


def names_of(known: Mapping[str, object], what: str) -> Callable[[str], tuple[str, ...]]:
    """A parser of comma separated names."""

    def parse(text: str) -> tuple[str, ...]:
        names = tuple(text.split(","))
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"no {what} {name!r}; there are {', '.join(known)}")
        return names

    return parse


def arguments_of(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m sim",
        description="The simulated world of zooweeper: one seed decides everything.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("seed", type=int, nargs="?", help="the seed to replay, or to begin with")
    add("--swarm", type=seconds_of, metavar="TIME", help="explore new seeds for so long")
    add("--seeds", type=int, default=0, metavar="N", help="explore so many seeds")
    add("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="processes (default: one per core)")
    add("--keep-going", action="store_true", help="do not end at the first failure")
    add("--agreement", action="store_true", help="zab alone, without sessions and tree")
    add("--voters", type=int, default=0, metavar="N", help="so many nodes, instead of as the seed says")
    add("--nemeses", type=names_of(NEMESES, "nemesis"), default=(), metavar="A,B", help="draw from these only")
    add("--workloads", type=names_of(WORKLOADS, "workload"), default=(), metavar="A,B", help="draw from these only")
    add("--ablation", default="", metavar="NAME", help="with this safeguard switched off (python -m sim.ablations)")
    add("--plan", type=Path, metavar="FILE", help="run a plan that was kept instead of a seed")
    add("--save", type=Path, metavar="FILE", help="write the plan of the seed")
    add("--shrink", type=Path, metavar="FILE", help="if it fails: write a small plan that fails in the same way")
    add("--lines", type=int, default=40, help="of the trace")
    options = parser.parse_args(arguments)
    if options.seed is None and options.plan is None and not options.swarm and not options.seeds:
        parser.error("a seed, --plan FILE, --swarm TIME or --seeds N")
    return options


def explore(ask: Ask, options: argparse.Namespace) -> int:
    """Many seeds."""
    first = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
    console = Console(stderr=True)
    print(f"from seed {first}, {options.jobs} processes", flush=True)
    with console.status("starting") as status:

        def say(summary: Summary) -> None:
            status.update(summary.progress())

        summary = swarm(ask, first, options.seeds, options.swarm or float("inf"), options.jobs, options.keep_going, say)
    for line in summary.lines():
        print(line)
    table = Table("what happened", "in seeds", "share", title="marks", box=None)
    for mark, seeds in sorted(summary.marks.items()):
        table.add_row(mark, str(seeds), f"{seeds / summary.results:.1%}")
    Console().print(table)
    if summary.results >= LARGE and not ask.arguments():
        for mark in missing(summary.marks):
            Console().print(f"never reached in {summary.results} seeds: {mark}", style="yellow")
    for seed in list(summary.failed)[:3]:
        print(f"replay: python -m sim {seed} {ask.arguments()}")
    if summary.failed:
        return 1
    return 0 if summary.good or ask.ablation else 3


def load(path: Path) -> Plan:
    """A plan from a file; exits with one line if it is none."""
    try:
        return Plan.from_json(path.read_text())
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.exit(f"python -m sim: {path} is no plan: {error!r}")


def replay(ask: Ask, options: argparse.Namespace) -> int:
    """One seed or plan, traced."""
    plan = load(options.plan) if options.plan else ask.plan(options.seed)
    if options.save:
        options.save.write_text(plan.to_json())
    outcome: Outcome = ask.run_plan(plan, True)
    outcome.how = f"--plan {options.plan}" if options.plan else f"{plan.seed} {ask.arguments()}".strip()
    if outcome.violation is None:
        print("\n".join(outcome.world.tail(options.lines)))
    print(outcome.report(options.lines))
    if outcome.violation is None:
        return 0
    if options.shrink:
        with Console(stderr=True).status("shrinking"):
            shrunk = Shrinker(outcome, ask.run_plan).shrink()
        options.shrink.write_text(shrunk.plan.to_json())
        print(
            f"{shrunk.runs} runs: {len(outcome.plan.strikes)} strikes and {len(outcome.plan.doings)} doings are "
            f"{len(shrunk.plan.strikes)} and {len(shrunk.plan.doings)} now; python -m sim --plan {options.shrink}"
        )
    return 1


def main(arguments: list[str]) -> int:
    options = arguments_of(arguments)
    ask = Ask(options.agreement, options.voters, options.nemeses, options.workloads, options.ablation)
    if options.swarm or options.seeds:
        return explore(ask, options)
    return replay(ask, options)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
