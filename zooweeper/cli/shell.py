"""`zooweeper shell`: the same verbs at a prompt, with one session kept.

Rules: the shell adds a place, a prompt and completion; the verbs are those of `zooweeper`, run on its one client. Only
the prompt itself needs prompt_toolkit; `--run-once` and `--run-from-stdin` do without. Ctrl-C ends a command, never
the shell.
"""

import asyncio
import contextlib
import inspect
import shlex
import signal
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import TYPE_CHECKING, Any

import click

from zooweeper.cli.app import App, common, example, find_app
from zooweeper.cli.exits import DONE, INTERRUPTED, USAGE, Failure
from zooweeper.cli.main import COMMANDS, cli, explain
from zooweeper.cli.text import did_you_mean
from zooweeper.model.errors import ZkError

if TYPE_CHECKING:
    from prompt_toolkit.completion import Completer
    from zooweeper_client.aio import Client

VERBS = ("ls", "get", "set", "create", "delete", "deleteall", "stat", "tree", "watch", "sync", "status")
OWN = {
    "cd": "go to a znode: cd /app, cd .., cd",
    "pwd": "where we are",
    "unwatch": "end all watches of this shell",
    "help": "this list; COMMAND --help for more",
    "quit": "leave (also exit, Ctrl-D)",
}
COMPLETION_S = 1.0
HISTORY = "~/.zooweeper_history"


class Quit(Exception):
    """The user wants to leave."""


class Shell(App):
    """The surroundings of the verbs inside the shell: a place, and one client for all."""

    def __init__(self, outer: App, client: "Client", interactive: bool) -> None:
        super().__init__(outer.given_hosts, outer.given_output, outer.timeout_s)
        self.shell = True
        self.interactive = interactive
        self.connected = client
        self.watches: set[asyncio.Task[None]] = set()

    def run(self, verb: Callable[["Client"], Coroutine[Any, Any, None]], stale: bool) -> object:
        """The verb, for `execute` to await."""
        return verb(self.connected)

    async def execute(self, line: str) -> int:
        """Runs one line; returns its exit code. Prints errors as one line; raises Quit."""
        try:
            words = shlex.split(line, comments=True)
        except ValueError as error:
            self.note(f"{error}: close the quotes")
            return USAGE
        if not words:
            return DONE
        name, *arguments = words
        try:
            if name in OWN or name == "exit":
                await self._own(name, arguments)
                return DONE
            if name not in VERBS:
                raise Failure(f'no such command "{name}"{did_you_mean(name, (*VERBS, *OWN))}; see help', USAGE)
            result = cli.main(words, prog_name="zooweeper", standalone_mode=False, obj=self)
            if inspect.isawaitable(result):
                result = await self._await(name, result)
            return result if isinstance(result, int) else DONE
        except (click.ClickException, Failure, ZkError, TimeoutError) as error:
            text, code = explain(error)
            self.note(text)
            return code

    async def _await(self, name: str, running: Any) -> object:
        if name == "watch" and self.interactive:
            task = asyncio.create_task(self._watch(running))
            self.watches.add(task)
            task.add_done_callback(self.watches.discard)
            return DONE
        return await running

    async def _watch(self, running: Any) -> None:
        """A watch goes on above the prompt; its end is told there, too."""
        try:
            await running
        except ZkError as error:
            self.note(f"watch ended: {error}")

    async def _own(self, name: str, arguments: list[str]) -> None:
        if name in ("quit", "exit"):
            raise Quit
        if name == "cd":
            target = self.path(arguments[0] if arguments else "/")
            if not await self.connected.exists(target):
                raise Failure(f"no znode {target}; look around with ls")
            self.place = target
        elif name == "pwd":
            self.say(self.place)
        elif name == "unwatch":
            for task in tuple(self.watches):
                task.cancel()
        else:
            for verb in VERBS:
                self.say(f"  {verb:10}{COMMANDS[verb][1]}")
            for own, text in OWN.items():
                self.say(f"  {own:10}{text}")

    @property
    def prompt(self) -> str:
        client = self.connected
        node = f" zw{client.node}" if client.node else ""
        return f"({client.state.value}{node}) {self.place}> "

    async def matches(self, line: str) -> list[tuple[str, int]]:
        """(completion, how many characters it replaces) for the end of a line."""
        words = line.split(" ")
        if len(words) == 1:
            return [(name + " ", len(line)) for name in (*VERBS, *OWN) if name.startswith(line)]
        word = words[-1]
        folder, slash, start = word.rpartition("/")
        top = self.path(folder + slash) if folder or slash else self.place
        try:
            async with asyncio.timeout(COMPLETION_S):
                names = await self.connected.get_children(top)
        except (ZkError, TimeoutError):
            return []
        return [(name, len(start)) for name in sorted(names) if name.startswith(start)]


