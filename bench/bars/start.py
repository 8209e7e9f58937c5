"""How long from `./deploy.sh 3` to the first acknowledged write.

Method: the environment is there already. The clock starts when the command is started in a new, empty folder on free
ports; when it has returned, a client connects and creates a znode; the clock stops when that is acknowledged. RUNS
times; the median is judged, the slowest is shown.
"""

import asyncio
import tempfile
from pathlib import Path

from zooweeper_client.aio import Client

from bench.figures import Bar, clock, median, milliseconds
from bench.load import Stuck
from bench.rig import in_thread
from bench.say import Say
from zooweeper.cli.ensemble import Ensemble
from zooweeper.cli.ports import free_base_port

RUNS = 5
MEDIAN_S = 1.5
DEPLOY = Path(__file__).parents[2] / "deploy.sh"


async def measure(say: Say) -> list[Bar]:
    times = [await first_write() for _ in say.each("./deploy.sh 3 to the first write", range(RUNS), RUNS)]
    shown = f"median {milliseconds(median(times))}, max {milliseconds(max(times))}"
    return [Bar("start", "<= 1.5 s", shown, median(times) <= MEDIAN_S, {"seconds": times})]


async def first_write(nodes: int = 3) -> float:
    """One run. Stuck when the command fails."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "ensemble"
        base = await in_thread(free_base_port, nodes)
        begin = clock()
        words = (str(DEPLOY), str(nodes), "--dir", str(folder), "--base-port", str(base))
        process = await asyncio.create_subprocess_exec(
            *words, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
        )
        _, stderr = await process.communicate()
        if process.returncode != 0:
            raise Stuck(f"{' '.join(words)}: {stderr.decode().strip()}")
        ensemble = Ensemble.open(folder)
        try:
            async with Client(ensemble.hosts) as client:
                await client.create("/first")
                return clock() - begin
        finally:
            await in_thread(ensemble.wipe)
