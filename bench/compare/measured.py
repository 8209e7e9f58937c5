"""What a load came to: one form for all generators.

Rules: a load that had errors has no figures, it raises Stuck: an error costs less than the operation and would look
like speed. The generator runs in a process of its own, so nothing of ours takes its time.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.load import Stuck
from zooweeper.model.config import Address

VALUE_BYTES = 100
BEYOND_S = 300.0  # how long beyond its time a generator may be at work: it may have a million znodes to make

Figures = dict[str, float]
"""Of one load: `per_s`, `p50_us`, `p99_us`; of a mix the latter two as `reads_p99_us`, `writes_p99_us` and so on;
`servers_us`, the CPU of all servers per operation, and the generator's own, `generator_us`."""


@dataclass(frozen=True, slots=True)
class Load:
    """Which operation, and how many at once: `connections` times `depth` in flight; or, without, what happens."""

    operation: str
    connections: int = 0
    depth: int = 0

    def __str__(self) -> str:
        return f"{self.operation} {self.connections}x{self.depth}" if self.connections else self.operation


def generate(
    scheme: str,
    hosts: Sequence[Address],
    load: Load,
    seconds: float,
    warm_up: float,
    pids: Sequence[int],
    keys: int = 0,
) -> Figures:
    """A load by the project's own generator; `pids` are the servers', and with `keys` it spreads over so many znodes,
    which it makes. Stuck when it fails."""
    target = f"{scheme}://{','.join(map(str, hosts))}"
    words = [
        *(sys.executable, "-m", "zooweeper", "-o", "json", "bench", target, "--operation", load.operation),
        *("--connections", str(load.connections), "--depth", str(load.depth), "--value", str(VALUE_BYTES)),
        *(
            "--seconds",
            f"{seconds * 1000:.0f}ms",
            "--warm-up",
            f"{warm_up * 1000:.0f}ms",
            "--pids",
            ",".join(map(str, pids)),
        ),
        *("--keys", str(keys)),
    ]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=seconds + warm_up + BEYOND_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise Stuck(f"{load} on {target}: no end after {error.timeout:g} s") from None
    if done.returncode != 0:
        raise Stuck(f"{load} on {target}: {(done.stderr.strip().splitlines() or ['failed'])[-1]}")
    return of_result(json.loads(done.stdout))


def of_result(result: Mapping[str, Any]) -> Figures:
    """The figures in what `zooweeper bench -o json` says. Stuck when the load had errors, or did nothing."""
    if result["errors"] or not result["operations"]:
        raise Stuck(f"{result['operation']} on {result['target']}: errors {result['errors']}")
    figures = {
        "per_s": result["ops_per_s"],
        "servers_us": result["server_cpu_us_per_op"],
        "generator_us": result["generator_cpu_us_per_op"],
    }
    sides = {side: result[side] for side in ("reads", "writes") if result[side]}
    for side, values in sides.items():
        prefix = f"{side}_" if len(sides) > 1 else ""
        figures |= {f"{prefix}{name}": values[name] for name in ("p50_us", "p99_us")}
    return figures
