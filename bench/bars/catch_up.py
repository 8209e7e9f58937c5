"""A node that missed writes comes back: is it synchronized, how fast, and by which way?

Method: three nodes; a follower is killed, WRITES creations are acknowledged by the others, the follower is started.
The clock runs from its start until it has executed what the leader has executed; the digests must be equal then. Its
log says when the leader sent a snapshot: DIFF while the missed writes are in its window, SNAP beyond it.
"""

import asyncio

from zooweeper_client.aio import Client

from bench.figures import Bar, clock
from bench.rig import agreed, in_thread, running
from bench.say import Say

RUNS = {10_000: "diff", 100_000: "snap"}
SYNCED_S = 60.0
CLIENTS, IN_FLIGHT = 8, 64


async def measure(say: Say) -> list[Bar]:
    return [await catches_up(say, writes, way) for writes, way in RUNS.items()]


async def catches_up(say: Say, writes: int, expected: str) -> Bar:
    with running(3) as ensemble:
        leader = await in_thread(ensemble.leader)
        absent = next(node for node in ensemble.ids if node != leader)
        await in_thread(ensemble.kill, absent)
        say.line(f"{writes} writes while node {absent} is down")
        await create_many(ensemble.hosts, writes)
        mark = len(ensemble.log_tail(absent, 1_000_000))
        begin = clock()
        await in_thread(ensemble.start, [absent])
        await in_thread(ensemble.wait_healthy, SYNCED_S)
        await in_thread(agreed, ensemble, None, SYNCED_S)
        seconds = clock() - begin
        lines = ensemble.log_tail(absent, 1_000_000)[mark:]
    way = "snap" if "by=snap" in lines else "diff"
    shown = f"{seconds:.1f} s by {way.upper()}, digest equal"
    return Bar(f"catch-up: {writes:,} missed", f"synced by {expected.upper()}", shown, way == expected)


async def create_many(hosts: str, count: int, parent: str = "/missed") -> None:
    """`count` acknowledged creations, many in flight."""
    clients = [Client(hosts) for _ in range(CLIENTS)]
    for client in clients:
        await client.start()
    await clients[0].ensure_path(parent)
    numbers = iter(range(count))

    async def create(client: Client) -> None:
        for number in numbers:
            await client.create(f"{parent}/{number}", b"x" * 100)

    await asyncio.gather(*(create(client) for client in clients for _ in range(IN_FLIGHT)))
    for client in clients:
        await client.close()
