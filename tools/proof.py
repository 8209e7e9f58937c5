"""Everything that shows that the ensemble keeps its promises, one after the other, and a table at the end.

Rules: each step is a command of its own, named in the table, whose exit code is its verdict; what it prints is printed.
Exit code 1 when a step failed. What it all means: docs/proof.md.
"""

import argparse
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True)
class Step:
    """One command: `python -m` these words."""

    shows: str
    words: str
    short: str  # the same in a minute or two

    def run(self, short: bool) -> tuple[int, float]:
        """(exit code, seconds)."""
        begin = time.monotonic()
        words = (self.short if short else self.words).split()
        done = subprocess.run([sys.executable, "-m", *words], cwd=ROOT, check=False)
        return done.returncode, time.monotonic() - begin


STEPS = (
    Step("seeds of the simulated world", "sim --seeds 10000 --keep-going", "sim --seeds 300 --keep-going"),
    Step("speed of the simulator, three nodes", "sim 1 --seeds 300 --voters 3 --jobs 1", "sim 1 --seeds 60 --voters 3"),
    Step("safeguards switched off are missed", "sim.ablations", "sim.ablations --most 30 commit_without_quorum"),
    Step("branches that seeds run through", "sim.coverage --seeds 500", "sim.coverage --seeds 250"),
    Step("every disk a crash may leave", "sim.enumeration crashes", "sim.enumeration crashes --budget 5000"),
    Step("every byte that may rot", "sim.enumeration flips", "sim.enumeration flips --budget 5000"),
    Step("inputs that are nearly right", "fuzz --seconds 60 --jobs 2", "fuzz --seconds 3 --jobs 2"),
    Step("real processes under fire", "tests.robustness campaign --runs 20", "tests.robustness run --seconds 20"),
    Step("kill -9", "tests.robustness kills --count 300", "tests.robustness kills --count 10"),
    Step("power cuts", "tests.robustness powercuts --count 30", "tests.robustness powercuts --count 2"),
)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="tools/proof.py",
        description="Run all proofs; about an hour and a half on two cores.",
        epilog="example: ./test.sh proof --short",
    )
    parser.add_argument("--short", action="store_true", help="a little of everything, in a few minutes")
    options = parser.parse_args(arguments)
    table = Table("what", "command", "seconds", "verdict", box=None)
    failed = 0
    for step in STEPS:
        print(f"--- {step.shows}", flush=True)
        code, seconds = step.run(options.short)
        failed += bool(code)
        command = f"python -m {step.short if options.short else step.words}"
        table.add_row(step.shows, command, f"{seconds:.0f}", "ok" if not code else f"FAILED, exit code {code}")
    Console(width=None if sys.stdout.isatty() else 140).print(table)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
