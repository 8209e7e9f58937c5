"""Valid things to begin with: a request of every operation, and a small state that they can be asked of.

Rules: made by the product's own encoders; nothing random.
"""

from contextlib import suppress
from random import Random
from typing import Any

from zooweeper.codec.record import Record
from zooweeper.model.acl import OPEN, Acl, Id
from zooweeper.model.entry import Batch, Entry, pack_request
from zooweeper.model.errors import ZkError
from zooweeper.model.zxid import make
from zooweeper.ops.create import (
    CONTAINER_FLAG,
    EPHEMERAL,
    SEQUENTIAL,
    TTL_FLAG,
    Create,
    CreateContainer,
    CreateRequest,
    CreateTtl,
    CreateTtlRequest,
)
from zooweeper.ops.data import Check, GetData, SetData, VersionRequest, WatchRequest
from zooweeper.ops.delete import Delete
from zooweeper.ops.multi import Multi, MultiRead, Part
from zooweeper.ops.op import Kind, Nothing, View, encoded
from zooweeper.ops.read import GetChildren, PageRequest
from zooweeper.ops.session import AddIdentity, OpenSession, PlaceRequest
from zooweeper.ops.table import OPS
from zooweeper.ops.watches import SetWatches, SetWatches2
from zooweeper.replica.execute import execute
from zooweeper.tree.state import State
from zooweeper.tree.watches import WatchTable

SECRET = b"0123456789abcdef"
BOB = Id("digest", "bob:aGFzaA==")
MINE = [Acl(31, BOB), Acl(1, Id("ip", "10.0.0.0/8"))]
TIME_MS = 1_700_000_000_000
EPOCH = 5

REQUESTS: dict[str, list[Record]] = {
    "create": [CreateRequest("/a/x", b"data", list(OPEN), SEQUENTIAL), CreateRequest("/e", None, MINE, EPHEMERAL)],
    "create2": [CreateRequest("/a/y", b"", [Acl(31, Id("auth", None))], 0)],
    "createContainer": [CreateRequest("/c", b"", list(OPEN), CONTAINER_FLAG)],
    "createTTL": [CreateTtlRequest("/t", b"1", list(OPEN), TTL_FLAG, 1000)],
    "setWatches": [SetWatches.Request(3, ["/a"], ["/none"], ["/a"])],
    "setWatches2": [SetWatches2.Request(3, ["/a"], ["/none"], ["/a"], ["/a/b"], ["/"])],
    "listChildren": [PageRequest("/a", "b", 2, True, True)],
    "listSubtree": [PageRequest("/", "/a/b", 0, True, False)],
    "openSession": [PlaceRequest(SECRET, 5000, 10, "10.0.0.1")],
    "attach": [PlaceRequest(SECRET, 5000, 10, "::1")],
    "multi": [
        Multi.Request([]),
        Multi.Request(
            [
                Part(Create.code, CreateRequest("/m", b"1", list(OPEN))),
                Part(Check.code, VersionRequest("/a", 0)),
                Part(SetData.code, SetData.Request("/a", b"2", -1)),
                Part(Delete.code, Delete.Request("/m", -1)),
            ]
        ),
    ],
    "multiRead": [
        MultiRead.Request([Part(GetData.code, WatchRequest("/a")), Part(GetChildren.code, WatchRequest("/none"))])
    ],
}
"""Requests by name of operation; those that are not here are made of their fields' types."""

SAMPLES = {"path": "/a/b", "data": b"data", "acl": list(OPEN), "version": -1, "scheme": "digest", "id": "bob:hash",
           "auth": b"bob:secret", "token": b"t", "session": make(EPOCH, 1), "attach": make(EPOCH, 1), "mode": 1,
           "type": 2, "limit": 9, "mzxid": 1, "cversion": 0, "watch": True, "joining": "server.4=h:1:2:observer;3",
           "leaving": "2", "new_members": None, "from_config": -1, "error": 0, "detail": "",
           "members": "server.1=h:1:2:participant\nserver.2=i:1:2:participant;i:3"}  # fmt: skip


def _filled(cls: Any) -> Record:
    """A record with a sample in each field."""
    made: Record = cls(**{name: SAMPLES[name] for name in cls._fields})
    return made


def requests() -> list[tuple[int, Record]]:
    """(operation code, request) of every operation, one at least."""
    made = []
    for code, op in OPS.items():
        given = REQUESTS.get(op.name)
        if given is None:
            given = [Nothing()] if op.Request is Nothing else [_filled(op.Request)]
        made += [(code, request) for request in given]
    return made


def play(state: State) -> State:
    """A few znodes, of every kind, and one session with an identity."""
    open_body = OpenSession.Request(SECRET, 5000, 10, "10.0.0.1").encode()
    zxid = make(EPOCH, 1)
    execute(state, Entry(zxid, TIME_MS, 0, 7, 7, OpenSession.code, open_body))
    calls = [
        (AddIdentity.code, AddIdentity.Request("digest", BOB.id)),
        (Create.code, CreateRequest("/a", b"root", list(OPEN))),
        (Create.code, CreateRequest("/a/b", b"leaf", list(OPEN))),
        (Create.code, CreateRequest("/a/mine", None, MINE)),
        (Create.code, CreateRequest("/a/e", b"", list(OPEN), EPHEMERAL)),
        (CreateContainer.code, CreateRequest("/box", b"", list(OPEN), CONTAINER_FLAG)),
        (CreateTtl.code, CreateTtlRequest("/ttl", b"", list(OPEN), TTL_FLAG, 1000)),
    ]
    for number, (code, request) in enumerate(calls, 1):
        result = execute(state, Entry(zxid + number, TIME_MS, zxid, zxid, number, code, request.encode()))
        assert not result.error, (code, result)
    return state


def results() -> list[tuple[int, bytes]]:
    """(operation code, result record) of every operation, asked of that state."""
    made = []
    for code, request in requests():
        op, state = OPS[code], play(State())
        (session,) = state.sessions.values()
        if op.kind is Kind.READ:
            view = View(state, session, WatchTable(), 1)
            with suppress(ZkError):
                made.append((code, encoded(op.read(request, view))))
        elif op.kind is Kind.LOCAL:
            made.append((code, op.Result.decode(bytes(64)).encode()))
        else:
            number = session.number + 1
            entry = Entry(state.zxid + 1, TIME_MS, session.id, session.attach, number, code, request.encode())
            made.append((code, execute(state, entry).body))
    return made


def batch(first: int, count: int, rng: Random) -> Batch:
    """A batch of writes without a session: each is an entry, and its result an error."""
    bodies = [CreateRequest(f"/n{rng.randrange(99)}", rng.randbytes(5), list(OPEN)).encode() for _ in range(count)]
    data = b"".join(pack_request(0, 0, 0, Create.code, body) for body in bodies)
    return Batch(first, first + count - 1, TIME_MS, data)
