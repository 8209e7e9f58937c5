"""Programs that run one event loop after the other, as tests do: gRPC has one reader for all loops of a process, and
complains on stderr of what comes for a loop that is closed."""

import subprocess
import sys
from pathlib import Path

import pytest

from zooweeper.cli.ensemble import Ensemble

ROOT = Path(__file__).parents[2]
PROGRAM = """
import asyncio
import sys
import threading

import zooweeper_client as blocking
from zooweeper_client.aio import Client

hosts, beside = sys.argv[1], sys.argv[2] == "beside"


async def short(keep_session: bool) -> None:
    client = await Client(hosts).start()
    await client.exists("/a")
    await client.close(keep_session)


def reads(over: threading.Event) -> None:
    with blocking.Client(hosts) as client:
        while not over.is_set():
            client.exists("/a")


over = threading.Event()
thread = threading.Thread(target=reads, args=(over,))
if beside:
    thread.start()
for number in range(60):
    asyncio.run(short(keep_session=number % 2 == 0))
over.set()
if beside:
    thread.join()
print("over")
"""


@pytest.mark.parametrize("company", ["alone", "beside"])
def test_loops_end_without_complaints(company: str) -> None:
    with Ensemble.temporary(1) as ensemble:
        ensemble.start()
        ensemble.wait_healthy()
        ran = subprocess.run(
            [sys.executable, "-c", PROGRAM, ensemble.hosts, company],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "over\n", "")
