"""Broken and hostile clients get a typed error or a closed stream; the node stays up and serves the others."""

from collections.abc import Iterator
from functools import partial

import grpc
import pytest
from zooweeper_client import Client

from bench.rig import resident_bytes
from tests.cluster.raw import PEERS, RawSession, ending
from zooweeper.cli.ensemble import Ensemble
from zooweeper.model.errors import BadArguments, BadVersion, ErrorCode, SessionExpired, TooLarge, ZkError
from zooweeper.model.limits import DATA_BYTES_MAX, PATH_BYTES_MAX
from zooweeper.pb.client_pb2 import ClientMessage, CreateRequest, GetDataRequest, Request
from zooweeper.pb.client_pb2_grpc import ZooweeperStub

GARBAGE = [b"\xff" * 64, b"\x0a\xff\xff\xff\xff\x07", b"GET / HTTP/1.1\r\n\r\n", bytes(range(256)) * 16]


@pytest.fixture
def address(three: Ensemble) -> str:
    """Any node; it must be the same process, serving, when the test is over."""
    return str(three.member(1).grpc)


@pytest.fixture(autouse=True)
def nobody_died(three: Ensemble) -> Iterator[None]:
    before = {node: three.pid(node) for node in three.ids}
    yield
    three.wait_healthy()
    assert {node: three.pid(node) for node in three.ids} == before
    for node in three.ids:
        assert "Traceback" not in three.log_path(node).read_text()


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
def test_malformed_protobuf_on_the_client_port(address: str, garbage: bytes) -> None:
    with RawSession(address) as raw:
        raw.send(garbage)
        last = ending(raw)
    assert last is None or last.failure.error == ErrorCode.MARSHALLING_ERROR


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
def test_malformed_protobuf_on_the_peer_port(three: Ensemble, garbage: bytes) -> None:
    for member in three.members:
        with RawSession(str(member.peer), PEERS) as raw:
            raw.send(garbage)
            with pytest.raises((grpc.RpcError, StopIteration)):
                while True:
                    next(raw._incoming)


def test_garbage_after_a_welcome_ends_that_stream_only(address: str) -> None:
    with RawSession(address) as other, RawSession(address) as raw:
        assert other.hello().HasField("welcome")
        assert raw.hello().HasField("welcome")
        raw.send(GARBAGE[0])
        last = ending(raw)
        assert last is None or last.failure.error == ErrorCode.MARSHALLING_ERROR
        other.send(ClientMessage(ping=True))
        assert next(other.messages()).pong


def test_requests_before_hello(address: str) -> None:
    with RawSession(address) as raw:
        raw.send(ClientMessage(requests=[Request(xid=1, code=4)]))
        last = ending(raw)
    assert last is not None and last.failure.error != ErrorCode.OK


def test_unknown_version_of_the_protocol(address: str) -> None:
    with RawSession(address) as raw:
        answer = raw.hello(version=99)
    assert answer.failure.error != ErrorCode.OK and answer.failure.detail


def test_wrong_secret(address: str) -> None:
    with RawSession(address) as raw:
        welcome = raw.hello().welcome
        with RawSession(address) as thief:
            answer = thief.hello(welcome.session, b"\0" * len(welcome.secret))
            assert answer.failure.error == SessionExpired.code
        raw.send(ClientMessage(ping=True))
        assert next(raw.messages()).pong


def test_unknown_session(address: str) -> None:
    with RawSession(address) as raw:
        assert raw.hello(123456789, b"x" * 16).failure.error == SessionExpired.code


@pytest.mark.parametrize("code", [-10, -12, -1, 0, 20, 77, 9999])
def test_operation_that_is_not_for_clients(address: str, code: int) -> None:
    with RawSession(address) as raw:
        raw.hello()
        assert raw.ask(code, b"").error == ErrorCode.UNIMPLEMENTED


@pytest.mark.parametrize("code", [1, 2, 3, 4, 5, 8, 14, 106])
@pytest.mark.parametrize("body", [b"", b"\x7f\xff\xff\xff", b"\x00\x00\x00\x05ab"], ids=["empty", "negative", "short"])
def test_bodies_that_are_no_records(address: str, code: int, body: bytes) -> None:
    with RawSession(address) as raw:
        raw.hello()
        assert raw.ask(code, body).error in (ErrorCode.MARSHALLING_ERROR, ErrorCode.BAD_ARGUMENTS)


@pytest.mark.parametrize(
    "path", ["", "a", "/a/", "//", "/a//b", "/.", "/a/../b", "/a\0b", "/\x01", "/" + "x" * PATH_BYTES_MAX]
)
def test_invalid_paths(address: str, path: str) -> None:
    with grpc.insecure_channel(address) as channel:
        stub = ZooweeperStub(channel)
        # As in ZooKeeper, a missing parent is found first, and nothing is read under a path that cannot be.
        expected = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND)
        calls = (partial(stub.Create, CreateRequest(path=path)), partial(stub.GetData, GetDataRequest(path=path)))
        for call in calls:
            with pytest.raises(grpc.RpcError) as caught:
                call(timeout=20)
            assert caught.value.code() in expected, caught.value
            assert caught.value.details()


def test_oversized_data(address: str) -> None:
    with Client(address) as client:
        with pytest.raises(TooLarge):
            client.create("/large", b"x" * (DATA_BYTES_MAX + 1))
        assert client.exists("/large") is None
        client.create("/large", b"x" * DATA_BYTES_MAX)
        assert client.get("/large")[0] == b"x" * DATA_BYTES_MAX


def test_message_larger_than_any_limit(address: str) -> None:
    with RawSession(address) as raw:
        raw.hello()
        raw.send(b"\x12" + bytes(64 << 20))
        ending(raw)


def test_conflicting_versions_and_arguments(address: str) -> None:
    with Client(address) as client:
        client.create("/versions", b"")
        client.set("/versions", b"1", version=0)
        with pytest.raises(BadVersion):
            client.set("/versions", b"2", version=0)
        with pytest.raises(BadVersion):
            client.delete("/versions", version=7)
        with pytest.raises((BadArguments, ValueError)):
            client.create("no-slash", b"")
        with pytest.raises(ZkError):
            client.delete("/zookeeper")


def test_client_that_does_not_read_its_answers(three: Ensemble, address: str) -> None:
    """It may ask for gigabytes; the node neither stores them nor keeps others waiting."""
    pid = three.pid(1)
    assert pid is not None
    with Client(address) as client:
        client.create("/heavy", b"x" * 900_000)
        request = Request(code=4, body=b"\0\0\0\6/heavy\0")
        with RawSession(address) as raw:
            raw.hello()
            for start in range(0, 2000, 100):
                requests = [Request(xid=1 + start + i, code=4, body=request.body) for i in range(100)]
                raw.send(ClientMessage(requests=requests))
            for _ in range(50):
                client.set("/heavy", b"y" * 900_000)
                assert client.get("/heavy")[0] == b"y" * 900_000
            assert resident_bytes(pid) < 400_000_000
        client.delete("/heavy")
