"""Five nodes, of which two and then three are killed."""

import asyncio

from bench.bars.majority import refused
from bench.figures import clock
from bench.load import Load
from bench.rig import agreed, in_thread, running


def test_two_dead_go_on_three_dead_refuse_one_back_resumes() -> None:
    async def scenario() -> None:
        with running(5) as five:
            leader = await in_thread(five.leader)
            first = [leader, *(node for node in five.ids if node != leader)][:2]
            third, *staying = (node for node in five.ids if node not in first)
            hosts = [str(five.member(node).grpc) for node in staying]
            async with Load(hosts) as load:
                await load.progress()
                await in_thread(five.kill, first)
                await load.progress()
                await in_thread(five.kill, third)
                _, _, stale = await refused(hosts[0], clock())
                assert stale, "a read without a majority must be marked, and the second write refused, too"
                await in_thread(five.start, [third])
                await load.progress()
                await in_thread(five.start)
                await in_thread(five.wait_healthy)
                await load.settle()
                assert load.broken == []
                for verdict in await load.verdicts([str(member.grpc) for member in five.members]):
                    assert verdict.good, verdict
                await in_thread(agreed, five)

    asyncio.run(scenario())
