"""Real scores, appended by contending clients while leaders are killed: each exactly once, in the order of the file.

Rules: the znode /scores/<school> holds the school's scores so far, as text with commas. A score is appended by
compare-and-set on the znode's version, and only when its predecessor in the file is there: so whoever wins, the list
is a prefix of the file's. Clients work in pairs on the same schools and race for every score; who loses reads again.
"""

import asyncio
import csv
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from zooweeper.cli.exits import USAGE, Failure
from zooweeper.cli.havoc import Pulse
from zooweeper.model.errors import BadVersion, Outcome, SessionExpired, ZkError

if TYPE_CHECKING:
    from zooweeper_client.aio import Client

ROOT = "/scores"
CLIENTS = 8
COLUMNS = ("school", "score_milli")
FILE_BYTES_MAX = 16 << 20

Schools = dict[str, list[int]]
"""The scores of each school, both in the order of the file."""


def read_scores(path: Path) -> Schools:
    """The scores in a CSV file with columns school and score_milli. Failure, in one line, for any other file."""
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise Failure(f"{path} is larger than {FILE_BYTES_MAX >> 20} MiB", USAGE)
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise Failure(f"cannot read {path}: {error.strerror}", USAGE) from None
    except UnicodeDecodeError:
        raise Failure(f"{path} is not a text file", USAGE) from None
    rows = csv.DictReader(text.splitlines())
    schools: Schools = {}
    try:
        missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
        if missing:
            raise Failure(f"{path} has no column {' and no column '.join(missing)} in its first line", USAGE)
        for row in rows:
            schools.setdefault(str(int(row["school"])), []).append(int(row["score_milli"]))
    except (TypeError, ValueError):
        what = "school and score_milli must be whole numbers"
        raise Failure(f"{path}, line {rows.line_num}: {what}", USAGE) from None
    except csv.Error as error:
        raise Failure(f"{path}, line {rows.line_num}: {error}", USAGE) from None
    if not schools:
        raise Failure(f"{path} holds no scores", USAGE)
    return schools


def encode(scores: Sequence[int]) -> bytes:
    return ",".join(map(str, scores)).encode()


def decode(value: bytes) -> list[int]:
    return [int(word) for word in value.split(b",")] if value else []


@dataclass(slots=True)
class Tally:
    """What the clients were told."""

    acknowledged: dict[tuple[str, int], int] = field(default_factory=dict)  # (school, position): the score
    conflicts: int = 0  # compare-and-set lost against another client
    unknown: int = 0  # outcomes unknown to the client, settled by reading again


@dataclass(slots=True)
class Pace:
    """So many appends a second, over all clients, so that there is time to kill somebody."""

    per_second: float
    began: float = field(default_factory=time.monotonic)
    taken: int = 0

    async def turn(self) -> None:
        at = self.began + self.taken / self.per_second
        self.taken += 1
        await asyncio.sleep(max(0.0, at - time.monotonic()))


async def prepare(client: "Client", schools: Schools) -> None:
    """One empty znode per school. Scores of an earlier run are removed."""
    if await client.exists(ROOT):
        await client.delete(ROOT, recursive=True)
    await client.create(ROOT)
    for school in schools:
        await client.create(f"{ROOT}/{school}")


async def append_all(number: int, client: "Client", schools: Schools, pace: Pace, pulse: Pulse, tally: Tally) -> None:
    """The work of client `number`: with its partner, every school of their quarter."""
    team = number // 2
    for index, (school, scores) in enumerate(schools.items()):
        if index % (CLIENTS // 2) == team:
            await _append_school(client, school, scores, pace, pulse, tally)


async def _append_school(
    client: "Client",
    school: str,
    scores: list[int],
    pace: Pace,
    pulse: Pulse,
    tally: Tally,
) -> None:
    path = f"{ROOT}/{school}"
    value, stat = await client.get(path)
    there, version = decode(value), stat.version
    while len(there) < len(scores):
        await pace.turn()
        position = len(there)
        wanted = [*there, scores[position]]
        try:
            version = (await client.set(path, encode(wanted), version=version)).version
        except BadVersion:
            tally.conflicts += 1
        except ZkError as error:
            if error.outcome is not Outcome.UNKNOWN and not isinstance(error, SessionExpired):
                raise
            tally.unknown += 1
        else:
            there = wanted
            tally.acknowledged[school, position] = scores[position]
            pulse.beat()
            continue
        value, stat = await client.get(path, consistency="linearizable")
        there, version = decode(value), stat.version


@dataclass(frozen=True, slots=True)
class Verdict:
    """The lists at the end against the file and against what was acknowledged."""

    lost: int
    duplicated: int
    wrong: tuple[str, ...]  # schools whose list is not the file's

    @property
    def good(self) -> bool:
        return not (self.lost or self.duplicated or self.wrong)


async def verify(client: "Client", schools: Schools, tally: Tally) -> Verdict:
    """Reads every school back, not stale, and compares."""
    lost = duplicated = 0
    wrong = []
    for school, scores in schools.items():
        value, _ = await client.get(f"{ROOT}/{school}", consistency="linearizable")
        there = decode(value)
        mine = {at: score for (of, at), score in tally.acknowledged.items() if of == school}
        lost += sum(at >= len(there) or there[at] != score for at, score in mine.items())
        duplicated += max(0, len(there) - len(scores))
        if there != scores:
            wrong.append(school)
    return Verdict(lost, duplicated, tuple(wrong))
