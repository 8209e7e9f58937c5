"""The ZooKeeper port on real sockets: what a client does to the node by being slow, silent, many, or gone."""

import asyncio
import shutil
import ssl
import struct
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import wraps
from pathlib import Path
from typing import ParamSpec

import pytest

from tests.doors.jute_by_hand import asked
from tests.doors.rig import Rig, free_address, talk
from tests.doors.test_sasl import USERS, proof
from tests.doors.test_tls import make
from tests.doors.zkrig import frame, replies, request
from zooweeper.doors import zkwire
from zooweeper.doors.sasl import SaslServer
from zooweeper.doors.zkwire import PortTaken, WireDoor
from zooweeper.model.config import ClientPort
from zooweeper.model.limits import FRAME_BYTES_MAX
from zooweeper.ops.data import GetData, SetData
from zooweeper.pb import client_pb2 as pb

HELLO = frame(struct.pack("!iqiqi", 0, 0, 10_000, 0, 0) + b"\1")
CREATE = "create(xid={}, path='{}', data=b'', acl=[(31, 'world', 'anyone')], flags=0)"
WAIT_S = 10
LOOP: Callable[[], asyncio.AbstractEventLoop] | None = None

P = ParamSpec("P")


@pytest.fixture(params=["asyncio", "uvloop"], autouse=True)
def loop_factory(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test on the loop of Python and on the one that nodes prefer."""
    if request.param == "uvloop":
        uvloop = pytest.importorskip("uvloop", reason="uvloop is not installed")
        monkeypatch.setattr(sys.modules[__name__], "LOOP", uvloop.new_event_loop)


def in_a_loop(test: Callable[P, Coroutine[None, None, None]]) -> Callable[P, None]:
    """The test as pytest takes it."""

    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with asyncio.Runner(loop_factory=LOOP) as runner:
            runner.run(test(*args, **kwargs))

    return run


class WireRig(Rig):
    """A node with both doors."""

    def __init__(self, members: int = 1, clients: ClientPort | None = None) -> None:
        super().__init__(members, clients=clients)
        self.wire = WireDoor(self.node, self.config, "1.2.3")

    async def __aenter__(self) -> "WireRig":
        await super().__aenter__()
        await self.wire.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.wire.close()
        await super().__aexit__()


class Wire:
    """A client's socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def say(self, *data: bytes) -> None:
        self.writer.write(b"".join(data))

    async def frame(self) -> bytes:
        async with asyncio.timeout(WAIT_S):
            (length,) = struct.unpack("!i", await self.reader.readexactly(4))
            return await self.reader.readexactly(length)

    async def hello(self) -> tuple[int, int, bytes]:
        """Shake hands: timeout, session, flag."""
        self.say(HELLO)
        response = await self.frame()
        _, timeout_ms, session = struct.unpack_from("!iiq", response)
        return timeout_ms, session, response[36:]

    async def ask(self, *requests: bytes) -> list[tuple[int, int, int, bytes]]:
        """As many answers or events as there are requests."""
        self.say(*(frame(one) for one in requests))
        return [replies(frame(await self.frame()))[0] for _ in requests]

    async def ended(self) -> bytes:
        """What still comes until the connection ends."""
        async with asyncio.timeout(WAIT_S):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b""


@asynccontextmanager
async def wire(rig: WireRig, context: ssl.SSLContext | None = None, port: int = 0) -> AsyncIterator[Wire]:
    at = rig.config.me.wire
    reader, writer = await asyncio.open_connection(at.host, port or at.port, ssl=context)
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()


async def eventually(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not true():
            await asyncio.sleep(0.01)


# --- one tree


@in_a_loop
async def test_what_one_door_writes_the_other_reads_and_watches() -> None:
    async with WireRig() as rig, wire(rig) as old, talk(rig.address) as new:
        await old.hello()
        await new.hello()
        ((_, zxid, error, _),) = await old.ask(asked(CREATE.format(1, "/a"))[4:])
        assert error == 0
        body = GetData.Request("/a", True).encode()
        await new.say(requests=[pb.Request(xid=1, code=GetData.code, body=body)])
        (item,) = await new.items(1)
        assert (item.error, item.zxid) == (0, zxid)

        ((_, zxid, _, _),) = await old.ask(asked("setData(xid=2, path='/a', data=b'old', version=-1)")[4:])
        (event,) = await new.items(1)
        assert (event.event, event.path, event.zxid) == (3, "/a", zxid)

        ((_, _, _, record),) = await old.ask(asked("getData(xid=3, path='/a', watch=True)")[4:])
        assert record.startswith(struct.pack("!i", 3) + b"old")
        body = SetData.Request("/a", b"new").encode()
        await new.say(requests=[pb.Request(xid=2, code=SetData.code, number=1, body=body)])
        await new.items(1)
        ((xid, _, error, record),) = replies(frame(await old.frame()))
        assert (xid, error, record) == (-1, 0, struct.pack("!iii", 3, 3, 2) + b"/a")
        ((_, _, _, record),) = await old.ask(asked("getData(xid=4, path='/a', watch=False)")[4:])
        assert record.startswith(struct.pack("!i", 3) + b"new")


# --- clients that behave badly

BIG = 900_000
LONG = "/" + "x" * 4000


@in_a_loop
async def test_a_client_that_does_not_read_is_not_read_from() -> None:
    async with WireRig() as rig, wire(rig) as slow, wire(rig) as other:
        await slow.hello()
        await other.hello()
        await slow.ask(asked(CREATE.format(1, "/big"))[4:])
        await slow.ask(request(2, 5, struct.pack("!i4si", 4, b"/big", BIG) + bytes(BIG) + b"\xff" * 4))
        slow.writer.transport.pause_reading()  # type: ignore[attr-defined]
        slow.say(asked("getData(xid=3, path='/big', watch=False)") * 500)  # 450 MB, if they were all answered
        held = 0
        for turn in range(100):
            ((xid, *_),) = await other.ask(request(turn, 107))
            assert xid == turn
            held = max(held, *(link.transport.get_write_buffer_size() for link in rig.wire._links))
        row, _ = rig.wire.connections()
        assert 30 < row.received < 200 and not row.reading
        assert BIG < held < 32 * (BIG + 200)
        slow.writer.transport.resume_reading()  # type: ignore[attr-defined]
        for _ in range(500):
            assert len(await slow.frame()) > BIG


@in_a_loop
async def test_a_client_that_does_not_take_its_events_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zkwire, "OUTPUT_BYTES_MAX", 1 << 20)
    async with WireRig() as rig, wire(rig) as slow, wire(rig) as writer:
        await slow.hello()
        await writer.hello()
        await writer.ask(asked(CREATE.format(1, LONG))[4:])
        await slow.ask(asked(f"addWatch(xid=1, path='{LONG}', mode=0)")[4:])
        slow.writer.transport.pause_reading()  # type: ignore[attr-defined]
        change = asked(f"setData(xid=2, path='{LONG}', data=b'', version=-1)")[4:]
        for _ in range(200):
            await writer.ask(*[change] * 50)
            if len(rig.wire._links) == 1:
                break
        assert len(rig.wire._links) == 1
        assert (await writer.ask(change))[0][2] == 0


@in_a_loop
async def test_who_has_no_session_in_time_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zkwire, "FRESH_S", 0.2)
    async with WireRig() as rig, wire(rig) as silent, wire(rig) as slow, wire(rig) as good:
        slow.say(HELLO[:20])
        await good.hello()
        assert await silent.ended() == b"" and await slow.ended() == b""
        assert (await good.ask(request(1, 107)))[0][0] == 1


