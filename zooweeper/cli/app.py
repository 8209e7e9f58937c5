"""What all commands share: where the servers are, how answers look, and the way from a verb to a connected client.

Rules: a verb is an async function of an `App` and its arguments; it neither knows whether it runs alone or inside the
shell, nor opens a connection. Answers go to stdout through `App`, all else to stderr. Importing this module must stay
cheap: the client library, with gRPC below it, is imported when a verb runs.
"""

import asyncio
import contextlib
import json
import os
import posixpath
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

import click

from zooweeper.cli.exits import USAGE, Failure
from zooweeper.cli.settings import ENSEMBLE_FILE, SettingsError, read_ensemble
from zooweeper.model.errors import NoQuorum, NotConnected

if TYPE_CHECKING:
    from zooweeper_client.aio import Client

    from zooweeper.cli.status import NodeStatus
    from zooweeper.model.config import Member
    from zooweeper.model.stat import Stat

P = ParamSpec("P")
FORMATS = ("table", "json", "plain")
DEFAULT_HOSTS = "127.0.0.1:5181"
DEFAULT_FOLDER = ".zooweeper"
TIMEOUT_S = 10.0
FIRST_TRY_S = 1.5  # an election is over by then; who has no session then looks for the reason


class App:
    """The surroundings of a verb: given once for a command, kept by the shell over many."""

    def __init__(self, hosts: str | None = None, output: str | None = None, timeout_s: float | None = None) -> None:
        self.given_hosts = hosts
        self.given_output = output
        self.timeout_s = timeout_s if timeout_s is not None else TIMEOUT_S
        self.place = "/"
        self.shell = False

    @property
    def hosts(self) -> str:
        """The connect string: as given, else of the ensemble in this directory, else the default port here."""
        if self.given_hosts:
            return self.given_hosts
        members = self.members()
        return ",".join(str(member.grpc) for member in members) if members else DEFAULT_HOSTS

    def members(self) -> "tuple[Member, ...]":
        """The members, where the ensemble is one of this directory."""
        if self.given_hosts or not (Path(DEFAULT_FOLDER) / ENSEMBLE_FILE).exists():
            return ()
        try:
            return read_ensemble(Path(DEFAULT_FOLDER)).members
        except SettingsError as error:
            raise Failure(str(error), USAGE) from None

    def rows(self) -> "list[NodeStatus]":
        """One status row per member, or per address where the members are not known."""
        from zooweeper.cli.status import ask_rows

        return ask_rows(self.addresses(), self.members())

    def addresses(self) -> list[str]:
        """The servers of the connect string."""
        from zooweeper_client.options import parse_hosts

        try:
            return [str(address) for address in parse_hosts(self.hosts)[0]]
        except ValueError as error:
            raise Failure(str(error), USAGE) from None

    def path(self, given: str) -> str:
        """An absolute path; in the shell relative ones start at its place. What else a path may be, the client says."""
        if self.shell:
            return posixpath.normpath(posixpath.join(self.place, given)).replace("//", "/")
        if not given.startswith("/"):
            raise Failure(f'not a path: "{given}"; paths start with /', USAGE)
        return given.rstrip("/") or "/"

    @contextlib.asynccontextmanager
    async def client(self, stale: bool = False) -> AsyncIterator["Client"]:
        """A connected client, closed at the end. `stale`: where nobody leads, one that reads what is there.
        NoQuorum."""
        client = self._made()
        try:
            await client.start(min(FIRST_TRY_S, self.timeout_s))
        except NotConnected:
            alone = self._without_quorum()  # a session is a write, and needs a majority
            if alone and not stale:
                raise NoQuorum(alone) from None
            if alone:
                self.note(f"{alone}; this may be stale")
            elif self.timeout_s <= FIRST_TRY_S:
                raise
            client = self._made(read_only=bool(alone))
            await client.start(max(self.timeout_s - FIRST_TRY_S, FIRST_TRY_S))
        try:
            yield client
        finally:
            await client.close()

    def _made(self, read_only: bool = False) -> "Client":
        from zooweeper_client.aio import Client
        from zooweeper_client.retry import RetryPolicy

        retry = RetryPolicy(deadline=self.timeout_s)
        try:
            return Client(self.hosts, auth=() if read_only else _credentials(), retry=retry, read_only=read_only)
        except ValueError as error:  # the connect string
            raise Failure(str(error), USAGE) from None

    def _without_quorum(self) -> str:
        """What to say when there are servers and nobody leads them; empty otherwise."""
        from zooweeper.cli.status import health

        rows = self.rows()
        up = sum(row.up for row in rows)
        return f"{up} of {len(rows)} servers answer, none leads" if up and not health(rows).quorum else ""

    def run(self, verb: Callable[["Client"], Coroutine[Any, Any, None]], stale: bool) -> object:
        """Runs a verb on a client of its own. The shell has its own way."""

        async def connected() -> None:
            async with self.client(stale) as client:
                await verb(client)

        asyncio.run(connected())
        return None

    # ---- answers

    @property
    def output(self) -> str:
        return self.given_output or ("table" if self.shell or sys.stdout.isatty() else "plain")

    @property
    def json(self) -> bool:
        return self.output == "json"

    def say(self, line: str) -> None:
        print(line, flush=self.shell)

    def say_json(self, value: object) -> None:
        print(json.dumps(value, ensure_ascii=False), flush=True)

    def say_bytes(self, value: bytes) -> None:
        """A value: its very bytes into a pipe, readable on a terminal."""
        if sys.stdout.isatty() or self.shell:
            print(readable(value), flush=True)
            return
        sys.stdout.flush()
        sys.stdout.buffer.write(value)
        sys.stdout.buffer.flush()

    def note(self, line: str) -> None:
        print(f"zooweeper: {line}", file=sys.stderr, flush=True)


