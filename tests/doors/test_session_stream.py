"""The Session stream on real gRPC, in front of the real brain."""

import asyncio
import base64
import hashlib
from collections.abc import Coroutine
from typing import Any, cast

import grpc
import pytest

from tests.doors.rig import Rig, talk
from zooweeper.doors.grpc_client import SessionStream
from zooweeper.http2.stream import Stream
from zooweeper.model.acl import OPEN, Acl, Id
from zooweeper.model.errors import ErrorCode
from zooweeper.model.limits import ASKED_BYTES_MAX, FRAME_BYTES_MAX, PENDING_REQUESTS_MAX
from zooweeper.ops.create import EPHEMERAL, Create
from zooweeper.ops.data import GetData, SetAcl, SetData
from zooweeper.ops.read import Exists, GetChildren2, WhoAmI
from zooweeper.ops.session import AddIdentity, Auth, CloseSession, Sasl
from zooweeper.pb import client_pb2 as pb
from zooweeper.replica.events import Asks, Connect, Heard
from zooweeper.replica.outbox import Answer
from zooweeper.runtime.gateway import Gateway


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


def create(path: str, data: bytes = b"", flags: int = 0, xid: int = 1, number: int = 0) -> pb.Request:
    return pb.Request(xid=xid, code=Create.code, number=number,
                      body=Create.Request(path, data, list(OPEN), flags).encode())  # fmt: skip


def get(path: str, xid: int, watch: bool = False) -> pb.Request:
    return pb.Request(xid=xid, code=GetData.code, body=GetData.Request(path, watch).encode())


def test_many_requests_in_one_message_are_answered_in_order() -> None:
    async def main() -> None:
        async with Rig() as rig, talk(rig.address) as one:
            welcome = await one.hello(results=10)
            assert welcome.session and len(welcome.secret) == 16 and welcome.node == 1 and welcome.timeout_ms == 5000
            requests = [create("/a", b"x", xid=1), get("/a", 2), get("/none", 3), create("/a", xid=4), get("/a", 5)]
            await one.say(requests=requests)
            items = await one.items(5)
            assert [item.xid for item in items] == [1, 2, 3, 4, 5]
            assert [item.error for item in items] == [0, 0, ErrorCode.NO_NODE, ErrorCode.NODE_EXISTS, 0]
            assert GetData.Result.decode(items[1].body).data == b"x"
            assert items[0].zxid <= items[1].zxid <= items[4].zxid

    run(main())


def test_requests_in_the_first_message_wait_for_the_welcome() -> None:
    async def main() -> None:
        async with Rig() as rig, talk(rig.address) as one:
            await one.say(hello=pb.Hello(version=1, timeout_ms=5000), requests=[create("/a")])
            seen: list[str] = []
            while "items" not in seen:
                message = await one.hear()
                seen += [field.name for field, _ in message.ListFields()]
            assert sorted(seen) == ["items", "welcome"] and seen.index("welcome") < seen.index("items")
            assert message.items[0].error == 0

    run(main())


def test_a_ping_is_answered() -> None:
    async def main() -> None:
        async with Rig() as rig, talk(rig.address) as one:
            await one.hello()
            await one.say(ping=True)
            assert (await one.hear()).pong

    run(main())


def test_an_event_stands_before_the_answer_that_shows_the_new_state() -> None:
    async def main() -> None:
        async with Rig() as rig, talk(rig.address) as one, talk(rig.address) as two:
            await one.hello()
            await two.hello()
            await one.say(requests=[create("/a", xid=1), get("/a", 2, watch=True)])
            await one.items(2)
            body = SetData.Request("/a", b"new").encode()
            await one.say(requests=[pb.Request(xid=3, code=SetData.code, body=body), get("/a", 4)])
            event, answer, read = await one.items(3)
            assert (event.xid, event.event, event.path) == (0, 3, "/a")
            assert answer.xid == 3 and GetData.Result.decode(read.body).data == b"new"

    run(main())


