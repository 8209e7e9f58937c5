"""The requests that most are, in one piece: setData and create by a session's next request, on znodes open to all, that
fire no watch; and getData and exists without a watch.

Rules: what is plain is decided before the first change, and comes to what ops/ and execute.py make of it, to the bit of
the digest (tests/replica/test_plain.py executes the same entries both ways); all else is left to them, errors too. The
bytes of the batch are looked at in their place: no entry, request, journal or result record is made. The run ends at
the first entry that is not plain.
"""

from collections.abc import Callable
from struct import Struct
from typing import TYPE_CHECKING
from zlib import crc32

from zooweeper.codec.jute import INT, OPEN_ROWS
from zooweeper.model.acl import OPEN
from zooweeper.model.entry import REQUEST, REQUEST_SIZE, Batch
from zooweeper.model.limits import PATH_BYTES_MAX
from zooweeper.model.stat import INT_MAX, Znode
from zooweeper.ops.create import PERSISTENT, SEQUENTIAL, Create
from zooweeper.ops.data import SetData
from zooweeper.ops.read import Exists
from zooweeper.tree.digest import BORN, DATA, PLAIN, TIMES
from zooweeper.tree.state import State
from zooweeper.tree.tree import DataTree
from zooweeper.tree.watches import WatchTable

if TYPE_CHECKING:
    from zooweeper.replica.clients import Clients

_HEAD = Struct(REQUEST.format + "i")  # of an entry, with the length of the path, which comes first in both
_BYTES_MIN = 12  # of a request: lengths of path and data, and what is behind it
_LENGTHS = 8  # of the data, and the version or more behind it
_ANY = INT.pack(-1)  # version
_KINDS = {OPEN_ROWS + INT.pack(flags): flags == SEQUENTIAL for flags in (PERSISTENT, SEQUENTIAL)}
"""How the request of a plain create ends, behind the data; whether the name gets a number."""
_EXISTS = Exists.code
_DIGITS = 10  # of the number
_LETTERS = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-."  # of a plain name; the dot not first
_unpack, _unpack_int = _HEAD.unpack_from, INT.unpack_from


class _Cradle:
    """What the last plain create of a run asked for, and where that is: the next one most often asks for the same."""

    __slots__ = ("above", "checksum", "family", "key", "length", "name", "numbered", "path", "tail", "text", "weight")

    def __init__(self, time_ms: int) -> None:
        self.weight = PLAIN.weight + TIMES * time_ms  # what all znodes made now have in common
        self.text: bytes | None = None
        self.tail: bytes | None = None
        self.above: bytes | None = None

    def fits(self, tree: DataTree, text: bytes, tail: bytes) -> bool:
        """Be the place for the znode of this path, whose request ends like this. False: it is not plain."""
        numbered = _KINDS.get(tail)
        above, _, name = text.rpartition(b"/")
        if len(text) > PATH_BYTES_MAX:  # a result is at most as long, and never LARGE
            return False
        if numbered is None or name[:1] == b"." or name.translate(None, _LETTERS) or not (name or numbered):
            return False
        if above != self.above:
            self.text = self.above = None
            known = tree.known.get(above) or tree.find(above)
            if known is None:
                return False
            up, self.path, self.key = known
            traits = up.traits
            if traits.acl is not OPEN or traits.owner > 0 or (tree.keep is not None and up.seen != tree.generation):
                return False
            self.family, self.above = up.family or tree.begin(up), above
        self.text, self.tail, self.numbered = text, tail, numbered
        self.name, self.checksum = name.decode(), crc32(text)
        self.length = len(self.path) + 1 + len(name) + (_DIGITS if numbered else 0)
        return True


