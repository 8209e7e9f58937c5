"""The state at exactly one zxid as a stream of chunks, while entries go on; and back.

Rules: what is about to change before its turn gives its old image to the stream first; what was created since is left
out. Begin costs nothing, and each chunk is bounded work (but for the list of one node's children's names). A stream is
only believed whole: the builder checks order, checksum, counts and the digest of what it built. Nodes stand in columns
(tree/columns.py): there may be millions of them.

    stream := item*          item := kind u8, length u32, body          cut into chunks anywhere
    items  := header, (nodes | session)*, end
"""

from collections import deque
from collections.abc import Generator, Iterator
from struct import Struct
from struct import error as StructError
from zlib import crc32

from zooweeper.codec.record import Buffer, Int, Long, Record, Secret, Vector
from zooweeper.model.acl import Id
from zooweeper.model.errors import MarshallingError
from zooweeper.model.limits import MIB, RESULTS_BYTES_MAX, SNAPSHOT_CHUNK_BYTES
from zooweeper.model.paths import join, split
from zooweeper.model.session import Remembered, Session
from zooweeper.model.stat import Znode
from zooweeper.tree.columns import Row, Run, pack_nodes, row_of, unpack_nodes
from zooweeper.tree.state import State

VERSION = 1
ITEM_BYTES_MAX = 16 * MIB  # a session with its results: one of a large multi, or RESULTS_BYTES_MAX in all
assert RESULTS_BYTES_MAX < ITEM_BYTES_MAX
_ITEM = Struct("!BI")
_HEADER, _NODES, _SESSION, _END = 1, 2, 3, 4
ROW_BYTES = 64  # of a node besides its path and data, about


class _Header(Record):
    version: Int
    zxid: Long
    chain: Long
    tree: Long  # the digests of tree and sessions, as signed numbers
    people: Long
    nodes: Long
    sessions: Long


class _Result(Record):
    number: Long
    error: Int
    zxid: Long
    body: Buffer


class _Session(Record):
    id: Long
    secret: Secret
    timeout_ms: Int
    attach: Long
    origin: Long
    token: Long
    number: Long
    identities: Vector[Id]
    results_kept: Int
    results: Vector[_Result]


class _End(Record):
    checksum: Long  # CRC-32 of all items before


def _numbered(session: Session) -> Iterator[tuple[int, Remembered]]:
    """The results that are remembered, with their running numbers."""
    results = session.results or ()
    return enumerate(results, session.number + 1 - len(results))


def _signed(number: int) -> int:
    return number - (1 << 64) if number >> 63 else number


