"""The gRPC port's sockets and its timer, the services that tools expect, and clients that do not take what they get."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, cast

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

from tests.doors.rig import Rig, free_address, talk
from zooweeper.doors import grpc_client, grpc_port
from zooweeper.doors.grpc_client import SessionStream
from zooweeper.doors.grpc_port import ANSWER_S, HELLO_S, SILENT_S, GrpcPort, PortTaken
from zooweeper.http2.connection import ENHANCE_YOUR_CALM, GREETING, PREFACE
from zooweeper.http2.stream import GOAWAY, PING, SETTINGS, Stream, frame
from zooweeper.model.errors import ErrorCode
from zooweeper.replica.outbox import Answer, Notice
from zooweeper.runtime.gateway import Gateway

HELLO = PREFACE + frame(SETTINGS, 0, 0, b"")
SETTINGS_ACK = frame(SETTINGS, 1, 0, b"")


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


def new_port() -> GrpcPort:
    """One that knows no methods."""
    return GrpcPort(lambda path, stream: None, asyncio.get_running_loop().call_soon)


@asynccontextmanager
async def port_and_client() -> AsyncIterator[tuple[GrpcPort, asyncio.StreamReader, asyncio.StreamWriter]]:
    """A port that knows no methods, and a bare connection to it that has its greeting."""
    port, address = new_port(), free_address()
    await port.start(address)
    reader, writer = await asyncio.open_connection(address.host, address.port)
    async with asyncio.timeout(10):
        assert await reader.readexactly(len(GREETING)) == GREETING
        yield port, reader, writer
    writer.close()
    port.close()


def later(port: GrpcPort, seconds: float) -> None:
    """The timer strikes when so much time has passed."""
    assert port._timer is not None
    port._timer.cancel()
    now = port.now() + seconds
    port.now = lambda: now
    port._sweep()


def test_a_connection_that_says_nothing_is_cut_off() -> None:
    async def main() -> None:
        async with port_and_client() as (port, reader, _):
            later(port, HELLO_S - 1)
            assert len(port._links) == 1
            later(port, 2)
            assert await reader.read() == b""

    run(main())


def test_a_silent_client_is_asked_for_a_sign_of_life_and_cut_off_without_one() -> None:
    async def main() -> None:
        async with port_and_client() as (port, reader, writer):
            writer.write(HELLO)
            assert await reader.readexactly(len(SETTINGS_ACK)) == SETTINGS_ACK
            ping = frame(PING, 0, 0, bytes(8))
            for _ in range(2):
                later(port, SILENT_S + 1)
                assert await reader.readexactly(len(ping)) == ping
                writer.write(frame(PING, 1, 0, bytes(8)))
                (link,) = port._links
                while link._asked:
                    await asyncio.sleep(0)
            later(port, SILENT_S + 1)
            assert await reader.readexactly(len(ping)) == ping
            later(port, ANSWER_S)
            assert await reader.read() == b""

    run(main())


def test_a_port_that_closes_says_so() -> None:
    async def main() -> None:
        async with port_and_client() as (port, reader, writer):
            writer.write(HELLO)
            await reader.readexactly(len(SETTINGS_ACK))
            port.close()
            assert (await reader.read())[3] == GOAWAY

    run(main())


def test_a_port_that_is_taken_is_told() -> None:
    async def main() -> None:
        async with Rig() as rig:
            with pytest.raises(PortTaken, match=rig.address):
                await new_port().start(rig.config.me.grpc)

    run(main())


def test_connections_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grpc_port, "CONNECTIONS_MAX", 1)

    async def main() -> None:
        async with port_and_client() as (port, _, writer):
            peer = writer.get_extra_info("peername")
            reader, second = await asyncio.open_connection(*peer)
            try:
                said = await reader.read()
            except ConnectionError:  # a reset; or an end
                said = b""
            assert said == b"", "not even a greeting"
            second.close()
            assert len(port._links) == 1

    run(main())


def test_a_stream_that_does_not_say_hello_ends_with_the_reason() -> None:
    async def main() -> None:
        async with Rig() as rig, talk(rig.address) as one:
            port = rig.door._port
            assert port is not None
            await one.call.wait_for_connection()
            async with asyncio.timeout(10):
                while not port._fresh:
                    await asyncio.sleep(0.001)
            later(port, HELLO_S + 1)
            failure = await one.failure()
            assert (failure.error, failure.detail) == (ErrorCode.BAD_ARGUMENTS, "no hello in time")

    run(main())


@pytest.mark.parametrize("item", [Answer(1, 1, 1, 0, bytes(600_000)), Notice((1,), 1, 3, "/" + "x" * 4000)])
def test_a_client_that_takes_nothing_is_dropped_with_all_that_waits_for_it(
    item: Answer | Notice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its windows stay shut: what is queued for it is bounded."""
    monkeypatch.setattr(grpc_client, "OUTPUT_BYTES_MAX", 3_000_000)

    class Node:
        gone = 0

        def disconnect(self, connection: int) -> None:
            self.gone += 1

    class Shut:
        peer, queued, most, reason = "127.0.0.1", 0, 0, 0

        def send(self, message: bytes) -> None:
            self.queued += len(message)
            self.most = max(self.most, self.queued)

        def reset(self, code: int) -> None:
            self.queued, self.reason = 0, code
            session.gone()

        def finish(self) -> None:
            """It has ended before."""

    node, stream = Node(), Shut()
    woken: list[SessionStream] = []
    session = SessionStream(cast(Gateway, node), cast(Stream, stream), 1, "", woken.append)
    for xid in range(2000):
        session._asked.append(0)
        session.deliver(item)
        if xid % 50 == 0:
            while woken:
                woken.pop().flush()
    assert stream.reason == ENHANCE_YOUR_CALM and node.gone == 1 and stream.queued == 0
    assert 3_000_000 < stream.most < 5_000_000


