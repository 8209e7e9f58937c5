"""The time line of a run as one SVG: rate, errors, latency and leaders over the seconds, with the faults as shades.

Rules: text in, text out; no scripts, no fonts or files from elsewhere. One unit of x is a tenth of a second, all panels
share it. Colours are classes, the page's style sheet knows them.
"""

import math
from collections.abc import Iterable, Sequence
from html import escape

from tests.robustness.facts import Facts, Sample
from tests.robustness.strikes import Strike

WIDTH, LEFT, RIGHT = 1120, 64, 12
RATE_HEIGHT, ERRORS_HEIGHT, LATENCY_HEIGHT, ROW_HEIGHT, GAP = 130, 60, 110, 16, 26
NUMBERS, HEAD = 14, 40  # where the numbers of the faults stand, and where the first panel begins
ROLES = ("leader", "follower", "looking", "down")
LATENCY_DECADES = (1, 10, 100, 1000, 10_000)
TICKS_MAX = 12


class Canvas:
    """Shapes, and the scale of the time axis."""

    def __init__(self, length_s: float) -> None:
        self.length_s = max(length_s, 1.0)
        self.shapes: list[str] = []

    def x(self, at_s: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * min(max(at_s, 0.0), self.length_s) / self.length_s

    def box(self, start_s: float, end_s: float, top: float, height: float, kind: str, title: str = "") -> None:
        x, width = self.x(start_s), max(self.x(end_s) - self.x(start_s), 0.6)
        inner = f"<title>{escape(title)}</title>" if title else ""
        self.shapes.append(
            f'<rect class="{kind}" x="{x:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}">{inner}</rect>'
        )

    def line(self, points: Iterable[tuple[float, float]], kind: str) -> None:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        if path:
            self.shapes.append(f'<polyline class="{kind}" points="{path}"/>')

    def rule(self, y: float) -> None:
        self.shapes.append(f'<line class="rule" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')

    def text(self, x: float, y: float, words: str, kind: str = "") -> None:
        self.shapes.append(f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(words)}</text>')


def timeline(facts: Facts) -> str:
    """The whole picture."""
    canvas = Canvas(len(facts.seconds))
    nodes = sorted({node for sample in facts.samples for node in sample.roles})
    tops = [HEAD]
    for height in (RATE_HEIGHT, ERRORS_HEIGHT, LATENCY_HEIGHT, ROW_HEIGHT * len(nodes)):
        tops.append(tops[-1] + height + GAP)
    bottom = tops[4] - GAP
    shade(canvas, facts.strikes, bottom)
    rates(canvas, facts, tops[0])
    errors(canvas, facts, tops[1])
    latencies(canvas, facts, tops[2])
    leaders(canvas, facts.samples, nodes, tops[3])
    seconds(canvas, bottom)
    return (
        f'<svg viewBox="0 0 {WIDTH} {bottom + 24}" role="img" aria-label="time line of the run">'
        + "".join(canvas.shapes)
        + "</svg>"
    )


def shade(canvas: Canvas, strikes: Sequence[Strike], bottom: float) -> None:
    for number, strike in enumerate(strikes, 1):
        end_s = strike.ended_s if strike.ended_s >= 0 else canvas.length_s
        over_s = strike.over_s if strike.over_s >= 0 else canvas.length_s
        title = f"{number}. {strike.fault}, {', '.join(map(str, strike.victims))}"
        canvas.box(strike.began_s, end_s, NUMBERS + 4, bottom - NUMBERS - 4, "fault", title)
        canvas.box(end_s, over_s, NUMBERS + 4, bottom - NUMBERS - 4, "healing", f"{title}: coming back")
        canvas.text(canvas.x(strike.began_s) + 1, NUMBERS, str(number), "number")


def panel(canvas: Canvas, top: float, height: float, title: str, most: float) -> None:
    canvas.rule(top + height)
    canvas.text(LEFT, top - 5, title, "title")
    canvas.text(LEFT - 6, top + 8, f"{most:g}", "axis")
    canvas.text(LEFT - 6, top + height, "0", "axis")


def rates(canvas: Canvas, facts: Facts, top: float) -> None:
    most = max([second.ok for second in facts.seconds] + [1])
    panel(canvas, top, RATE_HEIGHT, "operations answered well, per second", most)
    for at, second in enumerate(facts.seconds):
        height = RATE_HEIGHT * second.ok / most
        if second.ok:
            canvas.box(at, at + 0.92, top + RATE_HEIGHT - height, height, "rate", f"{at} s: {second.ok}")


def errors(canvas: Canvas, facts: Facts, top: float) -> None:
    """Refusals and errors, stacked by class; the classes in the order of their number."""
    names = classes(facts)
    most = max([sum(second.errors.values()) for second in facts.seconds] + [1])
    panel(canvas, top, ERRORS_HEIGHT, "errors, per second", most)
    for at, second in enumerate(facts.seconds):
        y = top + ERRORS_HEIGHT
        for place, name in enumerate(names):
            count = second.errors.get(name, 0)
            if count:
                height = ERRORS_HEIGHT * count / most
                y -= height
                canvas.box(at, at + 0.92, y, height, f"error{min(place, 5)}", f"{at} s: {count} {name}")


def classes(facts: Facts) -> list[str]:
    """The names of errors, the most frequent first."""
    totals: dict[str, int] = {}
    for second in facts.seconds:
        for name, count in second.errors.items():
            totals[name] = totals.get(name, 0) + count
    return sorted(totals, key=lambda name: (-totals[name], name))


def latencies(canvas: Canvas, facts: Facts, top: float) -> None:
    """On a logarithmic scale, from one millisecond to ten seconds."""
    canvas.text(LEFT, top - 5, "latency, p50 and p99", "title")

    def y(milliseconds: float) -> float:
        share = math.log10(max(milliseconds, 1.0)) / math.log10(LATENCY_DECADES[-1])
        return top + LATENCY_HEIGHT * (1 - min(share, 1.0))

    for decade in LATENCY_DECADES:
        canvas.rule(y(decade))
        canvas.text(LEFT - 6, y(decade) + 3, f"{decade} ms" if decade < 1000 else f"{decade // 1000} s", "axis")
    for kind in ("p99", "p50"):
        run: list[tuple[float, float]] = []
        for at, second in enumerate(facts.seconds):
            if second.ok:
                run.append((canvas.x(at + 0.5), y(getattr(second, f"{kind}_ms"))))
            else:
                canvas.line(run, kind)
                run = []
        canvas.line(run, kind)


def leaders(canvas: Canvas, samples: Sequence[Sample], nodes: Sequence[int], top: float) -> None:
    """One row a node, coloured by what it says it is."""
    canvas.text(LEFT, top - 5, "roles", "title")
    for row, node in enumerate(nodes):
        y = top + ROW_HEIGHT * row
        canvas.text(LEFT - 6, y + 11, f"node {node}", "axis")
        start, role, epoch = 0.0, "", 0
        ends = [*samples, Sample(canvas.length_s, {}, 0, 0)]
        for sample in ends:
            now = sample.roles.get(node, "")
            if (now, sample.epoch) != (role, epoch):
                if role in ROLES:
                    canvas.box(start, sample.at_s, y + 1, ROW_HEIGHT - 3, role, f"node {node}: {role}, epoch {epoch}")
                start, role, epoch = sample.at_s, now, sample.epoch


def seconds(canvas: Canvas, bottom: float) -> None:
    step = next(step for step in (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 3600) if canvas.length_s / step <= TICKS_MAX)
    for at in range(0, int(canvas.length_s) + 1, step):
        canvas.text(canvas.x(at), bottom + 16, f"{at} s", "tick")