class SnapshotReader:
    """Reads a state out. One at a time per state; `close` when it is not read to its end."""

    def __init__(self, state: State, chunk_bytes: int = SNAPSHOT_CHUNK_BYTES) -> None:
        assert 0 < chunk_bytes <= SNAPSHOT_CHUNK_BYTES
        tree, sessions = state.tree, state.sessions
        assert tree.keep is None and sessions.keep is None, "one snapshot at a time"
        assert state.journal.empty, "between entries"
        self.zxid = state.zxid
        self._chunk_bytes = chunk_bytes
        self._state = state
        self._ready: deque[bytes] = deque()
        self._ready_bytes = 0
        self._rows: list[Row] = []  # of nodes whose turn has come, or that have changed
        self._rows_bytes = 0
        self._checksum = 0
        self._walk = self._nodes(tree.root)
        self._sessions = iter(sessions.values())
        self._open = True
        self._ended = False
        tree.generation += 1
        sessions.generation += 1
        tree.keep, sessions.keep = self._keep_node, self._put_session
        header = _Header(
            VERSION,
            self.zxid,
            state.chain,
            _signed(tree.total),
            _signed(sessions.total),
            len(tree),
            len(sessions),
        )
        self._put(_HEADER, header.encode())

    def next_chunk(self) -> bytes | None:
        """At most `chunk_bytes` of the stream, None after its end."""
        assert self._open or self._ended, "closed"
        while self._ready_bytes < self._chunk_bytes and not self._ended:
            if next(self._walk, None) is not None:
                continue
            if self._rows:
                self._put_rows()
            elif (session := next(self._sessions, None)) is not None:
                if session.seen != self._state.sessions.generation:
                    self._put_session(session)
            else:
                self._ended = True
                self._put(_END, _End(self._checksum).encode())
                self.close()
        return self._cut() if self._ready else None

    def close(self) -> None:
        """Entries leave no old images any more."""
        if self._open:
            self._open = False
            self._state.tree.keep = self._state.sessions.keep = None
            self._walk.close()
            self._rows, self._sessions = [], iter(())

    def _cut(self) -> bytes:
        """The next chunk from what is ready."""
        room, parts = self._chunk_bytes, []
        while self._ready and room:
            part = self._ready.popleft()
            if len(part) > room:
                self._ready.appendleft(part[room:])
                part = part[:room]
            parts.append(part)
            room -= len(part)
        chunk = b"".join(parts)
        self._ready_bytes -= len(chunk)
        return chunk

    def _put(self, kind: int, body: bytes) -> None:
        item = _ITEM.pack(kind, len(body)) + body
        self._checksum = crc32(item, self._checksum)
        self._ready.append(item)
        self._ready_bytes += len(item)

    def _nodes(self, root: Znode) -> Generator[bool, None, None]:
        """Give each node its turn, siblings after each other, and stop where there is something to send."""
        generation = self._state.tree.generation
        waiting = [("/", root)]
        if root.seen != generation:
            self._put_node("", "", root)
        rows, size = self._rows, self._rows_bytes
        while waiting:
            path, node = waiting.pop()
            prefix, children = join(path, ""), node.children
            for name in list(children):  # a name may go meanwhile, and come again
                child = children.get(name)
                if child is None:
                    continue
                if child.seen != generation:
                    child.seen = generation
                    row = row_of(prefix, name, child)
                    rows.append(row)
                    size += ROW_BYTES + len(name) + len(row[2] or b"")
                    if size >= self._chunk_bytes:
                        self._put_rows()
                        yield True
                        rows, size = self._rows, self._rows_bytes
                if child.family is not None and child.family.children:
                    waiting.append((prefix + name, child))

    def _keep_node(self, path: str, node: Znode) -> None:
        """The node as it is now, for the last time before it changes."""
        above, name = split(path)
        self._put_node(join(above, "") if name else "", name, node)

    def _put_node(self, prefix: str, name: str, node: Znode) -> None:
        node.seen = self._state.tree.generation
        self._rows.append(row_of(prefix, name, node))
        self._rows_bytes += ROW_BYTES + len(name) + len(node.data or b"")
        if self._rows_bytes >= self._chunk_bytes:
            self._put_rows()

    def _put_rows(self) -> None:
        rows, self._rows, self._rows_bytes = self._rows, [], 0
        self._put(_NODES, pack_nodes(rows))

    def _put_session(self, session: Session) -> None:
        session.seen = self._state.sessions.generation
        record = _Session(
            session.id,
            session.secret,
            session.timeout_ms,
            session.attach,
            session.origin,
            session.token,
            session.number,
            list(session.identities),
            session.results_kept,
            [_Result(number, error, zxid, body) for number, (error, body, zxid) in _numbered(session)],
        )
        self._put(_SESSION, record.encode())


