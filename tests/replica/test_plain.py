"""What is executed in one piece comes to what the operations make of it: the same entries, both ways.

Rules: the entries are those of tests/properties/entries.py, and damaged copies of them; nothing is compared by digest
alone. Each property counts what was plain, or it would prove nothing.
"""

from collections import Counter
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.properties.entries import Player
from tests.properties.test_state_laws import images
from tests.tree.world import World
from zooweeper.model.acl import OPEN, READ_ONLY
from zooweeper.model.entry import Batch, Entry, pack_request
from zooweeper.model.events import WatcherType
from zooweeper.model.paths import CONFIG
from zooweeper.model.session import LARGE
from zooweeper.ops.create import Create, CreateRequest
from zooweeper.ops.data import GetData, SetData
from zooweeper.ops.delete import Delete
from zooweeper.ops.multi import Multi, Part
from zooweeper.ops.op import View, encoded
from zooweeper.ops.read import Exists
from zooweeper.replica.execute import Executed, execute
from zooweeper.replica.plain import execute_plain, read_plain
from zooweeper.tree.snapshot import SnapshotBuilder, SnapshotReader
from zooweeper.tree.state import State
from zooweeper.tree.watches import WatchTable

STEPS = 150
SEEDS = range(30)
ME = 1  # a connection


class Replay:
    """Executes entries in batches, plain where that is possible."""

    def __init__(self) -> None:
        self.state, self.watches = State(), WatchTable()
        self.results: dict[int, tuple[int, bytes]] = {}
        self.fired: list[tuple[int, object]] = []
        self.plain: Counter[int] = Counter()
        self.clients: Any = SimpleNamespace(attached=self, written=self._written)

    def get(self, session: int) -> int:
        """Every session is attached here."""
        return session

    def _written(self, session: int, attach: int, number: int, zxid: int, error: int, body: bytes) -> None:
        known = self.state.sessions[session]
        assert (known.attach, known.number, self.state.zxid) == (attach, number, zxid)
        self.results[zxid] = error, body

    def run(self, entries: list[Entry]) -> None:
        """One batch: they have one time."""
        data = b"".join(pack_request(one.session, one.attach, one.number, one.code, one.body) for one in entries)
        batch = Batch(entries[0].zxid, entries[-1].zxid, entries[0].time_ms, data)
        at, zxid = 0, batch.first
        while at < len(data):
            before = zxid
            at, zxid = execute_plain(self.state, batch, at, zxid, self.clients, self.watches)
            self.plain.update(entry.code for entry in entries[before - batch.first : zxid - batch.first])
            if at < len(data):
                entry, at = batch.entry(at, zxid)
                result = execute(self.state, entry)
                self.results[zxid] = result.error, result.body
                self.fired += [(zxid, one) for one in self.watches.trigger(result.changes, lambda _: ())]
                zxid += 1
        batch.ended(zxid)


def damaged(player: Player, entry: Entry) -> None:
    """The same request once more, with a byte or the end of it missing, or one changed."""
    rng, world, body = player.rng, player.world, bytearray(entry.body)
    session = world.state.sessions.get(entry.session)
    if session is None or not body:
        return
    kind = rng.randrange(4)
    if kind == 0:
        del body[rng.randrange(len(body)) :]
    elif kind == 1:
        body += rng.randbytes(3)
    else:
        body[rng.randrange(len(body))] = rng.choice([0, 1, 0x2F, 0x41, 0xFF])
    world.raw(session.id, session.attach, session.number + 1, entry.code, bytes(body))


def easy(player: Player) -> None:
    """A request as most are."""
    rng, world = player.rng, player.world
    session = rng.choice(world.state.sessions.values())
    data = rng.randbytes(rng.randrange(9))
    create = CreateRequest(player.below(), data, list(OPEN), rng.choice([0, 2]))
    code, request = rng.choice([(Create.code, create), (SetData.code, SetData.Request(player.path(), data, -1))])
    world.raw(session.id, session.attach, session.number + 1, code, request.encode())


def play(player: Player) -> tuple[list[list[Entry]], list[Executed], list[tuple[int, object]]]:
    """Entries in batches of one time each, what they came to one by one, and what they fired."""
    world = player.world
    batches: list[list[Entry]] = []
    results: list[Executed] = []
    fired: list[tuple[int, object]] = []
    raw = world.raw

    def told(session: int, attach: int, number: int, code: int, body: bytes) -> Executed:
        done = raw(session, attach, number, code, body)
        results.append(done)
        fired.extend((world.state.zxid, one) for one in world.watches.trigger(done.changes, lambda _: ()))
        return done

    world.raw = told  # type: ignore[method-assign]
    for _ in range(STEPS):
        begin = len(world.entries)
        time_ms = world.time_ms
        for _ in range(player.rng.randint(1, 6)):
            world.time_ms = time_ms  # so that all of them have one
            player.step() if len(world.state.sessions) < 2 or player.rng.random() < 0.5 else easy(player)
            if world.entries[-1].code in (SetData.code, Create.code) and player.rng.random() < 0.2:
                world.time_ms = time_ms
                damaged(player, world.entries[-1])
        more = world.entries[begin:]
        together = bool(more) and all(entry.time_ms == more[0].time_ms for entry in more)
        batches += [more] if together else [[entry] for entry in more]
    return batches, results, fired


