"""The fence, against a real ensemble: whatever a deposed leader still sends, however late, changes nothing."""

import asyncio

import pytest
from grades.layout import Entry, Head, Leader, Paths
from grades.log import Appender, Deposed, look
from zooweeper_client.aio import Client

from tests.grades.world import World, write

PATHS = Paths("fenced")


def entries(who: str, count: int) -> list[bytes]:
    return [Entry(who, number, "DELETE FROM grade WHERE id = 1").encode() for number in range(1, count + 1)]


async def leader(zk: Client, name: str) -> Appender:
    """A leader that has been elected, and has fenced off the one before it."""
    if await zk.exists(PATHS.leader):
        await zk.delete(PATHS.leader)
    _, stat = await zk.create(PATHS.leader, Leader(name, "").encode(), include_stat=True)
    appender = Appender(zk, PATHS, stat.czxid)
    await appender.fence()
    return appender


async def contents(zk: Client) -> tuple[Head, list[str]]:
    return (await look(zk, PATHS)).head, sorted(await zk.get_children(PATHS.log))


def test37_a_deposed_leaders_append_is_refused_by_its_token(world: World) -> None:
    async def scenario() -> None:
        async with Client(world.ensemble.hosts) as zk, Client(world.ensemble.hosts) as other:
            await zk.create(PATHS.log, Head(0, 0).encode(), makepath=True)
            old = await leader(zk, "db1")
            assert await write(old, entries("a", 3), 0) == 1
            new = await leader(other, "db2")
            assert await write(new, entries("b", 5), 0) == 4
            assert await write(new, entries("b", 1), 7) == 9  # what the old one would write next is written and gone
            before = await contents(other)
            for _ in range(2):  # it does not matter how often
                with pytest.raises(Deposed):
                    await write(old, entries("a", 3), 0)
            with pytest.raises(Deposed, match="larger than ours"):
                await old.fence()
            assert await contents(other) == before == (Head(new._token, 9), ["0000000008", "0000000009"])
            assert await write(new, entries("b", 1), 8) == 10, "the new one has felt nothing"
            assert await contents(other) == (Head(new._token, 10), ["0000000009", "0000000010"])

    asyncio.run(scenario())
