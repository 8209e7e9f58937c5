"""Cost against size: what more nodes, znodes, children, watches or bytes make of an operation.

Method: `zooweeper bench`'s generator, 30 connections with 16 requests in flight (30x16), 100-byte values unless they
are what grows; each figure is the lesser of two runs of SECONDS, for whatever else the machine does only makes dearer.
CPU is that of all nodes together, for one operation. A curve grows on one ensemble, from its least size to its largest;
but for the number of nodes and the values it is an ensemble of one, since every node does the same.

Rules: one generator function for each curve; it fills, measures and says, and knows nothing of plots.
"""

import json
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from bench.figures import as_table
from bench.rig import pids, resident_bytes, running
from bench.say import Say
from bench.wire import Connection
from zooweeper.bench import Load, Result, Target, run
from zooweeper.bench.line import Ask, Line
from zooweeper.bench.loop import Loop
from zooweeper.bench.plan import SETUP_REQUESTS
from zooweeper.bench.plot import Panel, Point, svg
from zooweeper.bench.run import setup
from zooweeper.bench.tally import Tally
from zooweeper.bench.zk import ZkLine
from zooweeper.cli.ensemble import Ensemble
from zooweeper.model.events import WatchMode
from zooweeper.ops.data import WatchRequest
from zooweeper.ops.read import GetChildren
from zooweeper.ops.watches import AddWatch

SECONDS, WARM_UP_S, RUNS = 1.0, 0.3, 2
CONNECTIONS, DEPTH = 30, 16
SAMPLE = 20_000  # of all znodes, that are asked for
PER_PARENT = 1000
VALUE = b"x" * 100
SESSION_MS = 60_000
WATCHERS = 10  # connections that hold all watches
AT_ONCE = 1000  # requests sent before their answers are read
LISTED = 3  # times that all children are listed

NODES = (1, 3, 5, 7, 9)
ZNODES = (1_000, 10_000, 100_000, 1_000_000)
BYTES = (10, 100, 1_000, 10_000, 100_000)
CHILDREN = (10, 100, 1_000, 10_000, 100_000, 1_000_000)
WATCHES = (0, 100, 1_000, 10_000, 100_000)

Figures = dict[str, float]
Points = Iterator[tuple[int, Figures]]


def target(ensemble: Ensemble) -> Target:
    return Target("zk", tuple(member.wire for member in ensemble.members))


def figures(ensemble: Ensemble, *operations: str, **more: Any) -> Figures:
    """CPU and median latency of each operation."""
    found: Figures = {}
    for name in operations:
        load = Load(target(ensemble), name, CONNECTIONS, DEPTH, seconds=SECONDS, warm_up=WARM_UP_S)
        load = replace(load, pids=tuple(pids(ensemble)), **more)
        results = [run(load) for _ in range(RUNS)]
        found[f"{name} cpu us"] = min(result.server_cpu_us_per_op or 0.0 for result in results)
        found[f"{name} p50 us"] = min(map(median_us, results))
    return found


def median_us(result: Result) -> float:
    sides = [side for side in (result.reads, result.writes) if side is not None]
    return max(side.p50_us for side in sides)


def memory_mb(ensemble: Ensemble) -> float:
    return statistics.mean(resident_bytes(pid) for pid in pids(ensemble)) / 1e6


def fill(ensemble: Ensemble, paths: Iterator[str]) -> None:
    """Makes these znodes, some thousand at a time; those above them must be there or come first."""
    tally = Tally()
    hosts = target(ensemble).hosts
    lines: list[Line] = [ZkLine(hosts[number % len(hosts)], tally) for number in range(8)]
    with Loop(lines) as loop:
        loop.connect()
        while portion := [Ask("make", path, VALUE) for path in islice(paths, SETUP_REQUESTS * len(lines))]:
            setup(loop, [portion[number :: len(lines)] for number in range(len(lines))])


def nodes(sizes: Sequence[int]) -> Points:
    for size in sizes:
        with running(size) as ensemble:
            found = figures(ensemble, "set", "get")
            found["set cpu us of a node"] = found["set cpu us"] / size
            yield size, found


