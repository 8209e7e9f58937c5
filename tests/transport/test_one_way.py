"""A stream that is cut in one direction ends: who hears nothing any more finds out, and the other side with it.

Rules: real gRPC and lanes through a proxy of which one way is closed, under traffic in both directions, for that is
when gRPC's own probes are in flight, which once kept its keepalive from asking.
"""

import asyncio
from dataclasses import replace

import pytest

from tests.robustness.proxy import Pair, Proxies
from tests.transport.test_peers import NOWHERE, Recorder, free_ports
from zooweeper.model.config import CARRIERS, Address, Config, LaneSettings, Member, Timing
from zooweeper.transport.peers import Peers
from zooweeper.zab.messages import Commit

SILENCE_MS = 500
FOUND_S = 8.0  # twice two silences are two seconds; a probe of its own would take a minute


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("cut", [(1, 2), (2, 1)])
def test_a_stream_that_is_cut_in_one_direction_is_found(cut: Pair, carrier: str) -> None:
    async def main() -> None:
        members = tuple(
            Member(id, Address("127.0.0.1", port), NOWHERE, NOWHERE, NOWHERE)
            for id, port in zip((1, 2), free_ports(2), strict=True)
        )
        home = Address("127.0.0.1", free_ports(1)[0])
        proxies = await asyncio.to_thread(Proxies, {one.id: one.peer for one in members}, 0, {1: home, 2: home})
        through = (replace(members[0], peer=Address("127.0.0.1", proxies.port(2, 1))), members[1])
        seen, peers = {}, {}
        lane_route = ((1, Address("127.0.0.1", proxies.lane_port(2, 1))),)
        for node, known, lanes in (
            (1, members, LaneSettings(carrier, port=home.port)),
            (2, through, LaneSettings(carrier, routes=lane_route)),
        ):
            seen[node] = Recorder()
            config = Config(node, "test", known, "", Timing(silence_ms=SILENCE_MS), lanes=lanes)
            peers[node] = Peers(config, b"folder %d" % node, b"p", seen[node])
            await peers[node].start()
        for node in (1, 2):
            await seen[node].until("up", 3 - node)
        talking = asyncio.create_task(talk(peers))
        await asyncio.sleep(0.3)
        await asyncio.to_thread(proxies.hold, [cut])
        async with asyncio.timeout(FOUND_S):
            await asyncio.gather(*(seen[node].until("down", 3 - node) for node in (1, 2)))
        await asyncio.to_thread(proxies.heal)
        for node in (1, 2):
            await seen[node].until("up", 3 - node, times=2)
        talking.cancel()
        for node in (2, 1):
            await peers[node].close()
        await asyncio.to_thread(proxies.close)

    asyncio.run(main())


async def talk(peers: dict[int, Peers]) -> None:
    """A little, all the time, both ways."""
    count = 0
    while True:
        count += 1
        for node in (1, 2):
            peers[node].send(3 - node, Commit(1, 1, count))
        await asyncio.sleep(0.002)
