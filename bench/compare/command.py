"""`python -m bench compare`: the comparison from the command line.

Rules: the table or JSON on stdout, all else on stderr. Exit code 1 when a bar is missed or something could not be
measured. What is not installed is said, and its rows are left out.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from rich.console import Console

from bench.compare import arena, big, matrix, report
from bench.compare.arena import Run
from bench.compare.chart import chart
from bench.compare.rivals import RIVALS, missing_h2load
from bench.compare.turns import Round, rows_of
from bench.load import Stuck
from bench.say import Say
from zooweeper.cli.ensemble import EnsembleError
from zooweeper.cli.settings import SettingsError
from zooweeper.model.config import CARRIERS, FAST

PARTS = ("loads", "kills", "starts")
ALL_PARTS = (*PARTS, "big")
ROUNDS_MAX = 100
SECONDS_MIN, SECONDS_MAX = 0.1, 600.0
SYNCS = 200
WIDTH = 150
EXAMPLES = """examples:
  python -m bench compare                          all but `big`, some five minutes
  python -m bench compare --rounds 1 --rivals etcd
  python -m bench compare --parts big              a million znodes, some ten minutes
  python -m bench compare --carrier grpc           the broadcast between our nodes on their gRPC streams
  python -m bench compare -o json --plot speed.svg
  python -m bench compare --write-docs             the tables and plots of README.md and docs/speed.md
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=positive, default=3, help="how often each load is measured (default: 3)")
    parser.add_argument("--seconds", type=seconds, default=1.5, help="of each load (default: 1.5)")
    parser.add_argument("--parts", nargs="+", choices=ALL_PARTS, default=PARTS, help="what is measured")
    parser.add_argument(
        "--rivals", nargs="+", choices=tuple(RIVALS), default=tuple(RIVALS), help="whom to compare with"
    )
    parser.add_argument(
        "--dir", type=folder, help="where the ensembles keep their folders (default: the temporary one)"
    )
    parser.add_argument("--carrier", choices=CARRIERS, default=FAST, help="between our own nodes (default: fast)")
    parser.add_argument("-o", dest="output", choices=("table", "json"), default="table")
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="draw the ratios")
    parser.add_argument("--write-docs", action="store_true", help="show the figures in the documents")


def positive(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= ROUNDS_MAX:
        raise argparse.ArgumentTypeError(f"expected 1 to {ROUNDS_MAX}")
    return int(text)


def seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not SECONDS_MIN <= value <= SECONDS_MAX:
        raise argparse.ArgumentTypeError(f"expected {SECONDS_MIN:g} to {SECONDS_MAX:g}")
    return value


def folder(text: str) -> Path:
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError("there is no such folder")
    return Path(text)


def compare(arguments: argparse.Namespace) -> int:
    """Measures, and shows it as asked; the exit code."""
    if arguments.write_docs and arguments.carrier != FAST:
        print(f"compare: the documents show what deploy.sh starts, not --carrier {arguments.carrier}", file=sys.stderr)
        return 2
    try:
        return compared(arguments, Say())
    except (Stuck, EnsembleError, SettingsError) as error:
        print(f"compare: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # all processes have been ended on the way here
        print("compare: interrupted", file=sys.stderr)
        return 130


def compared(arguments: argparse.Namespace, say: Say) -> int:
    reasons = {name: RIVALS[name][1]() for name in arguments.rivals} | {"h2load": missing_h2load()}
    for reason in filter(None, reasons.values()):
        say.line(f"missing: {reason}")
    rivals = [name for name in arguments.rivals if not reasons[name]]
    with tempfile.TemporaryDirectory(prefix="compare-", dir=arguments.dir) as temporary:
        run = Run(say, Path(temporary), arguments.rounds, arguments.seconds, rivals, arguments.carrier)
        syncing = sync_us(Path(temporary))
        rounds = measure(run, arguments.parts)
    made = report.report_of(
        rows_of(matrix.ALL, rounds),
        machine=f"{os.cpu_count()} cores, {platform.machine()}, Linux {platform.release()}, fdatasync {syncing:.0f} us",
        settings=run.settings,
        rounds=run.rounds,
        seconds=run.seconds,
        missing=[reason for reason in reasons.values() if reason],
        failed=run.failed,
    )
    for line in run.failed:
        say.line(f"failed: {line}")
    if arguments.plot:
        arguments.plot.write_text(chart(made["rows"]))
    if arguments.write_docs:
        report.write_documents(made)
    if arguments.output == "json":
        print(json.dumps(made, indent=2))
    else:
        Console(width=max(WIDTH, Console().width)).print(report.as_table(made))
    return 1 if run.failed or any(row["verdict"] == "missed" for row in made["rows"]) else 0


def measure(run: Run, parts: Sequence[str]) -> list[Round]:
    """The rounds of all parts."""
    rounds: list[Round] = []
    if "loads" in parts or "kills" in parts:
        rounds += arena.loads(run, matrix.MATCHES if "loads" in parts else (), "kills" in parts)
    if "starts" in parts:
        rounds += arena.starts(run)
    if "big" in parts:
        rounds += big.measure(run)
    return rounds


def sync_us(folder: Path) -> float:
    """Microseconds in which this disk makes a short append durable, the median."""
    times = []
    with (folder / "sync").open("wb", buffering=0) as file:
        for _ in range(SYNCS):
            begin = time.perf_counter()
            file.write(bytes(200))
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - begin)
    return median(times) * 1e6
