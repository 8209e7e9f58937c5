"""Members come and go under load, in ensembles of real processes: nothing acknowledged is lost, nobody is disturbed."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from zooweeper_client.aio import Client, WatchEvent

from bench.bars.majority import refused
from bench.figures import clock
from bench.load import Load
from bench.rig import agreed, in_thread
from zooweeper.cli import ports
from zooweeper.cli.ensemble import Ensemble
from zooweeper.cli.settings import (
    SUPER_FILE,
    EnsembleSettings,
    next_member,
    read_credential,
    read_node,
    write_ensemble,
    write_node,
)
from zooweeper.cli.status import NodeStatus
from zooweeper.model.config import Member
from zooweeper.model.errors import NewConfigNoQuorum, NoAuth
from zooweeper.model.members import Membership, of_settings, parse

WAIT_S = 30.0


class Operator:
    """Who may change the members."""

    def __init__(self, ensemble: Ensemble, client: Client) -> None:
        self.ensemble = ensemble
        self.client = client

    async def members(self) -> Membership:
        data, stat = await self.client.get_config(consistency="linearizable")
        found = parse(data.decode())
        assert found.version == stat.mzxid and stat.version == -1
        return found

    async def change(self, joining: Sequence[Member] = (), leaving: Sequence[int] = ()) -> Membership:
        """Without a check of the version, as soon as the leader takes it."""
        lines = ",".join(map(str, of_settings(joining).servers)) if joining else ""
        async with asyncio.timeout(WAIT_S):
            while True:
                try:
                    data, _ = await self.client.reconfig(lines, ",".join(map(str, leaving)))
                    return parse(data.decode())
                except NewConfigNoQuorum:  # who joins has not caught up
                    await asyncio.sleep(0.05)

    async def add(self, *joiners: Member) -> Membership:
        """As observers first; then they vote."""
        await self.change([replace(one, observer=True) for one in joiners])
        for one in joiners:
            await self.until(one.id, lambda row: row.role == "observer" and row.serving)
        return await self.change(joiners)

    async def until(self, node: int, holds: Callable[[NodeStatus], bool]) -> NodeStatus:
        async with asyncio.timeout(WAIT_S):
            while True:
                row = next(row for row in await in_thread(self.ensemble.status) if row.id == node)
                if holds(row):
                    return row
                await asyncio.sleep(0.02)

    async def gone(self, node: int) -> None:
        """The node has ended by itself, and says why."""
        async with asyncio.timeout(WAIT_S):
            while self.ensemble.pid(node) is not None:
                await asyncio.sleep(0.02)
        log = self.ensemble.log_tail(node, 20)
        assert "the ensemble goes on without this node" in log, log
        assert f"node={node} stopped" in log, log  # a stream may break behind it


@asynccontextmanager
async def operator(ensemble: Ensemble) -> AsyncIterator[Operator]:
    credential = read_credential(ensemble.folder / SUPER_FILE)
    async with Client(ensemble.hosts, auth=[("digest", credential)]) as client:
        yield Operator(ensemble, client)


async def judged(load: Load, ensemble: Ensemble, nodes: Sequence[int]) -> None:
    """Every writer's session lived, every node shows every acknowledged write once, all replicas are equal."""
    await load.progress()
    await load.settle()
    assert load.broken == []
    for verdict in await load.verdicts([str(ensemble.member(node).grpc) for node in nodes]):
        assert verdict.good, verdict
    await in_thread(agreed, ensemble, nodes)


async def leads(ensemble: Ensemble) -> int:
    return await in_thread(ensemble.leader)


def test_from_one_node_to_five_and_back_to_three_under_load() -> None:
    async def scenario() -> None:
        with Ensemble.temporary(1, ports.free_base_port(5)) as five:
            five.start()
            joiners = [five.join() for _ in range(4)]
            five.start()
            async with operator(five) as who, Load([five.hosts, five.hosts]) as load:
                first = await who.members()
                assert first.voters == (1,) and first.version > 0
                seen: asyncio.Queue[WatchEvent] = asyncio.Queue()
                await who.client.get_config(seen.put_nowait)
                assert (await who.add(*joiners[:2])).voters == (1, 2, 3)
                assert (await seen.get()).path == "/zookeeper/config"
                await load.progress()
                assert (await who.add(*joiners[2:])).voters == (1, 2, 3, 4, 5)
                await load.progress()
                rest = [1, 2, 3, 4, 5]
                for _ in range(2):
                    leader = await leads(five)
                    rest.remove(leader)
                    assert (await who.change(leaving=[leader])).voters == tuple(rest)
                    await load.progress()
                    await who.gone(leader)
                    assert await leads(five) in rest
                await in_thread(five.stop, rest)  # their settings name five members, one of them names one
                await in_thread(five.start)
                await load.progress()
                await in_thread(five.wait_healthy, WAIT_S, rest)
                assert (await who.members()).voters == tuple(rest)
                await judged(load, five, rest)
                before = [row for row in await in_thread(five.status) if row.id in rest]
                await asyncio.sleep(1.0)  # those that were removed run again, or have ended again
                after = [row for row in await in_thread(five.status) if row.id in rest]
                assert [(row.role, row.epoch) for row in after] == [(row.role, row.epoch) for row in before]

    asyncio.run(scenario())


