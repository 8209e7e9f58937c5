"""The requests that most are, in one piece: setData and create by a session's next request, on znodes open to all, that
fire no watch; and getData and exists without a watch.

Rules: what is plain is decided before the first change, and comes to what ops/ and execute.py make of it, to the bit of
the digest (tests/replica/test_plain.py executes the same entries both ways); all else is left to them, errors too. The
bytes of the batch are looked at in their place: no entry, request, journal or result record is made. The run ends at
the first entry that is not plain.
"""

import re
from collections.abc import Callable
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
from zooweeper.tree.digest import PLAIN
from zooweeper.tree.state import State
from zooweeper.tree.tree import DataTree
from zooweeper.tree.watches import WatchTable

if TYPE_CHECKING:
    from zooweeper.replica.clients import Clients

_LENGTHS = 8  # of the data, and the version or more behind it
_BYTES_MIN = 12  # of a request: lengths of path and data, and what is behind it
_ANY = INT.pack(-1)  # version
_KINDS = {OPEN_ROWS + INT.pack(flags): flags == SEQUENTIAL for flags in (PERSISTENT, SEQUENTIAL)}
"""How the request of a plain create ends, behind the data; whether the name gets a number."""
_NAME = re.compile(rb"[0-9A-Za-z_-][0-9A-Za-z_.-]*")
_EXISTS = Exists.code
_unpack, _unpack_int = REQUEST.unpack_from, INT.unpack_from


def execute_plain(
    state: State, batch: Batch, at: int, zxid: int, clients: "Clients", watches: WatchTable
) -> tuple[int, int]:
    """Execute the entries from `zxid`, whose request is at `at`, for as long as they are plain; the first one that is
    not, and where it is. Who asked is answered."""
    tree, sessions, attached = state.tree, state.sessions, clients.attached
    data, time_ms, first = batch.data, batch.time_ms, zxid
    last_start = len(data) - REQUEST_SIZE
    while at <= last_start and not watches.recursive:
        id, attach, number, code, length = _unpack(data, at)
        begin = at + REQUEST_SIZE
        end = begin + length
        session = sessions.get(id)
        if length < _BYTES_MIN or end > len(data):
            break
        if session is None or session.attach != attach or session.number + 1 != number or session.large:
            break
        if sessions.keep is not None and session.seen != sessions.generation:
            break
        way = _WAYS.get(code)
        done = way(tree, data, begin, end, zxid, time_ms, watches) if way is not None else None
        if done is None:
            break
        session.number = number
        connection = attached.get(id)
        results = session.results
        if connection is not None or results is not None:
            body = done if isinstance(done, bytes) else done.packed()
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
    tree: DataTree, data: bytes, begin: int, end: int, zxid: int, time_ms: int, watches: WatchTable
) -> Znode | None:
    """The znode, its data set as the request in data[begin:end] says. None: it is not plain."""
    (length,) = _unpack_int(data, begin)
    path_end = begin + 4 + length
    if length < 0 or path_end + _LENGTHS > end:
        return None
    text = data[begin + 4 : path_end]
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
    tree: DataTree, data: bytes, begin: int, end: int, zxid: int, time_ms: int, watches: WatchTable
) -> bytes | None:
    """The result: the path of the znode made as the request in data[begin:end] says. None: it is not plain."""
    (length,) = _unpack_int(data, begin)
    path_end = begin + 4 + length
    if not 0 <= length <= PATH_BYTES_MAX or path_end + _LENGTHS > end:  # a result is at most as long, and never LARGE
        return None
    (size,) = _unpack_int(data, path_end)
    data_end = path_end + 4 + size
    numbered = _KINDS.get(data[data_end:end]) if size >= 0 else None
    text = data[begin + 4 : path_end]
    above, _, name = text.rpartition(b"/")
    known = tree.known.get(above) or tree.find(above)
    if numbered is None or known is None:
        return None
    up, above_path, above_key = known
    traits = up.traits
    if traits.acl is not OPEN or traits.owner > 0 or (tree.keep is not None and up.seen != tree.generation):
        return None
    if numbered:
        if up.cversion > INT_MAX:
            return None
        number = b"%010d" % up.cversion
        name += number
        text += number
    if not (name.isalnum() or _NAME.fullmatch(name)):
        return None
    last = name.decode()
    if last in up.children:
        return None
    if watches.watched and (above_path in watches.children or f"{above_path}/{last}" in watches.data):
        return None
    node = Znode(data[path_end + 4 : data_end], PLAIN, zxid, time_ms, tree.generation)
    family = up.family or tree.begin(up)
    tree.bear(above_key, family, len(above_path) + 1 + len(last), crc32(text) << 1 | 1, last, node)
    return len(text).to_bytes(4) + text


_WAYS: dict[int, Callable[[DataTree, bytes, int, int, int, int, WatchTable], Znode | bytes | None]] = {
    SetData.code: _set,
    Create.code: _create,
}
"""By the code of the operation: the result, or the znode whose Stat it is."""
