"""The gRPC door, from the bytes of a client's messages through the brain to the bytes of the answers.

An input is a row of messages, each behind its length: the first says hello, or does not. They go into a real
SessionStream on a node that leads alone. Whatever they say, the stream ends with one Failure or answers each request
once and in order, and the node lives. `unary` does the same with one unary call.
"""

import asyncio
import pickle
from collections import deque
from collections.abc import Coroutine, Hashable, Sequence
from random import Random
from typing import Any, cast

import grpc
from google.protobuf.message import DecodeError

from fuzz.bare import Bare
from fuzz.mutator import Mutator
from fuzz.protobufs import Numbers
from fuzz.records import odd_body
from fuzz.subject import NOWHERE
from fuzz.target import Run, Target
from fuzz.values import SECRET, TIME_MS, requests
from zooweeper.doors.grpc_client import SessionStream
from zooweeper.doors.unary import Unary
from zooweeper.model.acl import OPEN
from zooweeper.model.config import Config, Member
from zooweeper.model.durable import Recovered
from zooweeper.ops.create import Create, CreateRequest
from zooweeper.ops.data import GetData
from zooweeper.ops.session import Auth
from zooweeper.ops.table import OPS
from zooweeper.pb import client_pb2 as pb
from zooweeper.replica.events import Ask, Asks, Connect, Disconnect, Heard, Tick
from zooweeper.replica.replica import Replica

CONFIG = Config(1, "fuzz", (Member(1, NOWHERE, NOWHERE, NOWHERE, NOWHERE),), "", super_digest="super:hash")
LENGTH = 4
MESSAGES_MAX = 16
TURNS_MAX = 2000  # of the loop that one input may take
NUMBERS = (0, 1, 2, 1 << 40, 1 << 62, 200, 1000, 5000, *(code % (1 << 32) for code in OPS))


def _leader() -> Replica:
    """A node that leads alone, with one znode and no session."""
    node = Bare(Replica(CONFIG, Recovered(0, 0, 0, iter(()), 0, (), []), Random(2)))
    node.replica.step(Tick(0, TIME_MS))
    node.replica.step(Tick(200, TIME_MS))
    node.settle()
    assert node.replica.zab.serving
    return node.replica


LEADER = pickle.dumps(_leader())


class Node(Bare):
    """The loop of runtime/loop.py without time: a turn settles whatever was stepped."""

    def __init__(self) -> None:
        super().__init__(pickle.loads(LEADER))
        self.due = False

    def step(self, event: Connect | Ask | Asks | Heard | Disconnect) -> None:
        super().step(event)
        if not self.due:
            self.due = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        self.due = False
        self.settle()


class Stream:
    """What gRPC's framing gives a call, without flow control."""

    peer = "127.0.0.1"
    queued = 0

    def __init__(self) -> None:
        self.held = False
        self.written: list[bytes] = []
        self.status: int | None = None  # gRPC's, when it is finished

    def hold(self, held: bool) -> None:
        self.held = held

    def send(self, message: bytes) -> None:
        assert self.status is None, "a message after the end"
        self.written.append(message)

    def finish(self, code: int = 0, detail: str = "", metadata: object = None) -> None:
        assert code != grpc.StatusCode.INTERNAL.value[0], detail
        detail.encode()
        if self.status is None:
            self.status = code


def plan(loop: asyncio.AbstractEventLoop, session: SessionStream) -> None:
    """What the port does for a session that is woken."""
    loop.call_soon(session.flush)


def pack(messages: Sequence[bytes]) -> bytes:
    return b"".join(len(data).to_bytes(LENGTH) + data for data in messages)


def unpack(data: bytes) -> list[bytes]:
    """The messages of an input; the rest of it is the last one."""
    messages: list[bytes] = []
    at = 0
    while at < len(data) and len(messages) < MESSAGES_MAX:
        size = int.from_bytes(data[at : at + LENGTH])
        messages.append(data[at + LENGTH : at + LENGTH + size])
        at += LENGTH + size
    return messages