def test_a_session_goes_on_on_another_stream_and_its_ephemerals_live() -> None:
    async def main() -> None:
        async with Rig() as rig:
            async with talk(rig.address) as one:
                welcome = await one.hello(results=8)
                await one.say(requests=[create("/e", flags=EPHEMERAL, number=1)])
                await one.items(1)
            async with talk(rig.address) as two:
                again = await two.hello(session=welcome.session, secret=welcome.secret, seen=welcome.zxid, results=8)
                assert (again.session, again.number) == (welcome.session, 1)
                # a repeated write is answered from memory, not executed again
                await two.say(requests=[create("/e", flags=EPHEMERAL, number=1), get("/e", 2)])
                first, second = await two.items(2)
                assert (first.error, second.error) == (0, 0)
                await two.say(requests=[pb.Request(xid=9, code=CloseSession.code)])
                (closed,) = await two.items(1)
                assert (closed.xid, closed.error) == (9, 0)
            async with talk(rig.address) as three:
                await three.hello()
                await three.say(requests=[get("/e", 1)])
                assert (await three.items(1))[0].error == ErrorCode.NO_NODE

    run(main())


def test_a_wrong_secret_is_refused_and_changes_nothing() -> None:
    async def main() -> None:
        async with Rig() as rig, talk(rig.address) as one, talk(rig.address) as thief:
            welcome = await one.hello()
            await thief.say(hello=pb.Hello(version=1, timeout_ms=5000, session=welcome.session, secret=bytes(16)))
            assert (await thief.failure()).error == ErrorCode.SESSION_EXPIRED
            await one.say(requests=[create("/a")])
            assert (await one.items(1))[0].error == 0

    run(main())


def test_an_attach_elsewhere_ends_the_old_stream() -> None:
    async def main() -> None:
        async with Rig() as rig, talk(rig.address) as one, talk(rig.address) as two:
            welcome = await one.hello()
            await two.hello(session=welcome.session, secret=welcome.secret)
            assert (await one.failure()).error == ErrorCode.SESSION_MOVED

    run(main())


DIGEST = "digest", b"ann:secret"


def auth(scheme: str, credential: bytes, number: int = 0) -> pb.Request:
    return pb.Request(xid=-4, code=Auth.code, number=number, body=Auth.Request(0, scheme, credential).encode())


def test_a_credential_becomes_an_identity() -> None:
    async def main() -> None:
        async with Rig() as rig, talk(rig.address) as ann, talk(rig.address) as bob:
            await ann.hello(results=5)
            await bob.hello()
            body = SetAcl.Request("/a", [Acl(31, Id("auth", ""))], -1).encode()
            requests = [auth(*DIGEST, number=1), create("/a", b"mine", number=2),
                        pb.Request(xid=2, code=SetAcl.code, number=3, body=body)]  # fmt: skip
            await ann.say(requests=requests)
            assert [item.error for item in await ann.items(3)] == [0, 0, 0]
            await bob.say(requests=[get("/a", 1)])
            assert (await bob.items(1))[0].error == ErrorCode.NO_AUTH
            await bob.say(requests=[auth(*DIGEST), get("/a", 2)])
            assert [item.error for item in await bob.items(2)] == [0, 0]
            await bob.say(requests=[pb.Request(xid=3, code=WhoAmI.code)])
            assert b"ann" in (await bob.items(1))[0].body

    run(main())


def test_the_super_user_passes_every_acl() -> None:
    digest = "super:" + base64.b64encode(hashlib.sha1(b"super:pw").digest()).decode()

    async def main() -> None:
        async with Rig(super_digest=digest) as rig, talk(rig.address) as ann, talk(rig.address) as root:
            await ann.hello()
            await root.hello()
            closed = SetAcl.Request("/a", [Acl(31, Id("auth", ""))], -1).encode()
            await ann.say(requests=[auth(*DIGEST), create("/a"), pb.Request(xid=2, code=SetAcl.code, body=closed)])
            assert [item.error for item in await ann.items(3)] == [0, 0, 0]
            await root.say(requests=[auth("digest", b"super:pw"), get("/a", 1)])
            assert [item.error for item in await root.items(2)] == [0, 0]

    run(main())


