"""A long history: the log stays within its bound, and a recovery replays what follows the checkpoint, not more."""

import asyncio
import re

from grades.client import Client
from grades.roster import Watched, first_of
from zooweeper_client.aio import Client as Coordination

from bench.rig import in_thread
from tests.grades.world import World, append_some

HISTORY, MISSED = 2_000, 150
AT_ONCE = 50


async def write(world: World, writer: int, count: int) -> None:
    async with Client(world.fleet.hosts) as client:
        for _ in range(count // AT_ONCE):
            assert await append_some(client, world.ledger, writer, AT_ONCE) == AT_ONCE


async def until_trimmed(zk: Coordination) -> None:
    """Nobody writes any more, and what is on all disks goes all the same."""
    async with asyncio.timeout(10):
        while True:
            checkpoints = [int(one.data or b"") async for one in zk.list("/mydb/checkpoint", with_data=True)]
            if all(int(name) > min(checkpoints) for name in await zk.get_children("/mydb/log")):
                return
            await asyncio.sleep(0.05)


class Something(Watched):
    """Something that is watched, and read by nobody."""

    async def read(self) -> None: ...


def test_a_change_between_the_question_and_the_waiting_is_not_missed() -> None:
    """Else a log that is full, and has just got room, would wait for ever."""

    async def scenario() -> None:
        something = Something(Coordination("127.0.0.1:1"))
        waiting = something.change()
        changed, something._changed = something._changed, asyncio.Event()
        changed.set()
        async with asyncio.timeout(5):
            await first_of(waiting)

    asyncio.run(scenario())


def test41_checkpoint_recovery_replays_only_what_follows_the_checkpoint(world: World) -> None:
    async def scenario() -> tuple[str, int, int]:
        async with world.gauge() as sizes, Coordination(world.ensemble.hosts) as zk:
            writer = world.ledger.writer()
            await write(world, writer, HISTORY)
            leader = await in_thread(world.fleet.leader)
            victim = next(name for name in world.fleet.names if name != leader)
            await in_thread(world.fleet.kill, victim)
            await write(world, writer, MISSED)
            await zk.sync("/mydb")
            # Not before: what the victim sent last may still have been on its way when it was dead.
            checkpoint = int((await zk.get(f"/mydb/checkpoint/{victim}", consistency="linearizable"))[0])
            assert HISTORY - checkpoint <= 300, "a checkpoint is at most some batches old"
            there = sorted(int(name) for name in await zk.get_children("/mydb/log"))
            assert there == list(range(there[0], HISTORY + MISSED + 1)), "a log has no holes"
            assert 1 < there[0] <= checkpoint + 1, "the old is gone, and all that follows the checkpoint is there"
            start = len(world.fleet.log_tail(victim, 10_000))
            await in_thread(world.fleet.start, (victim,))
            await in_thread(world.fleet.wait_equal)
            await until_trimmed(zk)
            assert max(sizes) > 100, "the gauge has seen a log that was used"
        return world.fleet.log_tail(victim, 10_000)[start:], checkpoint, HISTORY + MISSED

    lines, checkpoint, last = asyncio.run(scenario())
    recovered = re.search(r"recovered (\d+) entries", lines)
    assert recovered is not None and "state transfer" not in lines, lines
    assert MISSED - 100 <= int(recovered[1]) <= last - checkpoint, "it replays what it missed, and not all its life"
    world.check()
