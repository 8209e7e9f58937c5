"""Memory of an idle node.

Method: three nodes with nothing but the built-in znodes and one client's session; IDLE_S seconds after they serve, the
resident memory of each process (shared libraries included). The largest is judged; a megabyte is a million bytes.
"""

import asyncio

from zooweeper_client.aio import Client

from bench.figures import Bar
from bench.rig import pids, resident_bytes, running
from bench.say import Say

IDLE_S = 3.0
MAX_MB = 60


async def measure(say: Say) -> list[Bar]:
    with running(3) as ensemble:
        async with Client(ensemble.hosts):
            say.line("memory of idle nodes")
            await asyncio.sleep(IDLE_S)
            sizes = [resident_bytes(pid) / 1e6 for pid in pids(ensemble)]
    shown = ", ".join(f"{size:.1f}" for size in sizes)
    return [Bar("memory", "<= 60 MB", f"{shown} MB", max(sizes) <= MAX_MB, {"megabytes": sizes})]
