"""The end of a client: in the midst of calls, of one event loop after the other, and with a new beginning."""

import asyncio
import os
import sys
from pathlib import Path

import pytest
from grades.client import Client, GradesError, Outcome, append, put

from tests.doors.rig import Rig
from tests.grades.test_server import members, run

ROOT = Path(__file__).parents[2]
PROGRAM = """
import asyncio
import sys
import threading

from grades.client import Blocking, Client


async def short(number: int) -> None:
    async with Client(sys.argv[1]) as client:
        await client.append(number, [number])


def reads(over: threading.Event) -> None:
    with Blocking(sys.argv[1]) as client:
        while not over.is_set():
            client.get(1)


over = threading.Event()
thread = threading.Thread(target=reads, args=(over,))
thread.start()  # gRPC has one reader for all loops of a process, and complains of what comes for one that is closed
for number in range(100):
    asyncio.run(short(number))
over.set()
thread.join()
print("over")
"""


def test_loops_end_without_complaints(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Rig() as rig, members(rig.address, tmp_path, "db1") as (one,):
            program = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", PROGRAM, one.address),
                env=os.environ | {"PYTHONPATH": os.pathsep.join(str(ROOT / part) for part in ("", "client", "apps"))},
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            out, err = await program.communicate()
            assert (program.returncode, out, err) == (0, b"over\n", b"")

    run(scenario())


def test_closed_with_calls_in_flight_and_started_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Rig() as rig, members(rig.address, tmp_path, "db1") as (one,):
            client = await Client(one.address).start()
            await client.append(1, [0])
            async with one.server.copy._busy:  # nothing is answered
                sent = asyncio.create_task(client.execute_many([append(1, [n]) for n in range(1, 500)]))
                while not one.server.writes:
                    await asyncio.sleep(0.001)
                await client.close()
            with pytest.raises(GradesError) as error:
                await sent
            assert error.value.outcome is Outcome.UNKNOWN and "the client is closed" in str(error.value)
            await client.start()
            asked = []
            for row in range(5):
                asked.append(asyncio.create_task(client.execute(put(row, [row]))))
                await asyncio.sleep(0.02)  # so that they do not travel together
            first = (await asked[0]).n
            assert [(await one).n for one in asked] == list(range(first, first + 5))
            await client.close()

    run(scenario())