@pytest.mark.parametrize(("scheme", "credential"), [("magic", b"a:b"), ("digest", b"nocolon"), ("digest", b"\xff:x")])
def test_a_bad_credential_ends_the_stream(scheme: str, credential: bytes) -> None:
    async def main() -> None:
        async with Rig() as rig, talk(rig.address) as one:
            await one.hello()
            await one.say(requests=[auth(scheme, credential)])
            failure = await one.failure()
            assert failure.error == ErrorCode.AUTH_FAILED and "nocolon" not in failure.detail

    run(main())


@pytest.mark.parametrize("code", [AddIdentity.code, Sasl.code, -10, -12, 9999, 0, 13])
def test_what_is_not_for_clients_is_unimplemented_and_the_stream_goes_on(code: int) -> None:
    body = AddIdentity.Request("super", "").encode()

    async def main() -> None:
        async with Rig() as rig, talk(rig.address) as one:
            await one.hello()
            await one.say(requests=[pb.Request(xid=1, code=code, body=body), create("/a", xid=2)])
            first, second = await one.items(2)
            assert (first.xid, first.error, second.error) == (1, ErrorCode.UNIMPLEMENTED, 0)

    run(main())


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\xff\xff\xff", ErrorCode.MARSHALLING_ERROR),
        (pb.ClientMessage(ping=True).SerializeToString(), ErrorCode.BAD_ARGUMENTS),
        (pb.ClientMessage(hello=pb.Hello(version=7)).SerializeToString(), ErrorCode.BAD_ARGUMENTS),
        (pb.ClientMessage(hello=pb.Hello(version=1, session=-1)).SerializeToString(), ErrorCode.BAD_ARGUMENTS),
        (pb.ClientMessage(hello=pb.Hello(version=1, secret=bytes(65))).SerializeToString(), ErrorCode.BAD_ARGUMENTS),
    ],
    ids=["garbage", "no hello", "version", "session", "secret"],
)
def test_a_first_message_that_makes_no_sense_is_one_failure(data: bytes, code: int) -> None:
    async def main() -> None:
        async with Rig() as rig, talk(rig.address) as one:
            await one.call.write(data)
            assert (await one.failure()).error == code

    run(main())


@pytest.mark.parametrize("data", [b"\xff\xff\xff", pb.ClientMessage(hello=pb.Hello(version=1)).SerializeToString()])
def test_a_later_message_that_makes_no_sense_ends_the_stream_and_keeps_the_session(data: bytes) -> None:
    async def main() -> None:
        async with Rig() as rig:
            async with talk(rig.address) as one:
                welcome = await one.hello()
                await one.call.write(data)
                assert (await one.failure()).error in (ErrorCode.MARSHALLING_ERROR, ErrorCode.BAD_ARGUMENTS)
            async with talk(rig.address) as two:
                assert (await two.hello(session=welcome.session, secret=welcome.secret)).session == welcome.session

    run(main())


def test_bodies_that_are_no_record_and_too_large_ones() -> None:
    async def main() -> None:
        async with Rig() as rig, talk(rig.address) as one:
            await one.hello()
            await one.say(requests=[pb.Request(xid=1, code=SetData.code, body=b"\x00"), create("/b", xid=2)])
            assert [item.error for item in await one.items(2)] == [ErrorCode.MARSHALLING_ERROR, 0]
            await one.say(requests=[pb.Request(xid=3, code=SetData.code, body=bytes(FRAME_BYTES_MAX + 1))])
            assert (await one.failure()).error == ErrorCode.TOO_LARGE

    run(main())


def test_numbers_beyond_every_field_are_typed_errors() -> None:
    async def main() -> None:
        async with Rig() as rig, talk(rig.address) as one:
            await one.hello(results=2**32 - 1, timeout_ms=2**32 - 1)
            await one.say(requests=[create("/a", number=2**64 - 1)])
            assert (await one.items(1))[0].error == ErrorCode.NUMBER_GAP

    run(main())


def test_more_requests_than_may_be_pending_are_all_answered() -> None:
    async def main() -> None:
        async with Rig() as rig, talk(rig.address) as one:
            await one.hello()
            count = PENDING_REQUESTS_MAX + 500
            await one.say(requests=[create("/a")] + [get("/a", 2 + k) for k in range(count)])
            items = await one.items(count + 1)
            assert [item.xid for item in items] == list(range(1, count + 2))
            assert not any(item.error for item in items)

    run(main())


