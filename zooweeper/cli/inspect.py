"""Commands that look at servers and data folders: status, dump.

Rules: they change nothing. `status` needs no session, so it works without a quorum and tells what is missing.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import click

from zooweeper.cli import status as nodes
from zooweeper.cli import text
from zooweeper.cli.app import App, common, example, find_app
from zooweeper.cli.exits import DONE, RETRY, UNREACHABLE, USAGE, Failure
from zooweeper.cli.status import Health, NodeStatus

WATCH_S = 0.5
WAIT_POLL_S = 0.05
WAIT_S = 30.0
CLEAR = "\x1b[H\x1b[2J"


def say_rows(app: App, rows: list[NodeStatus]) -> None:
    if app.json:
        app.say(nodes.as_json(rows))
        return
    if app.given_output == "plain":  # only when asked for: the verdict is the answer
        for cells in nodes.cells(rows):
            app.say("\t".join(cells))
        return
    head, *lines = text.table(nodes.COLUMNS, nodes.cells(rows))
    app.say(text.paint(head, "bold", sys.stdout))
    for line in lines:
        app.say(line)
    verdict = nodes.health(rows)
    good = verdict.quorum and not verdict.diverged
    app.say(text.paint(str(verdict), "green" if good else "red", sys.stdout))


def code_for(rows: list[NodeStatus]) -> int:
    if not any(row.up for row in rows):
        return UNREACHABLE
    verdict = nodes.health(rows)
    return DONE if verdict.quorum and not verdict.diverged else RETRY


WAITS: dict[str, Callable[[Health], bool]] = {
    "healthy": lambda health: health.complete,
    "quorum": lambda health: health.quorum,
}


def _status(hosts: str | None, output: str | None, timeout: float | None, wait: str | None, watch: bool) -> int:
    """One row per node: role, epoch, last zxid logged and executed, sessions, carrier of the broadcast to it (fast: a
    lane, grpc: the stream), addresses, digest of the state.

    Exit code 0 with a quorum, 75 without, 69 when no node answers.
    """
    app = find_app(hosts, output, timeout)
    if watch:
        while True:
            if sys.stdout.isatty():
                app.say(CLEAR)
            say_rows(app, app.rows())
            sys.stdout.flush()
            time.sleep(WATCH_S)
    deadline = time.monotonic() + (timeout or WAIT_S)
    rows = app.rows()
    if wait is not None:
        while not WAITS[wait](nodes.health(rows)):
            if time.monotonic() > deadline:
                say_rows(app, rows)
                raise Failure(f"not {wait} within {timeout or WAIT_S:g} s: {nodes.health(rows)}", RETRY)
            time.sleep(WAIT_POLL_S)
            rows = app.rows()
    say_rows(app, rows)
    code = code_for(rows)
    if code == UNREACHABLE:
        app.note(f"no server answers at {app.hosts}; is it running? ./deploy.sh status")
    return code


status = common(
    click.Command(
        "status",
        callback=_status,
        help=_status.__doc__,
        params=[
            click.Option(["--wait"], type=click.Choice(list(WAITS)), help="Until all nodes serve, or a majority."),
            click.Option(["--watch"], is_flag=True, help="Again and again, until Ctrl-C."),
        ],
        epilog=example("zooweeper status", "zooweeper status -o json", "zooweeper status --wait healthy --timeout 30s"),
    )
)


def _dump(folder: str) -> int:
    """Prints the log of a data folder: one line per record, never data or secrets. The node need not run."""
    from zooweeper.cli.settings import DATA_FOLDER
    from zooweeper.storage.disk import OsDisk
    from zooweeper.storage.dump import dump as records

    path = Path(folder)
    if (path / DATA_FOLDER).is_dir():
        path /= DATA_FOLDER
    if not path.is_dir():
        raise Failure(f"no folder {path}", USAGE)
    for line in records(OsDisk(path)):
        print(line)
    return DONE


dump = click.Command(
    "dump",
    callback=_dump,
    help=_dump.__doc__,
    params=[click.Argument(["folder"], metavar="DIR")],
    epilog=example("zooweeper dump .zooweeper/node-1"),
)