def test_both_ways_come_to_the_same() -> None:
    plain: Counter[int] = Counter()
    for seed in SEEDS:
        player, replay = Player(seed), Replay()
        batches, results, _ = play(player)
        for batch in batches:
            replay.run(batch)
        state = player.world.state
        assert images(replay.state) == images(state), seed
        assert replay.state.digest() == state.digest() == state.recompute_digest(), seed
        answers = [replay.results[zxid] for zxid in range(state.zxid - len(results) + 1, state.zxid + 1)]
        assert answers == [(done.error, done.body) for done in results], seed
        plain += replay.plain
    assert plain[SetData.code] > 1000 and plain[Create.code] > 300, "or this proves nothing"
    assert set(plain) == {SetData.code, Create.code}


def test_who_watches_hears_of_everything() -> None:
    plain: Counter[int] = Counter()
    events = 0
    for seed in SEEDS:
        player, replay = Player(seed), Replay()
        for table in (player.world.watches, replay.watches):
            for at, path in enumerate(("/a", "/b", "/a/b", "/c", "/", "/b/a", "/a/d")):
                for type in (WatcherType.DATA, WatcherType.CHILDREN, WatcherType.PERSISTENT):
                    table.add(at, path, type)
        batches, _, fired = play(player)
        for batch in batches:
            replay.run(batch)
        assert replay.fired == fired, seed
        plain += replay.plain
        events += len(fired)
    assert plain.total() > 500 and events > 1000, "or this proves nothing"


def test_who_watches_a_whole_tree_hears_of_everything() -> None:
    player, replay = Player(7), Replay()
    for table in (player.world.watches, replay.watches):
        table.add(ME, "/", WatcherType.RECURSIVE)
    batches, _, fired = play(player)
    for batch in batches:
        replay.run(batch)
    assert replay.fired == fired and len(fired) > 20 and not replay.plain


def test_a_snapshot_taken_meanwhile_is_of_its_moment() -> None:
    plain = 0
    for seed in SEEDS:
        player, replay = Player(seed), Replay()
        batches, _, _ = play(player)
        half = len(batches) // 2
        for batch in batches[:half]:
            replay.run(batch)
        expected, digest, before = images(replay.state), replay.state.digest(), replay.plain.total()
        builder, reader = SnapshotBuilder(), SnapshotReader(replay.state, 100)
        for batch in batches[half:]:
            if (chunk := reader.next_chunk()) is not None:
                builder.feed(chunk)
            replay.run(batch)
        while (chunk := reader.next_chunk()) is not None:
            builder.feed(chunk)
        built = builder.finish()
        assert images(built) == expected and built.digest() == digest, seed
        plain += replay.plain.total() - before
    assert plain > 500, "or this proves nothing"


def test_a_large_result_is_counted_while_it_is_remembered() -> None:
    world, replay, kept = World(), Replay(), 4
    session = world.open(results=kept)
    known = world.state.sessions[session]
    world.create(session, "/a")
    names = ["/" + "x" * 1000 + str(number) for number in range(9)]
    parts = [Part(Create.code, CreateRequest(name, b"", list(OPEN), 0)) for name in names]
    for _ in range(2):
        world.send(session, Multi, Multi.Request(parts))
        assert len(world.last.body) > LARGE
        for number in range(2 * kept):
            world.send(session, SetData, SetData.Request("/a", b"new", -1))
            assert bool(known.large) == (number < kept - 1)
        for name in names:
            world.send(session, Delete, Delete.Request(name, -1))
    for entry in world.entries:
        replay.run([entry])
    assert images(replay.state) == images(world.state)
    assert replay.plain[SetData.code] == 2 * kept


PLAIN_SET = SetData.Request("/a", b"new", -1).encode()


