"""Clients while nodes stop and come back: three whole nodes, real gRPC, nothing simulated."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from zooweeper_client import ClientState, EventType
from zooweeper_client.aio import Client
from zooweeper_client.exceptions import BadVersion

from tests.runtime.test_three_nodes import Trio, trio

PER_WRITER = 60


def run(main: Coroutine[Any, Any, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            await main

    asyncio.run(bounded())


def hosts(nodes: Trio) -> str:
    return ",".join(nodes.grpc(node) for node in (1, 2, 3))


async def append(zk: Client, word: str) -> None:
    """Add a word to the list in /list by compare-and-set."""
    while True:
        data, stat = await zk.get("/list")
        try:
            await zk.set("/list", data + word.encode() + b" ", version=stat.version)
        except BadVersion:
            continue
        return


def test_no_write_is_lost_or_doubled_while_every_node_is_restarted(tmp_path: Path) -> None:
    async def main() -> None:
        async with trio(tmp_path) as nodes:
            await nodes.leader()
            states: list[ClientState] = []
            async with Client(hosts(nodes)) as one, Client(hosts(nodes)) as two:
                await one.create("/list")
                await one.create("/seq")
                await one.create("/mine", ephemeral=True)
                for client in (one, two):
                    client.add_listener(states.append)
                done = asyncio.Event()

                async def write(zk: Client, name: str) -> None:
                    at = 0
                    while at < PER_WRITER or not done.is_set():
                        words = [f"{name}-{at + more}" for more in range(4)]
                        made = await asyncio.gather(
                            append(zk, words[0]),
                            *[zk.create("/seq/n-", word.encode(), sequence=True) for word in words],
                        )
                        acknowledged.append(words[0])
                        paths.extend(zip(made[1:], words, strict=True))
                        at += 4

                acknowledged: list[str] = []
                paths: list[tuple[Any, str]] = []
                writers = [asyncio.create_task(write(zk, name)) for zk, name in ((one, "a"), (two, "b"))]
                for victim in (1, 2, 3):  # each in turn, so that no client is spared
                    await nodes.stop(victim)
                    await asyncio.sleep(0.3)
                    await nodes.start(victim)
                    await nodes.leader()
                done.set()
                await asyncio.gather(*writers)

                found = (await one.get("/list", consistency="linearizable"))[0].decode().split()
                assert sorted(found) == sorted(acknowledged)
                for name in ("a", "b"):
                    mine = [word for word in found if word.startswith(name)]
                    assert mine == [word for word in acknowledged if word.startswith(name)]
                await one.sync()
                rows = {f"/seq/{row.path}": row.data async for row in one.list("/seq", with_data=True)}
                assert rows == {path: word.encode() for path, word in paths}
                assert (await two.exists("/mine", consistency="linearizable")) is not None
                assert ClientState.LOST not in states and ClientState.SUSPENDED in states
                await nodes.equal()

    run(main())


def test_watches_survive_the_death_of_their_node(tmp_path: Path) -> None:
    async def main() -> None:
        async with trio(tmp_path) as nodes:
            await nodes.leader()
            async with Client(hosts(nodes)) as watcher, Client(hosts(nodes)) as writer:
                while watcher.node == writer.node:
                    await writer.close()
                    writer = Client(hosts(nodes))  # until it is on another node
                    await writer.start()
                await writer.create("/w")
                await watcher.sync()
                once: list[Any] = []
                await watcher.get("/w", watch=once.append)
                async with watcher.watch("/w", recursive=True) as events:
                    session = watcher.session
                    await nodes.stop(watcher.node)
                    await writer.set("/w", b"while it was away")
                    event = await anext(events)
                    assert event.type is EventType.GAP
                    await watcher.sync()
                    assert (await watcher.get("/w"))[0] == b"while it was away"
                    assert [(event.type, event.path) for event in once] == [(EventType.CHANGED, "/w")]
                    await writer.set("/w", b"again")
                    assert (await anext(events)).type is EventType.CHANGED
                    assert watcher.session == session
                await writer.close()

    run(main())


def test_a_client_waits_for_a_quorum_and_goes_on(tmp_path: Path) -> None:
    async def main() -> None:
        async with trio(tmp_path) as nodes:
            leader = await nodes.leader()
            others = [node for node in (1, 2, 3) if node != leader]
            async with Client(hosts(nodes), timeout=30) as zk:
                await zk.create("/a")
                for node in others:
                    await nodes.stop(node)
                writing = asyncio.create_task(zk.set("/a", b"1"))
                await asyncio.sleep(1)
                assert not writing.done()
                await nodes.start(others[0])
                assert (await writing).version == 1
                assert (await zk.get("/a", consistency="linearizable"))[0] == b"1"

    run(main())
