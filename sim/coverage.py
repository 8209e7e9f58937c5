"""How much of the pure floors the simulator alone runs through: branches, by file.

Rules: what is not reached is not tested here, whatever else tests it; what is reached is not thereby right. The floors
are the pure ones, whose only way in is `step`; the worlds above them have tests of their own.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import coverage
from rich.console import Console
from rich.progress import track
from rich.table import Table

ROOT = Path(__file__).parent.parent
FLOORS = ("zooweeper/model", "zooweeper/codec", "zooweeper/ops", "zooweeper/tree", "zooweeper/zab", "zooweeper/replica")
LEAST = 85.0


def measure(first: int, seeds: int) -> coverage.Coverage:
    """Run these seeds, each once, and what the modules do when they are loaded."""
    data = str(Path(tempfile.mkdtemp()) / "coverage")
    measured = coverage.Coverage(data, branch=True, source=[str(ROOT / floor) for floor in FLOORS], config_file=False)
    measured.start()
    from sim.swarm import Ask  # loads what is measured

    ask = Ask()
    for seed in track(range(first, first + seeds), "running", console=Console(stderr=True)):
        ask.run(seed)
    measured.stop()
    return measured


def branches(measured: coverage.Coverage) -> dict[str, tuple[int, int, list[int]]]:
    """By file: (branches, those taken, lines with one that was not)."""
    found = {}
    for name in sorted(measured.get_data().measured_files()):
        stats = measured.branch_stats(name)
        both = sum(total for total, _ in stats.values())
        taken = sum(taken for _, taken in stats.values())
        missed = sorted(line for line, (total, taken) in stats.items() if taken < total)
        found[str(Path(name).relative_to(ROOT))] = (both, taken, missed)
    return found


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m sim.coverage",
        description="Branch coverage of the pure floors by the simulator alone.",
        epilog="example: python -m sim.coverage --seeds 500",
    )
    parser.add_argument("--seeds", type=int, default=500, metavar="N", help="how many (default 500)")
    parser.add_argument("--first", type=int, default=1, metavar="SEED", help="the first (default 1)")
    parser.add_argument("--missed", action="store_true", help="name the lines with a branch that was not taken")
    options = parser.parse_args(arguments)
    files = branches(measure(options.first, options.seeds))
    table = Table("file", "branches", "taken", "share", box=None)
    for name, (both, taken, missed) in files.items():
        if both:
            table.add_row(name, str(both), str(taken), f"{taken / both:.0%}")
            if options.missed and missed:
                table.add_row("  " + " ".join(map(str, missed)))
    Console(width=None if sys.stdout.isatty() else 150).print(table)
    both = sum(values[0] for values in files.values())
    taken = sum(values[1] for values in files.values())
    share = 100 * taken / both
    print(f"{taken} of {both} branches of the pure floors by {options.seeds} seeds: {share:.1f} % (bar {LEAST:.0f} %)")
    return 0 if share >= LEAST else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
