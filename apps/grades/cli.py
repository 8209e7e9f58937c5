"""The command `grades`: put, append, get, list, delete, load, exec, status.

Rules: a verb is an async function of where it runs and its arguments; the client does the work. Answers go to stdout in
three forms, for people, as JSON and plain; all else to stderr. Every end has an exit code and every error is one line
that says what to do next; a stack trace is a bug.

    0 done · 1 refused, or there is no such row · 2 usage · 69 no server reachable · 75 nobody leads or the outcome is
    unknown, a retry makes sense · 130 Ctrl-C
"""

import asyncio
import json
import os
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Concatenate, NoReturn, ParamSpec

import click

from grades import status as servers
from grades.client import Answer, Client, Consistency, GradesError, Outcome, Row, Statement, append, delete, put, text
from grades.scores import FileError, Score, read_scores

P = ParamSpec("P")
DONE, REFUSED, USAGE, UNREACHABLE, RETRY, INTERRUPTED = 0, 1, 2, 69, 75, 130
FORMATS = ("table", "json", "plain")
DEFAULT_SERVERS = "127.0.0.1:6181"
FLEET_FILE = Path(".zooweeper/grades/fleet.json")
TIMEOUT_S = 10.0
LOAD_AT_ONCE = 500  # appends that are sent without waiting for each other
SHOWN_MAX = 16  # events of a row in a table
ERRORS: dict[str, tuple[int, str]] = {  # the exit code of an error by its name, and the next step
    "BadStatement": (USAGE, ""),
    "BadRequest": (USAGE, ""),
    "NotConnected": (UNREACHABLE, "is it running? ./deploy.sh status"),
}
INT = click.IntRange(-(2**31), 2**31 - 1)


class NoRow(Exception):
    """There is no row of that id."""


@dataclass(frozen=True, slots=True)
class App:
    """Where a verb runs."""

    hosts: str
    output: str
    timeout_s: float

    @property
    def json(self) -> bool:
        return self.output == "json"

    def say_rows(self, rows: Sequence[Row]) -> None:
        if self.json:
            print(json.dumps([as_json(row) for row in rows]))
        elif self.output == "plain":
            for row in rows:
                print(row.id, *row.events)
        else:
            say_table(("id", "events"), [(str(row.id), shown(row.events)) for row in rows])

    def say_done(self, answer: Answer) -> None:
        """Of a write: the number of its entry in the log."""
        print(json.dumps({"entry": answer.n}) if self.json else f"entry {answer.n}" if self.table else answer.n)

    @property
    def table(self) -> bool:
        return self.output == "table"

    def warn_if(self, stale: bool) -> None:
        if stale:
            print("grades: this may be stale: the server is cut off from the coordination service", file=sys.stderr)


def as_json(row: Row) -> dict[str, object]:
    return {"id": row.id, "events": list(row.events)}


def shown(events: Sequence[int]) -> str:
    more = f" … ({len(events)})" if len(events) > SHOWN_MAX else ""
    return " ".join(map(str, events[:SHOWN_MAX])) + more