@in_a_loop
async def test_a_length_that_cannot_be_ends_it() -> None:
    async with WireRig() as rig, wire(rig) as first, wire(rig) as second:
        first.say(struct.pack("!i", FRAME_BYTES_MAX + 1))
        assert await first.ended() == b""
        await second.hello()
        second.say(struct.pack("!i", -5))
        assert await second.ended() == b""


@in_a_loop
async def test_who_does_not_close_after_the_last_answer_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zkwire, "LINGER_S", 0.2)
    async with WireRig() as rig, wire(rig) as stays:
        await stays.hello()
        assert (await stays.ask(request(5, -11)))[0][::2] == (5, 0)
        assert await stays.ended() == b"", "our half is closed at once"
        stays.say(frame(request(6, 107)))
        await eventually(lambda: not rig.wire._links)


@in_a_loop
async def test_a_client_that_is_gone_leaves_nothing_behind() -> None:
    async with WireRig() as rig:
        async with wire(rig) as one:
            await one.hello()
            one.say(HELLO[:4] * 3)
        await eventually(lambda: not rig.wire._links and not rig.node.status().connections)
        assert rig.node.status().sessions == 1, "its session lives on"
        assert not rig.wire._by_host and not rig.wire._fresh and not rig.wire._ending


@in_a_loop
async def test_one_address_has_so_many_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    async with WireRig(clients=ClientPort(per_address_max=2)) as rig:
        async with wire(rig) as one, wire(rig) as two, wire(rig) as three:
            assert [(await each.hello())[0] for each in (one, two, three)] == [10_000] * 3, "loopback is not counted"
        await eventually(lambda: not rig.wire._links)
        monkeypatch.setattr(zkwire, "is_loopback", lambda host: False)
        async with wire(rig) as one, wire(rig) as two:
            await one.hello()
            await two.hello()
            async with wire(rig) as three:
                assert await three.ended() == b""
        await eventually(lambda: not rig.wire._links)
        async with wire(rig) as again:
            assert (await again.hello())[0] == 10_000


