"""Operations per second, latency and CPU per operation: set, get and create of 100 bytes over gRPC sessions.

Method: three nodes, sessions spread over them; the load comes from one process of its own on the same machine, so its
CPU is part of the picture and shown beside the nodes'. `30x16` means 30 sessions with 16 requests in flight each. Each
row lasts SECONDS after a warm-up; latency is from call to answer in the client.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass

from zooweeper_client.aio import Client

from bench.figures import as_table, clock, percentile
from bench.rig import cpu_seconds, each_node, pids, running
from bench.say import Say

SECONDS, WARM_UP_S = 3.0, 0.5
SHAPES = ((1, 1), (30, 1), (30, 16))
VALUE = b"x" * 100

Operation = Callable[[Client, str], Awaitable[object]]
"""An operation on a session's own znode."""

OPERATIONS: dict[str, Operation] = {
    "set": lambda client, path: client.set(path, VALUE),
    "get": lambda client, path: client.get(path),
    "create": lambda client, path: client.create(f"{path}/n-", VALUE, sequence=True),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One load and what came out."""

    operation: str
    sessions: int
    in_flight: int
    per_second: float
    p50_ms: float
    p99_ms: float
    nodes_cpu_us: float  # per operation, all nodes together
    client_cpu_us: float


async def measure(say: Say, seconds: float = SECONDS) -> list[Row]:
    loads = [(name, sessions, in_flight) for name in OPERATIONS for sessions, in_flight in SHAPES]
    with running(3) as ensemble:
        hosts = each_node(ensemble)
        clients = [Client(hosts[number % 3]) for number in range(max(sessions for sessions, _ in SHAPES))]
        for number, client in enumerate(clients):
            await client.start()
            await client.create(f"/s{number}", VALUE)
        rows = [
            await one_load(name, clients[:sessions], in_flight, pids(ensemble), seconds)
            for name, sessions, in_flight in say.each("speed", loads, len(loads))
        ]
        for client in clients:
            await client.close()
    return rows


async def one_load(name: str, clients: Sequence[Client], in_flight: int, nodes: Sequence[int], seconds: float) -> Row:
    operation = OPERATIONS[name]
    latencies: list[float] = []
    begin = clock() + WARM_UP_S
    end = begin + seconds

    async def repeat(client: Client, path: str) -> None:
        while (sent := clock()) < end:
            await operation(client, path)
            if sent >= begin:
                latencies.append(clock() - sent)

    tasks = [
        asyncio.create_task(repeat(client, f"/s{number}"))
        for number, client in enumerate(clients)
        for _ in range(in_flight)
    ]
    await asyncio.sleep(begin - clock())
    nodes_cpu, own_cpu, began = cpu_seconds(nodes), time.process_time(), clock()
    await asyncio.gather(*tasks)
    lasted, count = clock() - began, len(latencies)
    return Row(
        name,
        len(clients),
        in_flight,
        count / lasted,
        percentile(latencies, 50) * 1000,
        percentile(latencies, 99) * 1000,
        (cpu_seconds(nodes) - nodes_cpu) / count * 1e6,
        (time.process_time() - own_cpu) / count * 1e6,
    )


def as_json(rows: Sequence[Row]) -> str:
    return json.dumps([asdict(row) for row in rows], indent=2)


def table(rows: Sequence[Row]) -> str:
    header = ("load", "ops/s", "p50 ms", "p99 ms", "nodes us/op", "client us/op")
    cells = [
        (
            f"{row.operation} {row.sessions}x{row.in_flight}",
            f"{row.per_second:,.0f}",
            f"{row.p50_ms:.2f}",
            f"{row.p99_ms:.2f}",
            f"{row.nodes_cpu_us:.0f}",
            f"{row.client_cpu_us:.0f}",
        )
        for row in rows
    ]
    return as_table(cells, header)
