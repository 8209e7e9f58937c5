"""`python -m tests.robustness run | campaign | kills | powercuts`: real nodes under fire, and a report of each run.

Rules: results on stdout, progress on stderr. A run's exit code is read from its report file: 0 PASS, 1 FAIL, 3 INVALID;
2 is a wrong invocation. A campaign fails with any FAIL, or when fewer runs than it should are valid.
"""

import argparse
import asyncio
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from bench.figures import as_table
from bench.say import Say
from tests.robustness.abilities import DISKS, missing
from tests.robustness.facts import Facts, Ledger
from tests.robustness.faults import FAMILIES, FAULTS, named
from tests.robustness.gates import Verdict
from tests.robustness.report import HTML_NAME, verdict_in, write
from tests.robustness.run import Options, run
from zooweeper.model.config import CARRIERS, FAST

EXITS = {Verdict.PASS: 0, Verdict.FAIL: 1, Verdict.INVALID: 3}
INTERRUPTED = 130
VALID_SHARE_MIN = 0.95
VICTIMS_A_ROUND = 50  # of `kills` and `powercuts`: then everything is audited, and a new ensemble begins
SIZES = (3, 3, 5)  # of a campaign's ensembles, in turn

EXAMPLES = """examples:
  python -m tests.robustness run --seconds 60 --seed 7
  python -m tests.robustness run --faults kill,partition --nodes 5 --report /tmp/report
  python -m tests.robustness campaign --runs 20      about half an hour
  python -m tests.robustness kills --count 300       kill -9, every acknowledged write audited
  python -m tests.robustness powercuts --count 30    needs root
  python -m tests.robustness faults                  what there is
"""


@dataclass(frozen=True, slots=True)
class Done:
    """One run and its verdict, as its report has it."""

    options: Options
    facts: Facts
    verdict: Verdict
    folder: Path


def main() -> int:
    arguments = parser().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))  # mounts and nodes must go with us
    try:
        return do(Say(), arguments)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED


def do(say: Say, arguments: argparse.Namespace) -> int:
    """The command; its exit code."""
    if arguments.command == "faults":
        print(
            as_table([(row.name, row.family, ", ".join(row.needs)) for row in named(())], ("fault", "family", "needs"))
        )
        return 0
    folder = Path(arguments.report or tempfile.mkdtemp(prefix="robustness-"))
    if arguments.command == "run":
        return one(say, arguments, folder)
    if arguments.command == "campaign":
        return campaign(say, arguments, folder)
    return rounds(say, arguments, folder)


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        "python -m tests.robustness", epilog=EXAMPLES, formatter_class=argparse.RawTextHelpFormatter
    )
    commands = top.add_subparsers(dest="command", required=True)

    def command(name: str, text: str, example: str) -> argparse.ArgumentParser:
        return commands.add_parser(
            name, help=text, description=text, epilog=f"example: python -m tests.robustness {name} {example}"
        )

    single = command("run", "one run, with a report", "--faults kill,partition --seconds 30")
    many = command("campaign", "many runs, and the share that is valid", "--runs 20")
    kills = command("kills", "kill -9 in a loop, under load", "--count 300")
    cuts = command("powercuts", "power cuts in a loop, under load; needs root", "--count 30")
    command("faults", "the table of faults", "")
    many.add_argument("--runs", type=positive, default=20)
    kills.add_argument("--count", type=positive, default=300, help="nodes killed, at least (default: 300)")
    cuts.add_argument("--count", type=positive, default=30, help="nodes cut, at least (default: 30)")
    for one_command in (single, many):
        one_command.add_argument("--seconds", type=float, default=60.0, help="of faults (default: 60)")
        one_command.add_argument(
            "--faults", type=known, default=(), help=f"names or families, by commas: {', '.join(FAMILIES)}"
        )
    for one_command in (single, many, kills, cuts):
        one_command.add_argument("--seed", type=int, default=1)
        one_command.add_argument("--report", metavar="DIR", help="where the reports go (default: a new folder)")
        one_command.add_argument(
            "--carrier",
            choices=CARRIERS,
            default=None,
            help="of the broadcast between nodes (default: fast; a campaign: both)",
        )
    for one_command in (single, kills, cuts):
        one_command.add_argument("--nodes", type=int, default=3, choices=(3, 5, 7))
    return top


def positive(text: str) -> int:
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1")
    return int(text)


