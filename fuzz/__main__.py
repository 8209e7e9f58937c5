"""The fuzzer as a tool: all targets or some, for so long, or one input again.

Rules: a finding is printed with the command that repeats it. Exit code 1 with findings, 2 for a command line that
cannot be.
"""

import argparse
import math
import random
import sys

from fuzz.harness import replay
from fuzz.table import TARGETS
from fuzz.work import run

EPILOG = """targets:
{targets}

examples:
  python -m fuzz --seconds 60 --jobs 2       every target for a minute, on two cores
  python -m fuzz peers entries --seconds 600
  python -m fuzz peers --inputs 5000 --seed 7   the same inputs, wherever it runs
  python -m fuzz requests --replay 0000000100000003"""
JOBS_MAX = 256


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
