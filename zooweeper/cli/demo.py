"""`zooweeper demo`: an ensemble of its own, real work on it, and its leader killed -9 again and again.

Rules: a demo proves what it shows: at its end everything acknowledged is read back, not stale, and the replicas'
digests are compared; anything lost, doubled or different is a non-zero exit code. Live screen on a terminal, plain
lines elsewhere. The work and its proof are in `killing.py` and `scores.py`, the kills in `havoc.py`.
"""

import asyncio
import contextlib
import signal
import statistics
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

import click

from zooweeper.cli import havoc, killing, scores
from zooweeper.cli.app import example
from zooweeper.cli.ensemble import Ensemble, EnsembleError
from zooweeper.cli.exits import DONE, INTERRUPTED, REFUSED, Failure
from zooweeper.cli.havoc import Pulse
from zooweeper.cli.screen import Screen, Stage
from zooweeper.cli.status import NodeStatus, health
from zooweeper.model.zxid import show

if TYPE_CHECKING:
    from zooweeper_client.aio import Client

AnyStage = TypeVar("AnyStage", bound=Stage)
WRITERS = 6
REFRESH_S = 0.25
RETRY_S = 60.0  # a call may wait so long for a leader before the demo calls it a failure


@contextlib.contextmanager
def _ensemble(folder: str | None, nodes: int) -> Iterator[Ensemble]:
    """The ensemble in a folder, or a new one in a temporary folder, gone afterwards; all its nodes serve."""
    with Ensemble.temporary(nodes) if folder is None else Ensemble.open(folder) as ensemble:
        ensemble.start()
        ensemble.wait_healthy()
        yield ensemble


def _client(ensemble: Ensemble) -> "Client":
    from zooweeper_client.aio import Client
    from zooweeper_client.retry import RetryPolicy

    return Client(ensemble.hosts, retry=RetryPolicy(deadline=RETRY_S))


async def _while_killing(
    ensemble: Ensemble,
    pulse: Pulse,
    screen: Screen,
    every_s: float,
    done: asyncio.Event,
    work: list[Awaitable[None]],
) -> None:
    """Runs the work with leaders being killed until it ends, and keeps the screen alive."""

    async def watch() -> None:
        while not done.is_set():
            rows = await asyncio.to_thread(ensemble.status, 0.3)
            screen.show(rows, pulse)
            await asyncio.sleep(REFRESH_S)

    async def labour() -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for one in work:
                    group.create_task(_run(one))
        finally:
            done.set()

    async with asyncio.TaskGroup() as group:
        group.create_task(havoc.kill_leaders(ensemble, pulse, every_s, done, screen.tell))
        group.create_task(watch())
        group.create_task(labour())


async def _run(work: Awaitable[None]) -> None:
    await work


async def kill_leader(ensemble: Ensemble, seconds: float, every_s: float, screen: Screen) -> bool:
    """The first demo; returns whether nothing was lost."""
    done = asyncio.Event()
    writers = [killing.Writer(number) for number in range(1, WRITERS + 1)]
    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(_client(ensemble)) for _ in writers]
        auditor = await stack.enter_async_context(_client(ensemble))
        await killing.prepare(clients[0], writers)
        pulse = Pulse()

        async def clock() -> None:
            await asyncio.sleep(seconds)
            done.set()

        work: list[Awaitable[None]] = [
            killing.write(writer, client, pulse, done) for writer, client in zip(writers, clients, strict=True)
        ]
        work += [clock(), killing.audit(auditor, writers, pulse, done)]
        with screen:
            await _while_killing(ensemble, pulse, screen, every_s, done, work)
        rows = await asyncio.to_thread(havoc.settle, ensemble)
        proof = await killing.prove(clients[0], writers)
    screen.summary(
        [
            *_common(pulse),
            ("acknowledged writes lost", str(max(proof.lost, pulse.lost))),
            ("writes done twice", str(proof.duplicated)),
            ("outcomes unknown to a writer", str(sum(len(writer.unknown) for writer in writers))),
            _replicas(rows),
        ]
    )
    return proof.good and not pulse.lost and havoc.one_state(rows)


async def append_scores(
    ensemble: Ensemble, schools: scores.Schools, rate: float, every_s: float, screen: Screen
) -> bool:
    """The second demo; returns whether every school's list is the file's."""
    done = asyncio.Event()
    tally = scores.Tally()
    total = sum(len(one) for one in schools.values())
    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(_client(ensemble)) for _ in range(scores.CLIENTS)]
        await scores.prepare(clients[0], schools)
        pulse, pace = Pulse(), scores.Pace(rate)
        screen.expect(total)
        work: list[Awaitable[None]] = [
            scores.append_all(number, client, schools, pace, pulse, tally) for number, client in enumerate(clients)
        ]
        with screen:
            await _while_killing(ensemble, pulse, screen, every_s, done, work)
        rows = await asyncio.to_thread(havoc.settle, ensemble)
        verdict = await scores.verify(clients[0], schools, tally)
    screen.summary(
        [
            ("scores in the file", f"{total} of {len(schools)} schools"),
            *_common(pulse),
            ("retries, the version was another's", str(tally.conflicts)),
            ("retries, the outcome was unknown", str(tally.unknown)),
            ("acknowledged writes lost", str(verdict.lost)),
            ("scores duplicated", str(verdict.duplicated)),
            ("lists equal to the file's", f"{len(schools) - len(verdict.wrong)} of {len(schools)}"),
            _replicas(rows),
        ]
    )
    return verdict.good and havoc.one_state(rows)