@in_a_loop
async def test_the_node_has_so_many_connections() -> None:
    async with WireRig() as rig:
        rig.wire._links_max = 1
        async with wire(rig) as one, wire(rig) as two:
            await one.hello()
            assert await two.ended() == b""
            assert (await one.ask(request(1, 107)))[0][0] == 1


@in_a_loop
async def test_a_port_that_is_taken_is_told() -> None:
    async with WireRig() as rig:
        with pytest.raises(PortTaken, match=str(rig.config.me.wire)):
            await WireDoor(rig.node, rig.config, "1").start()


# --- four-letter words


@in_a_loop
async def test_a_word_is_answered_in_one_piece_and_the_connection_closed() -> None:
    async with WireRig(clients=ClientPort(words=("*",))) as rig, wire(rig) as client:
        await client.hello()
        await client.ask(request(7, 107))
        for word, expected in (
            (b"ruok", b"imok"), (b"isro", b"rw"), (b"ruok\n", b"imok"), (b"xxxx", b""),
            (b"crst", b"Connection stats reset.\n"), (b"srst", b"Server stats reset.\n"),
        ):  # fmt: skip
            async with wire(rig) as asking:
                asking.say(word)
                assert await asking.ended() == expected
        async with wire(rig) as asking:
            asking.say(b"cons")
            text = (await asking.ended()).decode()
        assert "lop=HOMI" in text and "lcxid=0x7" in text and "recved=0" in text
        async with wire(rig) as asking:
            asking.say(b"srvr")
            assert b"Mode: standalone\n" in await asking.ended()


@in_a_loop
async def test_a_word_before_the_end_of_what_is_said_is_answered() -> None:
    async with WireRig() as rig, wire(rig) as asking:
        asking.say(b"ruok")
        asking.writer.write_eof()
        assert await asking.ended() == b"imok"
        await eventually(lambda: not rig.wire._links)


# --- with and without a quorum