def execute_plain(
    state: State, batch: Batch, at: int, zxid: int, clients: "Clients", watches: WatchTable
) -> tuple[int, int]:
    """Execute the entries from `zxid`, whose request is at `at`, for as long as they are plain; the first one that is
    not, and where it is. Who asked is answered."""
    tree, sessions, attached = state.tree, state.sessions, clients.attached
    data, time_ms, first = batch.data, batch.time_ms, zxid
    last_start = len(data) - _HEAD.size
    session, cradle = None, _Cradle(time_ms)
    while at <= last_start and not watches.recursive:
        id, attach, number, code, length, path_bytes = _unpack(data, at)
        begin = at + _HEAD.size
        end = at + REQUEST_SIZE + length
        path_end = begin + path_bytes
        if length < _BYTES_MIN or end > len(data) or path_bytes < 0 or path_end + _LENGTHS > end:
            break
        if session is None or session.id != id:
            session = sessions.get(id)
        if session is None or session.attach != attach or session.number + 1 != number or session.large:
            break
        if sessions.keep is not None and session.seen != sessions.generation:
            break
        way = _WAYS.get(code)
        done = way(tree, data, begin, path_end, end, zxid, time_ms, watches, cradle) if way is not None else None
        if done is None:
            break
        session.number = number
        connection = attached.get(id)
        results = session.results
        if connection is not None or results is not None:
            body = done.packed() if isinstance(done, Znode) else len(done).to_bytes(4) + done
            if results is not None:
                results.append((0, body, zxid))
            if connection is not None:
                state.zxid = zxid  # for reads that are answered behind it
                clients.written(connection, attach, number, zxid, 0, body)
        at = end
        zxid += 1
    if zxid != first:
        state.zxid = zxid - 1
        sessions.used(zxid - first)
    return at, zxid


def read_plain(tree: DataTree, code: int, body: bytes) -> bytes | None:
    """The result of one of PLAIN_READS with this body. None: it is not plain."""
    text = body[4:-1]
    known = tree.known.get(text) or tree.find(text)
    if known is None or body[-1:] != b"\0" or body[:4] != len(text).to_bytes(4):
        return None
    node = known[0]
    if node.traits.acl is not OPEN:
        return None
    if code == _EXISTS:
        return node.packed()
    data = node.data
    if data is None:
        return None
    return b"%b%b%b" % (len(data).to_bytes(4), data, node.packed())


def _set(
    tree: DataTree,
    data: bytes,
    begin: int,
    path_end: int,
    end: int,
    zxid: int,
    time_ms: int,
    watches: WatchTable,
    cradle: _Cradle,
) -> Znode | None:
    """The znode at data[begin:path_end], its data set as the rest, up to `end`, says. None: it is not plain."""
    text = data[begin:path_end]
    known = tree.known.get(text) or tree.find(text)
    if known is None:
        return None
    node, path, key = known
    (size,) = _unpack_int(data, path_end)
    version, risen = data[end - 4 : end], node.version + 1
    if path_end + _LENGTHS + size != end or node.traits.acl is not OPEN or not 0 < risen <= INT_MAX:
        return None
    if version != _ANY and INT.unpack(version)[0] != risen - 1:
        return None
    if path in watches.data or (tree.keep is not None and node.seen != tree.generation):
        return None
    tree.write(key, node, data[path_end + 4 : end - 4], zxid, time_ms, risen)
    return node


def _create(
    tree: DataTree,
    data: bytes,
    begin: int,
    path_end: int,
    end: int,
    zxid: int,
    time_ms: int,
    watches: WatchTable,
    cradle: _Cradle,
) -> bytes | None:
    """The path of the znode made as data[begin:end] says. None: it is not plain."""
    (size,) = _unpack_int(data, path_end)
    data_end = path_end + 4 + size
    text, tail = data[begin:path_end], data[data_end:end]
    if size < 0 or ((text != cradle.text or tail != cradle.tail) and not cradle.fits(tree, text, tail)):
        return None
    family, last, checksum = cradle.family, cradle.name, cradle.checksum
    if cradle.numbered:
        if family.cversion > INT_MAX:
            return None
        number = b"%010d" % family.cversion
        last += number.decode()
        checksum = crc32(number, checksum)
        text += number
    if last in family.children:
        return None
    if watches.watched and (cradle.path in watches.children or f"{cradle.path}/{last}" in watches.data):
        return None
    content = data[path_end + 4 : data_end]
    digest = (checksum << 1 | 1) * (cradle.weight + BORN * zxid + DATA * crc32(content))
    node = Znode(content, PLAIN, zxid, time_ms, tree.generation)
    tree.bear(cradle.key, family, cradle.length, digest, last, node)
    return text


_Way = Callable[[DataTree, bytes, int, int, int, int, int, WatchTable, _Cradle], Znode | bytes | None]
_WAYS: dict[int, _Way] = {SetData.code: _set, Create.code: _create}
"""By the code of the operation: the path of what was made, or the znode whose Stat is the result."""