def odd_requests() -> dict[str, tuple[int, bytes]]:
    """Requests that are nearly plain."""
    long = (1 << 20).to_bytes(4)
    create = CreateRequest("/a/b", b"x", list(OPEN), 0).encode()
    return {
        "a length beyond the end": (SetData.code, long + PLAIN_SET[4:]),
        "a negative length": (SetData.code, b"\xff\xff\xff\xff" + PLAIN_SET[4:]),
        "the path and nothing more": (SetData.code, PLAIN_SET[:6]),
        "no version": (SetData.code, PLAIN_SET[:-4]),
        "bytes behind the version": (SetData.code, PLAIN_SET + b"?"),
        "a path that is not UTF-8": (SetData.code, PLAIN_SET.replace(b"/a", b"/\xff")),
        "no data": (SetData.code, SetData.Request("/a", None, -1).encode()),
        "another version": (SetData.code, SetData.Request("/a", b"", 5).encode()),
        "the membership": (SetData.code, SetData.Request("/zookeeper/config", b"", -1).encode()),
        "the root": (Create.code, CreateRequest("/", b"", list(OPEN), 0).encode()),
        "no name": (Create.code, CreateRequest("/a/", b"", list(OPEN), 0).encode()),
        "dots": (Create.code, CreateRequest("/a/..", b"", list(OPEN), 0).encode()),
        "an ephemeral": (Create.code, CreateRequest("/a/b", b"", list(OPEN), 1).encode()),
        "unknown flags": (Create.code, CreateRequest("/a/b", b"", list(OPEN), 9).encode()),
        "other rows": (Create.code, CreateRequest("/a/b", b"", list(READ_ONLY), 0).encode()),
        "no parent": (Create.code, CreateRequest("/x/y", b"", list(OPEN), 0).encode()),
        "cut in the rows": (Create.code, create[:-9]),
        "a name of letters beyond ASCII": (Create.code, CreateRequest("/a/é", b"", list(OPEN), 2).encode()),
    }


@pytest.mark.parametrize("what", odd_requests())
@pytest.mark.parametrize("last", [True, False])
def test_what_is_nearly_plain(what: str, last: bool) -> None:
    """Alone at the end of a batch, and with a plain one behind it, whose bytes it must not take for its own."""
    world, replay = World(), Replay()
    session = world.open()
    world.create(session, "/a")
    for entry in world.entries:
        replay.run([entry])
    code, body = odd_requests()[what]
    begin, time_ms = len(world.entries), world.time_ms
    attach = world.state.sessions[session].attach
    for number, request in enumerate(((code, body), (SetData.code, PLAIN_SET))[: 1 if last else 2], 2):
        world.time_ms = time_ms
        world.raw(session, attach, number, *request)
    replay.run(world.entries[begin:])
    assert images(replay.state) == images(world.state)
    assert replay.state.digest() == world.state.recompute_digest()
    assert replay.plain[SetData.code] == (not last) and not replay.plain[Create.code]


def test_what_belongs_to_another_attachment_or_number_changes_nothing() -> None:
    world, replay = World(), Replay()
    session = world.open()
    world.create(session, "/a")
    attach = world.state.sessions[session].attach
    for session_id, attached, number in (
        (session, attach + 1, 2),
        (session, attach, 4),
        (session, attach, 1),
        (99, 0, 1),
    ):
        assert world.raw(session_id, attached, number, SetData.code, PLAIN_SET).error
    for entry in world.entries:
        replay.run([entry])
    assert images(replay.state) == images(world.state) and not replay.plain
    node = cast(Any, replay.state.tree.get("/a"))
    assert node.version == 0


def test_a_node_that_went_is_not_remembered() -> None:
    """Its path is known by its bytes: that is forgotten with it."""
    world, replay = World(), Replay()
    session = world.open()
    world.create(session, "/a")
    world.send(session, SetData, SetData.Request("/a", b"1", -1))
    world.send(session, Delete, Delete.Request("/a", -1))
    attach = world.state.sessions[session].attach
    world.raw(session, attach, 4, SetData.code, PLAIN_SET)
    world.create(session, "/a", b"again")
    world.send(session, SetData, SetData.Request("/a", b"2", 0))
    for entry in world.entries:
        replay.run([entry])
    assert replay.plain[SetData.code] == 2
    assert images(replay.state) == images(world.state)


def test_plain_reads_come_to_what_the_operations_read() -> None:
    """Of all that there is and is not, in every state on the way; and with a byte missing, changed or too many."""
    plain: Counter[int] = Counter()
    for seed in SEEDS:
        player = Player(seed)
        world, rng = player.world, player.rng
        for _ in range(STEPS):
            player.step()
            session = world.state.sessions.get(world.entries[-1].session)
            if session is None:
                continue
            watches = WatchTable()
            view = View(world.state, session, watches, ME)
            for op in (GetData, Exists):
                body = bytearray(op.Request(player.path(), rng.random() < 0.1).encode())
                if rng.random() < 0.3:
                    at = rng.randrange(len(body))
                    body[at : at + rng.randrange(2)] = rng.randbytes(rng.randrange(3))
                result = read_plain(world.state.tree, op.code, bytes(body))
                if result is not None:
                    plain[op.code] += 1
                    assert result == encoded(op.read(op.Request.decode(bytes(body)), view)), (seed, bytes(body))
                    assert not watches.watched
    assert plain[GetData.code] > 500 and plain[Exists.code] > 500, "or this proves nothing"


def test_reads_of_what_is_not_open_to_all_are_not_plain() -> None:
    world = World()
    session = world.open()
    world.create(session, "/shut", acl=READ_ONLY)
    for path, is_plain in (("/shut", False), ("/", True), (CONFIG, False), ("/none", False)):
        for op in (GetData, Exists):
            found = read_plain(world.state.tree, op.code, op.Request(path, False).encode())
            assert (found is not None) == is_plain, (path, op.name)
