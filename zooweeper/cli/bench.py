"""`zooweeper bench`: loads servers and says how fast they answer, what it costs them, and what it cost us.

Rules: results on stdout, a table for people or one JSON object for each measurement; progress on stderr. Ctrl-C ends a
measurement early and prints what there is.
"""

import itertools
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from zooweeper.bench import BenchError, Load, Progress, Result, Target, plot, report, run
from zooweeper.bench.load import OPERATIONS, SCHEMES
from zooweeper.cli import text
from zooweeper.cli.app import App, example, find_app, seconds
from zooweeper.cli.exits import DONE, INTERRUPTED, REFUSED, USAGE, Failure

LINE_EVERY_S = 2.0


def _bench(
    target: tuple[str, ...],
    operation: str,
    pids: str,
    value: int,
    seconds: float,
    warm_up: float,
    output: str | None,
    plot_file: str | None,
    **more: int,
) -> int:
    app = find_app(None, output, None)
    try:
        loads = [
            Load(
                Target.parse(one),
                name.strip(),
                value_bytes=value,
                seconds=seconds,
                warm_up=warm_up,
                pids=_numbers(pids),
                **more,  # type: ignore[arg-type]  # whole numbers all, but for `root`
            )
            for one, name in itertools.product(target, operation.split(","))
        ]
        if plot_file:
            plot.check(Path(plot_file))
    except BenchError as error:
        raise Failure(str(error), USAGE) from None
    results: list[Result] = []
    try:
        for load in loads:
            results.append(_measured(load))
            _say(app, results[-1])
            if results[-1].interrupted:
                break
        if plot_file and results:
            plot.write(Path(plot_file), plot.panels_of(results))
    except BenchError as error:
        raise Failure(str(error), REFUSED) from None
    return INTERRUPTED if results and results[-1].interrupted else DONE


def _numbers(pids: str) -> tuple[int, ...]:
    words = [word.strip() for word in pids.split(",") if word.strip()]
    if not all(word.isdecimal() and len(word) < 10 for word in words):
        raise BenchError(f"not processes: {pids[:100]!r}; expected numbers such as 4711,4712")
    return tuple(map(int, words))


def _measured(load: Load) -> Result:
    title = f"{load.target.scheme} {load.operation} {load.connections}x{load.depth}"
    with _watch(title) as watch:
        return run(load, watch)


@contextmanager
def _watch(title: str) -> Iterator[Callable[[Progress], None]]:
    """Shows how it goes: a bar on a terminal, else a line now and then."""
    if not sys.stderr.isatty():
        told = time.monotonic()

        def tell(progress: Progress) -> None:
            nonlocal told
            if time.monotonic() - told >= LINE_EVERY_S:
                told = time.monotonic()
                print(f"{title}: {report.line_of(progress)}", file=sys.stderr, flush=True)

        yield tell
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[line]}"))
    with Bar(*columns, console=Console(stderr=True), transient=True, auto_refresh=False) as bar:
        task = bar.add_task(title, total=1.0, line="")

        def show(progress: Progress) -> None:
            bar.update(task, completed=progress.share, line=report.line_of(progress), refresh=True)

        yield show


def _say(app: App, result: Result) -> None:
    if app.json:
        app.say_json(result.as_json())
        return
    app.say(text.paint(result.target, "bold", sys.stdout))
    for line in text.table(report.HEAD, report.rows(result)):
        app.say(line)
    for line in report.notes(result):
        app.say(f" {line}")


HELP = f"""Loads servers, and measures how fast they answer and what that costs.

TARGET is {", ".join(f"{name}://host:port,..." for name in SCHEMES)}: a ZooKeeper port (ours or Apache ZooKeeper's),
our gRPC port, or etcd. Connections are spread over the hosts. Works below --root, and leaves its znodes there. Several
targets or operations are measured one after the other.

\b
operations:
""" + "\n".join(f"  {name:<11} {what}" for name, what in OPERATIONS.items())

bench = click.Command(
    "bench",
    callback=_bench,
    help=HELP,
    params=[
        click.Argument(["target"], nargs=-1, required=True),
        click.Option(["-n", "--operation"], default="get,set", show_default=True, help="What to ask; or several."),
        click.Option(["-c", "--connections"], default=30, show_default=True, help="Connections."),
        click.Option(["-d", "--depth"], default=16, show_default=True, help="Requests in flight on each connection."),
        click.Option(["--value"], default=100, show_default=True, metavar="BYTES", help="Size of values."),
        click.Option(["--keys"], default=0, help="Znodes to spread requests over; default: one per connection."),
        click.Option(["--writes"], default=10, show_default=True, metavar="PERCENT", help="Share of sets in mix."),
        click.Option(["--seconds"], default="5s", show_default=True, callback=seconds, metavar="TIME",
                     help="How long to measure."),
        click.Option(["--warm-up"], default="1s", show_default=True, callback=seconds, metavar="TIME",
                     help="Before that, without being measured."),
        click.Option(["--root"], default="/bench", show_default=True, metavar="PATH", help="Works below this znode."),
        click.Option(["--pids"], default="", metavar="N,...",
                     help="The servers' processes; else those that listen at the target's ports of this machine."),
        click.Option(["-o", "--output"], type=click.Choice(("table", "json")), help="How results look."),
        click.Option(["--plot", "plot_file"], metavar="FILE",
                     help="Latencies and throughput over time as .svg, or as .png with the extra `plot`."),
    ],
    context_settings={"max_content_width": 100},
    epilog=example(
        "zooweeper bench zk://127.0.0.1:2181,127.0.0.1:2182,127.0.0.1:2183",
        "zooweeper bench zw://127.0.0.1:5181 --operation linear-get,mix --connections 1 --depth 1",
        "zooweeper bench zk://127.0.0.1:2181 etcd://127.0.0.1:2379 -n set --plot set.svg -o json",
    ),
)  # fmt: skip
