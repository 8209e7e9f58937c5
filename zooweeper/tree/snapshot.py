"""The state at exactly one zxid as a stream of chunks, while entries go on; and back.

Rules: what is about to change before its turn gives its old image to the stream first; what was created since is left
out. Begin costs one list of references; each chunk is bounded work. A stream is only believed whole: the builder checks
order, checksum, counts and the digest of what it built.

    stream := item*          item := kind u8, length u32, body          cut into chunks anywhere
    items  := header, (node | session)*, end
    node   := lengths of path and data (-1: null), stat fields, path, data, ACL (nothing: open to all)
"""

from collections import deque
from struct import Struct
from zlib import crc32

from zooweeper.codec.record import Buffer, Int, Long, Record, Secret, Vector
from zooweeper.model.acl import OPEN, Acl, Id
from zooweeper.model.errors import MarshallingError
from zooweeper.model.limits import MIB, RESULTS_BYTES_MAX, SNAPSHOT_CHUNK_BYTES
from zooweeper.model.session import Remembered, Session
from zooweeper.model.stat import Znode
from zooweeper.tree.state import State

VERSION = 1
ITEM_BYTES_MAX = 16 * MIB  # a session with its results: one of a large multi, or RESULTS_BYTES_MAX in all
assert RESULTS_BYTES_MAX < ITEM_BYTES_MAX
_ITEM = Struct("!BI")
_HEADER, _NODE, _SESSION, _END = 1, 2, 3, 4
_STAT = Struct("!iiqqqqqiqiq")  # not a record: there may be millions of them


class _Header(Record):
    version: Int
    zxid: Long
    chain: Long
    tree: Long  # the digests of tree and sessions, as signed numbers
    people: Long
    nodes: Long
    sessions: Long


class _Rows(Record):
    acl: Vector[Acl]


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
        self._checksum = 0
        self._nodes = list(tree.nodes.values())
        self._sessions = sessions.values()
        self._at = 0
        self._open = True
        self._ended = False
        tree.generation += 1
        sessions.generation += 1
        tree.keep, sessions.keep = self._put_node, self._put_session
        header = _Header(
            VERSION,
            self.zxid,
            state.chain,
            _signed(tree.total),
            _signed(sessions.total),
            len(self._nodes),
            len(self._sessions),
        )
        self._put(_HEADER, header.encode())

    def next_chunk(self) -> bytes | None:
        """At most `chunk_bytes` of the stream, None after its end."""
        assert self._open or self._ended, "closed"
        generation = self._state.tree.generation
        while self._ready_bytes < self._chunk_bytes and not self._ended:
            at = self._at
            self._at += 1
            if at < len(self._nodes):
                if self._nodes[at].seen != generation:
                    self._put_node(self._nodes[at])
            elif at < len(self._nodes) + len(self._sessions):
                session = self._sessions[at - len(self._nodes)]
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
            self._nodes = []
            self._sessions = []

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

    def _put_node(self, node: Znode) -> None:
        """The node as it is now, for the last time before it changes."""
        node.seen = self._state.tree.generation
        path = node.path.encode("utf-8", "surrogatepass")
        stat = _STAT.pack(
            len(path),
            -1 if node.data is None else len(node.data),
            node.czxid,
            node.mzxid,
            node.pzxid,
            node.ctime,
            node.mtime,
            node.version,
            node.cversion,
            node.aversion,
            node.owner,
        )
        acl = b"" if node.acl is OPEN else _Rows(list(node.acl)).encode()
        self._put(_NODE, b"".join((stat, path, node.data or b"", acl)))

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
            [_Result(number, one.error, one.zxid, one.body) for number, one in session.results.items()],
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
        self._orphans: list[Znode] = []
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
            except (MarshallingError, UnicodeDecodeError):
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
        for node in sorted(self._orphans, key=lambda node: node.path.count("/")):
            if not state.tree.link(node):
                raise ValueError(f"snapshot: {node.path!a} has no parent")
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
        if kind == _NODE:
            self._take_node(body)
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

    def _take_node(self, body: bytes) -> None:
        if len(body) < _STAT.size:
            raise ValueError("snapshot: a node ends too early")
        names, length, czxid, mzxid, pzxid, ctime, mtime, version, cversion, aversion, owner = _STAT.unpack_from(body)
        data_at, data_end = _STAT.size + names, _STAT.size + names + max(length, 0)
        path = body[_STAT.size : data_at].decode("utf-8", "surrogatepass")
        if names < 1 or data_end > len(body) or not path.startswith("/"):
            raise ValueError(f"snapshot: {path!a} is no node")
        acl = OPEN if data_end == len(body) else self._state.tree.interned(tuple(_Rows.decode(body[data_end:]).acl))
        node = Znode(path, None if length < 0 else body[data_at:data_end], acl, owner, czxid, ctime)
        # Equal numbers stay one object: a million nodes that nobody has written since are the rule.
        if mzxid != czxid:
            node.mzxid = mzxid
        if pzxid != czxid:
            node.pzxid = pzxid
        if mtime != ctime:
            node.mtime = mtime
        node.version, node.cversion, node.aversion = version, cversion, aversion
        self._nodes += 1
        if not self._state.tree.adopt(node):
            self._orphans.append(node)

    def _take_session(self, image: _Session) -> None:
        secret = image.secret or b""
        session = Session(image.id, secret, image.timeout_ms, image.attach, image.origin, image.token)
        session.number = image.number
        session.identities = tuple(image.identities)
        session.results_kept = image.results_kept
        session.results = {one.number: Remembered(one.error, one.body or b"", one.zxid) for one in image.results}
        session.results_bytes = sum(len(one.body) for one in session.results.values())
        self._sessions.append(session)
