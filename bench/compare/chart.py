"""The comparison as a picture: for each row how many times better we are, with what must be and what should be.

Rules: pure; SVG by hand, no library. To the right is better, on a logarithmic scale: a throughput twice as high and a
latency half as long stand at the same place. A line shows the rounds from the worst to the best, a dot their median,
a stroke the bar and a ring the goal.
"""

import math
from collections.abc import Sequence
from html import escape
from typing import Any

FIGURES = {
    "per_s": "per second",
    "p50_us": "p50",
    "p99_us": "p99",
    "reads_p99_us": "p99 of gets",
    "writes_p99_us": "p99 of sets",
    "servers_us": "CPU per operation",
    "s": "time",
    "mb": "memory",
}
WIDTH, LABELS, RIGHT, ROW, TOP = 920, 380, 40, 20, 46
TICKS = (0.25, 0.5, 1, 2, 4, 8, 16, 32, 64)
COLOURS = {"goal": "#1a7f37", "ok": "#9a6700", "missed": "#cf222e"}
FONT = 'font-family="DejaVu Sans, Helvetica, Arial, sans-serif" font-size="12" fill="#57606a"'


def chart(rows: Sequence[dict[str, Any]]) -> str:
    """An SVG of those rows that have a bar."""
    judged = [row for row in rows if row["bar"]]
    reached = [better(row, row[name]) for row in judged for name in ("ratio_min", "ratio_max")] or [1.0]
    least = max([tick for tick in TICKS if tick <= min(reached)], default=TICKS[0])
    most = min([tick for tick in TICKS if tick >= max(reached)], default=TICKS[-1])
    most = max(most, least * 2)

    def x(value: float) -> float:
        inside = min(max(value, least), most)
        return LABELS + (WIDTH - LABELS - RIGHT) * math.log(inside / least) / math.log(most / least)

    height = TOP + ROW * len(judged) + 12
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" {FONT}>',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        '<text x="8" y="18">how many times better, by the median of the rounds; stroke: the bar, ring: the goal</text>',
    ]
    for tick in (one for one in TICKS if least <= one <= most):
        line = f'x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{TOP - 8}" y2="{height - 8}"'
        parts.append(f'<line {line} stroke="#8c959f" stroke-width="{1 if tick == 1 else 0.3}"/>')
        parts.append(f'<text x="{x(tick):.1f}" y="{TOP - 12}" text-anchor="middle">{tick:g}x</text>')
    for number, row in enumerate(judged):
        y = TOP + ROW * number + ROW / 2
        worst, best = (x(better(row, row[name])) for name in ("ratio_min", "ratio_max"))
        middle, bar, goal = (x(better(row, value)) for value in (row["ratio"], row["bar"]["bar"], row["bar"]["goal"]))
        colour = COLOURS[row["verdict"]]
        label = escape(f"{row['load']}, {row['player']} : {row['rival']}, {FIGURES[row['figure']]}")
        parts += [
            f'<text x="8" y="{y + 4:g}">{label}</text>',
            f'<line x1="{worst:.1f}" x2="{best:.1f}" y1="{y:g}" y2="{y:g}" stroke="{colour}" stroke-width="2"/>',
            f'<circle cx="{middle:.1f}" cy="{y:g}" r="4" fill="{colour}"/>',
            f'<line x1="{bar:.1f}" x2="{bar:.1f}" y1="{y - 6:g}" y2="{y + 6:g}" stroke="#24292f" stroke-width="1.5"/>',
            f'<circle cx="{goal:.1f}" cy="{y:g}" r="4.5" fill="none" stroke="#24292f"/>',
        ]
    return "\n".join([*parts, "</svg>\n"])


def better(row: dict[str, Any], ratio: float) -> float:
    """How many times better a ratio says we are: itself for a throughput, its inverse for a time, a cost or a size."""
    return ratio if row["figure"] == "per_s" else 1 / ratio
