"""How results and progress look to people.

Rules: pure; times in milliseconds, figures that nobody knows are left out and said to be.
"""

from zooweeper.bench.load import Progress, Result

HEAD = ("load", "", "per second", "p50 ms", "p99 ms", "p99.9 ms", "max ms")
BUSY_CORES = 0.9


def rows(result: Result) -> list[tuple[str, ...]]:
    """The lines of a table for one result: reads and writes."""
    load = f"{result.operation} {result.connections}x{result.depth} {result.value_bytes} B"
    lines = []
    for name, side in (("reads", result.reads), ("writes", result.writes)):
        if side is not None:
            name = {"reads": "rounds", "writes": "sets"}[name] if result.operation == "fan-out" else name
            times = (side.p50_us, side.p99_us, side.p999_us, side.max_us)
            lines.append((load, name, f"{side.per_s:,.0f}", *(milliseconds(one) for one in times)))
            load = ""
    return lines


def notes(result: Result) -> list[str]:
    """What stands below the table."""
    lines = [f"{result.operations:,} operations in {result.seconds:.2f} s: {result.ops_per_s:,.0f} per second"]
    if result.server_cores is not None and result.server_cpu_us_per_op is not None:
        memory = f", {result.server_rss_mb:,.0f} MB" if result.server_rss_mb is not None else ""
        each = f"{result.server_cpu_us_per_op:.1f} us of CPU per operation"
        lines.append(f"servers: {each}, {result.server_cores:.2f} cores{memory}")
    else:
        lines.append("servers: CPU unknown; their processes are not (all) on this machine, or not ours to look at")
    busy = "; the generator was busy, so it is part of what was measured" if result.generator_cores > BUSY_CORES else ""
    lines.append(
        f"generator: {result.generator_cpu_us_per_op:.1f} us of CPU per operation, "
        f"{result.generator_cores:.2f} cores{busy}"
    )
    if result.errors:
        lines.append("errors: " + ", ".join(f"{name} {times:,}" for name, times in result.errors.items()))
    if result.interrupted:
        lines.append("interrupted; this is what was measured until then")
    return lines


def line_of(progress: Progress) -> str:
    """How it goes, in one line."""
    parts = [f"{progress.phase} {progress.share:.0%}"]
    if progress.per_s:
        parts.append(f"{progress.per_s:,.0f} per second, p99 {milliseconds(progress.p99_us)} ms")
    if progress.errors:
        parts.append(f"{progress.errors:,} errors")
    return ", ".join(parts)


def milliseconds(microseconds: float) -> str:
    return f"{microseconds / 1000:.2f}" if microseconds < 10_000 else f"{microseconds / 1000:.1f}"