def test_health_can_be_watched() -> None:
    async def main() -> None:
        async with Rig() as rig, grpc.aio.insecure_channel(rig.address) as channel:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            states = health_pb2.HealthCheckResponse
            watched = stub.Watch(health_pb2.HealthCheckRequest(service="leader"))
            async with asyncio.timeout(10):
                told = (await watched.read()).status
                while told != states.SERVING:
                    told = (await watched.read()).status
                rig.door._health.set("leader", False)
                assert (await watched.read()).status == states.NOT_SERVING
                watched.cancel()
                while rig.door._health._watchers:
                    await asyncio.sleep(0.001)
            nobody = stub.Watch(health_pb2.HealthCheckRequest(service="nobody"))
            assert (await nobody.read()).status == states.SERVICE_UNKNOWN
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.Check(health_pb2.HealthCheckRequest(service="nobody"))
            assert caught.value.code() is grpc.StatusCode.NOT_FOUND

    run(main())


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_reflection_answers_each_question_with_a_file(version: str) -> None:
    async def main() -> None:
        async with Rig() as rig, grpc.aio.insecure_channel(rig.address) as channel:
            path = f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"
            call: Any = channel.stream_stream(path)()
            for _ in range(2):
                request = reflection_pb2.ServerReflectionRequest(file_containing_symbol="zooweeper.v1.Zooweeper")
                await call.write(request.SerializeToString())
                reply = reflection_pb2.ServerReflectionResponse.FromString(await call.read())
                assert b"client.proto" in reply.file_descriptor_response.file_descriptor_proto[0]
            await call.done_writing()
            assert await call.read() is grpc.aio.EOF and await call.code() is grpc.StatusCode.OK
            broken: Any = channel.stream_stream(path)()
            await broken.write(b"\xff\xff")
            assert await broken.code() is grpc.StatusCode.INVALID_ARGUMENT

    run(main())
