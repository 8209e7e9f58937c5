"""Nodes are killed and paused under load: nothing acknowledged is lost, nothing happens twice, sessions live on."""

import asyncio

from zooweeper_client import ClientState

from bench.load import Load
from bench.rig import agreed, each_node, in_thread
from zooweeper.cli.ensemble import Ensemble


async def judged(load: Load, ensemble: Ensemble) -> None:
    """Every writer's session lived, every node shows every acknowledged write once, all replicas are equal."""
    await load.progress()
    await load.settle()
    assert load.broken == []
    for verdict in await load.verdicts(each_node(ensemble)):
        assert verdict.good, verdict
    await in_thread(agreed, ensemble)


def test_leader_killed_under_load(three: Ensemble) -> None:
    async def scenario() -> None:
        hosts = each_node(three)
        async with Load([*hosts, three.hosts]) as load:
            await load.progress()
            for _ in range(3):
                leader = await in_thread(three.leader)
                survivors = [writer for node, writer in zip(three.ids, load.writers, strict=False) if node != leader]
                sessions = [writer.client.session for writer in survivors]
                states: list[ClientState] = []
                for writer in survivors:
                    writer.client.add_listener(states.append)
                await in_thread(three.kill, leader)
                await load.progress(survivors)
                assert [writer.client.session for writer in survivors] == sessions
                assert states == [], "a survivor's client noticed the change of leader"
                for writer in survivors:
                    writer.client.remove_listener(states.append)
                await in_thread(three.start, (leader,))
                await in_thread(three.wait_healthy)
                await load.progress()
            await judged(load, three)

    asyncio.run(scenario())


def test_all_killed_at_once(three: Ensemble) -> None:
    async def scenario() -> None:
        async with Load([*each_node(three), three.hosts]) as load:
            for _ in range(2):
                await load.progress()
                await in_thread(three.kill)
                await in_thread(three.start)
                await in_thread(three.wait_healthy)
            await judged(load, three)

    asyncio.run(scenario())


def test_paused_leader_is_replaced_and_follows_when_it_wakes(three: Ensemble) -> None:
    async def scenario() -> None:
        leader = await in_thread(three.leader)
        async with Load([*each_node(three), three.hosts]) as load:
            await load.progress()
            others = [writer for node, writer in zip(three.ids, load.writers, strict=False) if node != leader]
            three.pause(leader)
            try:
                await load.progress(others)
            finally:
                three.resume(leader)
            await in_thread(three.wait_healthy)
            assert await in_thread(three.leader) != leader
            await judged(load, three)

    asyncio.run(scenario())


def test_stopped_leader_hands_over(three: Ensemble) -> None:
    async def scenario() -> None:
        async with Load([*each_node(three), three.hosts]) as load:
            await load.progress()
            leader = await in_thread(three.leader)
            await in_thread(three.stop, (leader,))
            await load.any_progress()
            await in_thread(three.start, (leader,))
            await in_thread(three.wait_healthy)
            await judged(load, three)

    asyncio.run(scenario())
