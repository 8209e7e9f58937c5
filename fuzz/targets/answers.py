"""What a server says to a client: from the bytes of its messages to the client's core and the results of programs.

An input is a row of ServerMessages, each behind its length, for a client that has asked for a little of everything. Its
core never raises; each request is settled once, in order; what it sends can be encoded. Results decode, or are a
MarshallingError.
"""

from collections.abc import Hashable, Iterator, Sequence
from random import Random
from typing import Any

from google.protobuf.message import DecodeError
from zooweeper_client.aio.link_grpc import packed
from zooweeper_client.core import ClientCore
from zooweeper_client.messages import Answered, Arm, Event, Heard, LinkDown, Request, Start, Submit, Tick, Welcomed
from zooweeper_client.options import make_options
from zooweeper_client.watches import EventType, WatchKind

from fuzz.mutator import Mutator
from fuzz.protobufs import Numbers
from fuzz.target import Run, Target
from fuzz.targets.doors import pack, unpack
from fuzz.values import SECRET, requests, results
from zooweeper.model.errors import ErrorCode, MarshallingError
from zooweeper.ops.data import GetData
from zooweeper.ops.op import Kind
from zooweeper.ops.read import Exists, GetChildren
from zooweeper.ops.table import OPS
from zooweeper.ops.watches import AddWatch
from zooweeper.pb import client_pb2 as pb

FAR_MS = 10**9
STEP_MS = 2000
NUMBERS = (0, 1, 2, 3, 5, 1 << 31, (1 << 64) - 1, 1 << 63, *(code % (1 << 32) for code in ErrorCode))
ARMED = {
    GetData.code: WatchKind.DATA,
    Exists.code: WatchKind.EXIST,
    GetChildren.code: WatchKind.CHILD,
    AddWatch.code: WatchKind.RECURSIVE,
}


def events(message: pb.ServerMessage) -> Iterator[Event]:
    """What a link makes of a message, in its order (zooweeper_client/aio/link_grpc.py)."""
    if message.HasField("welcome"):
        hello = message.welcome
        yield Welcomed(hello.session, hello.secret, hello.timeout_ms, hello.number, hello.zxid, hello.node)
    if message.items:
        yield Answered(message.items)
    if message.pong:
        yield Heard()
    if message.HasField("failure"):
        yield LinkDown(message.failure.detail, message.failure.error)


class Answers(Target):
    name = "answers"
    about = "messages of a server to the client's core"
    refusals = ()
    bytes_max = 256 * 1024
    calls_max = 60_000
    words = (b"/a", SECRET)

    def seeds(self) -> Sequence[bytes]:
        welcome = pb.ServerMessage(
            welcome=pb.Welcome(session=7, secret=SECRET, timeout_ms=5000, number=0, zxid=9, node=1), pong=True
        )
        bodies = dict(results())
        items = [
            pb.Item(xid=xid, zxid=20 + xid, body=bodies.get(code, b"")) for xid, (code, _) in enumerate(requests(), 2)
        ]
        event = pb.Item(zxid=30, event=3, path="/a")
        first = welcome.SerializeToString()
        failure = pb.ServerMessage(failure=pb.Failure(error=int(ErrorCode.SESSION_EXPIRED), detail="gone"))
        auth = pb.ServerMessage(items=[pb.Item(xid=1)]).SerializeToString()
        return [
            pack([first, auth, pb.ServerMessage(items=[event, *items[:count]]).SerializeToString()])
            for count in (0, 1, 3, 9, len(items))
        ] + [pack([first, auth, failure.SerializeToString(), first])]

    def mutate(self, data: bytes, mutator: Mutator, others: Sequence[bytes]) -> bytes:
        rng = mutator.rng
        mutator.swollen = False
        messages = unpack(data)
        if not messages or rng.random() < 0.1:
            return mutator.mutate(data, others)
        if rng.random() < 0.2:
            messages += unpack(rng.choice(others))
        at = rng.randrange(len(messages))
        try:
            message = pb.ServerMessage.FromString(messages[at])
        except DecodeError:
            return pack(messages)
        Numbers(mutator, NUMBERS).mutate(message)
        messages[at] = message.SerializeToString()
        return pack(messages)

    def prepare(self) -> Run:
        client = Client()
        return client.run


class Client:
    """A client's core, and what a link and a face do for it."""

    def __init__(self) -> None:
        options = make_options("h1:1,h2:2", timeout=5, auth=(("digest", b"bob:secret"),))
        self.core = ClientCore(options, Random(3))
        self.now_ms = 0
        self.sent = self.settled = self.fired = 0
        self.asked: list[Request] = []
        self.step(Tick(0))
        self.step(Start())
        for watcher, (code, request) in enumerate(requests(), 1):
            kind = ARMED.get(code)
            arm = Arm(kind, "/a", watcher) if kind is not None else None
            numbered = OPS[code].numbered and OPS[code].kind in (Kind.WRITE, Kind.SESSION)
            asked = Request(code, request.encode(), numbered=numbered, deadline_ms=FAR_MS, arm=arm)
            self.asked.append(asked)
            self.step(Submit(asked))

    def step(self, event: Event) -> None:
        self.core.step(event)
        out = self.core.take()
        for message in packed(out.send):
            self.sent += len(message.SerializeToString())
        for item in out.deliver:
            self._deliver(item)

    def _deliver(self, item: Any) -> None:
        if isinstance(item, Request):
            assert item.settled, "an answer that is none"
            self.settled += 1
            if not item.error:
                self._decode(item)
        elif hasattr(item, "watcher"):
            EventType(item.type)
            self.fired += 1

    @staticmethod
    def _decode(request: Request) -> None:
        try:
            OPS[request.code].Result.decode(request.result)
        except MarshallingError:
            return

    def run(self, data: bytes) -> Hashable:
        for encoded in unpack(data):
            try:
                message = pb.ServerMessage.FromString(encoded)
            except DecodeError:
                self.step(LinkDown("not a message"))
                continue
            for event in events(message):
                self.step(event)
        state, settled = self.core.state, self.settled
        for _ in range(3):
            self.now_ms += STEP_MS
            self.step(Tick(self.now_ms))
        assert self.core.wake_ms >= 0 and self.settled <= len(self.asked)
        self.step(Tick(FAR_MS + 1))
        assert all(request.settled for request in self.asked), "a request that nobody ends"
        return state, settled, self.fired, self.core.state
