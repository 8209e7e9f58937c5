"""The writers of `demo kill-leader`, and the proof at its end that nothing they were told is lost.

Rules: every write carries a value of its own, so a lost, a doubled and a foreign write all show. One writer has one
client; half of its writes create sequential znodes, half count up a register by compare-and-set.
"""

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zooweeper.cli.havoc import Pulse
from zooweeper.model.errors import Outcome, SessionExpired, ZkError

if TYPE_CHECKING:
    from zooweeper_client.aio import Client

ROOT = "/demo"
AUDIT_S = 1.0  # between two audits, or longer when they are large
PAUSE_S = 0.004  # between two writes of a writer: leaves the CPU to the nodes, which share this host


@dataclass(slots=True)
class Writer:
    """What one writer was told."""

    number: int
    created: dict[str, bytes] = field(default_factory=dict)  # path: value, acknowledged
    count: int = 0  # of its register, acknowledged
    unknown: list[bytes] = field(default_factory=list)  # values whose fate it was not told
    sent: int = 0

    @property
    def folder(self) -> str:
        return f"{ROOT}/writer-{self.number}"

    @property
    def register(self) -> str:
        return f"{ROOT}/register-{self.number}"


async def prepare(client: "Client", writers: list[Writer]) -> None:
    if await client.exists(ROOT):
        await client.delete(ROOT, recursive=True)
    await client.create(ROOT)
    for writer in writers:
        await client.create(writer.folder)
        await client.create(writer.register, b"0")


async def write(writer: Writer, client: "Client", pulse: Pulse, done: asyncio.Event) -> None:
    """Writes until told to end."""
    while not done.is_set():
        await _create(writer, client, pulse)
        await _count(writer, client, pulse)
        await asyncio.sleep(PAUSE_S)


async def _create(writer: Writer, client: "Client", pulse: Pulse) -> None:
    writer.sent += 1
    value = f"{writer.number}.{writer.sent}".encode()
    try:
        path = await client.create(f"{writer.folder}/n-", value, sequence=True)
    except ZkError as error:
        if error.outcome is not Outcome.UNKNOWN and not isinstance(error, SessionExpired):
            raise
        writer.unknown.append(value)
        return
    writer.created[path] = value
    pulse.beat()


async def _count(writer: Writer, client: "Client", pulse: Pulse) -> None:
    """Register n: version n. Nobody else writes it, so a lost or doubled write is a BadVersion on the next."""
    try:
        await client.set(writer.register, str(writer.count + 1).encode(), version=writer.count)
    except ZkError as error:
        if error.outcome is not Outcome.UNKNOWN and not isinstance(error, SessionExpired):
            raise
        _, stat = await client.get(writer.register, consistency="linearizable")
        if stat.version == writer.count:
            return  # it was not done
    writer.count += 1
    pulse.beat()


@dataclass(slots=True)
class Proof:
    """What reading everything back showed."""

    read_back: int = 0
    lost: int = 0
    duplicated: int = 0

    @property
    def good(self) -> bool:
        return not (self.lost or self.duplicated)


async def prove(client: "Client", writers: list[Writer]) -> Proof:
    """Reads all back, not stale, and compares it with what the writers had been told before; they may go on."""
    proof = Proof()
    for writer in writers:
        created, count = dict(writer.created), writer.count
        there: dict[str, bytes] = {}
        async for entry in client.list(writer.folder, with_data=True, consistency="linearizable"):
            there[f"{writer.folder}/{entry.path}"] = entry.data or b""
        proof.read_back += len(created) + count
        proof.lost += sum(there.get(path) != value for path, value in created.items())
        values = list(there.values())
        proof.duplicated += len(values) - len(set(values))
        value, stat = await client.get(writer.register, consistency="linearizable")
        proof.lost += max(0, count - int(value))
        proof.duplicated += max(0, stat.version - int(value))
    return proof


async def audit(client: "Client", writers: list[Writer], pulse: Pulse, done: asyncio.Event) -> None:
    """Reads everything back again and again while the writers write, so that a loss shows at once."""
    while not done.is_set():
        began = time.monotonic()
        proof = await prove(client, writers)
        pulse.read_back, pulse.lost = proof.read_back, max(pulse.lost, proof.lost)
        await asyncio.sleep(max(AUDIT_S, 5 * (time.monotonic() - began)))
