"""The comparison as JSON, as a table, and in the documents.

Rules: pure, but for `write_documents`. Every form is made from the JSON form, which is what `-o json` prints; the last
one is kept beside the documents, so a run of one part replaces the rows of that part and no others. In a document only
what stands between the markers is replaced.
"""

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from rich.table import Table

from bench.compare import matrix
from bench.compare.chart import FIGURES, chart
from bench.compare.ratios import Row
from bench.load import Stuck

Json = dict[str, Any]
"""`machine`, `settings`, `rounds`, `seconds`, `missing`, `failed` and `rows`."""

HEADER = ("load", "figure", "ours", "theirs", "ratio", "bar", "goal", "verdict")
COLOURS = {"goal": "green", "ok": "yellow", "missed": "red", "": "dim"}
SHORT = ("per_s", "p50_us", "s", "mb")  # the figures that the README shows
ROOT = Path(__file__).parents[2]
KEPT = ROOT / "docs" / "plots" / "compare.json"
PLOT, SHORT_PLOT = KEPT.with_name("compare.svg"), KEPT.with_name("compare-short.svg")
DOCUMENTS = (ROOT / "docs" / "speed.md", ROOT / "README.md")
MARKED = re.compile(r"(<!-- compare: (\w+) -->\n).*?(<!-- compare: end -->)", re.DOTALL)


def shown(figure: str, value: float) -> str:
    """A figure for people, with its unit."""
    if figure == "per_s":
        return f"{value:,.0f}/s"
    if figure == "mb":
        return f"{value:,.0f} MB"
    microseconds = value * 1e6 if figure == "s" else value
    if microseconds >= 1e6:
        return f"{microseconds / 1e6:.2f} s"
    return f"{microseconds / 1000:.1f} ms" if microseconds >= 10_000 else f"{microseconds:,.4g} us"


def cells(row: Json) -> tuple[str, ...]:
    """A row for people, in the order of HEADER."""
    figure, bar = row["figure"], row["bar"]
    sign = ">=" if figure == "per_s" else "<="
    return (
        f"{row['load']}, {row['player']} : {row['rival']}",
        FIGURES[figure],
        shown(figure, median(row["ours"])),
        shown(figure, median(row["theirs"])),
        f"{row['ratio']:.2f} ({row['ratio_min']:.2f} to {row['ratio_max']:.2f})",
        f"{sign} {bar['bar']:g}" if bar else "",
        f"{bar['goal']:g}" if bar else "",
        row["verdict"],
    )


def as_table(report: Json) -> Table:
    """For a terminal."""
    table = Table(*HEADER, title="ours by theirs: median of the rounds (smallest to largest)", title_justify="left")
    table.caption, table.caption_justify = "\n".join(report["settings"].values()), "left"
    for row in report["rows"]:
        *words, verdict = cells(row)
        colour = COLOURS[verdict]
        table.add_row(*words, f"[{colour}]{verdict}[/]" if verdict else "")
    return table


def as_markdown(rows: Iterable[Json]) -> str:
    lines = [HEADER, ("---",) * len(HEADER), *map(cells, rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def report_of(rows: Sequence[Row], **more: Any) -> Json:
    return more | {"rows": [row.as_json() for row in rows]}


def merged(old: Json, new: Json) -> Json:
    """`new`, and of `old` the rows that were not measured anew, in the order of the matrix."""
    measured = {_key(row) for row in new["rows"]}
    rows = [row for row in old["rows"] if _key(row) not in measured] + new["rows"]
    order = [(str(match.load), match.ours, match.theirs) for match in matrix.ALL]
    rows = [row for row in rows if _key(row) in order]  # what is not compared any more is not shown
    rows.sort(key=lambda row: order.index(_key(row)))
    return old | new | {"settings": old["settings"] | new["settings"], "rows": rows}


def _key(row: Json) -> tuple[str, str, str]:
    return row["load"], row["player"], row["rival"]


def filled(document: str, report: Json) -> str:
    """A document with the tables of a report between its markers."""
    parts = {
        "full": as_markdown(report["rows"]),
        "short": as_markdown(short(report["rows"])),
        "machine": _machine(report),
    }

    def part(match: re.Match[str]) -> str:
        if match[2] not in parts:
            raise Stuck(f"no part named {match[2]!r}; there are: {', '.join(parts)}")
        return f"{match[1]}{parts[match[2]]}{match[3]}"

    return MARKED.sub(part, document)


def short(rows: Iterable[Json]) -> list[Json]:
    """What the README shows."""
    return [row for row in rows if row["bar"] and row["figure"] in SHORT]


def _machine(report: Json) -> str:
    counts = sorted({len(row["ours"]) for row in report["rows"]})  # what was measured at different times may differ
    rounds = f"{' or '.join(map(str, counts))} round{'s' * (counts != [1])} of {report['seconds']:g} s"
    lines = [report["machine"], *report["settings"].values(), rounds]
    return "".join(f"- {line}\n" for line in lines)


def write_documents(report: Json) -> None:
    """Keeps the report and draws it, and shows it in the documents."""
    if KEPT.exists():
        report = merged(json.loads(KEPT.read_text()), report)
    KEPT.parent.mkdir(exist_ok=True)
    KEPT.write_text(json.dumps(report, indent=1) + "\n")
    PLOT.write_text(chart(report["rows"]))
    SHORT_PLOT.write_text(chart(short(report["rows"])))
    for document in DOCUMENTS:
        document.write_text(filled(document.read_text(), report))