def _credentials() -> list[tuple[str, str]]:
    """Who we are, from ZOOWEEPER_AUTH: never from the command line, where others could read it."""
    given = os.environ.get("ZOOWEEPER_AUTH")
    if not given:
        return []
    scheme, colon, credential = given.partition(":")
    if not colon or ":" not in credential:
        raise Failure("ZOOWEEPER_AUTH is not scheme:user:password, such as digest:ann:secret", USAGE)
    return [(scheme, credential)]


def readable(value: bytes) -> str:
    """UTF-8 text as it is, anything else in hexadecimal."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return f"0x{value.hex()}"
    return text if text.isprintable() or text.replace("\n", "").replace("\t", "").isprintable() else f"0x{value.hex()}"


def json_value(value: bytes) -> dict[str, str]:
    """A value inside JSON: text, or base64 with a word that says so."""
    try:
        return {"value": value.decode(), "encoding": "utf-8"}
    except UnicodeDecodeError:
        import base64

        return {"value": base64.b64encode(value).decode(), "encoding": "base64"}


def json_stat(stat: "Stat") -> dict[str, int]:
    return stat._asdict()


UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "": 1.0}


def seconds(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """A length of time as people write it: 10, 2.5, 500ms, 30s, 5m."""
    if value is None:
        return None
    number = value.rstrip("ms")
    try:
        result = float(number) * UNITS_S[value[len(number) :]]
    except (KeyError, ValueError):
        result = 0.0
    if not 0.01 <= result <= 86_400:
        raise click.BadParameter(f"not a length of time: {value!r}, expected such as 10, 500ms or 30s", ctx, param)
    return result


def common(command: click.Command, environment: bool = False) -> click.Command:
    """The options that every command takes, whether before or after its name. Only those before it, which count less,
    are read from the environment."""
    command.params += [
        click.Option(
            ["--hosts"],
            envvar="ZOOWEEPER_HOSTS" if environment else None,
            metavar="H:P,...",
            help="Where the servers are (or ZOOWEEPER_HOSTS).",
        ),
        click.Option(
            ["-o", "--output"],
            type=click.Choice(FORMATS),
            envvar="ZOOWEEPER_OUTPUT" if environment else None,
            help="How answers look (or ZOOWEEPER_OUTPUT); default: table on a terminal, else plain.",
        ),
        click.Option(
            ["--timeout"],
            callback=seconds,
            envvar="ZOOWEEPER_TIMEOUT" if environment else None,
            metavar="TIME",
            help=f"How long to try, such as 500ms or 30s (or ZOOWEEPER_TIMEOUT); default {TIMEOUT_S:g}s.",
        ),
    ]
    command.context_settings["max_content_width"] = 100
    return command


def find_app(hosts: str | None, output: str | None, timeout: float | None) -> App:
    """The shell's App, changed for one command; or one made of the options before and after the command's name."""
    outer = click.get_current_context().find_object(App)
    if outer is None:
        return App(hosts, output, timeout)
    if outer.shell:
        outer.given_output = output
        return outer
    return App(
        hosts or outer.given_hosts,
        output or outer.given_output,
        timeout if timeout is not None else outer.timeout_s,
    )


def path_argument(here: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """An argument `path`, absolute once the verb sees it. `here`: it may be left out, for the shell's place or /."""

    def resolve(ctx: click.Context, param: click.Parameter, value: str | None) -> str:
        app = ctx.find_object(App)
        assert app is not None
        return app.path(value or app.place)

    return click.argument("path", callback=resolve, required=not here)


def verb(
    name: str, *examples: str, stale: bool = False
) -> Callable[[Callable[Concatenate[App, "Client", P], Coroutine[Any, Any, None]]], click.Command]:
    """Makes a command of an async function (app, client, **arguments); its docstring is the help text. `stale`: it only
    reads, so without a majority it shows what is there, unless asked for a linearizable read."""

    def decorate(function: Callable[Concatenate[App, "Client", P], Coroutine[Any, Any, None]]) -> click.Command:
        def callback(
            hosts: str | None, output: str | None, timeout: float | None, *args: P.args, **kwargs: P.kwargs
        ) -> object:
            app = find_app(hosts, output, timeout)
            return app.run(lambda client: function(app, client, *args, **kwargs), stale and not kwargs.get("linear"))

        params = getattr(function, "__click_params__", [])
        command = click.Command(
            name, callback=callback, params=list(reversed(params)), help=function.__doc__, epilog=example(*examples)
        )
        return common(command)

    return decorate


def example(*lines: str) -> str:
    """The closing lines of a help page."""
    return "\b\nexample:\n" + "\n".join(f"  {line}" for line in lines)
