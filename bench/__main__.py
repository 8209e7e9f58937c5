"""`python -m bench bars [NAME…]` and `python -m bench speed`.

Rules: results on stdout as a table or JSON, progress on stderr. Exit code 1 when a bar is missed or could not be
measured, 2 for a wrong invocation.
"""

import argparse
import asyncio
import sys

from bench import speed
from bench.bars import BARS
from bench.figures import Bar, as_json, bars_table
from bench.load import Stuck
from bench.say import Say
from zooweeper.cli.ensemble import EnsembleError
from zooweeper.model.errors import ZkError

EXAMPLES = """examples:
  python -m bench bars                      all bars, some minutes
  python -m bench bars start leader-kills   these two
  python -m bench speed -o json             operations per second, latency, CPU
"""


def main() -> int:
    parser = argparse.ArgumentParser("python -m bench", epilog=EXAMPLES, formatter_class=argparse.RawTextHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    bars = commands.add_parser("bars", help="measure the bars")
    bars.add_argument("name", nargs="*", help=f"which of: {', '.join(BARS)} (default: all)")
    fast = commands.add_parser("speed", help="operations per second, latency and CPU")
    for command in (bars, fast):
        command.add_argument("-o", dest="output", choices=("table", "json"), default="table")
    arguments = parser.parse_args()
    if arguments.command == "speed":
        rows = asyncio.run(speed.measure(Say()))
        print(speed.as_json(rows) if arguments.output == "json" else speed.table(rows))
        return 0
    unknown = [name for name in arguments.name if name not in BARS]
    if unknown:
        parser.error(f"no bar named {', '.join(unknown)}; there are: {', '.join(BARS)}")
    results = asyncio.run(measure_bars(arguments.name or list(BARS)))
    print(as_json(results) if arguments.output == "json" else bars_table(results))
    return 0 if all(bar.ok for bar in results) else 1


async def measure_bars(names: list[str]) -> list[Bar]:
    """One after the other; one that cannot be measured is a failed bar, and the others go on."""
    results: list[Bar] = []
    for name in names:
        try:
            results += await BARS[name](Say())
        except (Stuck, EnsembleError, ZkError) as error:
            results.append(Bar(name, "can be measured", str(error), False))
    return results


if __name__ == "__main__":
    sys.exit(main())
