"""`zooweeper demo grades`: real scores through random servers, while servers and coordination nodes die at random.

Rules: a round appends every score of the file to the row of its school, each school by one worker, in the order of the
file, and each batch through another server. A worker that is not answered asks again, under the same request ids, until
it is. So at the end of a round every copy must be the file, exactly. What is random comes from the seed that is shown;
what is killed is killed with SIGKILL, and started again a little later.
"""

import asyncio
import random
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from grades import status
from grades.client import Answer, Client, GradesError, append, delete
from grades.fleet import SERVERS_MAX, Fleet
from grades.scores import FileError, Score, read_scores
from grades.status import Asker, ServerStatus
from zooweeper.cli import demo, havoc, ports
from zooweeper.cli.app import example
from zooweeper.cli.ensemble import Ensemble
from zooweeper.cli.exits import USAGE, Failure
from zooweeper.cli.screen import Stage
from zooweeper.cli.status import health

if TYPE_CHECKING:
    from rich.console import RenderableType

REAL = Path(__file__).resolve().parents[2] / "data" / "math_achievement.csv"
WORKERS = 8
BATCH_MAX = 24
DEADLINE_S = 3.0  # of one call; then the same is asked elsewhere
GIVE_UP_S = 60.0  # without an answer to anything: the demo has failed
REFRESH_S = 0.25
CALM_S = (0.2, 1.8)  # between two kills
DOWN_S = (0.0, 0.8)  # how long a victim stays away
NODES = 0.35  # of the kills are for coordination nodes
ALL_AT_ONCE = 0.1  # of the others take all database servers

Back = Callable[[], object]  # starts again what was killed


@dataclass(slots=True)
class Tally:
    """What has happened so far."""

    total: int = 0  # statements that are to be acknowledged
    acknowledged: int = 0
    again: int = 0  # batches that were sent again, since nobody knew what became of them
    killed_servers: int = 0
    killed_nodes: int = 0
    log_most: int = 0
    lost: int = 0
    doubled: int = 0
    differing: int = 0  # rows that some copies have otherwise than the file
    last: float = field(default_factory=time.monotonic)
    longest_gap_s: float = 0.0

    def beat(self, count: int) -> None:
        now = time.monotonic()
        self.longest_gap_s = max(self.longest_gap_s, now - self.last)
        self.last = now
        self.acknowledged += count

    @property
    def good(self) -> bool:
        return not (self.lost or self.doubled or self.differing) and self.acknowledged == self.total


class GradesStage(Stage):
    """Servers, leader, applied numbers, size of the log, checkpoints, kills."""

    def show(self, rows: Sequence[ServerStatus], nodes: str, tally: Tally) -> None:
        rate = self.rate(tally.acknowledged)
        counts = (
            f"{tally.acknowledged} of {tally.total} appends acknowledged, {rate:.0f}/s, killed: "
            f"{tally.killed_servers} database servers, {tally.killed_nodes} coordination nodes"
        )
        leader = status.leader_of(rows) or "nobody"
        self.update(
            lambda: self._picture(rows, nodes, counts, tally),
            lambda: f"{counts}; {leader} leads, applied {', '.join(str(one.applied or '-') for one in rows)}",
        )

    def _picture(self, rows: Sequence[ServerStatus], nodes: str, counts: str, tally: Tally) -> "RenderableType":
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, padding=(0, 2))
        for head in status.COLUMNS[:-2]:
            table.add_column(head, style="bold" if head == "name" else "")
        for one, cells in zip(rows, status.cells(rows), strict=True):
            style = "bold red" if not one.up else "bold green" if one.leads else "cyan" if one.level else "yellow"
            table.add_row(cells[0], *(Text(cell, style) for cell in cells[1:3]), *cells[3:-2])
        line = Text(f"\n{counts}   log at most {tally.log_most}   longest gap {tally.longest_gap_s * 1000:.0f} ms")
        bar = ProgressBar(total=tally.total, completed=tally.acknowledged, width=60)
        return Group(table, Text(f"\ncoordination: {nodes}"), line, bar, self.events())


