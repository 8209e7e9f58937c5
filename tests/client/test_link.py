"""The link alone: what it packs, and what it says when there is no server to speak of."""

import asyncio
import socket
import time

import pytest
from zooweeper_client import NO_RETRY
from zooweeper_client.aio import Client, status
from zooweeper_client.aio.link_grpc import packed
from zooweeper_client.aio.status import MemberAddresses
from zooweeper_client.exceptions import AuthFailed, ConnectionLoss, NotConnected
from zooweeper_client.messages import Hello, Ping, Request
from zooweeper_client.options import BadHosts

from tests.doors.rig import Rig
from zooweeper.model.limits import BATCH_BYTES_MAX


def request(size: int, xid: int) -> Request:
    made = Request(5, b"x" * size, numbered=True, deadline_ms=0)
    made.xid, made.number = xid, xid
    return made


def test_what_gathers_travels_in_as_few_messages_as_the_limits_allow() -> None:
    small = [request(10, xid) for xid in range(1, 1000)]
    (message,) = packed([Hello(1, b"s", 5000, 7, 128), *small, Ping()])
    assert message.hello.seen == 7 and message.ping
    assert [one.xid for one in message.requests] == list(range(1, 1000))
    large = [request(400_000, xid) for xid in range(1, 8)]
    messages = list(packed(large))
    assert [one.number for message in messages for one in message.requests] == list(range(1, 8))
    assert len(messages) == 4 and all(message.ByteSize() <= BATCH_BYTES_MAX + 1000 for message in messages)
    (alone,) = packed([request(BATCH_BYTES_MAX + 5, 1)])
    assert len(alone.requests) == 1


def test_nobody_there_is_said_at_once_and_in_one_line() -> None:
    async def main() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            with pytest.raises(NotConnected) as raised:
                await status(address)
            assert "refused" in str(raised.value) and "\n" not in str(raised.value)
            with pytest.raises(NotConnected) as raised:
                await Client(address).start(timeout=2)
            assert address in str(raised.value) and "refused" in str(raised.value)

    asyncio.run(main())


def test_somebody_who_never_answers_does_not_hold_us_up() -> None:
    async def main() -> None:
        with socket.socket() as deaf:
            deaf.bind(("127.0.0.1", 0))
            deaf.listen()
            began = time.monotonic()
            with pytest.raises(NotConnected):
                await Client(f"127.0.0.1:{deaf.getsockname()[1]}").start(timeout=2)
            assert time.monotonic() - began < 3

    asyncio.run(main())


def test_the_client_goes_past_hosts_that_are_down() -> None:
    async def main() -> None:
        async with Rig() as rig:
            async with Client(f"127.0.0.1:1,127.0.0.1:2,{rig.address}", randomize_hosts=False) as zk:
                assert await zk.get_children("/") == ["zookeeper"]

    asyncio.run(main())


def test_a_door_that_closes_and_opens_again_is_not_noticed_by_calls() -> None:
    async def main() -> None:
        async with Rig() as rig:
            async with Client(rig.address) as zk, Client(rig.address, retry=NO_RETRY) as hasty:
                session = zk.session
                await zk.create("/a", ephemeral=True)
                calls = [asyncio.create_task(zk.set("/a", b"%d" % at)) for at in range(300)]
                await asyncio.sleep(0)
                await rig.door.close()
                with pytest.raises((NotConnected, ConnectionLoss)):
                    await hasty.set("/a", b"")
                rig.door = type(rig.door)(rig.node, rig.config, "1.2.3")
                await rig.door.start()
                assert [(await call).version for call in calls] == list(range(1, 301))
                assert zk.session == session

    asyncio.run(main())


def test_a_wrong_password_of_a_bad_scheme_is_refused_at_the_start() -> None:
    async def main() -> None:
        async with Rig() as rig:
            with pytest.raises(AuthFailed):
                await Client(rig.address, auth=[("nonsense", "x")]).start(timeout=5)
            async with Client(rig.address) as zk:
                with pytest.raises(AuthFailed):
                    await zk.add_auth("nonsense", "x")
                assert await zk.exists("/") is not None

    asyncio.run(main())


def test_a_node_says_what_it_is() -> None:
    async def main() -> None:
        async with Rig() as rig:
            said = await status(rig.address)
            assert (said.id, said.role, said.quorum) == (1, "leader", True)
            assert said.grpc == rig.address
            me = rig.config.me
            assert said.members == (MemberAddresses(1, rig.address, str(me.wire), str(me.admin), str(me.peer), False),)
            async with Client(rig.address) as zk:
                assert said.config_version == (await zk.get_config())[1].mzxid > 0
            with pytest.raises(BadHosts):
                await status(f"{rig.address},{rig.address}")

    asyncio.run(main())


def test_a_cancelled_call_harms_nobody() -> None:
    async def main() -> None:
        async with Rig() as rig, Client(rig.address) as zk:
            await zk.create("/a")
            for at in range(50):
                call = asyncio.create_task(zk.set("/a", b"%d" % at))
                if at % 3:
                    await asyncio.sleep(0)
                call.cancel()
            assert (await zk.set("/a", b"end")).version >= 1
            assert (await zk.get("/a"))[0] == b"end"

    asyncio.run(main())
