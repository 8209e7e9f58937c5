"""The report of a run: one HTML file without anything from elsewhere, and the same facts as JSON beside it.

Rules: the exit code of the command comes from the JSON file, so that a run whose report is missing cannot be green.
What is shown is what is in Facts; nothing is computed here but medians.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from html import escape
from pathlib import Path

from bench.figures import median, milliseconds
from tests.robustness.facts import Facts
from tests.robustness.gates import Gate, Verdict, judge
from tests.robustness.timeline import classes, timeline

JSON_NAME, HTML_NAME = "report.json", "report.html"
STYLE = """
:root { --ink: #1d2733; --soft: #5d6b7a; --line: #d9e0e7; --paper: #ffffff; --panel: #f5f7f9; --good: #1f8a4c;
  --bad: #c2352b; --warn: #b7791f; --rate: #3b7dd8; --leader: #e0a100; --follower: #9db8d6; --looking: #d98880;
  --down: #39424c; --fault: #c2352b; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6ebf0; --soft: #9aa7b4; --line: #33404d; --paper: #141a20;
  --panel: #1b232b; --rate: #5b9bf0; --follower: #45617f; --down: #0b0f13; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1180px; padding: 28px 24px 60px; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 24px; margin: 0 0 4px; } h2 { font-size: 17px; margin: 34px 0 8px; } p { margin: 6px 0; }
.soft { color: var(--soft); } .good { color: var(--good); } .bad { color: var(--bad); font-weight: 600; }
.verdict { display: inline-block; padding: 3px 14px; border-radius: 6px; color: #fff; font-weight: 700; }
.PASS { background: var(--good); } .FAIL { background: var(--bad); } .INVALID { background: var(--warn); }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 14px; }
th, td { text-align: left; padding: 4px 12px 4px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--soft); font-weight: 500; } td.n, th.n { text-align: right; }
.two { display: grid; grid-template-columns: repeat(auto-fit, minmax(420px, 1fr)); gap: 0 40px; }
.wide { overflow-x: auto; }
svg { display: block; width: 100%; min-width: 720px; background: var(--panel); border-radius: 8px; }
svg text { font: 11px system-ui, sans-serif; fill: var(--soft); }
svg .title { font-weight: 600; fill: var(--ink); } svg .axis { text-anchor: end; } svg .tick { text-anchor: middle; }
svg .number { font-weight: 700; fill: var(--fault); } svg .rule { stroke: var(--line); }
svg .fault { fill: var(--fault); opacity: .16; } svg .healing { fill: var(--fault); opacity: .06; }
svg .rate { fill: var(--rate); } svg polyline { fill: none; stroke-width: 1.6; }
svg .p50 { stroke: var(--rate); } svg .p99 { stroke: var(--bad); }
.leader { fill: var(--leader); background: var(--leader); } .follower { fill: var(--follower);
  background: var(--follower); } .looking { fill: var(--looking); background: var(--looking); }