@in_a_loop
async def test_without_a_quorum_connections_end_and_visitors_are_served_until_it_is_back() -> None:
    async with WireRig(members=3) as rig:
        async with wire(rig) as visitor, wire(rig) as strict:
            timeout_ms, session, flag = await visitor.hello()
            assert (timeout_ms, flag) == (10_000, b"\1") and session
            ((_, _, error, _),) = await visitor.ask(asked(CREATE.format(1, "/a"))[4:])
            assert error == -119
            ((xid, _, error, _),) = await visitor.ask(request(-2, 11))
            assert (xid, error) == (-2, 0)
            strict.say(HELLO[:-1] + b"\0")
            assert await strict.ended() == b""
            async with wire(rig) as asking:
                asking.say(b"isro")
                assert await asking.ended() == b"ro"
            brain: object = rig.node.brain
            brain.zab.connected_quorum = True  # type: ignore[attr-defined]
            assert await visitor.ended() == b""


@in_a_loop
async def test_when_the_quorum_is_lost_sessions_end_their_connections() -> None:
    async with WireRig() as rig, wire(rig) as client:
        await client.hello()
        brain: object = rig.node.brain
        brain.zab.connected_quorum = False  # type: ignore[attr-defined]
        assert await client.ended() == b""
        assert rig.node.status().sessions == 1


@in_a_loop
async def test_a_silent_visitor_is_dropped() -> None:
    async with WireRig(members=3, clients=ClientPort(session_max_ms=600)) as rig, wire(rig) as visitor:
        assert (await visitor.hello())[0] == 600
        assert await visitor.ended() == b""


# --- TLS and SASL


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl, which makes the certificates, is missing")
@in_a_loop
async def test_the_secure_port_and_who_its_certificate_names(tmp_path: Path) -> None:
    make(tmp_path, "server", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1")
    make(tmp_path, "bob", "/O=shop/CN=bob")
    secure = free_address()
    settings = ClientPort(
        secure=secure,
        tls_cert=str(tmp_path / "server.pem"),
        tls_key=str(tmp_path / "server.key"),
        tls_ca=str(tmp_path / "bob.pem"),
    )
    context = ssl.create_default_context(cafile=str(tmp_path / "server.pem"))
    context.load_cert_chain(tmp_path / "bob.pem", tmp_path / "bob.key")
    async with WireRig(clients=settings) as rig:
        async with wire(rig, context, secure.port) as client, wire(rig) as plain:
            await client.hello()
            ((_, _, error, who),) = await client.ask(request(1, 107))
            assert error == 0 and b"x509" in who and b"CN=bob,O=shop" in who
            await plain.hello()
            assert b"x509" not in (await plain.ask(request(1, 107)))[0][3]
            assert (await client.ask(request(2, -11)))[0][::2] == (2, 0)
            assert await client.ended() == b""
        async with wire(rig, context, secure.port) as asking:
            asking.say(b"ruok")
            assert await asking.ended() == b"imok"
        async with wire(rig, port=secure.port) as stranger:
            stranger.say(HELLO)
            assert b"\0\0\0\x25" not in await stranger.ended()


@in_a_loop
async def test_an_exchange_of_sasl_proves_a_user() -> None:
    nonce = b"OA6MG9tEQGm2hh"

    def token(data: bytes) -> bytes:
        return struct.pack("!i", len(data)) + data

    async with WireRig() as rig, wire(rig) as bob, wire(rig) as eve:
        rig.wire.port.sasl = lambda: SaslServer(USERS, nonce)
        for client in (bob, eve):
            await client.hello()
            ((_, zxid, error, challenge),) = await client.ask(request(1, 102, token(b"")))
            assert (zxid, error) == (0, 0) and nonce in challenge
        first, second = await bob.ask(asked(CREATE.format(2, "/b"))[4:], request(3, 102, token(proof())))
        assert (first[0], first[2]) == (2, 0) and (second[0], second[1], second[2]) == (3, 0, 0)
        assert b"rspauth=" in second[3]
        assert b"sasl" in (await bob.ask(request(4, 107)))[0][3]
        assert (await eve.ask(request(2, 102, token(proof(password=b"wrong")))))[0] == (2, 0, -115, b"\xff\xff\xff\xff")
        assert await eve.ended() == b""
