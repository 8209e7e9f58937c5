"""Lanes between real processes go, under load, and nobody notices: no election, no lost write, no session.

Rules: the proxies of tests/robustness stand between the nodes, so that lanes alone can be struck.
"""

import asyncio
import time
from collections.abc import Iterator

import pytest

from bench.load import Load
from bench.rig import each_node, in_thread
from tests.cluster.test_kills import judged
from tests.robustness import shapes
from tests.robustness.bed import Bed
from zooweeper.model.config import CARRIERS, FAST


@pytest.fixture(params=CARRIERS)
def bed(request: pytest.FixtureRequest) -> Iterator[Bed]:
    with Bed(3, carrier=request.param) as made:
        made.start()
        made.wait_complete()
        yield made


@pytest.fixture
def laned() -> Iterator[Bed]:
    with Bed(3, carrier=FAST) as made:
        made.start()
        made.wait_complete()
        yield made


def epochs(bed: Bed) -> list[int | None]:
    return [row.epoch for row in bed.rows()]


async def flows(bed: Bed, pairs: shapes.Pairs) -> None:
    """Bytes pass on each of these lanes."""
    before = {pair: bed.proxies.way(pair, lane=True).passed for pair in pairs}
    async with asyncio.timeout(20):
        while any(bed.proxies.way(pair, lane=True).passed <= passed for pair, passed in before.items()):
            await asyncio.sleep(0.02)


def test_lanes_break_and_stand_still_under_load_and_no_leader_is_lost(laned: Bed) -> None:
    async def scenario(bed: Bed) -> None:
        leader = await in_thread(bed.ensemble.leader)
        pairs = [pair for pair in bed.proxies.pairs() if leader in pair]
        begun = await in_thread(epochs, bed)
        async with Load(each_node(bed.ensemble)) as load:
            await load.progress()
            await flows(bed, pairs)
            for held in ([], pairs, shapes.mute(bed.ids, leader, None), shapes.deaf(bed.ids, leader, None)):  # type: ignore[arg-type]
                if held:
                    await in_thread(bed.proxies.hold, held, True)
                else:
                    assert await in_thread(bed.proxies.reset, pairs, True) >= 2
                begin = time.monotonic()
                await load.progress()
                assert time.monotonic() - begin < 10
                await in_thread(bed.proxies.heal)
                await flows(bed, pairs)
            await judged(load, bed.ensemble)
        assert await in_thread(epochs, bed) == begun

    asyncio.run(scenario(laned))


def test_status_says_what_carries_the_broadcast(bed: Bed) -> None:
    deadline = time.monotonic() + 20
    while True:
        rows = bed.rows()
        if [row.carrier for row in rows if row.role == "follower"] == [bed.carrier] * 2 or time.monotonic() > deadline:
            break
        time.sleep(0.05)
    carriers = {row.role: row.carrier for row in rows}
    lines = [line for node in bed.ids for line in bed.log_since(node, 0).splitlines() if "peer." in line]
    assert carriers == {"leader": None, "follower": bed.carrier}, lines


def test_a_leader_is_killed_under_load_with_lanes_and_without(bed: Bed) -> None:
    async def scenario() -> None:
        async with Load([*each_node(bed.ensemble), bed.ensemble.hosts]) as load:
            await load.progress()
            leader = await in_thread(bed.ensemble.leader)
            await in_thread(bed.ensemble.kill, leader)
            await load.progress([writer for node, writer in zip(bed.ids, load.writers, strict=False) if node != leader])
            await in_thread(bed.start)
            await in_thread(bed.wait_complete)
            await judged(load, bed.ensemble)

    asyncio.run(scenario())
