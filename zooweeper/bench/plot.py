"""Plots as SVG: some panels side by side, each with lines or dots over two axes.

Rules: pure, no library; a colour is never the only difference between two lines, their names stand at their ends. PNG
is drawn from the SVG by a library that comes with the extra `plot`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from zooweeper.bench.load import BenchError, Result

Point = tuple[float, float]

WIDTH, HEIGHT = 460, 300
LEFT, RIGHT, TOP, BOTTOM = 64, 88, 40, 44
COLOURS = ("#0969da", "#bc4c00", "#1a7f37", "#8250df", "#bf3989", "#57606a")
FONT = 'font-family="DejaVu Sans, Helvetica, Arial, sans-serif" font-size="12" fill="#57606a"'
TICKS = 5
PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
POINTS_WITH_DOTS = 20


@dataclass(frozen=True, slots=True)
class Panel:
    """One pair of axes; `lines` are named."""

    title: str
    x: str
    y: str
    lines: dict[str, Sequence[Point]] = field(default_factory=dict)
    log_x: bool = False
    log_y: bool = False


class Axis:
    """Values to places on the paper. A linear axis begins at 0."""

    def __init__(self, values: Sequence[float], begin: float, end: float, log: bool) -> None:
        self.log = log
        self.begin, self.end = begin, end
        if log:
            positive = [value for value in values if value > 0] or [1.0]
            self.ticks = _decades(min(positive), max(positive))
        else:
            self.ticks = _steps(max([0.0, *values]) or 1.0)

    def __call__(self, value: float) -> float:
        low, high = self.ticks[0], self.ticks[-1]
        if self.log:
            share = math.log(max(value, low) / low) / math.log(high / low)
        else:
            share = (value - low) / (high - low)
        return self.begin + (self.end - self.begin) * min(max(share, 0.0), 1.0)


def _decades(low: float, high: float) -> list[float]:
    """Powers of ten around both, or 1, 2, 5 of them where that would be few."""
    first, last = math.floor(math.log10(low) + 1e-9), math.ceil(math.log10(high) - 1e-9)
    if last - first > 2:
        return [10.0**power for power in range(first, last + 1)]
    fine = [step * 10.0**power for power in range(first, last + 1) for step in (1, 2, 5)]
    begin = max((at for at, tick in enumerate(fine) if tick <= low), default=0)
    end = next((at for at, tick in enumerate(fine) if tick >= high), len(fine) - 1)
    return fine[begin : max(end, begin + 1) + 1]


def _steps(high: float) -> list[float]:
    """0 and up to TICKS round steps."""
    rough = high / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
    return [number * step for number in range(math.ceil(high / step - 1e-9) + 1)]


def short(value: float) -> str:
    """A number as an axis says it."""
    for size, prefix in PREFIXES:
        if abs(value) >= size:
            return f"{value / size:.3g}{prefix}"
    return f"{value:.2g}"


def svg(panels: Sequence[Panel]) -> str:
    """The panels, side by side."""
    width = WIDTH * len(panels)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT}" {FONT}>',
        f'<rect width="{width}" height="{HEIGHT}" fill="#ffffff"/>',
    ]
    for number, panel in enumerate(panels):
        parts += [f'<g transform="translate({number * WIDTH} 0)">', *_panel(panel), "</g>"]
    return "\n".join([*parts, "</svg>\n"])


def _panel(panel: Panel) -> list[str]:
    points = [point for line in panel.lines.values() for point in line]
    right, floor = WIDTH - RIGHT, HEIGHT - BOTTOM
    across = Axis([x for x, _ in points], LEFT, right, panel.log_x)
    up = Axis([y for _, y in points], floor, TOP, panel.log_y)
    parts = [
        _text(LEFT, 18, panel.title, "start", 'fill="#24292f" font-weight="600"'),
        _text((LEFT + right) / 2, HEIGHT - 8, panel.x),
        _text(LEFT, TOP - 8, panel.y, "start"),
    ]
    for tick in across.ticks:
        parts.append(_line((across(tick), TOP), (across(tick), floor)))
        parts.append(_text(across(tick), floor + 16, short(tick)))
    for tick in up.ticks:
        parts.append(_line((LEFT, up(tick)), (right, up(tick))))
        parts.append(_text(LEFT - 6, up(tick) + 4, short(tick), "end"))
    taken: list[float] = []
    for number, (name, line) in enumerate(panel.lines.items()):
        if not line:
            continue
        colour = COLOURS[number % len(COLOURS)]
        places = [(across(x), up(y)) for x, y in line]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.8"/>')
        if len(places) <= POINTS_WITH_DOTS:
            parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
        at = places[-1][1] + 4
        while any(abs(at - other) < 13 for other in taken):
            at -= 13
        taken.append(at)
        parts.append(_text(right + 8, at, name, "start", f'fill="{colour}"'))
    return parts


def _text(x: float, y: float, text: str, anchor: str = "middle", look: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {look}>{escape(text)}</text>'


def _line(begin: Point, end: Point) -> str:
    (x1, y1), (x2, y2) = begin, end
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#d0d7de" stroke-width="0.6"/>'


def panels_of(results: Sequence[Result]) -> list[Panel]:
    """What a measurement's plot shows: how latencies are spread, and the throughput over time."""
    spread: dict[str, Sequence[Point]] = {}
    rates: dict[str, Sequence[Point]] = {}
    alone = len(results) == 1
    for result in results:
        name = "" if alone else f"{result.target.partition(':')[0]} {result.operation}"
        rates[name or result.operation] = [(slot.at, slot.per_s) for slot in result.timeline]
        for side, rows in result.latencies.items():
            if rows:
                spread[f"{name} {side}".strip()] = _beyond(rows)
    return [
        Panel("Latency", "ms", "percent of requests that take longer", spread, log_x=True, log_y=True),
        Panel("Throughput", "seconds", "operations per second", rates),
    ]


def _beyond(rows: Sequence[tuple[float, int]]) -> list[Point]:
    """(milliseconds, percent of all that take longer), as often as the percents differ by 2 %."""
    total = left = sum(times for _, times in rows)
    points: list[Point] = []
    for microseconds, times in rows:
        left -= times
        share = 100 * left / total
        if left and (not points or points[-1][1] > share * 1.02):
            points.append((microseconds / 1000, share))
    return points


def write(path: Path, panels: Sequence[Panel]) -> None:
    """An .svg or .png file. BenchError for another, or without the library for .png."""
    drawn = svg(panels)
    try:
        if path.suffix == ".png":
            path.write_bytes(png(drawn))
        else:
            path.write_text(drawn, encoding="utf-8")
    except OSError as error:
        raise BenchError(f"cannot write {path}: {error.strerror}") from None


def check(path: Path) -> None:
    """BenchError, before anything is measured, for a file that cannot be drawn."""
    if path.suffix not in (".svg", ".png"):
        raise BenchError(f"a plot is an .svg or a .png, not {path.name}")
    if path.suffix == ".png":
        png('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"/>')
    if not path.absolute().parent.is_dir():
        raise BenchError(f"there is no folder {path.parent}")


def png(drawn: str) -> bytes:
    """An SVG as PNG. BenchError without the library."""
    try:
        import resvg_py
    except ImportError:
        raise BenchError("a .png needs a library: pip install 'zooweeper[plot]'; an .svg needs none") from None
    return bytes(resvg_py.svg_to_bytes(svg_string=drawn, zoom=2))
