"""Unary calls, health and reflection on real gRPC, in front of the real brain."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests.doors.rig import Rig
from zooweeper.doors.identify import identify
from zooweeper.doors.unary import STATUS_CODES
from zooweeper.model.errors import AuthFailed, ZkError
from zooweeper.model.limits import DATA_BYTES_MAX
from zooweeper.pb import client_pb2 as pb
from zooweeper.pb.client_pb2_grpc import ZooweeperStub
from zooweeper.replica.replica import Replica


@asynccontextmanager
async def stub_to(address: str) -> AsyncIterator[Any]:
    async with grpc.aio.insecure_channel(address) as channel:
        yield ZooweeperStub(channel)


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


async def status_of(call: Any) -> tuple[grpc.StatusCode, str]:
    """The code and the name of the error that a call ends with."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async with asyncio.timeout(10):
            await call
    names = dict(caught.value.trailing_metadata() or ())
    return caught.value.code(), str(names.get("zooweeper-error", ""))


def test_a_znode_is_made_read_changed_and_deleted() -> None:
    async def main() -> None:
        async with Rig() as rig, stub_to(rig.address) as stub:
            made = await stub.Create(pb.CreateRequest(path="/a", data=b"1"))
            assert made.path == "/a" and made.stat.data_length == 1
            numbered = await stub.Create(pb.CreateRequest(path="/a/n-", sequential=True))
            assert numbered.path == "/a/n-0000000000"
            changed = await stub.SetData(pb.SetDataRequest(path="/a", data=b"22", version=0))
            assert changed.stat.version == 1
            for linear in (False, True):
                read = await stub.GetData(pb.GetDataRequest(path="/a", linear=linear))
                assert (read.data, read.stat.version, read.stale) == (b"22", 1, False)
                assert (await stub.Exists(pb.ExistsRequest(path="/a", linear=linear))).exists
            assert list((await stub.GetChildren(pb.GetChildrenRequest(path="/a"))).children) == ["n-0000000000"]
            await stub.Delete(pb.DeleteRequest(path="/a/n-0000000000", version=0))
            await stub.Delete(pb.DeleteRequest(path="/a"))
            assert not (await stub.Exists(pb.ExistsRequest(path="/a"))).exists
            assert (await stub.Sync(pb.SyncRequest(path="/"))).zxid == rig.node.status().applied

    run(main())


def test_an_error_is_a_status_with_its_name() -> None:
    async def main() -> None:
        async with Rig() as rig, stub_to(rig.address) as stub:
            await stub.Create(pb.CreateRequest(path="/a"))
            await stub.Create(pb.CreateRequest(path="/a/b"))
            assert await status_of(stub.GetData(pb.GetDataRequest(path="/no"))) == (
                grpc.StatusCode.NOT_FOUND, "NoNode")  # fmt: skip
            assert await status_of(stub.Create(pb.CreateRequest(path="/a"))) == (
                grpc.StatusCode.ALREADY_EXISTS, "NodeExists")  # fmt: skip
            assert await status_of(stub.SetData(pb.SetDataRequest(path="/a", version=7))) == (
                grpc.StatusCode.FAILED_PRECONDITION, "BadVersion")  # fmt: skip
            assert await status_of(stub.Delete(pb.DeleteRequest(path="/a"))) == (
                grpc.StatusCode.FAILED_PRECONDITION, "NotEmpty")  # fmt: skip
            assert await status_of(stub.Create(pb.CreateRequest(path="noslash"))) == (
                grpc.StatusCode.INVALID_ARGUMENT, "BadArguments")  # fmt: skip
            assert await status_of(stub.SetData(pb.SetDataRequest(path="/a", data=bytes(DATA_BYTES_MAX + 1)))) == (
                grpc.StatusCode.INVALID_ARGUMENT, "TooLarge")  # fmt: skip

    run(main())


def test_without_a_quorum_calls_fail_at_once_and_status_answers() -> None:
    async def main() -> None:
        async with Rig(members=3) as rig, stub_to(rig.address) as stub:
            unavailable = (grpc.StatusCode.UNAVAILABLE, "NoQuorum")
            assert await status_of(stub.Create(pb.CreateRequest(path="/a"))) == unavailable
            assert await status_of(stub.GetData(pb.GetDataRequest(path="/", linear=True))) == unavailable
            assert (await stub.GetData(pb.GetDataRequest(path="/"))).stale, "a read goes on, and says that it is stale"
            status = await stub.Status(pb.StatusRequest())
            assert (status.role, status.quorum, status.id) == ("looking", False, 1)

    run(main())


def test_status_says_who_the_node_is() -> None:
    async def main() -> None:
        async with Rig() as rig, stub_to(rig.address) as stub:
            await stub.Create(pb.CreateRequest(path="/a"))
            status = await stub.Status(pb.StatusRequest())
            assert (status.id, status.role, status.quorum, status.cluster) == (1, "leader", True, "test")
            assert (status.grpc, status.version, status.sessions) == (rig.address, "1.2.3", 1)
            assert status.applied == status.zxid == rig.node.status().applied
            assert status.digest == rig.node.status().digest and status.pid

    run(main())


def test_the_session_of_the_calls_is_opened_anew_when_it_was_lost() -> None:
    async def main() -> None:
        async with Rig() as rig, stub_to(rig.address) as stub:
            await stub.Create(pb.CreateRequest(path="/a"))
            connection = rig.door._unary.caller._connection
            rig.node.disconnect(connection)  # as if the brain had hung up
            rig.door._unary.caller._connection = 0
            await stub.Create(pb.CreateRequest(path="/b"))
            assert rig.door._unary.caller._connection != connection

    run(main())