def znodes(sizes: Sequence[int]) -> Points:
    with running(1) as ensemble:
        have = 0
        for size in sizes:
            parents = range(have // PER_PARENT, size // PER_PARENT)
            fill(ensemble, iter(["/z", *(f"/z/p{parent}" for parent in parents)]))
            fill(ensemble, (path_of(number) for number in range(have, size)))
            have = size
            sample = tuple(path_of(number) for number in range(0, size, max(1, size // SAMPLE)))
            found = figures(ensemble, "set", "get", paths=sample)
            yield size, found | {"memory MB": memory_mb(ensemble)}


def path_of(number: int) -> str:
    return f"/z/p{number // PER_PARENT}/n{number}"


def values(sizes: Sequence[int]) -> Points:
    with running(3) as ensemble:
        for size in sizes:
            yield size, figures(ensemble, "set", "get", value_bytes=size)


def children(sizes: Sequence[int]) -> Points:
    with running(1) as ensemble:
        fill(ensemble, iter(["/c", "/c/k0"]))
        have = 0
        for size in sizes:
            fill(ensemble, (f"/c/k0/x{number}" for number in range(have, size)))
            have = size
            found = figures(ensemble, "churn", root="/c", keys=1)
            yield size, found | {"list ms": listing_ms(ensemble, "/c/k0")}


def listing_ms(ensemble: Ensemble, path: str) -> float:
    """How long it takes to hear the names of all children."""
    session = Connection(ensemble.members[0].wire, SESSION_MS)
    times = []
    for _ in range(LISTED):
        begin = time.monotonic()
        session.ask(GetChildren, WatchRequest(path))
        times.append(time.monotonic() - begin)
    session.close()
    return min(times) * 1000


def watches(sizes: Sequence[int]) -> Points:
    with running(1) as ensemble:
        sessions = [Connection(ensemble.members[0].wire, SESSION_MS) for _ in range(WATCHERS)]
        figures(ensemble, "set", "get")  # what memory the load itself takes is taken before
        have = 0
        for size in sizes:
            for place, session in enumerate(sessions):
                watch(session, range(have + place, size, WATCHERS))
            have = size
            yield size, figures(ensemble, "set", "get") | {"memory MB": memory_mb(ensemble)}


def watch(session: Connection, numbers: range) -> None:
    """Watches a path for each number, where there is nothing."""
    for first in range(0, len(numbers), AT_ONCE):
        paths = [f"/w/{number}" for number in numbers[first : first + AT_ONCE]]
        sent = [session.send(AddWatch, AddWatch.Request(path, WatchMode.PERSISTENT)) for path in paths]
        for xid in sent:
            session.reply(xid)


@dataclass(frozen=True, slots=True)
class Curve:
    """One of the questions."""

    of: str
    sizes: tuple[int, ...]
    measure: Callable[[Sequence[int]], Points]
    second: tuple[str, str]  # the right panel's title and unit; it shows the figures that end with the unit


CURVES = {
    "nodes": Curve("nodes", NODES, nodes, ("Median latency, 30x16", "p50 us")),
    "znodes": Curve("znodes", ZNODES, znodes, ("Memory of a node", "memory MB")),
    "values": Curve("bytes of a value", BYTES, values, ("Median latency, 30x16", "p50 us")),
    "children": Curve("children of the znode", CHILDREN, children, ("To list all children", "list ms")),
    "watches": Curve("watches on other znodes", WATCHES, watches, ("Memory of a node", "memory MB")),
}


def measure(say: Say, names: Sequence[str], most: int | None = None) -> dict[str, list[tuple[int, Figures]]]:
    """The points of some curves; `most`: no size beyond it."""
    found: dict[str, list[tuple[int, Figures]]] = {}
    for name in names:
        curve = CURVES[name]
        sizes = [size for size in curve.sizes if most is None or size <= most]
        found[name] = list(say.each(name, curve.measure(sizes), len(sizes)))
    return found


def as_json(found: dict[str, list[tuple[int, Figures]]]) -> str:
    rows = {name: [{"size": size} | figures for size, figures in points] for name, points in found.items()}
    return json.dumps(rows, indent=2)


def tables(found: dict[str, list[tuple[int, Figures]]]) -> str:
    return "\n\n".join(table(name, points) for name, points in found.items() if points)


def table(name: str, points: Sequence[tuple[int, Figures]]) -> str:
    """A row for each size; CPU also as a ratio to the first."""
    first = points[0][1]
    head = (CURVES[name].of, *first, *(f"{key}, ratio" for key in first if key.endswith("cpu us")))
    rows = [
        (
            f"{size:,}",
            *(f"{value:,.1f}" for value in found.values()),
            *(f"{found[key] / first[key]:.2f}" for key in first if key.endswith("cpu us")),
        )
        for size, found in points
    ]
    return as_table(rows, head)


def plot(name: str, points: Sequence[tuple[int, Figures]]) -> str:
    """CPU on the left, on the right what else grows."""
    curve = CURVES[name]
    log = name != "nodes"
    title, unit = curve.second

    def panel(title: str, unit: str) -> Panel:
        keys = [key for key in points[0][1] if key.endswith(unit)]
        lines: dict[str, Sequence[Point]] = {
            key.removesuffix(unit).strip() or "node": [(float(max(size, log)), found[key]) for size, found in points]
            for key in keys
        }
        unlimited = name == "values" or unit == "list ms"
        return Panel(title, curve.of, unit.split()[-1], lines, log_x=log, log_y=unlimited)

    return svg([panel("CPU of all nodes for one operation, 30x16", "cpu us"), panel(title, unit)])


def write_plots(folder: Path, found: dict[str, list[tuple[int, Figures]]]) -> None:
    for name, points in found.items():
        (folder / f"size-{name}.svg").write_text(plot(name, points), encoding="utf-8")
