"""`python -m sim.ablations`: with each safeguard off, the first seed whose checks notice.

Rules: seeds from 1 on, drawn as the swarm draws them; an ablation that takes a rare meeting of events names the nemeses
and workloads that its seeds are drawn from, and the table says so. Exit
code 1 when one is not found, or the median is above MEDIAN_MAX.
"""

import argparse
import os
import statistics
import sys

from rich.console import Console
from rich.table import Table

from sim.ablations import ABLATIONS
from sim.ablations.hunt import Finding, hunt
from sim.ablations.patch import rewritten_all

MEDIAN_MAX = 50
SAY_EVERY = 500  # seeds, where nobody sees a status line
EXAMPLES = """examples:
  python -m sim.ablations                         all of them
  python -m sim.ablations skip_trunc fire_twice   these two
  python -m sim.ablations --list                  what there is
  python -m sim 17 --ablation skip_trunc          look at one seed of it
"""


def report(findings: dict[str, Finding], most: int) -> int:
    """The table and the sums, to stdout; the exit code."""
    table = Table("ablation", "off: ", "seeds", "noticed by", box=None)
    for name, finding in sorted(findings.items(), key=lambda pair: pair[1].seed or most + 1):
        check = finding.violation.partition(":")[0]
        aimed = ", ".join(ABLATIONS[name].nemeses)
        table.add_row(
            name,
            ABLATIONS[name].off + (f" (under {aimed})" if aimed else ""),
            str(finding.seed or f"> {finding.looked}"),
            check or "NOBODY",
        )
    Console(width=None if sys.stdout.isatty() else 150).print(table)
    seeds = [finding.seed for finding in findings.values() if finding.seed]
    median = statistics.median([finding.seed or most + 1 for finding in findings.values()])
    cpu_s = sum(finding.cpu_s for finding in findings.values())
    print(f"found {len(seeds)} of {len(findings)}, median {median:g} seeds, max {max(seeds, default=0)}, {cpu_s:.0f} s")
    return 0 if len(seeds) == len(findings) and median <= MEDIAN_MAX else 1


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m sim.ablations",
        description="Switches safeguards off, one at a time, and looks for the first seed that notices.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="which (default: all)")
    parser.add_argument("--most", type=int, default=2000, metavar="N", help="seeds before giving up (default: 2000)")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="processes (default: all cores)")
    parser.add_argument("--list", action="store_true", help="what there is, and what it switches off")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.names if name not in ABLATIONS]:
        parser.error(f"no ablation {', '.join(unknown)}; --list shows what there is")
    if options.list:
        for name, ablation in ABLATIONS.items():
            print(f"{name:36} {ablation.off}")
        return 0
    names = options.names or list(ABLATIONS)
    for name in names:
        rewritten_all(ABLATIONS[name])
    console = Console(stderr=True)
    said = [0]
    with console.status("starting") as status:

        def say(findings: dict[str, Finding]) -> None:
            found = [finding for finding in findings.values() if finding.seed]
            looked = sum(finding.looked for finding in findings.values())
            line = f"{len(found)} of {len(names)} found, {looked} seeds"
            if console.is_terminal:
                status.update(line)
            elif looked // SAY_EVERY > said[0]:
                said[0] = looked // SAY_EVERY
                console.print(line)

        findings = hunt(names, options.most, options.jobs, say)
    return report(findings, options.most)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
