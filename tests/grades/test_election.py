"""Who leads: the order of the candidates, and real elections."""

import asyncio

import pytest
from grades.election import Dethroned, before, campaign, number_of
from grades.layout import Leader, Paths
from zooweeper_client.aio import Client

from tests.doors.rig import Rig

CASES = (
    (("c-0000000001",), "c-0000000001", None),
    (("c-0000000009", "c-0000000010"), "c-0000000010", "c-0000000009"),
    (("c-0000000010", "c-0000000009"), "c-0000000009", None),
    (("c-9999999999", "c-10000000000"), "c-10000000000", "c-9999999999"),  # by number, not by text
    (("c-0000000007", "c-0000000003", "c-0000000005"), "c-0000000007", "c-0000000005"),
    (("lost+found", "c-", "c-x", "0000000001", "c-0000000003"), "c-0000000003", None),  # what is no candidate
)


@pytest.mark.parametrize(("candidates", "mine", "expected"), CASES)
def test_each_waits_for_the_one_before(candidates: tuple[str, ...], mine: str, expected: str | None) -> None:
    assert before(mine, candidates) == expected


def test_whoever_is_not_among_them_does_not_lead() -> None:
    with pytest.raises(Dethroned):
        before("c-0000000003", ["c-0000000004"])
    assert number_of("c-0000000012") == 12 and number_of("c-") == number_of("x") == number_of("12") == -1


def test_leaders_follow_each_other_with_growing_tokens_and_wake_one_candidate_each() -> None:
    async def scenario() -> None:
        async with Rig() as rig:
            paths = Paths("db")
            clients = [await Client(rig.address, timeout=5).start() for _ in range(4)]
            await clients[0].create(paths.candidates, makepath=True)
            runs = []
            for number, zk in enumerate(clients):
                runs.append(asyncio.ensure_future(campaign(zk, paths, Leader(f"db{number}", ""))))
                while len(await clients[0].get_children(paths.candidates)) <= number:
                    await asyncio.sleep(0.001)
            tokens = []
            for number, zk in enumerate(clients):
                async with asyncio.timeout(5):
                    tokens.append(await runs[number])
                data, stat = await zk.get(paths.leader)
                assert Leader.decode(data).name == f"db{number}" and stat.czxid == tokens[-1]
                assert not any(run.done() for run in runs[number + 1 :]), "one at a time"
                await zk.close()
            assert tokens == sorted(set(tokens))

    asyncio.run(scenario())


def test_a_leader_of_a_session_that_lingers_is_waited_for() -> None:
    async def scenario() -> None:
        async with Rig() as rig, Client(rig.address) as old, Client(rig.address) as new:
            paths = Paths("db")
            await new.create(paths.candidates, makepath=True)
            _, first = await old.create(paths.leader, Leader("db1", "").encode(), ephemeral=True, include_stat=True)
            run = asyncio.ensure_future(campaign(new, paths, Leader("db2", "")))
            while not await new.get_children(paths.candidates):
                await asyncio.sleep(0.001)
            await old.sync()
            assert not run.done()
            await old.close()
            async with asyncio.timeout(5):
                assert await run > first.czxid

    asyncio.run(scenario())
