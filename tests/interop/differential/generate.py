"""Random scripts: few paths, few sessions, every operation, and every mistake that a client can make.

Rules: the same seed makes the same script. A script draws its own tastes first (which kinds of steps, how many wrong
arguments), so that some are all watches and some all multis. Nothing may depend on time: TTLs are hours, and a
container never loses its last child, for when those are swept is nobody's promise.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.interop.differential import wire
from tests.interop.differential.steps import REFUSED, WELL, Ask, Batch, Bytes, Drop, Open, Raw, Seen, Step
from tests.interop.differential.wire import Part

SESSIONS = ("s0", "s1", "s2", "s3")
TOPS = ("/a", "/b", "/é ñ")
NODES = (*TOPS, "/a/b", "/a/b/c", "/a/b/c/d", "/a/x", "/b/y", "/b/y/日本", "/é ñ/z", "/a/e")
TREE = ("/a", "/b", "/é ñ", "/a/b", "/a/b/c", "/a/x", "/b/y")
NUMBERED = ("/a/n-", "/b/", "/a/b/")
GUESSED = tuple(f"{base}{number:010d}" for base in NUMBERED for number in (0, 1, 2, 3))
SYSTEM = ("/", "/zookeeper", "/zookeeper/quota")
CONFIG = "/zookeeper/config"
CONTAINERS = ("/k", "/a/k")
IN_CONTAINERS = ("/k/x", "/a/k/x")
BAD_PATHS = (
    None, "", "a", "/a/", "//", "/a//b", "/a/./b", "/a/..", "/..", "/a\0", "/a/\x01", "/a/\x7f", "/a/\x9f", "/a/\ud800",
    "/a/\ue000", "/a/\uf8ff", "/a/\ufff0", "/a/\uffff", "/a/😀", "/no/where", "/a/b/none", "zookeeper", "/zookeeper/",
)  # fmt: skip
DATA = (None, b"", b"x", b"\0\xff", b"some data", b"d" * 300)
OPEN = ((31, "world", "anyone"),)
ALICE, BOB = "alice:/RK/UHxmgVRrcFvxsUHRzjMJuwc=", "bob:fyVmFCwVbTJYrznoSu1koqYEYF0="
LOGINS = (b"alice:in wonderland", b"bob:secret")
ACLS: tuple[tuple[tuple[int, str | None, str | None], ...] | None, ...] = (
    ((31, "digest", BOB),),
    ((31, "auth", ""),),
    ((31, "auth", None), (1, "world", "anyone")),
    ((1, "world", "anyone"),),
    ((3, "world", "anyone"), (28, "digest", BOB)),
    ((12, "world", "anyone"), (16, "digest", BOB), (3, "auth", "")),
    ((16, "world", "anyone"),),
    ((1, "world", "anyone"), (1, "world", "anyone")),
    ((31, "ip", "127.0.0.1"),),
    ((31, "ip", "127.0.0.0/8"), (31, "ip", "::1")),
    ((31, "ip", "10.1.2.3/24"),),
    ((31, "sasl", "carol"),),
    ((0, "world", "anyone"),),
)
BAD_ACLS: tuple[tuple[tuple[int, str | None, str | None], ...] | None, ...] = (
    None,
    (),
    ((31, "world", "somebody"),),
    ((31, "world", None),),
    ((31, None, "anyone"),),
    ((31, "digest", "bob"),),
    ((31, "digest", ":"),),
    ((31, "digest", "a:b:c"),),
    ((31, "digest", None),),
    ((31, "ip", "nowhere"),),
    ((31, "ip", "127.0.0.1/33"),),
    ((31, "ip", "127.0.0.1/x"),),
    ((31, "nobody's", "bob"),),
    ((31, "super", "bob"),),
    ((31, "", ""),),
    ((31, "world", "anyone"), (31, "digest", "bob")),
    ((31, "sasl", ""),),
)
ODD_PERMS = (-1, 64, 32, 0x7FFFFFFF)
VERSIONS = (0, 0, 1, 1, 2, 3, 7, -2, 0x7FFFFFFF, -0x80000000)
HOUR_MS = 3_600_000
TTLS = (HOUR_MS, 30 * HOUR_MS, (1 << 40) - 1)
BAD_TTLS = (0, -1, 1 << 40, 1 << 62, -(1 << 63))
TIMEOUTS_MS = (20_000, 20_001, 39_999, 40_000, 40_001, 60_000, 0x7FFFFFFF)  # short ones might end before the script
UNKNOWN_CODES = (0, 10, -1, -2, 23, 99, 108, 127, 199, 200, 209, 210, 1000, 0x7FFFFFFF, -0x80000000)


@dataclass
class Taste:
    """What one script is like."""

    wrong: float  # how often an argument is a bad one
    guarded: float  # how often an ACL is not the open one
    versioned: float  # how often a version is not -1
    watching: float  # how often a read asks for a watch
    weights: list[int]


class Writer:
    """Writes one script."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        weights = [weight if rng.random() < 0.75 else rng.choice((0, 4 * weight)) for weight, _ in KINDS]
        self.taste = Taste(
            wrong=rng.choice((0, 0.02, 0.05, 0.2)),
            guarded=rng.choice((0, 0.1, 0.3, 0.6)),
            versioned=rng.choice((0.1, 0.3)),
            watching=rng.choice((0.1, 0.5, 0.9)),
            weights=weights if any(weights) else [weight for weight, _ in KINDS],
        )
        self.closed: set[str] = set()

    def script(self, length: int) -> list[Step]:
        steps: list[Step] = [Open(session, "new") for session in SESSIONS]
        if self.maybe(0.8):  # something to work with
            login = self.rng.choice(LOGINS)
            steps.append(Ask("s0", wire.AUTH, (0, "digest", login), wire.XID_AUTH))
            steps += [Ask("s0", wire.CREATE, (path, b"", self.guard(), 0)) for path in TREE if self.maybe(0.8)]
        makers = [make for _, make in KINDS]
        while len(steps) < length:
            session = self.rng.choice(SESSIONS)
            if session in self.closed and self.rng.random() < 0.8:
                steps.append(self.reopen(session))
                self.closed.discard(session)
                continue
            (make,) = self.rng.choices(makers, self.taste.weights)
            steps.append(make(self, session))
        return steps

    # ---- arguments

    def maybe(self, chance: float) -> bool:
        return self.rng.random() < chance

    def path(self) -> str | None:
        if self.maybe(self.taste.wrong):
            return self.rng.choice(BAD_PATHS)
        if self.maybe(0.06):
            return self.rng.choice(SYSTEM)
        return self.rng.choice(NODES if self.maybe(0.8) else GUESSED)

    def any_path(self) -> str | None:
        """For operations that do not make a container empty."""
        return self.rng.choice((*CONTAINERS, *IN_CONTAINERS)) if self.maybe(0.08) else self.path()

    def version(self) -> int:
        return self.rng.choice(VERSIONS) if self.maybe(self.taste.versioned) else -1

    def acl(self) -> Any:
        if self.maybe(self.taste.wrong):
            return self.rng.choice(BAD_ACLS)
        return self.guard()

    def guard(self) -> Any:
        """An ACL that can be."""
        if not self.maybe(self.taste.guarded):
            return OPEN
        if self.maybe(0.05):
            return ((self.rng.choice(ODD_PERMS), "world", "anyone"),)
        return self.rng.choice(ACLS)

    def data(self) -> bytes | None:
        return self.rng.choice(DATA)

    def watch(self) -> bool:
        return self.maybe(self.taste.watching)

    def paths(self) -> tuple[str | None, ...]:
        return tuple(self.any_path() for _ in range(self.rng.randrange(4)))

    def lists(self, count: int) -> tuple[tuple[str | None, ...], ...]:
        """Of paths, for setWatches; with a bad one no more than now and then, for that ends the script."""
        wrong, self.taste.wrong = self.taste.wrong, self.taste.wrong if self.maybe(0.1) else 0
        lists = tuple(self.paths() for _ in range(count))
        self.taste.wrong = wrong
        return lists

    # ---- operations

    def creation(self, code: int) -> tuple[Any, ...]:
        """The fields of a create in one of its forms."""
        wrong = self.maybe(self.taste.wrong)
        if code == wire.CREATE_CONTAINER:
            path: str | None = self.rng.choice(CONTAINERS)
            return path, self.data(), self.acl(), 4
        if code == wire.CREATE_TTL:
            flags = self.rng.choice((0, 4, 7, -1)) if wrong else self.rng.choice((5, 5, 6))
            bad = self.maybe(self.taste.wrong) and flags in (5, 6)  # with another flag it ends ZooKeeper 3.9.5 for good
            ttl = self.rng.choice(BAD_TTLS if bad else TTLS)
            return self.new_path(flags == 6), self.data(), self.acl(), flags, ttl
        flags = self.rng.choice((4, 5, 6, 7, -1, 100)) if wrong else self.rng.choice((0, 0, 0, 1, 2, 3))
        path = self.rng.choice(IN_CONTAINERS) if flags == 0 and self.maybe(0.04) else self.new_path(flags in (2, 3))
        return path, self.data(), self.acl(), flags

    def new_path(self, numbered: bool) -> str | None:
        return self.rng.choice(NUMBERED) if numbered and not self.maybe(0.1) else self.path()

    def fields(self, code: int) -> tuple[Any, ...]:
        """The fields of any operation that may stand in a multi."""
        match code:
            case wire.CREATE | wire.CREATE2 | wire.CREATE_CONTAINER | wire.CREATE_TTL:
                return self.creation(code)
            case wire.DELETE:
                return self.path(), self.version()
            case wire.SET_DATA:
                return self.any_path(), self.data(), self.version()
            case wire.CHECK:
                return self.any_path(), self.version()
            case _:
                return self.any_path(), self.watch()

    def write(self, session: str) -> Ask:
        code = self.rng.choice(
            (wire.CREATE,) * 5
            + (wire.CREATE2,) * 3
            + (wire.CREATE_TTL, wire.CREATE_CONTAINER)
            + (wire.DELETE,) * 4
            + (wire.SET_DATA,) * 4
        )
        return Ask(session, code, self.fields(code))

    def set_acl(self, session: str) -> Ask:
        return Ask(session, wire.SET_ACL, (self.any_path(), self.acl(), self.version()))

    def read(self, session: str) -> Ask:
        code = self.rng.choice((wire.EXISTS, wire.GET_DATA, wire.GET_CHILDREN, wire.GET_CHILDREN2))
        return Ask(session, code, (CONFIG if self.maybe(0.02) else self.any_path(), self.watch()))

    def other_read(self, session: str) -> Ask:
        code = self.rng.choice((wire.GET_ACL, wire.GET_ACL, wire.GET_ALL_CHILDREN_NUMBER, wire.SYNC, wire.WHO_AM_I))
        return Ask(session, code, () if code == wire.WHO_AM_I else (self.any_path(),))

    def ephemerals(self, session: str) -> Ask:
        prefix = self.rng.choice(("", "/", "/a", "/a/", "/b", None, " ", "x"))
        return Ask(session, wire.GET_EPHEMERALS, (prefix,))

    def sasl(self, session: str) -> Ask:
        return Ask(session, wire.SASL, (self.rng.choice((b"", None, b"token")),))

    def ping(self, session: str) -> Ask:
        return Ask(session, wire.PING, (), wire.XID_PING)

    def add_watch(self, session: str) -> Ask:
        mode = self.rng.choice((2, -1, 7)) if self.maybe(self.taste.wrong) else self.rng.randrange(2)
        return Ask(session, wire.ADD_WATCH, (self.any_path(), mode))

    def watches(self, session: str) -> Ask:
        kind = self.rng.choice((0, 6, -1)) if self.maybe(self.taste.wrong) else self.rng.randrange(1, 6)
        return Ask(session, self.rng.choice((wire.CHECK_WATCHES, wire.REMOVE_WATCHES)), (self.any_path(), kind))

    def set_watches(self, session: str) -> Ask:
        seen = self.rng.choice((0, -1, 1 << 62, *map(Seen, (0, 1, 3, 10, 30))))
        if self.maybe(0.5):
            return Ask(session, wire.SET_WATCHES, (seen, *self.lists(3)), wire.XID_SET_WATCHES)
        return Ask(session, wire.SET_WATCHES2, (seen, *self.lists(5)), wire.XID_SET_WATCHES)

    def multi(self, session: str) -> Ask:
        codes = (wire.CREATE, wire.CREATE, wire.CREATE2, wire.DELETE, wire.SET_DATA, wire.CHECK, wire.CREATE_TTL)
        chosen = [self.rng.choice(codes) for _ in range(self.rng.choice((0, 1, 2, 2, 3, 3, 4, 5, 8)))]
        if self.maybe(self.taste.wrong):
            chosen.append(self.rng.choice((wire.GET_DATA, wire.CREATE_CONTAINER)))
        return Ask(session, wire.MULTI, (tuple(Part(code, self.fields(code)) for code in chosen),))

    def multi_read(self, session: str) -> Ask:
        codes = (wire.GET_DATA, wire.GET_CHILDREN)
        chosen = [self.rng.choice(codes) for _ in range(self.rng.randrange(5))]
        if self.maybe(self.taste.wrong):
            chosen.append(self.rng.choice((wire.CHECK, wire.DELETE, wire.CREATE)))
        return Ask(session, wire.MULTI_READ, (tuple(Part(code, self.fields(code)) for code in chosen),))

    def auth(self, session: str) -> Ask:
        scheme, login = "digest", self.rng.choice(LOGINS)
        if self.maybe(0.08):
            login = b"super:test"
        if self.maybe(self.taste.wrong):
            self.closed.add(session)
            scheme, login = self.rng.choice((("ip", b""), ("nobody's", b"x"), ("world", b"anyone"), ("", b""),
                                             ("digest", b""), ("digest", b"no colon"), ("auth", b"")))  # fmt: skip
        return Ask(session, wire.AUTH, (0, scheme, login), self.rng.choice((wire.XID_AUTH, None)))

    # ---- several at once

    def batch(self, session: str) -> Batch:
        makers = (Writer.write, Writer.write, Writer.read, Writer.multi, Writer.other_read, Writer.add_watch)
        return Batch(session, tuple(self.rng.choice(makers)(self, session) for _ in range(self.rng.randrange(2, 7))))

    # ---- mistakes

    def raw(self, session: str) -> Raw:
        """A body that ends early, or counts wrong, or has too much."""
        code = self.rng.choice([code for code in wire.REQUESTS if code not in (wire.AUTH, wire.SASL, wire.RECONFIG)])
        if self.maybe(0.15):
            self.closed.add(session)
            return Raw(session, self.rng.choice((*UNKNOWN_CODES, wire.CHECK)), b"\0" * self.rng.randrange(40))
        if code == wire.CHECK:
            self.closed.add(session)
        if code in (wire.SET_WATCHES, wire.SET_WATCHES2):
            seen = self.rng.choice((0, 1 << 62))  # any other number says something else to each server
            return Raw(
                session,
                code,
                wire.LONG.pack(seen) + self.damage(wire.encode(wire.SET_WATCHES, (0, *self.lists(3)))[8:]),
            )
        made = {wire.MULTI: self.multi, wire.MULTI_READ: self.multi_read}
        ask = made.get(code, self.read)(session)
        return Raw(session, code, self.damage(wire.encode(ask.code, ask.fields)))

    def damage(self, body: bytes) -> bytes:
        at = self.rng.randrange(len(body) + 1)
        wrong = self.rng.choice((-1, -2, 0, 5, 255, 0xFFFFF, 0x7FFFFFFF, -0x80000000))
        return self.rng.choice(
            (
                body[:at],
                body + b"\0" * self.rng.randrange(1, 20),
                b"",
                wrong.to_bytes(4, "big", signed=True) + body[4:],
                body[: at // 4 * 4] + wrong.to_bytes(4, "big", signed=True) + body[at // 4 * 4 + 4 :],
            )
        )

    def no_frame(self, session: str) -> Bytes:
        self.closed.add(session)
        size = self.rng.choice((-1, -0x80000000, 0x7FFFFFFF, 0x100000, 3, 0, 7))
        return Bytes(session, size.to_bytes(4, "big", signed=True) + bytes(max(0, min(size, 64))))

    # ---- connections

    def reopen(self, session: str) -> Open:
        how = self.rng.choice(("again",) * 6 + WELL)
        if self.maybe(self.taste.wrong):
            how = self.rng.choice(REFUSED)
            self.closed.add(session)
        timeout_ms = self.rng.choice(TIMEOUTS_MS) if self.maybe(self.taste.wrong) else 30_000
        return Open(session, how, timeout_ms, self.rng.choice((False, False, None, True)))

    def drop(self, session: str) -> Drop:
        self.closed.add(session)
        return Drop(session)

    def end(self, session: str) -> Ask:
        self.closed.add(session)
        return Ask(session, wire.CLOSE_SESSION)


KINDS: tuple[tuple[int, Callable[[Writer, str], Step]], ...] = (
    (30, Writer.write),
    (20, Writer.read),
    (8, Writer.multi),
    (3, Writer.multi_read),
    (5, Writer.other_read),
    (4, Writer.set_acl),
    (4, Writer.add_watch),
    (4, Writer.watches),
    (3, Writer.set_watches),
    (3, Writer.batch),
    (2, Writer.ephemerals),
    (2, Writer.auth),
    (1, Writer.ping),
    (1, Writer.sasl),
    (2, Writer.raw),
    (1, Writer.no_frame),
    (2, Writer.reopen),
    (1, Writer.drop),
    (1, Writer.end),
)


def script(seed: int, number: int, length: int) -> list[Step]:
    """Script `number` of a seed."""
    return Writer(random.Random(f"{seed}/{number}")).script(length)


def edges() -> list[Step]:
    """What chance does not bring: the largest and the most of everything that both servers take."""
    big, many = b"d" * 1_000_000, 1000
    names = tuple(f"/many/{number}" for number in range(many))
    long, deep = "/" + "n" * 4000, tuple("/deep" + "/x" * depth for depth in range(200))
    creates = tuple(Part(wire.CREATE2, (name, b"", OPEN, 0)) for name in names)
    deletes = tuple(Part(wire.DELETE, (name, -1)) for name in names)
    absent = tuple(f"/absent/{number}" for number in range(many))
    return [
        *(Open(session, "new") for session in SESSIONS),
        Ask("s0", wire.CREATE2, ("/big", big, OPEN, 0)),
        Ask("s1", wire.GET_DATA, ("/big", True)),
        Ask("s0", wire.SET_DATA, ("/big", big[:-1], 0)),
        Ask("s1", wire.GET_DATA, ("/big", False)),
        Ask("s1", wire.MULTI_READ, ((Part(wire.GET_DATA, ("/big", False)),) * 2,)),
        Ask("s0", wire.CREATE2, (long, b"", OPEN, 0)),
        Ask("s0", wire.CREATE, (long[:-20], b"", OPEN, 2)),
        *(Ask("s2", wire.CREATE, (path, b"", OPEN, 0)) for path in deep),
        Ask("s2", wire.GET_ALL_CHILDREN_NUMBER, ("/deep",)),
        Ask("s3", wire.ADD_WATCH, ("/", 1)),
        Ask("s2", wire.CREATE, ("/many", b"", OPEN, 0)),
        Ask("s2", wire.MULTI, (creates,)),
        Ask("s2", wire.GET_CHILDREN2, ("/many", True)),
        Ask("s2", wire.MULTI, ((*deletes, Part(wire.CHECK, ("/none", 0))),)),
        Ask("s1", wire.SET_WATCHES2, (0, names, absent, (), absent, names), wire.XID_SET_WATCHES),
        Ask("s1", wire.SET_WATCHES2, (1 << 62, names, absent, names, (), ()), wire.XID_SET_WATCHES),
        Batch("s0", tuple(Ask("s0", wire.SET_DATA, (name, b"x", -1)) for name in names)),
        Batch("s0", tuple(Ask("s0", wire.GET_DATA, (name, False)) for name in names)),
        Ask("s2", wire.MULTI, (deletes,)),
        Ask("s0", wire.MULTI, (tuple(Part(wire.CREATE, (name, None, OPEN, 1)) for name in names),)),
        Ask("s0", wire.GET_EPHEMERALS, ("/many",)),
        Ask("s0", wire.CLOSE_SESSION),
        Bytes("s1", (0x100000).to_bytes(4, "big") + bytes(64)),
        Open("s1", "again"),
        Ask("s1", wire.GET_CHILDREN2, ("/many", False)),
    ]