def test_bytes_that_are_no_request_are_an_invalid_argument() -> None:
    async def main() -> None:
        async with Rig() as rig, grpc.aio.insecure_channel(rig.address) as channel:
            call: Any = channel.unary_unary("/zooweeper.v1.Zooweeper/Create")
            assert await status_of(call(b"\xff\xff")) == (grpc.StatusCode.INVALID_ARGUMENT, "MarshallingError")
            unknown: Any = channel.unary_unary("/zooweeper.v1.Zooweeper/Nothing")
            assert (await status_of(unknown(b"")))[0] is grpc.StatusCode.UNIMPLEMENTED
            too_large: Any = channel.unary_unary("/zooweeper.v1.Zooweeper/Create")
            assert (await status_of(too_large(bytes(5 << 20))))[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
            stub: Any = ZooweeperStub(channel)
            assert (await stub.Status(pb.StatusRequest())).id == 1

    run(main())


def test_a_deadline_is_honoured() -> None:
    async def main() -> None:
        async with Rig() as rig, stub_to(rig.address) as stub:
            rig.node.disk = NeverDone()  # so that no write is ever committed
            code, _ = await status_of(stub.Create(pb.CreateRequest(path="/a"), timeout=0.2))
            assert code is grpc.StatusCode.DEADLINE_EXCEEDED
            async with asyncio.timeout(5):
                while rig.door._unary.caller._waiting:
                    await asyncio.sleep(0.01)

    run(main())


def test_without_a_quorum_no_call_waits_behind_a_write_that_was_taken_before() -> None:
    async def main() -> None:
        async with Rig() as rig, stub_to(rig.address) as stub:
            await stub.Create(pb.CreateRequest(path="/a"))
            rig.node.disk = NeverDone()
            code, _ = await status_of(stub.SetData(pb.SetDataRequest(path="/a"), timeout=0.2))
            assert code is grpc.StatusCode.DEADLINE_EXCEEDED
            assert isinstance(rig.node.brain, Replica)
            rig.node.brain.zab.connected_quorum = False
            refused = await status_of(stub.SetData(pb.SetDataRequest(path="/a"), timeout=5))
            assert refused == (grpc.StatusCode.UNAVAILABLE, "NoQuorum")

    run(main())


class NeverDone:
    def submit(self, records: Any, token: Any) -> None:
        """It takes for ever."""


def test_every_error_has_a_status_code() -> None:
    unnamed = {cls.__name__ for cls in ZkError._classes.values()} - set(STATUS_CODES)
    assert unnamed == {"UnknownError", "RuntimeInconsistency", "DataInconsistency", "UnknownSession",
                       "NewConfigNoQuorum", "ReconfigInProgress", "NotReadOnly", "NoWatcher", "ReconfigDisabled",
                       "NumberGap", "ResultForgotten", "TooManyNodes"}  # fmt: skip


@pytest.mark.parametrize(
    ("members", "serving", "leader"), [(1, "SERVING", "SERVING"), (3, "NOT_SERVING", "NOT_SERVING")]
)
def test_health_follows_the_quorum_and_the_leader(members: int, serving: str, leader: str) -> None:
    async def main() -> None:
        async with Rig(members) as rig, grpc.aio.insecure_channel(rig.address) as channel:
            stub: Any = health_pb2_grpc.HealthStub(channel)

            async def ask(service: str) -> str:
                reply = await stub.Check(health_pb2.HealthCheckRequest(service=service))
                return str(health_pb2.HealthCheckResponse.ServingStatus.Name(reply.status))

            async with asyncio.timeout(5):
                while await ask("") != serving:
                    await asyncio.sleep(0.01)
            assert [await ask(name) for name in ("zooweeper.v1", "zooweeper.v1.Zooweeper")] == [serving, serving]
            assert await ask("leader") == leader

    run(main())


def test_reflection_lists_the_services() -> None:
    async def main() -> None:
        async with Rig() as rig, grpc.aio.insecure_channel(rig.address) as channel:
            asynchronous: Any = channel
            stub: Any = reflection_pb2_grpc.ServerReflectionStub(asynchronous)
            request = reflection_pb2.ServerReflectionRequest(list_services="")
            reply = await anext(aiter(stub.ServerReflectionInfo(iter([request]))))
            names = [service.name for service in reply.list_services_response.service]
            assert "zooweeper.v1.Zooweeper" in names and "grpc.health.v1.Health" in names

    run(main())


def test_a_digest_credential_becomes_the_id_that_acls_hold() -> None:
    # The pair of ZooKeeper's documentation: super:D/InIHSb7yEEbrWz8b9l71RjZJU= is of the password `test`.
    assert identify("digest", b"super:test", "") == ("digest", "super:D/InIHSb7yEEbrWz8b9l71RjZJU=")
    assert identify("digest", b"super:test", "super:D/InIHSb7yEEbrWz8b9l71RjZJU=") == ("super", "")
    assert str(identify("digest", b"a:b:c", "").id).startswith("a:")
    assert identify("digest", b"a:", "") == ("digest", "a:faqErSBWcv9/lZW1ERCcDsnNQLg="), "an empty password"


@pytest.mark.parametrize(
    ("scheme", "credential"),
    [("", b"a:b"), ("super", b"a:b"), ("world", b"anyone"), ("ip", b"127.0.0.1"), ("digest", b""),
     ("digest", b":x"), ("digest", b"x"), ("digest", b"\xff:x")],
)  # fmt: skip
def test_any_other_credential_is_refused_with_one_answer(scheme: str, credential: bytes) -> None:
    with pytest.raises(AuthFailed) as caught:
        identify(scheme, credential, "")
    assert str(caught.value) == "AuthFailed: the credential was refused"