class Doors(Target):
    name = "doors"
    about = "messages of a client's Session stream, through door and brain and back"
    refusals = ()
    bytes_max = 1 << 20  # a node, a loop's tasks
    calls_max = 100_000
    words = (b"/a", b"\xed\xa0\x80", SECRET)

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    def run_until_complete(self, coroutine: Coroutine[Any, Any, Hashable]) -> Hashable:
        """On a loop of this target's own, kept, since making one costs more than most inputs."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        return self._loop.run_until_complete(coroutine)

    def seeds(self) -> Sequence[bytes]:
        hello = pb.Hello(version=1, timeout_ms=5000, results=10)
        made = []
        for xid, (code, request) in enumerate(requests(), 1):
            asked = [pb.Request(xid=xid, code=code, body=request.encode())]
            create = CreateRequest("/a", b"", list(OPEN)).encode()
            first = pb.ClientMessage(hello=hello, requests=[pb.Request(xid=9, code=Create.code, number=1, body=create)])
            made.append(pack([first.SerializeToString(), pb.ClientMessage(requests=asked).SerializeToString()]))
        auth = Auth.Request(0, "digest", b"bob:secret").encode()
        visitor = pb.ClientMessage(
            hello=pb.Hello(version=1), ping=True, requests=[pb.Request(xid=1, code=GetData.code, linear=True)]
        )
        identify = pb.ClientMessage(requests=[pb.Request(xid=1, code=Auth.code, body=auth)])
        attach = pb.ClientMessage(hello=pb.Hello(version=1, session=7, secret=SECRET, timeout_ms=1000, seen=1))
        return [
            *made,
            pack([visitor.SerializeToString()]),
            pack([pb.ClientMessage(hello=hello).SerializeToString(), identify.SerializeToString()]),
            pack([attach.SerializeToString()]),
        ]

    def mutate(self, data: bytes, mutator: Mutator, others: Sequence[bytes]) -> bytes:
        rng = mutator.rng
        mutator.swollen = False
        messages = unpack(data)
        if not messages or rng.random() < 0.1:
            return mutator.mutate(data, others)
        at = rng.randrange(len(messages))
        if rng.random() < 0.1:
            messages[at] = mutator.mutate(messages[at])
            return pack(messages)
        if rng.random() < 0.3:
            messages += unpack(rng.choice(others))[1:]
        try:
            message = pb.ClientMessage.FromString(messages[at])
        except DecodeError:
            return pack(messages)
        if message.requests and rng.random() < 0.7:
            request = rng.choice(message.requests)
            request.body = odd_body(request.code, request.body, mutator)
        else:
            Numbers(mutator, NUMBERS).mutate(message)
        messages[at] = message.SerializeToString()
        return pack(messages)

    def prepare(self) -> Run:
        node = Node()
        return lambda data: self.run_until_complete(self._talk(node, unpack(data)))

    async def _talk(self, node: Node, messages: list[bytes]) -> Hashable:
        loop, stream, waiting = asyncio.get_running_loop(), Stream(), deque(messages)
        session = SessionStream(node, cast(Any, stream), 1, CONFIG.super_digest, lambda one: plan(loop, one))
        for _ in range(TURNS_MAX):
            if stream.status is not None:
                break
            await asyncio.sleep(0)
            if waiting and not stream.held:
                session.message(waiting.popleft())
            elif not stream.held:
                session.ended()
        else:
            raise AssertionError("the stream waits for ever")
        session.gone()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return _judge(node, stream, messages)


def _judge(node: Node, stream: Stream, messages: list[bytes]) -> Hashable:
    """What the client was told is sound, and the node is as it should be."""
    answers, errors, events, failed = [], [], 0, None
    for data in stream.written:
        message = pb.ServerMessage.FromString(data)
        assert failed is None, "something after the failure"
        events += sum(not item.xid and bool(item.event) for item in message.items)
        answers += [item.xid for item in message.items if not item.event]
        errors += [item.error for item in message.items]
        failed = message.failure.error if message.HasField("failure") else None
    asked: list[int] = []
    for data in messages:
        try:
            asked += [request.xid for request in pb.ClientMessage.FromString(data).requests]
        except DecodeError:
            break
    assert answers == asked[: len(answers)], "an answer out of its turn"
    assert not len(node.replica.clients) and not node.sinks, "a connection that nobody closed"
    assert node.replica.state.recompute_digest() == node.replica.state.digest()
    return failed, events, tuple(errors[-2:]), len(answers)


class UnaryCalls(Doors):
    name = "unary"
    about = "one unary call of a client, through door and brain and back"

    def seeds(self) -> Sequence[bytes]:
        made: tuple[tuple[str, Any], ...] = (
            ("Create", pb.CreateRequest(path="/a", data=b"1", sequential=True)),
            ("Delete", pb.DeleteRequest(path="/zookeeper", version=3)),
            ("Exists", pb.ExistsRequest(path="/a", linear=True)),
            ("GetData", pb.GetDataRequest(path="/")),
            ("SetData", pb.SetDataRequest(path="/", data=b"2", version=-1)),
            ("GetChildren", pb.GetChildrenRequest(path="/zookeeper")),
            ("Sync", pb.SyncRequest(path="/")),
            ("Status", pb.StatusRequest()),
        )
        return [
            bytes((place,)) + request.SerializeToString()
            for place, (_, request) in enumerate(sorted(made, key=lambda call: call[0]))
        ]

    def mutate(self, data: bytes, mutator: Mutator, others: Sequence[bytes]) -> bytes:
        return data[:1] + mutator.mutate(data[1:], [other[1:] for other in others])

    def prepare(self) -> Run:
        node = Node()
        calls = sorted(Unary(node, CONFIG, "1").calls().items())
        return lambda data: self.run_until_complete(self._call(calls, data))

    async def _call(self, calls: list[tuple[str, Any]], data: bytes) -> Hashable:
        name, make = calls[(data[0] if data else 0) % len(calls)]
        stream = Stream()
        call = make(stream)
        call.message(data[1:])
        for _ in range(TURNS_MAX):
            if stream.status is not None:
                break
            await asyncio.sleep(0)
        assert stream.status is not None, "the call waits for ever"
        call.gone()
        assert len(stream.written) == (stream.status == 0), "no reply, or one with an error"
        return name, stream.status, tuple(map(len, stream.written))