def _common(pulse: Pulse) -> list[tuple[str, str]]:
    gaps = pulse.gaps_ms
    return [
        ("acknowledged writes", str(pulse.acknowledged)),
        ("leaders killed", str(len(pulse.kills))),
        ("longest gap without a write", f"{max(gaps):.0f} ms" if gaps else "-"),
        ("median gap of a kill", f"{statistics.median(gaps):.0f} ms" if gaps else "-"),
    ]


def _replicas(rows: list[NodeStatus]) -> tuple[str, str]:
    if havoc.one_state(rows) and rows[0].applied is not None:
        return "replicas", f"{len(rows)} of {len(rows)} at zxid {show(rows[0].applied)}, digest {rows[0].digest}"
    return "replicas", f"DIFFER: {'; '.join(f'node {row.id} {row.applied} {row.digest}' for row in rows)}"


def play(folder: str | None, nodes: int, act: Callable[[Ensemble, AnyStage], Awaitable[bool]], screen: AnyStage) -> int:
    """One demo from its ensemble to its exit code. `act` tells whether it has proved what it shows."""

    def end(*_: object) -> NoReturn:
        """Told to end outside the loop: a temporary ensemble is removed then, too. Not KeyboardInterrupt: one that
        passes through an exec, as imports do, makes CPython end itself with SIGINT, however well it was caught."""
        sys.exit(INTERRUPTED)

    told = False

    def note(*_: object) -> None:
        """Told to end while the loop is made or unmade: an exception would leave half of one. Not by a mask of signals,
        for they would come through another thread."""
        nonlocal told
        told = True

    async def played(ensemble: Ensemble) -> bool:
        task = asyncio.current_task()
        assert task is not None
        # Inside the loop no exception may be thrown from just anywhere: callbacks of C code would swallow it.
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, task.cancel)
        if told:
            task.cancel()
        try:
            return await act(ensemble, screen)
        finally:
            loop.remove_signal_handler(signal.SIGTERM)
            signal.signal(signal.SIGTERM, note)

    signal.signal(signal.SIGTERM, end)
    try:
        with _ensemble(folder, nodes) as ensemble:
            leader = health(ensemble.status()).leader
            screen.tell(f"{len(ensemble.members)} nodes at {ensemble.hosts}; node {leader.id if leader else '?'} leads")
            signal.signal(signal.SIGTERM, note)
            try:
                return DONE if asyncio.run(played(ensemble)) else REFUSED
            finally:
                signal.signal(signal.SIGTERM, end)
                if told:
                    end()
    except asyncio.CancelledError:
        return INTERRUPTED
    except EnsembleError as error:
        raise Failure(str(error)) from None
    except ExceptionGroup as group:
        raise _first(group) from group


def _first(error: Exception) -> Exception:
    """The error that ended the work, out of the groups around it."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return Failure(str(error)) if isinstance(error, EnsembleError) else error


class Demos(click.Group):
    """With the demo of the grade database, which is imported when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), "grades"]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name == "grades":
            from grades.demo import command

            return command
        return super().get_command(ctx, cmd_name)


demo = Demos("demo", help="Kills leaders while real work goes on, and proves that nothing is lost.")


def _seconds(name: str, default: float, text: str) -> click.Option:
    return click.Option([name], type=click.FloatRange(1, 86_400), default=default, show_default=True, help=text)


_shared = [
    _seconds("--every", 3, "Seconds from one kill to the next."),
    click.Option(["--nodes"], type=click.IntRange(3, 9), default=3, show_default=True, help="Size of the ensemble."),
    click.Option(["--dir", "folder"], metavar="DIR", help="Use the ensemble in this folder, not a temporary one."),
]


def _kill_leader(seconds: float, every: float, nodes: int, folder: str | None) -> int:
    """Writers write, the leader is killed -9 and restarted again and again; then everything is read back."""
    return play(folder, nodes, lambda ensemble, screen: kill_leader(ensemble, seconds, every, screen), Screen())


def _scores(file: str, rate: float, every: float, nodes: int, folder: str | None) -> int:
    """Eight clients append real scores by compare-and-set, in the order of FILE, while leaders are killed -9."""
    schools = scores.read_scores(Path(file))
    return play(folder, nodes, lambda ensemble, screen: append_scores(ensemble, schools, rate, every, screen), Screen())


demo.add_command(
    click.Command(
        "kill-leader",
        callback=_kill_leader,
        help=_kill_leader.__doc__,
        params=[_seconds("--seconds", 30, "How long."), *_shared],
        epilog=example("zooweeper demo kill-leader", "zooweeper demo kill-leader --seconds 60 --nodes 5"),
    )
)
demo.add_command(
    click.Command(
        "scores",
        callback=_scores,
        help=_scores.__doc__,
        params=[
            click.Argument(["file"], metavar="FILE"),
            _seconds("--rate", 400, "Attempts a second, all clients together."),
            *_shared,
        ],
        epilog=example("zooweeper demo scores data/math_achievement.csv"),
    )
)
