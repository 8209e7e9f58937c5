"""Nothing dies: one request, many to one server, many to several servers."""

import asyncio
import contextlib
import random

from grades.client import Answer, Client, append, delete, put
from zooweeper_client.aio import Client as Coordination

from tests.grades.world import World, append_some

RAPID = 2_000
TURNS = 100


def test31_graceful_execution_single_request(world: World) -> None:
    async def scenario() -> None:
        one, *others = world.each()
        async with Client(one) as client:
            await client.put(123, [90, 85])
        world.ledger.exact[123] = (90, 85)
        for other in others:  # whoever is asked: not stale
            async with Client(other) as client:
                assert await client.get(123, consistency="linearizable") == (90, 85)
                assert await client.get(124, consistency="linearizable") is None

    asyncio.run(scenario())
    verdict = world.check()
    assert verdict.acknowledged == 0 and [row.applied for row in world.fleet.status()] == [1, 1, 1]


def test31_what_the_request_left_in_the_ensemble(world: World) -> None:
    async def scenario() -> None:
        async with Coordination(world.ensemble.hosts) as zk:
            assert sorted(await zk.get_children("/mydb/servers")) == ["db1", "db2", "db3"]
            assert len(await zk.get_children("/mydb/candidates")) == 3
            data, stat = await zk.get("/mydb/leader")
            leader = world.fleet.leader()
            assert f'"{leader}"'.encode() in data and stat.ephemeral_owner
            tokens = {row.token for row in world.fleet.status()}
            assert tokens == {stat.czxid}, "the fencing token is the znode's own czxid"
            data, stat = await zk.get("/mydb/log")
            assert stat.num_children == world.fleet.status()[0].log

    asyncio.run(scenario())
    world.check()


def test32_graceful_execution_many_rapid_requests_to_a_single_server(world: World) -> None:
    follower = next(name for name in world.fleet.names if name != world.fleet.leader())

    async def scenario() -> None:
        random_ = random.Random(32)
        model: dict[int, tuple[int, ...] | None] = {}
        async with Client(world.fleet.addresses[follower]) as client:
            statements = []
            for _ in range(RAPID):
                row = random_.randrange(200, 220)
                events = tuple(random_.randrange(-(2**31), 2**31) for _ in range(random_.randrange(4)))
                match random_.randrange(4):
                    case 0:
                        statements.append(put(row, events))
                        model[row] = events
                    case 1:
                        statements.append(delete(row))
                        model[row] = None
                    case _:
                        statements.append(append(row, events))
                        model[row] = (model.get(row) or ()) + events
            answers = await client.execute_many(statements)
        assert all(isinstance(answer, Answer) for answer in answers)
        numbers = [answer.n for answer in answers if isinstance(answer, Answer)]
        assert numbers == sorted(set(numbers)), "each has its own entry, in the order in which they were sent"
        world.ledger.exact |= model

    asyncio.run(scenario())
    world.check()


def test33_graceful_execution_requests_to_several_servers(world: World) -> None:
    async def scenario() -> None:
        async def send(address: str, writer: int) -> int:
            async with Client(address) as client:
                return sum([await append_some(client, world.ledger, writer, 20) for _ in range(20)])

        sent = [send(address, world.ledger.writer()) for address in world.each() * 2]
        assert await asyncio.gather(*sent) == [400] * 6, "nothing died, so nothing may fail"

    asyncio.run(scenario())
    assert world.check().acknowledged == 2_400


def test33_a_linearizable_read_at_any_server_is_never_old(world: World) -> None:
    async def scenario() -> None:
        async with contextlib.AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(Client(address)) for address in world.each()]
            for turn in range(TURNS):
                writer, *readers = clients[turn % 3 :] + clients[: turn % 3]
                await writer.put(300, [turn])
                found = await asyncio.gather(*(one.get(300, consistency="linearizable") for one in readers))
                assert found == [(turn,)] * 2, turn
        world.ledger.exact[300] = (TURNS - 1,)

    asyncio.run(scenario())
    world.check()
