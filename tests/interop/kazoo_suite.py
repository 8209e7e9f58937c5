"""kazoo's own test suite, against three of our nodes.

Rules: the suite comes from kazoo's wheel and is not changed; the harness's class that starts servers is replaced by the
one of `kazoo_on_zooweeper.py`. What is compared with the bar is what pytest counted. Ports are free ones, ten for each
node, so several runs do not meet.
"""

import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.interop.environment import python_with
from zooweeper.cli import ports
from zooweeper.model.config import Address

HERE = Path(__file__).parent
PACKAGES = ("kazoo", "pytest", "pytest-timeout", "gevent", "eventlet", "pure-sasl", "pyjks", "pyopenssl", "objgraph")
ZOOKEEPER = "3.9.5"  # whose results are the bar; the suite decides by it what it expects
NODES, PORTS_OF_A_NODE = 3, 10
PORTS_LOW, PORTS_HIGH = 18_000, 20_000  # below those of other tests: its nodes go down and come back
TEST_S = 120  # for one test


@dataclass(frozen=True, slots=True)
class Result:
    """What pytest counted. `failed` has errors in it; `failures` names them."""

    passed: int
    skipped: int
    failed: int
    failures: tuple[str, ...]
    seconds: float

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.skipped} skipped, {self.failed} failed in {self.seconds:.0f} s"


BAR = (490, 3, 0)
"""Passed, skipped and failed with Apache ZooKeeper 3.9.5. One skipped test is for kazoo's own CI, two need Kerberos."""


def environment() -> Path:
    """The interpreter that has kazoo. NoEnvironment."""
    return python_with("kazoo", PACKAGES, HERE / "kazoo-constraints.txt")


def run(what: Sequence[str] = (), options: Sequence[str] = (), quiet: bool = False) -> Result:
    """Runs the modules `what` (such as `test_lock`; default: all) with further options of pytest. NoEnvironment."""
    python = environment()
    with tempfile.TemporaryDirectory(prefix="zooweeper-kazoo-") as folder:
        report = Path(folder) / "report.xml"
        command = [str(python), "-m", "pytest", "-p", "kazoo_on_zooweeper", "-p", "no:cacheprovider", "-rsfE", "-q"]
        command += ["--timeout", str(TEST_S), f"--junitxml={report}", *options, "--pyargs"]
        command += [f"kazoo.tests.{module}" for module in what] or ["kazoo.tests"]
        done = subprocess.run(
            command,
            cwd=folder,
            env=settings(),
            stdout=subprocess.PIPE if quiet else sys.stderr,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if not report.exists():
            raise RuntimeError(f"kazoo's tests did not run, pytest ended with {done.returncode}: {done.stdout or ''}")
        return counted(report)


def settings() -> dict[str, str]:
    """The variables the suite reads. `CI` makes it test kazoo's own CI instead."""
    foreign = ("CI", "ZOOKEEPER", "PYTEST", "PYTHON")
    return {key: value for key, value in os.environ.items() if not key.startswith(foreign)} | {
        "PYTHONPATH": str(HERE),
        "ZOOWEEPER_PYTHON": sys.executable,
        "ZOOKEEPER_VERSION": ZOOKEEPER,
        "ZOOKEEPER_PATH": "unused",
        "ZOOKEEPER_PORT_OFFSET": str(free_ports()),
    }


def free_ports() -> int:
    """The first of thirty ports that are free just now."""
    count = NODES * PORTS_OF_A_NODE
    for first in range(PORTS_LOW, PORTS_HIGH, count):
        if all(ports.can_bind(Address("127.0.0.1", port)) for port in range(first, first + count)):
            return first
    raise RuntimeError(f"found no {count} free ports in {PORTS_LOW}..{PORTS_HIGH}")


def counted(report: Path) -> Result:
    """What a report in JUnit's form says."""
    tests = skipped = failed = 0
    failures, seconds = [], 0.0
    for suite in ElementTree.parse(report).getroot().iter("testsuite"):
        seconds += float(suite.get("time", "0"))
        for case in suite.iter("testcase"):
            tests += 1
            skipped += case.find("skipped") is not None
            if case.find("failure") is not None or case.find("error") is not None:
                failed += 1
                failures.append(f"{case.get('classname', '')}.{case.get('name', '')}".removeprefix("kazoo.tests."))
    return Result(tests - skipped - failed, skipped, failed, tuple(failures), seconds)
