"""Random entries: a small world in which names collide, versions match, parents vanish and sessions come and go.

Rules: all chance comes from one seed, so a failing seed is the whole failing test. Most steps succeed; some are
repeats, late, forged or noise on purpose.
"""

from random import Random

from tests.tree.world import World
from zooweeper.codec.record import Record
from zooweeper.model.acl import OPEN, READ_ONLY, Acl, Id
from zooweeper.ops.create import Create, Create2, CreateContainer, CreateRequest, CreateTtl, CreateTtlRequest
from zooweeper.ops.data import Check, SetAcl, SetData, VersionRequest
from zooweeper.ops.delete import Delete, DeleteContainer, DeleteRecursive
from zooweeper.ops.multi import Multi, Part
from zooweeper.ops.op import Nothing, Op
from zooweeper.ops.session import AddIdentity, Attach, CloseSession, ExpireSession, PlaceRequest

BOB = Id("digest", "bob:hash")
ACLS = [list(OPEN)] * 12 + [list(READ_ONLY), [Acl(31, BOB)], []]
SESSIONS_WANTED = 3

Call = tuple[type[Op], Record]


class Player:
    """Plays random steps on a world."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.world = World()

    def step(self) -> None:
        """Execute one or a few entries."""
        rng, world = self.rng, self.world
        sessions = world.state.sessions.values()
        if len(sessions) < SESSIONS_WANTED:
            world.open(results=rng.choice([0, 1, 4]))
            return
        session = rng.choice(sessions)
        turn = rng.random()
        if turn < 0.80:
            op, request = rng.choices([self.write, self.multi, self.other], [6, 3, 2])[0]()
            world.raw(session.id, session.attach, session.number + 1, op.code, request.encode())
        elif turn < 0.84:
            number = session.number + rng.choice([-3, -1, 0, 0, 2])
            world.raw(session.id, session.attach - rng.choice([0, 0, 1]), number, Create.code, b"")
        elif turn < 0.88:
            world.tokens += rng.random() < 0.7  # sometimes the same place once more
            secret = rng.choice([session.secret] * 5 + [b""])
            body = PlaceRequest(secret, 5000, rng.randrange(3), "10.0.0.2").encode()
            world.raw(session.id, 77, world.tokens, Attach.code, body)
        elif turn < 0.90:
            body = ExpireSession.Request(session.id, session.attach - rng.choice([0, 1])).encode()
            world.raw(0, 0, 0, ExpireSession.code, body)
        elif turn < 0.96:
            for body in world.state.tree.sweep(world.time_ms + 10**6, 2):
                world.raw(0, 0, 0, DeleteContainer.code, body)
        else:
            code = rng.choice([0, 1, 5, 14, 99, -10, -14])
            world.raw(rng.choice([0, session.id]), session.attach, session.number + 1, code, rng.randbytes(4))

    def path(self) -> str:
        """Mostly a node that is there, or right below one."""
        rng = self.rng
        path = rng.choice([path for path, _ in self.world.state.tree.walk()])
        if path.startswith("/zookeeper") or path.count("/") > 3 or rng.random() < 0.1:
            return "/" + rng.choice("abc")
        return path

    def below(self) -> str:
        return self.path().rstrip("/") + "/" + self.rng.choice("abcd")

    def data(self) -> bytes | None:
        return self.rng.choice([None, b"", self.rng.randbytes(5)])

    def version(self) -> int:
        return self.rng.choice([-1, -1, -1, -1, 0, 1])

    def create(self) -> Call:
        rng = self.rng
        acl = rng.choice(ACLS)
        kind = rng.randrange(8)
        if kind == 0:
            return CreateTtl, CreateTtlRequest(self.below(), self.data(), acl, rng.choice([5, 6]), rng.randint(1, 99))
        if kind == 1:
            return CreateContainer, CreateRequest(self.below(), self.data(), acl, 4)
        return rng.choice([Create, Create2]), CreateRequest(self.below(), self.data(), acl, rng.choice([0, 0, 1, 2, 3]))

    def write(self) -> Call:
        kind = self.rng.randrange(10)
        if kind < 5:
            return self.create()
        if kind < 7:
            return Delete, Delete.Request(self.path(), self.version())
        return SetData, SetData.Request(self.path(), self.data(), self.version())

    def multi(self) -> Call:
        calls = [self.write() for _ in range(self.rng.randint(0, 4))]
        if self.rng.random() < 0.5:
            check: Call = (Check, VersionRequest(self.path(), self.version()))
            calls.insert(self.rng.randint(0, len(calls)), check)
        return Multi, Multi.Request([Part(op.code, request) for op, request in calls])

    def other(self) -> Call:
        kind = self.rng.randrange(12)
        if kind < 5:
            return SetAcl, SetAcl.Request(self.path(), self.rng.choice(ACLS), self.version())
        if kind < 9:
            return DeleteRecursive, DeleteRecursive.Request(self.path(), self.rng.randint(0, 9))
        if kind < 11:
            return AddIdentity, AddIdentity.Request("digest", "bob:hash")
        return CloseSession, Nothing()
