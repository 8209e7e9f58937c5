"""The coordination service is ill-treated: nodes die under load, a leader sleeps too long, the network splits."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
from grades.client import Client
from zooweeper_client.aio import Client as Coordination

from bench.rig import in_thread
from tests.grades import network
from tests.grades.world import World, append_some

ROOT = Path(__file__).resolve().parents[2]


def test39_coordination_leader_killed_under_load(world: World) -> None:
    async def scenario() -> None:
        async with world.load([*world.everywhere(3), *world.each()]) as load:
            for _ in range(2):
                node = await in_thread(world.ensemble.leader)
                await in_thread(world.ensemble.kill, node)
                await load.progress()
                await in_thread(world.ensemble.start, (node,))
                await in_thread(world.ensemble.wait_healthy)
                await load.progress()

    asyncio.run(scenario())
    world.check()


def test39_all_coordination_nodes_die_at_once_under_load(world: World) -> None:
    async def scenario() -> None:
        async with world.load(world.everywhere()) as load:
            await in_thread(world.ensemble.kill)
            await in_thread(world.ensemble.start)
            await in_thread(world.ensemble.wait_healthy)
            await load.progress()

    asyncio.run(scenario())
    world.check()


def test39_a_leader_that_is_paused_is_followed_by_another(world: World) -> None:
    async def scenario() -> None:
        async with world.load(world.everywhere()) as load:
            leader = await in_thread(world.fleet.leader)
            world.fleet.pause(leader)
            try:
                await load.progress()  # the others have elected one
                others = [name for name in world.fleet.names if name != leader]
                rows = await in_thread(world.fleet.wait_level, others)
                assert all(row.leader in others for row in rows)
            finally:
                world.fleet.resume(leader)
            await in_thread(world.fleet.wait_level)
            await load.progress()

    asyncio.run(scenario())
    world.check()


def test39_a_leader_deposed_behind_its_back_is_refused_by_its_token(world: World) -> None:
    """Its session lives, so nothing tells it: somebody has deleted its znodes. The others have gone on for so long that
    even the entries it would write next were made and trimmed."""

    async def scenario() -> None:
        old = await in_thread(world.fleet.leader)
        others = [name for name in world.fleet.names if name != old]
        async with Coordination(world.ensemble.hosts) as zk:
            for candidate in await zk.get_children("/mydb/candidates"):
                if (await zk.get(f"/mydb/candidates/{candidate}"))[0] == old.encode():
                    await zk.delete(f"/mydb/candidates/{candidate}")
            await zk.delete("/mydb/leader")
        await in_thread(world.fleet.wait, lambda rows: any(row.leads for row in rows), "led by another", others, 20.0)
        writer = world.ledger.writer()
        async with Client([world.fleet.addresses[name] for name in others]) as client:
            for _ in range(12):
                assert await append_some(client, world.ledger, writer, 100) == 100
        async with Client(world.fleet.addresses[old]) as client:
            assert await append_some(client, world.ledger, writer, 10) == 10, "it hands over what it may not append"
        assert await in_thread(world.fleet.leader) != old

    asyncio.run(scenario())
    world.check()


@pytest.mark.skipif(bool(network.missing()), reason=network.missing())
def test40_network_split_only_the_side_with_the_quorum_accepts_writes() -> None:
    """In a network of its own, whose cable is pulled: see tests/grades/split.py."""
    split = [*network.unshare(), sys.executable, "-m", "tests.grades.split"]
    done = subprocess.run(split, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["acknowledged"] > 100
