"""Servers that answer a write only when a majority of them has applied it."""

import asyncio

from grades.client import Client, append
from grades.status import Asker

from bench.rig import in_thread
from tests.grades.world import running

WRITES = 40


def test37_with_answers_of_a_majority_a_majority_has_what_was_acknowledged() -> None:
    with running(options=["--answer", "majority"]) as world:

        async def scenario() -> None:
            with Asker(world.fleet.addresses) as asker:
                async with Client(world.fleet.hosts) as client:
                    for value in range(WRITES):
                        answer = await client.execute(append(1, [value]))
                        rows = asker.ask()
                        assert sum((row.applied or 0) >= answer.n for row in rows) >= 2, rows
                    leader = await in_thread(world.fleet.leader)
                    others = [name for name in world.fleet.names if name != leader]
                    await in_thread(world.fleet.kill, others[0])
                    await client.execute(append(1, [WRITES]))  # two of three are a majority
                    await in_thread(world.fleet.start)
            async with world.load(world.everywhere()) as load:
                await in_thread(world.fleet.kill, leader)
                await load.progress()

        asyncio.run(scenario())
        world.ledger.exact[1] = tuple(range(WRITES + 1))
        world.check()