.down { fill: var(--down); background: var(--down); }
.error0 { fill: #8e6bbf; background: #8e6bbf; } .error1 { fill: #c9772b; background: #c9772b; }
.error2 { fill: #4f9d8f; background: #4f9d8f; } .error3 { fill: #b0485f; background: #b0485f; }
.error4 { fill: #7a8a3c; background: #7a8a3c; } .error5 { fill: #888; background: #888; }
.key { display: inline-block; width: 11px; height: 11px; border-radius: 2px; margin: 0 4px 0 14px; }
pre { white-space: pre-wrap; background: var(--panel); padding: 10px 14px; border-radius: 6px; }
"""


def write(facts: Facts, folder: Path) -> Path:
    """Both files; the path of the JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    verdict, gates = judge(facts)
    value = {"verdict": verdict, "gates": [asdict(gate) for gate in gates], **asdict(facts)}
    (folder / HTML_NAME).write_text(page(facts, verdict, gates), encoding="utf-8")
    path = folder / JSON_NAME
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
    return path


def verdict_in(path: Path) -> Verdict:
    """What a JSON file says. OSError or ValueError when it says nothing."""
    return Verdict(json.loads(path.read_text(encoding="utf-8"))["verdict"])


def page(facts: Facts, verdict: Verdict, gates: Sequence[Gate]) -> str:
    title = f"Zooweeper under fire: seed {facts.header.get('seed', '?')}"
    parts = [
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<style>{STYLE}</style></head><body><h1>{escape(title)}</h1>",
        f'<p><span class="verdict {verdict}">{verdict}</span> <span class="soft">{escape(summary(facts))}</span></p>',
        violations(facts),
        "<h2>Time line</h2>",
        f'<div class="wide">{timeline(facts)}</div>',
        legend(facts),
        '<div class="two"><section><h2>Gates</h2>',
        table(("gate", "wanted", "measured"), [gate_row(gate) for gate in gates]),
        "</section><section><h2>The run</h2>",
        table(("", ""), [(escape(key), escape(value)) for key, value in facts.header.items()]),
        "</section></div><h2>Faults</h2>",
        strikes(facts),
        '<div class="two"><section><h2>Without an answered write</h2>',
        gaps(facts),
        "</section><section><h2>Durability</h2>",
        ledger(facts),
        "</section><section><h2>Operations</h2>",
        operations(facts),
        "</section><section><h2>Situations reached</h2>",
        table(("", "times"), [(escape(name), str(count)) for name, count in facts.marks.items()], numbers=True),
        "<h2>Skipped faults</h2>",
        skipped(facts),
        "</section></div></body></html>",
    ]
    return "\n".join(parts) + "\n"


def summary(facts: Facts) -> str:
    ledger = facts.ledger
    return (
        f"{len(facts.strikes)} faults in {facts.fire_s:.0f} s, {facts.asked} operations, "
        f"{ledger.acknowledged} writes acknowledged, {ledger.lost} lost, {len(facts.violations)} violations"
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]], numbers: bool = False) -> str:
    """Cells are HTML already. `numbers`: all but the first column are right-aligned."""

    def cells(tag: str, row: Sequence[str]) -> str:
        kinds = [' class="n"' if numbers and place else "" for place in range(len(row))]
        return "".join(f"<{tag}{kind}>{cell}</{tag}>" for cell, kind in zip(row, kinds, strict=True))

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    top = f"<thead><tr>{cells('th', head)}</tr></thead>" if any(head) else ""
    return f'<div class="wide"><table>{top}<tbody>{body}</tbody></table></div>'


def gate_row(gate: Gate) -> tuple[str, str, str]:
    kind = "good" if gate.ok else "bad"
    mark = "✓" if gate.ok else "✗"
    return escape(gate.name), escape(gate.wanted), f'<span class="{kind}">{mark} {escape(gate.measured)}</span>'


def violations(facts: Facts) -> str:
    if not facts.violations:
        return ""
    shown = "".join(f"<pre>{escape(text)}</pre>" for text in facts.violations)
    return f'<h2 class="bad">Violations</h2>{shown}'


def legend(facts: Facts) -> str:
    keys = [("leader", "leader"), ("follower", "follower"), ("looking", "looking"), ("down", "down or silent")]
    keys += [(f"error{min(place, 5)}", name) for place, name in enumerate(classes(facts))]
    shown = "".join(f'<span class="key {kind}"></span>{escape(name)}' for kind, name in keys)
    return f'<p class="soft">shaded: a fault; lighter: until it was seen to be over {shown}</p>'


def strikes(facts: Facts) -> str:
    rows = [
        (
            str(number),
            escape(strike.fault),
            ", ".join(map(str, strike.victims)),
            f"{strike.began_s:.1f} s",
            f"{max(0.0, strike.ended_s - strike.began_s):.1f} s",
            milliseconds(strike.gap_s),
            escape(strike.evidence) or '<span class="bad">not seen to bite</span>',
            escape(strike.healed) or '<span class="bad">not seen to end</span>',
        )
        for number, strike in enumerate(facts.strikes, 1)
    ]
    return table(("", "fault", "nodes", "at", "for", "gap", "seen to bite", "seen to be over"), rows)


def gaps(facts: Facts) -> str:
    found: dict[str, list[float]] = {}
    for strike in facts.strikes:
        found.setdefault(strike.fault, []).append(strike.gap_s)
    rows = [
        (escape(name), str(len(times)), milliseconds(median(times)), milliseconds(max(times)))
        for name, times in sorted(found.items())
    ]
    return table(("fault", "times", "median", "longest"), rows, numbers=True)


def ledger(facts: Facts) -> str:
    value = facts.ledger
    lost = f'<span class="{"bad" if value.lost else "good"}">{value.lost}</span>'
    rows = [
        ("writes acknowledged", str(value.acknowledged)),
        ("of them in the logs", str(value.recovered)),
        ("of them lost", lost),
        ("outcome unknown, applied", str(value.unknown_applied)),
        ("outcome unknown, not applied", str(value.unknown_absent)),
        ("nodes killed", str(value.kills)),
        ("power cuts of a node", str(value.cuts)),
        ("operations the checks saw", f"{facts.checked} of {facts.asked}"),
    ]
    return table(("", ""), rows, numbers=True)


def operations(facts: Facts) -> str:
    rows = [(escape(name), str(count.ok), str(count.error), str(count.unknown)) for name, count in facts.counts.items()]
    return table(("operation", "ok", "error", "unknown"), rows, numbers=True)


def skipped(facts: Facts) -> str:
    if not facts.skipped:
        return '<p class="soft">none</p>'
    return table(("fault", "because"), [(escape(name), escape(why)) for name, why in facts.skipped.items()])
