"""The enumeration as a tool: all of it, a share of it, or one case again.

Rules: the only place of sim/enumeration with real time, processes and printing. The result goes to stdout, progress to
stderr; exit code 1 when an outcome was wrong, with the number of its case, for `--only`.
"""

import argparse
import multiprocessing
import sys
import time
from collections.abc import Iterator

from rich.console import Console
from rich.progress import track
from rich.table import Table

from sim.enumeration.tally import Tally
from sim.enumeration.truth import Wrong
from sim.enumeration.work import PARTS, begin, look

EXAMPLES = """examples:
  python -m sim.enumeration crashes --jobs 2           every disk that a crash may leave: some minutes
  python -m sim.enumeration flips --budget 10000       every byte that may rot: about so many cases, evenly chosen
  python -m sim.enumeration crashes --only 37:12       one case that was wrong, again, with its stack
"""
SHOWN_MAX = 20
CHUNK = 4  # pieces at a time for a process: neighbours share many states, which one process looks at once
LINE_SECONDS = 15  # between two lines of progress where there is no terminal


def shown(results: Iterator[Tally], total: int) -> Iterator[Tally]:
    """With progress on stderr: a bar, or a line now and then."""
    console = Console(stderr=True)
    if console.is_terminal:
        yield from track(results, "pieces", total, console=console, transient=True)
        return
    told = time.monotonic()
    for done, result in enumerate(results, 1):
        if time.monotonic() - told > LINE_SECONDS:
            told = time.monotonic()
            console.print(f"{done} of {total} pieces", highlight=False)
        yield result


def enumerate_part(name: str, budget: int, offset: int, jobs: int) -> Tally:
    sizes = PARTS[name]().sizes()
    every = -(-sum(sizes) // budget) if budget else 1
    work = [(piece, every, offset) for piece in range(len(sizes))]
    total = Tally()
    with multiprocessing.get_context("spawn").Pool(jobs, begin, (name,)) as pool:
        for tally in shown(pool.imap(look, work, CHUNK), len(work)):
            total.add(tally)
    return total


def replay(name: str, case: str) -> int:
    piece, _, number = case.partition(":")
    found = PARTS[name]()
    sizes = found.sizes()
    if not (piece.isdigit() and number.isdigit() and int(piece) < len(sizes) and int(number) < sizes[int(piece)]):
        sys.exit(f"--only {case}: not a case; PIECE:CASE is wanted, with a piece below {len(sizes)}")
    print(found.only(int(piece), int(number)))
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m sim.enumeration",
        description="Starts the real storage on every disk that a crash may leave, or with every byte that may rot.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("part", choices=sorted(PARTS))
    parser.add_argument("--budget", type=int, default=0, metavar="N", help="about so many cases; default: all")
    parser.add_argument("--offset", type=int, default=0, metavar="N", help="which ones, with a budget")
    parser.add_argument("--jobs", type=int, default=1, metavar="J", help="processes")
    parser.add_argument("--only", metavar="PIECE:CASE", help="one case, as it is named in a result")
    options = parser.parse_args()
    if options.budget < 0 or options.offset < 0 or options.jobs < 1:
        parser.error("--budget and --offset are not negative, --jobs is at least 1")
    if options.only:
        return replay(options.part, options.only)
    begun = time.monotonic()
    total = enumerate_part(options.part, options.budget, options.offset, options.jobs)
    seconds = time.monotonic() - begun
    table = Table(
        "what", "count", title=f"{options.part}, {seconds:.0f} s with {options.jobs} processes", title_justify="left"
    )
    for what, count in total.rows():
        table.add_row(what, f"{count:,}")
    Console(highlight=False).print(table)
    for wrong in total.wrong[:SHOWN_MAX]:
        print(f"WRONG --only {wrong}")
    if len(total.wrong) > SHOWN_MAX:
        print(f"and {len(total.wrong) - SHOWN_MAX} more")
    return 1 if total.wrong else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Wrong as wrong:
        raise SystemExit(f"WRONG {wrong}") from wrong
