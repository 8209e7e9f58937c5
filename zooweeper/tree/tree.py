"""The znodes: a dict by full path, the indexes beside it, and the few primitives that change them.

Rules: the primitives check nothing (operations in ops/ do all checks first); each records itself in the journal,
gives the running snapshot the old image, and keeps the digest. The digest is a sum over the nodes, so one change
costs one node, however large its data: a node's `base` is the checksum of what seldom changes, its `sum` adds the
stat fields.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from struct import Struct
from zlib import crc32

from sortedcontainers import SortedList  # type: ignore[import-untyped]

from zooweeper.model.acl import OPEN, READ_ONLY, AclList
from zooweeper.model.errors import NoNode
from zooweeper.model.paths import CONFIG, printable, split
from zooweeper.model.stat import Znode, wrapped
from zooweeper.ops.delete import DeleteContainer
from zooweeper.tree.journal import Change, ChangeKind, Journal

MASK64 = (1 << 64) - 1
NEVER_USED_MS = 300_000  # a container that never had a child goes after this long
NAMES_KEPT_MIN = 256  # with more children than this, name order is kept once it was asked for
_STAT = Struct("!qqqqqqqqq")
_ACLS_MAX = 1024


def _acl_bytes(acl: AclList) -> bytes:
    """An ACL as the digest sees it."""
    return "".join(f"{perms}:{scheme}:{name}\n" for perms, (scheme, name) in acl).encode("utf-8", "surrogatepass")


_OPEN_BYTES = _acl_bytes(OPEN)


class DataTree:
    __slots__ = ("_acls", "bytes", "ephemerals", "generation", "journal", "keep", "nodes", "reapable", "total")

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.nodes: dict[str, Znode] = {}
        self.ephemerals: dict[int, dict[str, None]] = {}  # paths by session
        self.reapable: dict[str, None] = {}  # containers and nodes with a time to live
        self.total = 0  # the digest
        self.bytes = 0  # of paths (as characters) and data
        self.generation = 0  # number of the last snapshot begun
        self.keep: Callable[[Znode], None] | None = None  # takes the old image of a node for the running snapshot
        self._acls: dict[AclList, AclList] = {}  # equal lists are one object; a cache, forgotten when full

    def plant(self) -> None:
        """The built-in nodes of a fresh state. They do not count as created children."""
        for path in ("/", "/zookeeper", "/zookeeper/quota", CONFIG):
            config = path == CONFIG
            node = Znode(path, b"", READ_ONLY if config else OPEN, 0, 0, 0)
            node.version = node.aversion = -1 if config else 0
            self.adopt(node)

    # --- looking

    def node(self, path: str) -> Znode:
        """The znode. NoNode if there is none."""
        node = self.nodes.get(path)
        if node is None:
            raise NoNode("", printable(path))
        return node

    def get(self, path: str) -> Znode | None:
        return self.nodes.get(path)

    def __len__(self) -> int:
        return len(self.nodes)

    def owned(self, session: int) -> list[str]:
        """The ephemerals of a session, in path order."""
        return sorted(self.ephemerals.get(session, ()))

    def names(self, node: Znode, after: str = "") -> Iterator[str]:
        """The children's names in order, those after `after`. The node must not change meanwhile."""
        children = node.children
        if not children:
            return iter(())
        if node.names is None:
            if len(children) < NAMES_KEPT_MIN:
                return iter(sorted(name for name in children if name > after))
            node.names = SortedList(children)
        names: Iterator[str] = node.names.irange(after, None, (False, True)) if after else iter(node.names)
        return names

    def children(self, node: Znode) -> list[str | None]:
        """All children's names in order."""
        return [*(node.names if node.names is not None else sorted(node.children or ()))]

    def sweep(self, now_ms: int, limit: int) -> list[bytes]:
        """Bodies of deleteContainer for what may go: containers whose children have gone, or that nobody used for
        NEVER_USED_MS; nodes older than their time to live, without children. `now_ms` is the entries' clock."""
        return list(islice((body for path in self.reapable if (body := self._reap(path, now_ms))), limit))

    def _reap(self, path: str, now_ms: int) -> bytes:
        node = self.nodes[path]
        if node.children:
            return b""
        age_ms = now_ms - node.mtime
        due = age_ms > node.ttl_ms if node.ttl_ms else node.cversion > 0 or age_ms > NEVER_USED_MS
        return DeleteContainer.Request(path, node.mzxid, node.cversion).encode() if due else b""

    # --- changing

    def create(self, path: str, data: bytes | None, acl: AclList, owner: int, zxid: int, time_ms: int) -> Znode:
        """Add a node below an existing parent."""
        above, name = split(path)
        up = self.nodes[above]
        node = Znode(path, data, self.interned(acl), owner, zxid, time_ms)
        node.seen = self.generation
        self.journal.changes.append(
            Change(ChangeKind.CREATED, path, node.acl, up.acl, node, up, (up.cversion, up.pzxid, up.sum), self.total)
        )
        self._touch(up)
        up.cversion += 1
        up.pzxid = zxid
        self._resum(up)
        self._rebase(node)
        self._link(up, name, node)
        return node

    def delete(self, node: Znode, zxid: int) -> None:
        """Remove a node that has no children."""
        assert not node.children, node.path
        above, name = split(node.path)
        up = self.nodes[above]
        self.journal.changes.append(
            Change(
                ChangeKind.DELETED,
                node.path,
                node.acl,
                up.acl,
                node,
                up,
                (up.cversion, up.pzxid, up.sum),
                self.total,
            )
        )
        self._touch(node)
        self._touch(up)
        up.pzxid = zxid
        self._resum(up)
        self.total = (self.total - node.sum) & MASK64
        self._unlink(up, name, node)

    def set_data(self, node: Znode, data: bytes | None, zxid: int, time_ms: int) -> None:
        """Replace the data; the version rises by one, and jumps over -1, which means any and stays (of CONFIG)."""
        before = (node.data, node.mzxid, node.mtime, node.version, node.base, node.sum)
        self.journal.changes.append(Change(ChangeKind.DATA, node.path, node.acl, (), node, None, before, self.total))
        self._touch(node)
        self.bytes += len(data or b"") - len(node.data or b"")
        node.data = data
        node.mzxid = zxid
        node.mtime = time_ms
        if node.version != -1:
            node.version = wrapped(node.version + 1) if node.version != -2 else 0
        self._rebase(node)

    def set_acl(self, node: Znode, acl: AclList) -> None:
        """Replace the ACL; the aversion rises by one."""
        before = (node.acl, node.aversion, node.base, node.sum)
        self.journal.changes.append(Change(ChangeKind.ACL, node.path, node.acl, (), node, None, before, self.total))
        self._touch(node)
        node.acl = self.interned(acl)
        node.aversion = wrapped(node.aversion + 1) if node.aversion != -2 else 0
        self._rebase(node)

    def undo(self, mark: int) -> None:
        """Take back all changes since `mark`: the tree is as it was, digest included."""
        changes = self.journal.changes
        while len(changes) > mark:
            change = changes.pop()
            node, up = change.node, change.parent
            if up is not None:
                up.cversion, up.pzxid, up.sum = change.before
                name = split(change.path)[1]
                if change.kind is ChangeKind.CREATED:
                    self._unlink(up, name, node)
                else:
                    self._link(up, name, node)
            elif change.kind is ChangeKind.DATA:
                self.bytes += len(change.before[0] or b"") - len(node.data or b"")
                node.data, node.mzxid, node.mtime, node.version, node.base, node.sum = change.before
            else:
                node.acl, node.aversion, node.base, node.sum = change.before
            self.total = change.total

    def adopt(self, node: Znode) -> bool:
        """Put a node in its place with its fields as they are (built-in, or from a snapshot). False: its parent is not
        there yet."""
        self._rebase(node)
        if node.path == "/":
            self.nodes["/"] = node
            return True
        return self.link(node)

    def link(self, node: Znode) -> bool:
        """Adopt, for a node that waited for its parent."""
        above, name = split(node.path)
        up = self.nodes.get(above)
        if up is not None:
            self._link(up, name, node)
        return up is not None

    def interned(self, acl: AclList) -> AclList:
        """The one object for this list."""
        if acl is OPEN or acl == OPEN:
            return OPEN
        if len(self._acls) > _ACLS_MAX:
            self._acls.clear()
        return self._acls.setdefault(acl, acl)

    def recomputed(self) -> int:
        """The digest from nothing but the nodes; equal to `total`, or there is a defect."""
        total = 0
        for node in self.nodes.values():
            total += crc32(self._packed(node), crc32(node.data or b"", self._head(node)))
        return total & MASK64

    def _link(self, up: Znode, name: str, node: Znode) -> None:
        if up.children is None:
            up.children = {}
        up.children[name] = node
        if up.names is not None:
            up.names.add(name)
        self.nodes[node.path] = node
        self.bytes += len(node.path) + len(node.data or b"")
        if node.owner > 0:
            self.ephemerals.setdefault(node.owner, {})[node.path] = None
        elif node.owner:
            self.reapable[node.path] = None

    def _unlink(self, up: Znode, name: str, node: Znode) -> None:
        assert up.children is not None
        del up.children[name]
        if not up.children:
            up.children = up.names = None
        elif up.names is not None:
            up.names.remove(name)
        del self.nodes[node.path]
        self.bytes -= len(node.path) + len(node.data or b"")
        if node.owner > 0:
            owned = self.ephemerals[node.owner]
            del owned[node.path]
            if not owned:
                del self.ephemerals[node.owner]
        elif node.owner:
            del self.reapable[node.path]

    def _touch(self, node: Znode) -> None:
        """Before a node changes: the running snapshot gets its old image, unless it has it."""
        if self.keep is not None and node.seen != self.generation:
            self.keep(node)

    @staticmethod
    def _head(node: Znode) -> int:
        start = crc32(node.path.encode("utf-8", "surrogatepass"))
        return crc32(_OPEN_BYTES if node.acl is OPEN else _acl_bytes(node.acl), start)

    @staticmethod
    def _packed(node: Znode) -> bytes:
        return _STAT.pack(
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

    def _rebase(self, node: Znode) -> None:
        """The node's path, ACL or data are new."""
        node.base = crc32(node.data or b"", self._head(node))
        self._resum(node)

    def _resum(self, node: Znode) -> None:
        """Its stat fields are new."""
        new = crc32(self._packed(node), node.base)
        self.total = (self.total - node.sum + new) & MASK64
        node.sum = new