@contextlib.contextmanager
def interruptible(task: "asyncio.Task[int]") -> Any:
    """While it lasts, Ctrl-C cancels the task instead of the program."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, task.cancel)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)


async def run_interruptibly(shell: Shell, line: str) -> int:
    task = asyncio.create_task(shell.execute(line))
    with interruptible(task):
        try:
            return await task
        except asyncio.CancelledError:
            return INTERRUPTED


async def interact(shell: Shell) -> int:
    """Reads lines at a prompt until the user leaves."""
    from pathlib import Path

    from prompt_toolkit import PromptSession
    from prompt_toolkit.history import FileHistory
    from prompt_toolkit.patch_stdout import patch_stdout

    session: PromptSession[str] = PromptSession(
        history=FileHistory(str(Path(HISTORY).expanduser())), completer=completer(shell), complete_while_typing=False
    )
    with patch_stdout(raw=True):
        while True:
            try:
                line = await session.prompt_async(lambda: shell.prompt)
            except KeyboardInterrupt:
                continue
            except EOFError:
                return DONE
            try:
                await run_interruptibly(shell, line)
            except Quit:
                return DONE


def completer(shell: Shell) -> "Completer":
    from prompt_toolkit.completion import CompleteEvent, Completer, Completion
    from prompt_toolkit.document import Document

    class Names(Completer):
        """Commands first, then paths."""

        def get_completions(self, document: Document, complete_event: CompleteEvent) -> list[Completion]:
            return []

        async def get_completions_async(
            self, document: Document, complete_event: CompleteEvent
        ) -> AsyncGenerator[Completion, None]:
            for text, length in await shell.matches(document.text_before_cursor):
                yield Completion(text, start_position=-length)

    return Names()


async def run_lines(shell: Shell, lines: list[str]) -> int:
    """Runs lines one after the other; stops at the first that fails and returns its code."""
    for line in lines:
        try:
            code = await run_interruptibly(shell, line)
        except Quit:
            return DONE
        if code:
            return code
    return DONE


async def run_shell(app: App, lines: list[str] | None) -> int:
    async with app.client() as client:
        shell = Shell(app, client, interactive=lines is None)
        try:
            return await (interact(shell) if lines is None else run_lines(shell, lines))
        finally:
            for task in tuple(shell.watches):
                task.cancel()


def _shell(hosts: str | None, output: str | None, timeout: float | None, once: str | None, from_stdin: bool) -> int:
    """The verbs of zooweeper at a prompt, with one session: ephemeral znodes live as long as the shell."""
    app = find_app(hosts, output, timeout)
    lines = None
    if once is not None:
        lines = [once]
    elif from_stdin or not sys.stdin.isatty():
        lines = sys.stdin.read().splitlines()
    return asyncio.run(run_shell(app, lines))


shell = common(
    click.Command(
        "shell",
        callback=_shell,
        help=_shell.__doc__,
        params=[
            click.Option(["--run-once", "once"], metavar="CMD", help="Run one command and leave."),
            click.Option(["--run-from-stdin", "from_stdin"], is_flag=True, help="Run the lines of stdin and leave."),
        ],
        epilog=example("zooweeper shell", "zooweeper shell --run-once 'tree /'", "zooweeper shell < commands.txt"),
    )
)
