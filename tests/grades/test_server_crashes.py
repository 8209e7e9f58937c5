"""Database servers die with SIGKILL under load: one, two, all, the leader, and one that stays away for long."""

import asyncio

from grades.client import Client

from bench.rig import in_thread
from tests.grades.world import WAIT_S, World, append_some

MANY = 4_000  # ten times what the log holds


def followers(world: World) -> list[str]:
    leader = world.fleet.leader()
    return [name for name in world.fleet.names if name != leader]


def test34_single_server_crash_the_others_go_on_and_the_crashed_one_catches_up(world: World) -> None:
    async def scenario() -> None:
        victim = (await in_thread(followers, world))[0]
        async with world.load(world.everywhere()) as load:
            assert await in_thread(world.fleet.kill, victim) == (victim,)
            await load.progress()
            await in_thread(world.fleet.start, (victim,))
            await in_thread(world.fleet.wait_level)
            await load.progress()

    asyncio.run(scenario())
    world.check()


def test35_two_servers_crash_at_once_the_remaining_one_goes_on_and_both_recover(world: World) -> None:
    async def scenario() -> None:
        victims = [await in_thread(world.fleet.leader), (await in_thread(followers, world))[0]]
        async with world.load(world.everywhere()) as load:
            assert sorted(await in_thread(world.fleet.kill, victims)) == sorted(victims)
            await load.progress()
            (last,) = world.fleet.running()
            assert await in_thread(world.fleet.leader) == last
            await in_thread(world.fleet.start)
            await in_thread(world.fleet.wait_level)
            await load.progress()

    asyncio.run(scenario())
    world.check()


def test36_one_server_down_while_many_requests_are_processed_recovers_all_of_them(world: World) -> None:
    async def scenario() -> None:
        victim = (await in_thread(followers, world))[0]
        before = {row.name: row.applied or 0 for row in world.fleet.status()}[victim]
        await in_thread(world.fleet.kill, victim)
        async with world.gauge(), Client(world.fleet.hosts) as client:
            writer = world.ledger.writer()
            done = [await append_some(client, world.ledger, writer, 200) for _ in range(MANY // 200)]
            assert sum(done) == MANY
            await in_thread(world.fleet.start, (victim,))
            async with Client(world.fleet.addresses[victim], deadline=WAIT_S) as impatient:
                first = await impatient.execute("SELECT * FROM grade WHERE id = 1")
        assert first.n >= before + MANY, "it answered a client before it was level"

    asyncio.run(scenario())
    world.check()


def test37_leader_crash_under_load(world: World) -> None:
    async def scenario() -> None:
        tokens = []
        async with world.load([*world.everywhere(3), *world.each()]) as load:
            for _ in range(2):
                leader = await in_thread(world.fleet.leader)
                tokens.append(world.fleet.status()[0].token or 0)
                await in_thread(world.fleet.kill, leader)
                await load.any_progress()
                successor = await in_thread(world.fleet.leader)
                assert successor != leader
                await in_thread(world.fleet.start, (leader,))
                await in_thread(world.fleet.wait_level)
                await load.progress()
        tokens.append(world.fleet.status()[0].token or 0)
        assert tokens == sorted(set(tokens)), "each leader has a larger token than those before it"

    asyncio.run(scenario())
    world.check()


def test38_all_servers_crash_at_once(world: World) -> None:
    async def scenario() -> None:
        async with world.load(world.everywhere()) as load:
            assert len(await in_thread(world.fleet.kill)) == 3
            await in_thread(world.fleet.start)
            await in_thread(world.fleet.wait_level, None, WAIT_S)
            await load.progress()

    asyncio.run(scenario())
    world.check()
