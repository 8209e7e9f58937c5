"""Figures and how they are shown: percentiles, gaps, bars.

Rules: pure but for `clock`. Times are seconds as floats, from one monotonic clock of one process.
"""

import itertools
import json
import math
import time
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field

clock = time.monotonic

Figure = float | int | str | list[float]


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar, what was measured against it, and the verdict."""

    name: str
    bar: str
    measured: str
    ok: bool
    figures: dict[str, Figure] = field(default_factory=dict)


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that `percent` of the values do not exceed (nearest rank). ValueError without values."""
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def median(values: Sequence[float]) -> float:
    return percentile(values, 50)


def longest_gap(times: Sequence[float], start: float, end: float) -> float:
    """The longest time without any of `times` (rising) that touches start..end: it may begin before `start`, when the
    last write before it was answered, and end after `end`. Infinite when nothing came after `start`."""
    first = max(0, bisect_right(times, start) - 1)
    last = min(len(times), bisect_left(times, end) + 1)
    window = times[first:last]
    if not window or window[-1] < start:
        return math.inf
    return max((after - before for before, after in itertools.pairwise(window)), default=0.0)


def milliseconds(seconds: float) -> str:
    if math.isinf(seconds):
        return "never"
    return f"{seconds * 1000:.0f} ms" if seconds >= 0.01 else f"{seconds * 1000:.2f} ms"


def as_json(bars: Iterable[Bar]) -> str:
    return json.dumps([asdict(bar) for bar in bars], indent=2)


def as_table(rows: Sequence[Sequence[str]], header: Sequence[str]) -> str:
    """Columns under a header, two blanks between them."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in [header, *rows]]
    return "\n".join(line.rstrip() for line in lines)


def bars_table(bars: Sequence[Bar]) -> str:
    rows = [(bar.name, bar.bar, bar.measured, "ok" if bar.ok else "FAILED") for bar in bars]
    return as_table(rows, ("name", "bar", "measured", "verdict"))