def test_a_dead_node_is_replaced_and_does_not_disturb_when_it_comes_back() -> None:
    async def scenario() -> None:
        with Ensemble.temporary(3, ports.free_base_port(4)) as four:
            four.start()
            four.wait_healthy()
            new = four.join()
            four.start()
            async with operator(four) as who, Load([four.hosts]) as load:
                dead = await leads(four)
                await in_thread(four.kill, dead)
                await load.progress()
                await who.add(new)
                rest = tuple(node for node in four.ids if node != dead)
                assert (await who.change(leaving=[dead])).voters == rest
                await load.progress()
                before = await in_thread(four.wait_healthy, WAIT_S, rest)
                await in_thread(four.start, [dead])
                row = await who.until(dead, lambda row: row.up)
                await asyncio.sleep(1.0)
                row = await who.until(dead, lambda row: row.up)
                assert row.role == "looking"
                after = await in_thread(four.wait_healthy, WAIT_S, rest)
                assert [(row.role, row.epoch) for row in after] == [(row.role, row.epoch) for row in before]
                await judged(load, four, rest)
                assert f"node {dead} was removed from the ensemble" in four.log_tail(dead, 40)

    asyncio.run(scenario())


def test_a_node_that_slept_is_found_by_members_it_does_not_know_and_all_come_back_from_a_kill() -> None:
    async def scenario() -> None:
        with Ensemble.temporary(3, ports.free_base_port(5)) as five:
            five.start()
            five.wait_healthy()
            five.stop([3])
            joiners = [five.join(), five.join()]
            five.start([4, 5])
            async with operator(five) as who, Load([five.hosts]) as load:
                await who.add(*joiners)
                new = [five.member(node) for node in (3, 4, 5)]
                data, stat = await who.client.reconfig(new_members="\n".join(map(str, of_settings(new).servers)))
                assert parse(data.decode()).voters == (3, 4, 5) and stat.mzxid == parse(data.decode()).version
                await load.progress()
                await who.gone(1)
                await who.gone(2)
                await in_thread(five.start, [3])  # it knows nobody but the two who are gone
                await in_thread(five.wait_healthy, WAIT_S, [3, 4, 5])
                await load.progress()
                await in_thread(five.kill, [3, 4, 5])
                await in_thread(five.start, [3, 4, 5])
                await in_thread(five.wait_healthy, WAIT_S, [3, 4, 5])
                await judged(load, five, [3, 4, 5])

    asyncio.run(scenario())


def test_a_member_moves_to_other_addresses() -> None:
    async def scenario() -> None:
        with Ensemble.temporary(3, ports.free_base_port(4)) as three:
            three.start()
            three.wait_healthy()
            async with operator(three) as who, Load([three.hosts]) as load:
                await load.progress()
                await in_thread(three.stop, [2])
                moved = replace(next_member(three.members, observer=False), id=2)
                members = tuple(moved if one.id == 2 else one for one in three.members)
                known = EnsembleSettings(three.cluster, members)
                write_ensemble(three.folder, known)
                super_digest = read_node(three.node_folder(2)).super_digest
                write_node(three.node_folder(2), 2, known, super_digest=super_digest)
                assert str(moved.peer) in str((await who.change([moved])).servers[1])
                again = Ensemble.open(three.folder)
                await in_thread(again.start)
                await in_thread(again.wait_healthy)
                await judged(load, again, [1, 2, 3])

    asyncio.run(scenario())


def test_an_observer_serves_and_never_counts() -> None:
    async def scenario() -> None:
        with Ensemble.temporary(3, observers=2) as five:
            five.start()
            rows = five.wait_healthy()
            assert [row.role for row in rows[3:]] == ["observer"] * 2
            watcher = str(five.member(4).grpc)
            hosts = [str(five.member(node).grpc) for node in (1, 2, 3)]
            async with Load(hosts) as load, Client(watcher) as there:
                path = await there.create("/through-an-observer", b"1")
                assert (await there.get(path, consistency="linearizable"))[0] == b"1" and there.node == 4
                with pytest.raises(NoAuth):
                    await there.reconfig(leaving="4")
                with pytest.raises(NoAuth):  # before it hears that there is no such id
                    await there.reconfig(joining="server.999=127.0.0.1:1:2:observer")
                await in_thread(five.kill, [4, 5])
                began = time.monotonic()
                await load.progress()
                assert time.monotonic() - began < 5
                await in_thread(five.start)
                await in_thread(five.wait_healthy)
                await load.progress()
            await in_thread(five.kill, [2, 3])  # one voter and two observers are left
            for host in (hosts[0], watcher):
                _, _, stale = await refused(host, clock())
                assert stale, "a read without a majority must be marked, and the second write refused, too"
            await in_thread(five.start)
            await in_thread(five.wait_healthy)
            await in_thread(agreed, five)

    asyncio.run(scenario())