class SnapshotBuilder:
    """Builds a state from the chunks, fed in order. ValueError, with what is wrong, for anything but a whole stream."""

    def __init__(self) -> None:
        self._state = State(planted=False)
        self._rest = b""
        self._header: _Header | None = None
        self._checksum = 0
        self._ended = False
        self._orphans: list[Run] = []  # whose parent was not there yet
        self._sessions: list[Session] = []
        self._nodes = 0

    def feed(self, chunk: bytes) -> None:
        """The next chunk."""
        data, at = self._rest + chunk, 0
        while len(data) - at >= _ITEM.size:
            kind, length = _ITEM.unpack_from(data, at)
            if length > ITEM_BYTES_MAX:
                raise ValueError(f"snapshot: an item of {length} bytes")
            end = at + _ITEM.size + length
            if end > len(data):
                break
            if self._ended:
                raise ValueError("snapshot: something after its end")
            try:
                self._take(kind, data[at + _ITEM.size : end])
            except (MarshallingError, UnicodeError, StructError):
                raise ValueError("snapshot: an item cannot be read") from None
            self._checksum = crc32(data[at:end], self._checksum)
            at = end
        self._rest = data[at:]

    def finish(self) -> State:
        """The state, after the last chunk."""
        header, state = self._header, self._state
        if header is None or not self._ended or self._rest:
            raise ValueError("snapshot: not complete")
        # Old images stand in the stream in the order of the changes, so a child may stand before its parent. Parents
        # have shorter paths: one pass in that order finds all.
        for run in sorted(self._orphans, key=lambda run: run.prefix.count("/")):
            if not self._adopt(run):
                raise ValueError(f"snapshot: {run.prefix!a} is no node")
        places = {(session.origin, session.token) for session in self._sessions}
        if not len(places) == len({session.id for session in self._sessions}) == len(self._sessions):
            raise ValueError("snapshot: two sessions with one id, or one connection")
        for session in sorted(self._sessions, key=lambda session: session.id):
            state.sessions.adopt(session)
        if (len(state.tree), len(state.sessions)) != (header.nodes, header.sessions) or self._nodes != header.nodes:
            raise ValueError(f"snapshot: {len(state.tree)} nodes and {len(state.sessions)} sessions, not as announced")
        if (_signed(state.tree.total), _signed(state.sessions.total)) != (header.tree, header.people):
            raise ValueError("snapshot: the digest is not the one announced")
        state.zxid, state.chain = header.zxid, header.chain
        return state

    def _take(self, kind: int, body: bytes) -> None:
        if (kind == _HEADER) != (self._header is None):
            raise ValueError("snapshot: a header at its start, and there alone")
        if kind == _NODES:
            self._take_nodes(body)
        elif kind == _SESSION:
            self._take_session(_Session.decode(body))
        elif kind == _HEADER:
            self._header = _Header.decode(body)
            if self._header.version != VERSION:
                raise ValueError(f"snapshot: format version {self._header.version}, this program reads {VERSION}")
        elif kind == _END:
            if _End.decode(body).checksum != self._checksum:
                raise ValueError("snapshot: the checksum is wrong")
            self._ended = True
        else:
            raise ValueError(f"snapshot: an item of unknown kind {kind}")

    def _take_nodes(self, body: bytes) -> None:
        for run in unpack_nodes(body, self._state.tree.traits):
            self._nodes += len(run.nodes)
            if not self._adopt(run):
                self._orphans.append(run)

    def _adopt(self, run: Run) -> bool:
        """Whether the parent is there."""
        tree = self._state.tree
        if not run.prefix:
            if len(tree) or run.names != [""]:
                raise ValueError("snapshot: one root alone")
            tree.adopt_root(run.nodes[0])
            return True
        if not run.prefix.endswith("/") or "" in run.names or any("/" in name for name in run.names):
            raise ValueError(f"snapshot: names that are none below {run.prefix!a}")
        return tree.adopt(run.prefix[:-1] or "/", run.names, run.nodes)

    def _take_session(self, image: _Session) -> None:
        secret = image.secret or b""
        session = Session(image.id, secret, image.timeout_ms, image.attach, image.origin, image.token)
        session.number = image.number
        session.identities = tuple(image.identities)
        session.keep(image.results_kept, ((one.error, one.body or b"", one.zxid) for one in image.results))
        if [one.number for one in image.results] != [number for number, _ in _numbered(session)]:
            raise ValueError(f"snapshot: results that are not the last of session {image.id:#x}")
        self._sessions.append(session)
