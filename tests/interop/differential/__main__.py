"""`python -m tests.interop.differential`: random scripts against a real ZooKeeper and ours; what differs.

Rules: exit code 0 when every difference has its reason, 1 when one has none (it is printed, shrunk to few steps, with
the seed that makes it), 2 when there is no ZooKeeper to compare with. Progress goes to stderr, the result to stdout.
"""

import argparse
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

from tests.interop.differential import wire
from tests.interop.differential.compare import Difference, Tally, play, shrink
from tests.interop.differential.differences import ROWS
from tests.interop.differential.generate import script
from tests.interop.differential.play import Player
from tests.interop.differential.servers import missing, version, zookeeper, zooweeper
from tests.interop.differential.session import Address
from tests.interop.differential.steps import Step

SCRIPT_STEPS = 250


def main() -> int:
    arguments = parse()
    reason = missing()
    if reason:
        print(f"differential: {reason}", file=sys.stderr)
        return 2
    tally, started = Tally(), time.monotonic()
    for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
        failure = compare_seed(seed, arguments.operations, arguments.against, tally)
        if failure:
            print(failure)
            return 1
        print(
            f"seed {seed}: {tally.operations} operations, {sum(tally.explained.values())} explained differences, "
            f"{time.monotonic() - started:.0f} s",
            file=sys.stderr,
        )
    report(tally, arguments.seeds)
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.interop.differential",
        description="Random scripts of operations, sent to a real ZooKeeper and to Zooweeper; the answers compared.",
        epilog="example: python -m tests.interop.differential --seeds 20 --operations 5000",
    )
    parser.add_argument("--seeds", type=int, default=20, help="how many seeds (20)")
    parser.add_argument("--first-seed", type=int, default=1, help="the first of them (1)")
    parser.add_argument("--operations", type=int, default=5000, help="operations of each seed (5000)")
    parser.add_argument(
        "--against",
        choices=SIDES,
        default="one",
        help="one node of ours, three nodes with sessions on all of them, or a second ZooKeeper (one)",
    )
    return parser.parse_args()


SIDES: dict[str, Callable[[], AbstractContextManager[list[Address]]]] = {
    "one": partial(zooweeper, 1),
    "three": partial(zooweeper, 3),
    "itself": zookeeper,
}


def compare_seed(seed: int, operations: int, against: str, tally: Tally) -> str:
    """Plays one seed on fresh servers; what differs without a reason, or nothing."""
    side = SIDES[against]()
    barrier = wire.SYNC if against == "three" else wire.PING
    with zookeeper() as real, side as other:
        theirs, ours = Player("ZooKeeper", real, barrier), Player("Zooweeper", other, barrier)
        try:
            return _compare(seed, operations, theirs, ours, tally)
        finally:
            theirs.close()
            ours.close()


def _compare(seed: int, operations: int, theirs: Player, ours: Player, tally: Tally) -> str:
    target, number = tally.operations + operations, 0
    while tally.operations < target:
        found = play(theirs, ours, script(seed, number, SCRIPT_STEPS), tally)
        if found is not None:

            def again(steps: list[Step]) -> Difference | None:
                return play(theirs, ours, steps, Tally())

            where = f"seed {seed}, script {number}, step {len(found.script) - 1}"
            return f"{where}: an unexplained difference\n{shrink(found, again)}"
        number += 1
    return ""


def report(tally: Tally, seeds: int) -> None:
    print(f"{tally.operations} operations, {seeds} seeds, {version()}: 0 unexplained differences")
    print(f"  events   {tally.events}")
    print("  requests " + _counts({wire.NAMES.get(code, str(code)).lower(): n for code, n in tally.codes.items()}))
    print("  errors   " + _counts({str(code): n for code, n in tally.errors.items()}))
    for row in ROWS:
        print(
            f"  on purpose, {tally.explained[row.name]} times: {row.name}: {row.theirs}; here: {row.ours} ({row.why})"
        )


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {n}" for name, n in sorted(counts.items(), key=lambda item: -item[1]))


if __name__ == "__main__":
    sys.exit(main())
