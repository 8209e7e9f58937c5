"""`python -m tests.interop kazoo`: kazoo's own test suite against our nodes, compared with what ZooKeeper gets.

Rules: the result on stdout, all else on stderr. Exit code 1 when a test failed or the bar was missed, 2 for a wrong
invocation or an environment that cannot be made.
"""

import argparse
import sys

from tests.interop import kazoo_suite
from tests.interop.environment import NoEnvironment

EXAMPLES = """examples:
  python -m tests.interop kazoo                           all of it, some minutes
  python -m tests.interop kazoo test_lock test_client     two modules
  python -m tests.interop kazoo test_client -- -k acl -x  with options for pytest
"""


def main(words: list[str]) -> int:
    at = words.index("--") if "--" in words else len(words)
    parser = argparse.ArgumentParser(
        "python -m tests.interop", epilog=EXAMPLES, formatter_class=argparse.RawTextHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    suite = commands.add_parser("kazoo", help="kazoo's own test suite")
    suite.add_argument("module", nargs="*", help="such as test_lock (default: all)")
    arguments = parser.parse_args(words[:at])
    try:
        result = kazoo_suite.run(arguments.module, words[at + 1 :])
    except NoEnvironment as error:
        print(f"tests.interop: {error}", file=sys.stderr)
        return 2
    for name in result.failures:
        print(f"FAILED {name}")
    print(result)
    if arguments.module or words[at:]:
        return 0 if result.failed == 0 else 1
    passed, skipped, failed = kazoo_suite.BAR
    print(f"ZooKeeper {kazoo_suite.ZOOKEEPER}: {passed} passed, {skipped} skipped, {failed} failed")
    return 0 if (result.passed, result.skipped, result.failed) == kazoo_suite.BAR else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
