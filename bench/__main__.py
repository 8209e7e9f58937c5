"""`python -m bench bars [NAME…]`, `sizes [NAME…]`, `soak`, `chaos`, `regress` and `compare`.

Rules: results on stdout as a table or JSON, progress on stderr. Exit code 1 when a bar is missed or could not be
measured, or a promise broken, 2 for a wrong invocation.
"""

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from grades.client import GradesError

from bench import chaos, regress, sizes, soak
from bench.bars import BARS
from bench.compare import command as comparison
from bench.figures import Bar, as_json, bars_table
from bench.load import Stuck
from bench.say import Say
from zooweeper.bench import BenchError
from zooweeper.cli.ensemble import EnsembleError
from zooweeper.model.errors import ZkError

EXAMPLES = """examples:
  python -m bench bars                      all bars, some minutes
  python -m bench bars start leader-kills   these two
  python -m bench sizes znodes --plots .    what a million znodes cost; without a name: all, some minutes
  python -m bench chaos --seconds 300       random faults, every promise checked
  python -m bench soak --minutes 60         an hour of load: does anything grow?
  python -m bench regress                   CPU per operation against bench/regress.json, 15 s
  python -m bench compare                   beside Apache ZooKeeper and etcd; compare --help
"""


def main() -> int:
    parser = argparse.ArgumentParser("python -m bench", epilog=EXAMPLES, formatter_class=argparse.RawTextHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    bars = commands.add_parser("bars", help="measure the bars")
    bars.add_argument("name", nargs="*", help=f"which of: {', '.join(BARS)} (default: all)")
    growing = commands.add_parser("sizes", help="cost against nodes, znodes, children, watches and bytes")
    growing.add_argument("name", nargs="*", help=f"which of: {', '.join(sizes.CURVES)} (default: all)")
    growing.add_argument("--most", type=int, metavar="N", help="no size beyond it")
    growing.add_argument("--plots", type=Path, metavar="FOLDER", help="writes an .svg for each there")
    faults = commands.add_parser("chaos", help="random faults under load; checks every promise about writes and reads")
    faults.add_argument("--seconds", type=float, default=60.0)
    faults.add_argument("--seed", type=int, default=1)
    faults.add_argument("--nodes", type=int, default=3, choices=(3, 5, 7, 9))
    long = commands.add_parser("soak", help="load for a long time; memory, descriptors and folders must not grow")
    long.add_argument("--minutes", type=float, default=60.0)
    long.add_argument("--rate", type=int, default=1000, help="operations a second, about (default: %(default)s)")
    dearer = commands.add_parser("regress", help="warns when the CPU of an operation has grown; never fails for it")
    dearer.add_argument("--store", action="store_true", help="keep what is measured, to compare with from now on")
    beside = commands.add_parser(
        "compare",
        help="ratios to Apache ZooKeeper and etcd, on this machine",
        epilog=comparison.EXAMPLES,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    comparison.add_arguments(beside)
    for command in (bars, growing, faults, long):
        command.add_argument("-o", dest="output", choices=("table", "json"), default="table")
    arguments = parser.parse_args()
    if arguments.command == "regress":
        return run_regress(arguments)
    if arguments.command == "compare":
        return comparison.compare(arguments)
    if arguments.command == "chaos":
        return run_chaos(arguments)
    if arguments.command == "soak":
        return run_soak(arguments)
    known: Iterable[str] = sizes.CURVES if arguments.command == "sizes" else BARS
    unknown = [name for name in arguments.name if name not in known]
    if unknown:
        parser.error(f"nothing named {', '.join(unknown)}; there are: {', '.join(known)}")
    if arguments.command == "sizes":
        return run_sizes(arguments)
    results = asyncio.run(measure_bars(arguments.name or list(BARS)))
    print(as_json(results) if arguments.output == "json" else bars_table(results))
    return 0 if all(bar.ok for bar in results) else 1


def run_sizes(arguments: argparse.Namespace) -> int:
    try:
        found = sizes.measure(Say(), arguments.name or list(sizes.CURVES), arguments.most)
        if arguments.plots:
            sizes.write_plots(arguments.plots, found)
    except (BenchError, Stuck, EnsembleError, OSError) as error:
        print(f"sizes: {error}", file=sys.stderr)
        return 1
    as_text = sizes.as_json(found) if arguments.output == "json" else sizes.tables(found)
    print(as_text)
    return 0


def run_regress(arguments: argparse.Namespace) -> int:
    try:
        regress.regress(Say(), arguments.store)
    except (Stuck, EnsembleError) as error:
        print(f"regress: {error}", file=sys.stderr)
        return 1
    return 0


def run_chaos(arguments: argparse.Namespace) -> int:
    try:
        report = asyncio.run(chaos.run(Say(), arguments.nodes, arguments.seconds, arguments.seed))
    except (Stuck, EnsembleError, ZkError) as error:
        print(f"FAILED (seed {arguments.seed}): {error}")
        return 1
    print(json.dumps(asdict(report), indent=2) if arguments.output == "json" else chaos.table(report))
    return 0 if report.good else 1


def run_soak(arguments: argparse.Namespace) -> int:
    try:
        looks = asyncio.run(soak.soak(Say(), arguments.minutes, arguments.rate))
    except (Stuck, EnsembleError, ZkError) as error:
        print(f"soak: {error}", file=sys.stderr)
        return 1
    if not looks:
        print(f"soak: too short: a look is taken every {soak.LOOK_S:.0f} s", file=sys.stderr)
        return 2
    bars = soak.judged(looks)
    if arguments.output == "json":
        print(json.dumps({"looks": [asdict(one) for one in looks], "bars": [asdict(bar) for bar in bars]}, indent=2))
    else:
        print(soak.table(looks), bars_table(bars), sep="\n\n")
    return 0 if all(bar.ok for bar in bars) else 1


async def measure_bars(names: list[str]) -> list[Bar]:
    """One after the other; one that cannot be measured is a failed bar, and the others go on."""
    results: list[Bar] = []
    for name in names:
        try:
            results += await BARS[name](Say())
        except (Stuck, EnsembleError, ZkError, GradesError) as error:
            results.append(Bar(name, "can be measured", str(error), False))
    return results


def _end(signum: int, frame: object) -> None:
    """Told to end: what was started is ended, as at any other end."""
    sys.exit(128 + signum)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _end)
    sys.exit(main())