def test_large_answers_come_in_messages_that_gRPC_takes_by_default() -> None:
    async def main() -> None:
        async with Rig() as rig, talk(rig.address) as one:
            await one.hello()
            await one.say(requests=[create("/big", bytes(900_000))])
            await one.items(1)
            await one.say(requests=[get("/big", 2 + k) for k in range(40)])
            items = await one.items(40)
            assert all(len(item.body) > 900_000 for item in items)

    run(main())


def test_a_client_that_says_no_more_still_gets_its_answers() -> None:
    async def main() -> None:
        async with Rig() as rig, talk(rig.address) as one:
            await one.say(hello=pb.Hello(version=1, timeout_ms=5000), requests=[create("/a"), get("/a", 2)])
            await one.call.done_writing()
            seen: list[int] = []
            while (data := await one.call.read()) is not grpc.aio.EOF:
                seen += [item.xid for item in pb.ServerMessage.FromString(data).items]
            assert seen == [1, 2]
            assert await one.call.code() is grpc.StatusCode.OK

    run(main())


def test_without_a_quorum_a_session_is_refused_at_once() -> None:
    async def main() -> None:
        async with Rig(members=3) as rig, talk(rig.address) as one:
            await one.say(hello=pb.Hello(version=1, timeout_ms=5000))
            assert (await one.failure()).error == ErrorCode.NO_QUORUM

    run(main())


def test_streams_that_end_leave_nothing_behind() -> None:
    async def main() -> None:
        async with Rig() as rig:
            for _ in range(20):
                async with talk(rig.address) as one:
                    await one.hello()
                    body = Exists.Request("/x", True).encode()
                    await one.say(requests=[pb.Request(xid=1, code=Exists.code, body=body)])
                    await one.items(1)
            async with asyncio.timeout(10):
                while rig.node.status().connections:
                    await asyncio.sleep(0.01)
            assert rig.node.status().watches == 0
            assert rig.node.status().sessions == 20

    run(main())


def test_children_are_read() -> None:
    async def main() -> None:
        async with Rig() as rig, talk(rig.address) as one:
            await one.hello()
            body = GetChildren2.Request("/", False).encode()
            await one.say(requests=[create("/a", xid=1), create("/b", xid=2),
                                    pb.Request(xid=3, code=GetChildren2.code, body=body)])  # fmt: skip
            *_, children = await one.items(3)
            names = GetChildren2.Result.decode(children.body).children
            assert sorted(map(str, names)) == ["a", "b", "zookeeper"]

    run(main())


def test_with_too_many_bytes_unanswered_nothing_more_is_taken() -> None:
    """A node that answers nothing: what it is asked meanwhile is bounded in bytes, too."""

    class Silent:
        asked = 0

        def register(self, sink: SessionStream) -> int:
            return 1

        def step(self, event: Asks | Connect | Heard) -> None:
            self.asked += len(event.asks) if isinstance(event, Asks) else 0

        def disconnect(self, connection: int) -> None:
            """It leaves."""

    class Unread:
        """A stream whose client takes everything."""

        peer, queued, held = "127.0.0.1", 0, False

        def send(self, message: bytes) -> None:
            """It has it."""

        def hold(self, held: bool) -> None:
            self.held = held

    size = 900_000
    requests = [pb.Request(xid=xid, code=Exists.code, body=bytes(size)) for xid in range(1, 31)]
    hello = pb.ClientMessage(hello=pb.Hello(version=1, timeout_ms=5000), requests=requests)
    node, stream = Silent(), Unread()
    woken: list[SessionStream] = []

    def turn() -> None:
        while woken:
            woken.pop().flush()

    session = SessionStream(cast(Gateway, node), cast(Stream, stream), 1, "", woken.append)
    session.message(hello.SerializeToString())
    turn()
    taken = ASKED_BYTES_MAX // size + 1
    assert node.asked == taken and stream.held
    for xid in range(1, taken + 1):
        session.deliver(Answer(1, xid, 1, 0, b""))
    turn()
    assert node.asked == 30 and not stream.held
