"""1, 10 and 100 requests, one after the other, at 3, 5, 7 and 9 nodes.

Method: one client, connected; each request is a setData of 100 bytes, sent when the one before it was acknowledged. The
median of RUNS runs. Nodes and client share this machine. What is beaten, and shown beside it: a class-room ensemble
that took 0.26 s, 2.2 s and 21 to 24 s for them.
"""

from zooweeper_client.aio import Client

from bench.figures import Bar, clock, median, milliseconds
from bench.rig import in_thread, running
from bench.say import Say

NODES = (3, 5, 7, 9)
COUNTS = (1, 10, 100)
RUNS = 5
MAX_S = {1: 0.026, 10: 0.22, 100: 0.999}  # a tenth of the original, and milliseconds in any case


async def measure(say: Say) -> list[Bar]:
    bars = []
    for nodes in say.each("1, 10, 100 requests", NODES, len(NODES)):
        with running(nodes) as ensemble:
            async with Client(ensemble.hosts) as client:
                await client.create("/requests", b"")
                times = {count: median([await sequential(client, count) for _ in range(RUNS)]) for count in COUNTS}
            await in_thread(ensemble.kill)
        shown = ", ".join(f"{count}: {milliseconds(times[count])}" for count in COUNTS)
        good = all(times[count] <= MAX_S[count] for count in COUNTS)
        figures = {str(count): seconds for count, seconds in times.items()}
        bars.append(Bar(f"requests: {nodes} nodes", "<= 26 ms, 220 ms, 999 ms", shown, good, {**figures}))
    return bars


async def sequential(client: Client, count: int) -> float:
    begin = clock()
    for _ in range(count):
        await client.set("/requests", b"x" * 100)
    return clock() - begin
