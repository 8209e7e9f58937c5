"""What belongs to a session goes with it and with nothing else."""

import asyncio
import subprocess
import sys

from zooweeper_client.aio import Client

from zooweeper.cli.ensemble import Ensemble

HOLDER = """
import asyncio, sys
from zooweeper_client.aio import Client

async def main():
    async with Client(sys.argv[1], timeout=1.0) as client:
        await client.create("/held", b"", ephemeral=True)
        print("held", flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


async def until_gone(client: Client, path: str) -> None:
    async with asyncio.timeout(20):
        while await client.exists(path, consistency="linearizable") is not None:
            await asyncio.sleep(0.05)


def test_ephemerals_go_when_their_client_dies(three: Ensemble) -> None:
    async def scenario() -> None:
        process = subprocess.Popen([sys.executable, "-c", HOLDER, three.hosts], stdout=subprocess.PIPE)
        try:
            assert process.stdout is not None and await asyncio.to_thread(process.stdout.readline) == b"held\n"
            async with Client(three.hosts) as client:
                assert await client.exists("/held", consistency="linearizable") is not None
                process.kill()
                await until_gone(client, "/held")
        finally:
            process.kill()
            process.communicate()

    asyncio.run(scenario())


def test_ephemerals_live_through_the_death_of_their_node(three: Ensemble) -> None:
    async def scenario() -> None:
        first, second, _ = three.members
        async with Client(f"{first.grpc},{second.grpc}", randomize_hosts=False) as client:
            await client.create("/mine", b"", ephemeral=True)
            session = client.session
            three.kill(first.id)
            found = await client.exists("/mine", consistency="linearizable")
            assert found is not None and found.ephemeral_owner == session == client.session

    asyncio.run(scenario())


def test_watches_survive_the_death_of_their_node(three: Ensemble) -> None:
    async def scenario() -> None:
        first, second, third = three.members
        async with (
            Client(f"{first.grpc},{second.grpc}", randomize_hosts=False) as watcher,
            Client(str(third.grpc)) as writer,
        ):
            await writer.create("/watched", b"0")
            await watcher.sync("/watched")
            fired: asyncio.Queue[object] = asyncio.Queue()
            value, _ = await watcher.get("/watched", watch=fired.put_nowait)
            assert value == b"0"
            three.kill(first.id)
            await writer.set("/watched", b"1")
            event = await asyncio.wait_for(fired.get(), 20)
            assert getattr(event, "path", None) == "/watched"
            value, _ = await watcher.get("/watched")
            assert value == b"1"
            await asyncio.sleep(0)
            assert fired.empty(), "a one-shot watch fires once"

    asyncio.run(scenario())