class Round:
    """The whole file, once, while things die."""

    def __init__(
        self, ensemble: Ensemble, fleet: Fleet, stage: GradesStage, scores: Sequence[Score], rate: float, seed: str
    ) -> None:
        self.ensemble = ensemble
        self.fleet = fleet
        self.stage = stage
        self.scores = scores
        self.rate = rate
        self.seed = seed
        self.tally = Tally(len(scores))
        self.done = asyncio.Event()
        self.wanted: dict[int, list[int]] = {}
        for score in scores:
            self.wanted.setdefault(score.id, []).append(score.event)

    async def play(self) -> Tally:
        await empty(self.fleet)
        async with asyncio.TaskGroup() as group:
            group.create_task(self.work())
            group.create_task(self.kill(random.Random(self.seed)))
            group.create_task(self.watch())
        await asyncio.to_thread(havoc.settle, self.ensemble)
        await asyncio.to_thread(self.fleet.start)
        rows = await asyncio.to_thread(self.fleet.wait_equal)
        await self.prove()
        tally = self.tally
        self.stage.tell(
            f"{'EQUAL' if tally.good else 'DIFFERENT'}: {tally.acknowledged} acknowledged, {tally.lost} lost, "
            f"{tally.doubled} doubled, {tally.differing} rows differ; {len(rows)} copies at {rows[0].applied}, "
            f"digest {rows[0].digest}"
        )
        return tally

    # ---- the work

    async def work(self) -> None:
        """All workers, each with the schools of its own."""
        workers = {id: turn % WORKERS for turn, id in enumerate(self.wanted)}
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(WORKERS):
                    mine = [score for score in self.scores if workers[score.id] == number]
                    group.create_task(self.load(number, mine))
        finally:
            self.done.set()

    async def load(self, number: int, scores: Sequence[Score]) -> None:
        """One worker: its scores in their order, in batches."""
        rng = random.Random(f"{self.seed}/{number}")
        name, done = f"worker-{number}-{uuid.uuid4().hex[:8]}", 0
        began, rate = time.monotonic(), self.rate * len(scores) / len(self.scores)
        while done < len(scores):
            await asyncio.sleep(began + done / rate - time.monotonic())
            batch = scores[done : done + rng.randint(1, BATCH_MAX)]
            await self.settle(batch, name, done, rng)
            done += len(batch)

    async def settle(self, batch: Sequence[Score], name: str, done: int, rng: random.Random) -> None:
        """Until every append of the batch is acknowledged; each under one request id, through whatever server."""
        while True:
            server = rng.choice(list(self.fleet.addresses.values()))
            answers: list[Answer | GradesError]
            async with Client(server, name=name, number=done, deadline=DEADLINE_S) as client:
                try:
                    answers = await client.execute_many([append(score.id, [score.event]) for score in batch])
                except GradesError as error:
                    answers = [error]
            if all(isinstance(answer, Answer) for answer in answers):
                self.tally.beat(len(batch))
                return
            self.tally.again += 1
            if time.monotonic() - self.tally.last > GIVE_UP_S:
                raise Failure(f"nothing was acknowledged for {GIVE_UP_S:g} s: {answers[0]}")

    # ---- the trouble

    async def kill(self, rng: random.Random) -> None:
        """Now this and now that, until the work is done; each victim is started again."""
        async with asyncio.TaskGroup() as restarts:
            while not await havoc.done_within(self.done, rng.uniform(*CALM_S)):
                back = await (self.kill_node(rng) if rng.random() < NODES else self.kill_servers(rng))
                if back is not None:
                    restarts.create_task(self.later(rng.uniform(*DOWN_S), back))

    async def kill_node(self, rng: random.Random) -> Back | None:
        """One coordination node, if all of them serve: they are to lose a minority."""
        verdict = health(await asyncio.to_thread(self.ensemble.status))
        node = rng.choice(self.ensemble.ids)
        if not verdict.complete:
            return None
        await asyncio.to_thread(self.ensemble.kill, (node,))
        self.tally.killed_nodes += 1
        leads = verdict.leader is not None and verdict.leader.id == node
        self.stage.tell(f"killed coordination node {node}{' (leader)' if leads else ''}")
        return partial(self.ensemble.start, (node,))

    async def kill_servers(self, rng: random.Random) -> Back | None:
        """One database server, or all at once."""
        leader = status.leader_of(await asyncio.to_thread(self.fleet.status, 0.2))
        chosen = self.fleet.names if rng.random() < ALL_AT_ONCE else (rng.choice(self.fleet.names),)
        victims = await asyncio.to_thread(self.fleet.kill, chosen)
        self.tally.killed_servers += len(victims)
        for name in victims:
            self.stage.tell(f"killed {name}{' (leader)' if name == leader else ''}")
        return partial(self.fleet.start, victims)

    async def later(self, seconds: float, back: Back) -> None:
        await havoc.done_within(self.done, seconds)
        await asyncio.to_thread(back)

    async def watch(self) -> None:
        """Keeps the stage alive until the work is done."""
        with Asker(self.fleet.addresses) as asker:
            while not await havoc.done_within(self.done, REFRESH_S):
                rows = await asyncio.to_thread(asker.ask, 0.3)
                self.tally.log_most = max(self.tally.log_most, *(one.log or 0 for one in rows))
                nodes = health(await asyncio.to_thread(self.ensemble.status, 0.3))
                self.stage.show(rows, str(nodes), self.tally)

    # ---- the proof

    async def prove(self) -> None:
        """Every server's own copy against the file, value by value."""
        for address in self.fleet.addresses.values():
            async with Client(address) as client:
                there = {row.id: row.events async for row in client.rows()}
            for id in {*self.wanted, *there}:
                expected, found = self.wanted.get(id, []), list(there.get(id, ()))
                self.tally.differing += expected != found
                self.tally.lost += (Counter(expected) - Counter(found)).total()
                self.tally.doubled += (Counter(found) - Counter(expected)).total()