def known(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if name not in FAULTS and name not in FAMILIES:
            raise argparse.ArgumentTypeError(f"no fault or family {name!r}; see: python -m tests.robustness faults")
    return names


def play(say: Say, options: Options, folder: Path) -> Done:
    """One run and its report; the verdict is what the report says."""
    facts = asyncio.run(run(options, say.line, keep=folder))
    return Done(options, facts, verdict_in(write(facts, folder)), folder)


def one(say: Say, arguments: argparse.Namespace, folder: Path) -> int:
    carrier = arguments.carrier or FAST
    options = Options(arguments.nodes, arguments.seconds, 0, arguments.seed, arguments.faults, carrier=carrier)
    done = play(say, options, folder)
    for text in done.facts.violations:
        print(f"VIOLATION: {text}")
    for name, why in done.facts.skipped.items():
        print(f"skipped: {name}: {why}")
    print(table([done]))
    print(f"{done.verdict}; report: {folder / HTML_NAME}")
    return EXITS[done.verdict]


def campaign(say: Say, arguments: argparse.Namespace, folder: Path) -> int:
    base = Options(seconds=arguments.seconds, faults=arguments.faults)
    done = []
    for number in range(arguments.runs):
        seed = arguments.seed + number
        carrier = arguments.carrier or CARRIERS[number % len(CARRIERS)]
        options = replace(base, seed=seed, nodes=SIZES[number % len(SIZES)], carrier=carrier)
        say.line(f"run {number + 1} of {arguments.runs}: seed {seed}, {options.nodes} nodes, carrier {carrier}")
        done.append(play(say, options, folder / f"seed-{seed}"))
        say.line(f"{done[-1].verdict}: {folder / f'seed-{seed}' / HTML_NAME}")
    return conclude(done, folder)


def rounds(say: Say, arguments: argparse.Namespace, folder: Path) -> int:
    """Kills or power cuts, until there were enough."""
    family = {"kills": "kill", "powercuts": "power"}[arguments.command]
    if family == "power" and missing(DISKS):
        print(f"skipped: {missing(DISKS)}")
        return EXITS[Verdict.INVALID]
    done: list[Done] = []
    for victims in shares(arguments.count):
        seed = arguments.seed + len(done)
        say.line(f"round {len(done) + 1}: seed {seed}, {victims} of {arguments.count}")
        options = Options(arguments.nodes, 0.0, victims, seed, (family,), carrier=arguments.carrier or FAST)
        done.append(play(say, options, folder / f"seed-{seed}"))
    return conclude(done, folder)


def shares(count: int) -> Iterator[int]:
    """The rounds that make up a count."""
    while count > 0:
        yield min(count, VICTIMS_A_ROUND)
        count -= VICTIMS_A_ROUND


def conclude(done: list[Done], folder: Path) -> int:
    """The table, the sums, the exit code."""
    print(table(done))
    verdicts = Counter(one.verdict for one in done)
    for one_done in done:
        for text in one_done.facts.violations:
            print(f"VIOLATION (seed {one_done.options.seed}): {text}")
    valid = 1 - verdicts[Verdict.INVALID] / len(done)
    total = Ledger()
    for one_done in done:
        for field in Ledger.__slots__:
            setattr(total, field, getattr(total, field) + getattr(one_done.facts.ledger, field))
    strikes = sum(len(one_done.facts.strikes) for one_done in done)
    print(
        f"{len(done)} runs, {valid:.0%} valid, {verdicts[Verdict.FAIL]} failed; {strikes} faults, {total.kills} kills, "
        f"{total.cuts} power cuts; {total.acknowledged} writes acknowledged, {total.lost} lost; reports: {folder}"
    )
    if verdicts[Verdict.FAIL]:
        return EXITS[Verdict.FAIL]
    return EXITS[Verdict.PASS] if valid >= VALID_SHARE_MIN else EXITS[Verdict.INVALID]


def table(done: list[Done]) -> str:
    head = ("seed", "nodes", "verdict", "faults", "operations", "acknowledged", "lost", "unknown", "violations")
    rows = []
    for one_done in done:
        facts, ledger = one_done.facts, one_done.facts.ledger
        unknown = ledger.unknown_applied + ledger.unknown_absent
        numbers = (len(facts.strikes), facts.asked, ledger.acknowledged, ledger.lost, unknown, len(facts.violations))
        options = one_done.options
        rows.append((str(options.seed), str(options.nodes), str(one_done.verdict), *map(str, numbers)))
    return as_table(rows, head)


if __name__ == "__main__":
    sys.exit(main())
