"""The command `zooweeper`: finds the command's module, runs it, and turns every end into an exit code.

Rules: modules of commands are imported when they are used, so that `zooweeper get` pays for nothing else. One line per
error, on stderr, with the next step; the trace only with --debug.
"""

import importlib
import os
import sys
from collections.abc import Sequence

import click

from zooweeper import __version__
from zooweeper.cli.app import App, common, example
from zooweeper.cli.exits import INTERRUPTED, RETRY, USAGE, Failure, code_of, line_of
from zooweeper.cli.text import did_you_mean
from zooweeper.model.errors import ZkError

COMMANDS: dict[str, tuple[str, str]] = {
    "ls": ("zooweeper.cli.data:ls", "the children of a znode"),
    "get": ("zooweeper.cli.data:get", "the value of a znode"),
    "set": ("zooweeper.cli.data:set_", "change a value"),
    "create": ("zooweeper.cli.data:create", "make a znode"),
    "delete": ("zooweeper.cli.data:delete", "remove a znode"),
    "deleteall": ("zooweeper.cli.data:deleteall", "remove a znode and all below it"),
    "stat": ("zooweeper.cli.data:stat", "versions, times, sizes, owner"),
    "tree": ("zooweeper.cli.data:tree", "a znode and all below it"),
    "watch": ("zooweeper.cli.data:watch", "what happens to a znode, as it happens"),
    "sync": ("zooweeper.cli.data:sync", "wait until this node has seen all earlier writes"),
    "status": ("zooweeper.cli.inspect:status", "who leads, who follows, do the replicas agree"),
    "member": ("zooweeper.cli.member:member", "who belongs to the ensemble; nodes join and leave"),
    "shell": ("zooweeper.cli.shell:shell", "all of these at a prompt"),
    "demo": ("zooweeper.cli.demo:demo", "kill the leader again and again; lose nothing"),
    "bench": ("zooweeper.cli.bench:bench", "load servers, and measure speed and cost"),
    "dump": ("zooweeper.cli.inspect:dump", "the log of a data folder, for people"),
    "init": ("zooweeper.cli.serve:init", "make the folder of one node"),
    "serve": ("zooweeper.cli.serve:command", "run one node"),
}


class Commands(click.Group):
    """A group whose commands are imported when they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS:
            ctx.fail(f'no such command "{args[0]}"{did_you_mean(args[0], COMMANDS)}')
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, short) for name, (_, short) in COMMANDS.items()])


def _group(hosts: str | None, output: str | None, timeout: float | None, **_: object) -> None:
    context = click.get_current_context()
    if context.obj is None:
        context.obj = App(hosts, output, timeout)


cli = common(
    Commands(
        "zooweeper",
        callback=_group,
        params=[click.Option(["--debug"], is_flag=True, help="Show the trace of an error.")],
        help="Zooweeper: a coordination service. `zooweeper COMMAND --help` shows an example of each command.",
        epilog=example("./deploy.sh 3", "zooweeper create /hello world", "zooweeper get /hello", "zooweeper shell"),
    ),
    environment=True,
)
click.version_option(__version__, prog_name="zooweeper")(cli)


def main(argv: Sequence[str] | None = None) -> None:
    """The console script; never returns."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        code = run(arguments)
    except BrokenPipeError:  # `zooweeper ls / | head -1`: whoever read has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)


def run(arguments: list[str], app: App | None = None) -> int:
    """Runs one command line; returns the exit code. Every expected error becomes one line on stderr."""
    debug = "--debug" in arguments  # wherever it stands
    arguments = [word for word in arguments if word != "--debug"]
    try:
        result = cli.main(arguments, prog_name="zooweeper", standalone_mode=False, obj=app)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.format_message(), file=sys.stderr)
        return USAGE
    except (click.ClickException, Failure, ZkError, TimeoutError) as error:
        if debug:
            raise
        line, code = explain(error)
        print(f"zooweeper: {line}", file=sys.stderr)
        return code


def explain(error: Exception) -> tuple[str, int]:
    """The line and the exit code of an expected error."""
    if isinstance(error, click.UsageError):
        command = error.ctx.command_path if error.ctx else "zooweeper"
        return f"{error.format_message().rstrip('.')}; see {command} --help", USAGE
    if isinstance(error, click.ClickException):
        return error.format_message(), error.exit_code
    if isinstance(error, ZkError):
        return line_of(error), code_of(error)
    if isinstance(error, Failure):
        return str(error), error.code
    return "timed out; zooweeper status shows who is missing", RETRY


if __name__ == "__main__":
    main()