async def empty(fleet: Fleet) -> None:
    """The table without a row, as every round begins."""
    async with Client(fleet.hosts, deadline=GIVE_UP_S) as client:
        ids = [row.id async for row in client.rows(consistency="linearizable")]
        for answer in await client.execute_many([delete(id) for id in ids]):
            if isinstance(answer, GradesError):
                raise Failure(str(answer))


async def act(
    ensemble: Ensemble, stage: GradesStage, scores: Sequence[Score], servers: int, rounds: int, rate: float, seed: int
) -> bool:
    """All rounds; whether every one of them ended as it must."""
    tallies: list[Tally] = []
    first_port = ports.free_run(servers, ensemble.members)
    with Fleet.create(ensemble, servers, first_port=first_port) as fleet:
        fleet.start()
        await asyncio.to_thread(fleet.wait_level)
        stage.tell(f"{servers} database servers at {fleet.hosts}; seed {seed}")
        with stage:
            for number in range(1, rounds + 1):
                if rounds > 1:
                    stage.tell(f"round {number} of {rounds}")
                tallies.append(await Round(ensemble, fleet, stage, scores, rate, f"{seed}/{number}").play())
        nodes = await asyncio.to_thread(havoc.settle, ensemble)
    stage.summary(
        [
            ("scores in the file", f"{len(scores)} of {len({score.id for score in scores})} schools"),
            ("rounds", str(rounds)),
            ("appends acknowledged", str(sum(one.acknowledged for one in tallies))),
            ("batches sent again", str(sum(one.again for one in tallies))),
            ("database servers killed", str(sum(one.killed_servers for one in tallies))),
            ("coordination nodes killed", str(sum(one.killed_nodes for one in tallies))),
            ("longest gap without an answer", f"{max(one.longest_gap_s for one in tallies) * 1000:.0f} ms"),
            ("most entries in the log", str(max(one.log_most for one in tallies))),
            ("appends lost", str(sum(one.lost for one in tallies))),
            ("appends doubled", str(sum(one.doubled for one in tallies))),
            ("rows that differ from the file", str(sum(one.differing for one in tallies))),
            ("coordination nodes", "all equal" if havoc.one_state(nodes) else "DIFFER"),
            ("seed", str(seed)),
        ]
    )
    return all(one.good for one in tallies) and havoc.one_state(nodes)


def _grades(file: str, rounds: int, rate: float, servers: int, nodes: int, seed: int | None) -> int:
    """Appends real scores through random servers, while database servers and coordination nodes are killed -9."""
    try:
        scores = read_scores(Path(file))
    except FileError as error:
        raise Failure(str(error), USAGE) from None
    if not scores:
        raise Failure(f"{file} holds no scores", USAGE)
    chosen = random.SystemRandom().randrange(10**6) if seed is None else seed
    return demo.play(
        None, nodes, lambda ensemble, stage: act(ensemble, stage, scores, servers, rounds, rate, chosen), GradesStage()
    )


command = click.Command(
    "grades",
    callback=_grades,
    help=_grades.__doc__,
    params=[
        click.Argument(["file"], metavar="[FILE]", default=str(REAL)),
        click.Option(["--rounds"], type=click.IntRange(1, 10_000), default=1, show_default=True, help="How often."),
        click.Option(["--rate"], type=click.FloatRange(1, 100_000), default=1000, show_default=True, help="Appends/s."),
        click.Option(
            ["--servers"], type=click.IntRange(1, SERVERS_MAX), default=3, show_default=True, help="How many."
        ),
        click.Option(["--nodes"], type=click.IntRange(3, 9), default=3, show_default=True, help="Of the ensemble."),
        click.Option(["--seed"], type=int, help="Of what is killed when; else drawn, and shown."),
    ],
    epilog=example("zooweeper demo grades", "zooweeper demo grades --rounds 50 --rate 3000"),
)