def say_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(*head, box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for row in rows:
        table.add_row(*row)
    wide = None if sys.stdout.isatty() else 1_000  # into a file nothing is folded
    Console(highlight=False, width=wide, soft_wrap=True).print(table)


# ---- verbs


def example(*lines: str) -> str:
    return "\b\nexample:\n" + "\n".join(f"  {line}" for line in lines)


def verb(
    name: str, *examples: str
) -> Callable[[Callable[Concatenate[App, Client, P], Coroutine[Any, Any, None]]], click.Command]:
    """Makes a command of an async function (app, client, **arguments); its docstring is the help text."""

    def decorate(function: Callable[Concatenate[App, Client, P], Coroutine[Any, Any, None]]) -> click.Command:
        def callback(
            hosts: str | None, output: str | None, timeout: float | None, *args: P.args, **kwargs: P.kwargs
        ) -> None:
            app = find_app(hosts, output, timeout)

            async def connected() -> None:
                async with Client(app.hosts, deadline=app.timeout_s) as client:
                    await function(app, client, *args, **kwargs)

            asyncio.run(connected())

        params = getattr(function, "__click_params__", [])
        command = click.Command(
            name,
            callback=callback,
            params=list(reversed(params)),
            help=function.__doc__,
            epilog=example(*examples),
            context_settings={"ignore_unknown_options": True},  # numbers may be negative
        )
        return common(command)

    return decorate


def common(command: click.Command, environment: bool = False) -> click.Command:
    """The options that every command takes, before or after its name; those before count less."""
    command.params += [
        click.Option(
            ["--hosts"],
            envvar="GRADES_SERVERS" if environment else None,
            metavar="H:P,...",
            help="Where the database servers are (or GRADES_SERVERS).",
        ),
        click.Option(
            ["-o", "--output"],
            type=click.Choice(FORMATS),
            envvar="GRADES_OUTPUT" if environment else None,
            help="How answers look (or GRADES_OUTPUT); default: table on a terminal, else plain.",
        ),
        click.Option(
            ["--timeout"], type=click.FloatRange(0.01, 86_400), metavar="S", help=f"Seconds; default {TIMEOUT_S:g}."
        ),
    ]
    return command


def find_app(hosts: str | None, output: str | None, timeout: float | None) -> App:
    outer = click.get_current_context().find_root().params
    hosts = hosts or outer["hosts"] or default_servers()
    if not hosts.strip(" ,"):
        raise click.UsageError("--hosts names no server; expected such as 127.0.0.1:6181,127.0.0.1:6182")
    return App(
        hosts,
        output or outer["output"] or ("table" if sys.stdout.isatty() else "plain"),
        timeout or outer["timeout"] or TIMEOUT_S,
    )


def default_servers() -> str:
    """Those that ./deploy.sh started in this directory, else the default port here."""
    try:
        return ",".join(server["address"] for server in json.loads(FLEET_FILE.read_text())["servers"])
    except FileNotFoundError:
        return DEFAULT_SERVERS
    except (OSError, ValueError, KeyError, TypeError):
        raise click.UsageError(f"{FLEET_FILE} cannot be read; name the servers with --hosts") from None


id_argument = click.argument("id", type=INT)
events_argument = click.argument("events", type=INT, nargs=-1, required=True)
linear_option = click.option("--linear", is_flag=True, help="Not stale: as new as everything acknowledged before.")


def consistency(linear: bool) -> Consistency:
    return "linearizable" if linear else "local"


@verb("put", "grades put 123 90 85")
@id_argument
@click.argument("events", type=INT, nargs=-1)
async def put_(app: App, client: Client, id: int, events: tuple[int, ...]) -> None:
    """Makes the row ID, or replaces its list. Prints the number of the entry in the log."""
    app.say_done(await client.execute(put(id, events)))


@verb("append", "grades append 123 77")
@id_argument
@events_argument
async def append_(app: App, client: Client, id: int, events: tuple[int, ...]) -> None:
    """Extends the list of the row ID, or makes the row."""
    app.say_done(await client.execute(append(id, events)))


@verb("delete", "grades delete 123")
@id_argument
async def delete_(app: App, client: Client, id: int) -> None:
    """Removes the row ID."""
    app.say_done(await client.execute(delete(id)))


@verb("get", "grades get 123", "grades get --linear 123 -o json")
@id_argument
@linear_option
async def get(app: App, client: Client, id: int, linear: bool) -> None:
    """The list of the row ID, from the copy of the server that is asked."""
    answer = await client.execute(Statement(get=id, consistency=text("", consistency(linear)).consistency))
    app.warn_if(answer.stale)
    if not answer.rows:
        raise NoRow(f"no row {id}; grades list shows what there is")
    (row,) = answer.rows
    print(json.dumps(as_json(row)) if app.json else " ".join(map(str, row.events)))


@verb("list", "grades list", "grades list --linear -o json")
@linear_option
async def list_(app: App, client: Client, linear: bool) -> None:
    """All rows, by id."""
    app.say_rows([row async for row in client.rows(consistency=consistency(linear))])


@verb(
    "exec", 'grades exec "UPDATE grade SET events = events + [85] WHERE id = 123"', 'grades exec "SELECT * FROM grade"'
)
@click.argument("statement")
@linear_option
async def exec_(app: App, client: Client, statement: str, linear: bool) -> None:
    """Executes a statement: INSERT, UPDATE, DELETE or SELECT on the table grade."""
    answer = await client.execute(text(statement, consistency(linear)))
    app.warn_if(answer.stale)
    if not statement.lstrip().upper().startswith("SELECT"):
        app.say_done(answer)
        return
    app.say_rows(answer.rows)
    if answer.more:
        print("grades: there are more rows; grades list shows all", file=sys.stderr)


@verb("load", "grades load data/math_achievement.csv", "grades load marks.csv --columns student,mark")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--columns", metavar="ID,EVENT", default="school,score_milli", show_default=True, help="Of the file.")
async def load(app: App, client: Client, file: Path, columns: str) -> None:
    """Appends every line of a CSV file to the row of its id, in the order of the file."""
    scores = read_scores(file, columns)
    with progress("loading", len(scores)) as advance:
        for at in range(0, len(scores), LOAD_AT_ONCE):
            await load_some(client, scores[at : at + LOAD_AT_ONCE], at)
            advance(min(len(scores), at + LOAD_AT_ONCE))
    rows = len({score.id for score in scores})
    print(json.dumps({"appended": len(scores), "rows": rows}) if app.json else f"{len(scores)} events in {rows} rows")


async def load_some(client: Client, scores: Sequence[Score], before: int) -> None:
    """GradesError of the first that failed; it says how many went before."""
    answers = await client.execute_many([append(score.id, [score.event]) for score in scores])
    for at, answer in enumerate(answers):
        if isinstance(answer, GradesError):
            where = f"line {scores[at].line} of the file, after {before + at} that were appended: {answer.message}"
            raise GradesError(answer.name, where, answer.outcome)


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar on stderr where that is a terminal, else nothing: a load takes seconds."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)


def status_(hosts: str | None, output: str | None, timeout: float | None) -> int:
    """One row per server: role, state, numbers applied and logged, size of the log, checkpoint, digest of its copy.

    Exit code 0 when one leads and no two copies differ, 75 otherwise, 69 when no server answers.
    """
    app = find_app(hosts, output, timeout)
    addresses = [one.strip() for one in app.hosts.split(",") if one.strip()]
    with servers.Asker({address: address for address in addresses}) as asker:
        rows = asker.ask(timeout or servers.ASK_TIMEOUT_S)
    if app.json:
        print(servers.as_json(rows))
    elif app.output == "plain" and output:  # only when asked for: the verdict is the answer
        for cells in servers.cells(rows):
            print(*cells, sep="\t")
    else:
        say_table(servers.COLUMNS, servers.cells(rows))
        print(servers.verdict(rows))
    if not any(row.up for row in rows):
        return UNREACHABLE
    return DONE if servers.good(rows) else RETRY


status = common(click.Command("status", callback=status_, help=status_.__doc__, epilog=example("grades status")))


# ---- the command

cli = common(
    click.Group(
        "grades",
        commands=[put_, append_, get, list_, delete_, load, exec_, status],
        callback=lambda **_: None,
        help="The replicated grade database. `grades COMMAND --help` shows an example of each command.",
        epilog=example("./deploy.sh 3 --grades 3", "grades put 123 90 85", "grades append 123 77", "grades get 123"),
    ),
    environment=True,
)


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """The console script."""
    arguments = sys.argv[1:] if argv is None else argv
    if arguments and arguments[0] == "--simple":
        from grades import simple

        sys.exit(simple.main(arguments[1:]))
    try:
        code = run(arguments)
    except BrokenPipeError:  # `grades list | head -1`: whoever read has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = DONE
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Runs one command line; returns the exit code."""
    try:
        result = cli.main(list(arguments), prog_name="grades", standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else DONE
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.format_message(), file=sys.stderr)
        return USAGE
    except (click.ClickException, GradesError, FileError, NoRow) as error:
        line, code = explain(error)
        print(f"grades: {line}", file=sys.stderr)
        return code


def explain(error: Exception) -> tuple[str, int]:
    """The line and the exit code of an expected error."""
    if isinstance(error, click.UsageError):
        command = error.ctx.command_path if error.ctx else "grades"
        return f"{error.format_message().rstrip('.')}; see {command} --help", USAGE
    if isinstance(error, click.ClickException):
        return error.format_message(), error.exit_code
    if isinstance(error, GradesError):
        code, step = explain_answer(error)
        return f"{error}; {step}" if step else str(error), code
    return str(error), REFUSED if isinstance(error, NoRow) else USAGE


def explain_answer(error: GradesError) -> tuple[int, str]:
    if error.name in ERRORS:
        return ERRORS[error.name]
    if error.outcome is Outcome.UNKNOWN:
        return RETRY, "whether it was done is unknown; look before you try again, or give a longer --timeout"
    if error.name == "NoAnswer":
        return UNREACHABLE, "is it running? ./deploy.sh status; other addresses: --hosts or GRADES_SERVERS"
    return REFUSED, ""


if __name__ == "__main__":
    main()
