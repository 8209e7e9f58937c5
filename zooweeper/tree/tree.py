"""The znodes: each in its parent's family, the indexes beside them, and the few primitives that change them.

Rules: the primitives check nothing (operations in ops/ do all checks first); each records itself in the journal,
gives the running snapshot the old image, and notes for the digest (tree/digest.py) what the node was. The digest is
brought up to date when it is asked for: a node that changed a hundred times in between costs it as much as one that
changed once. A path is walked from the root once, and found at once while it is among those last looked for.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from zlib import crc32

from sortedcontainers import SortedList  # type: ignore[import-untyped]

from zooweeper.model.acl import OPEN, READ_ONLY, AclList
from zooweeper.model.errors import NoNode
from zooweeper.model.limits import PATHS_FOUND_MAX
from zooweeper.model.paths import CONFIG, join, printable, split
from zooweeper.model.stat import INT_MAX, Family, Traits, Znode, wrapped
from zooweeper.ops.delete import DeleteContainer
from zooweeper.tree.digest import (
    MASK64,
    PLAIN,
    Grown,
    TraitsTable,
    Written,
    growth,
    key_of,
    rewriting,
    weigh,
)
from zooweeper.tree.journal import Change, ChangeKind, Journal

NEVER_USED_MS = 300_000  # a container that never had a child goes after this long
NOTED_MAX = 4096  # nodes that changed since the digest was last counted
SORTED_KEPT_MIN = 256  # with more children than this, their order is kept once it was asked for
_change = partial(tuple.__new__, Change)  # the constructor of a NamedTuple takes twice the time
_CREATED, _DELETED, _DATA, _ACL = ChangeKind.CREATED, ChangeKind.DELETED, ChangeKind.DATA, ChangeKind.ACL


Known = tuple[Znode, str, int]
"""A node, its path, and the path's key for the digest."""


class DataTree:
    __slots__ = (
        "_count",
        "_found",
        "_total",
        "bytes",
        "ephemerals",
        "generation",
        "grown",
        "journal",
        "keep",
        "known",
        "reapable",
        "root",
        "traits",
        "written",
    )

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.root = Znode(b"", PLAIN, 0, 0)
        self._count = 0  # of nodes
        self._found: dict[str, Znode] = {}  # by path: some that were looked for, forgotten when they are many
        self.known: dict[bytes, Known] = {}  # the same, by the path's bytes
        self.ephemerals: dict[int, dict[str, None]] = {}  # paths by session
        self.reapable: dict[str, None] = {}  # containers and nodes with a time to live
        self.traits = TraitsTable()
        self._total = 0  # the digest, but for what these two hold:
        self.written: dict[Znode, Written] = {}  # nodes whose data was set since, and what they were
        self.grown: dict[Family, Grown] = {}  # the same of families
        self.bytes = 0  # of paths (as characters) and data
        self.generation = 0  # number of the last snapshot begun
        self.keep: Callable[[str, Znode], None] | None = None  # takes a node's old image for the running snapshot

    def plant(self) -> None:
        """The built-in nodes of a fresh state. They do not count as created children."""
        self.adopt_root(Znode(b"", PLAIN, 0, 0))
        for path in ("/zookeeper", "/zookeeper/quota", CONFIG):
            version = -1 if path == CONFIG else 0
            node = Znode(b"", self.traits.of(READ_ONLY if version else OPEN, 0, version), 0, 0)
            node.version = version
            above, name = split(path)
            self.adopt(above, [name], [node])

    # --- looking

    def get(self, path: str) -> Znode | None:
        """The znode, or None."""
        return self._found.get(path) or self._walk(path)

    def node(self, path: str) -> Znode:
        """The znode. NoNode if there is none."""
        node = self._found.get(path) or self._walk(path)
        if node is None:
            raise NoNode("", printable(path))
        return node

    def find(self, text: bytes) -> Known | None:
        """A znode by the bytes of its path, and the next time at once. None: it is not there, or is CONFIG, which no
        request treats like others."""
        known = self.known.get(text)
        if known is None:
            try:
                path = text.decode()
            except UnicodeDecodeError:
                return None
            node = self.get(path)
            if node is None or path == CONFIG:
                return None
            if len(self.known) >= PATHS_FOUND_MAX:
                self.known.clear()
            known = self.known[text] = (node, path, crc32(text) << 1 | 1)
        return known

    def _walk(self, path: str) -> Znode | None:
        """Look for a path that is not among those found last."""
        if not self._count or path[:1] != "/":
            return None
        above, _, name = path.rpartition("/")
        up = self._found.get(above) if above != "/" else None  # that is no one's path before a slash
        if up is not None:
            node = up.children.get(name)
        else:
            node = self.root
            for name in path[1:].split("/") if path != "/" else ():
                node = node.children.get(name)
                if node is None:
                    break
        if node is not None:
            if len(self._found) >= PATHS_FOUND_MAX:
                self._found.clear()
            self._found[path] = node
        return node

    def walk(self) -> Iterator[tuple[str, Znode]]:
        """All paths and nodes, a parent before its children, else in no order that means something. The tree must not
        change meanwhile."""
        waiting = [("/", self.root)] if self._count else []
        while waiting:
            path, node = waiting.pop()
            yield path, node
            waiting += [(join(path, name), child) for name, child in node.children.items()]

    def __len__(self) -> int:
        return self._count

    def owned(self, session: int) -> list[str]:
        """The ephemerals of a session, in path order."""
        return sorted(self.ephemerals.get(session, ()))

    def names(self, node: Znode, after: str = "") -> Iterator[str]:
        """The children's names in order, those after `after`. The node must not change meanwhile."""
        family = node.family
        if family is None:
            return iter(())
        if family.sorted is None:
            if len(family.children) < SORTED_KEPT_MIN:
                return iter(sorted(name for name in family.children if name > after))
            family.sorted = SortedList(family.children)
        names: Iterator[str] = family.sorted.irange(after, None, (False, True)) if after else iter(family.sorted)
        return names

    def children(self, node: Znode) -> list[str | None]:
        """All children's names in order."""
        family = node.family
        if family is None:
            return []
        return [*(family.sorted if family.sorted is not None else sorted(family.children))]

    def sweep(self, now_ms: int, limit: int) -> list[bytes]:
        """Bodies of deleteContainer for what may go: containers whose children have gone, or that nobody used for
        NEVER_USED_MS; nodes older than their time to live, without children. `now_ms` is the entries' clock."""
        return list(islice((body for path in self.reapable if (body := self._reap(path, now_ms))), limit))

    def _reap(self, path: str, now_ms: int) -> bytes:
        node = self.node(path)
        if node.children:
            return b""
        age_ms = now_ms - node.mtime
        due = age_ms > node.ttl_ms if node.ttl_ms else node.cversion > 0 or age_ms > NEVER_USED_MS
        return DeleteContainer.Request(path, node.mzxid, node.cversion).encode() if due else b""

    # --- changing

    def create(self, path: str, data: bytes | None, acl: AclList, owner: int, zxid: int, time_ms: int) -> Znode:
        """Add a node below an existing parent."""
        above, name = split(path)
        up = self.node(above)
        if self.keep is not None and up.seen != self.generation:
            self.keep(above, up)
        traits = self.traits.of(acl, owner)
        node = Znode(data, traits, zxid, time_ms, self.generation)
        family = up.family or self.begin(up)
        before = (family.cversion, family.pzxid)
        self.journal.changes.append(_change((_CREATED, path, acl, up.traits.acl, node, up, before)))
        self.bear(key_of(above), family, len(path), key_of(path) * weigh(node), name, node)
        if owner:
            self._own(path, owner)
        return node

    def bear(self, above: int, family: Family, length: int, digest: int, name: str, node: Znode) -> None:
        """A new node takes its place; `above`: the parent's key for the digest; `digest`: what the node adds to it;
        `length`: of its path."""
        if family not in self.grown:
            self._note_growth(above, family)
        family.cversion += 1
        family.pzxid = node.czxid
        self._total = (self._total + digest) & MASK64
        family.children[name] = node
        if family.sorted is not None:
            family.sorted.add(name)
        self._count += 1
        self.bytes += length + len(node.data or b"")

    def _place(self, family: Family, length: int, name: str, node: Znode) -> None:
        """A node stands among its siblings from now on."""
        family.children[name] = node
        if family.sorted is not None:
            family.sorted.add(name)
        self._count += 1
        self.bytes += length + len(node.data or b"")

    def delete(self, path: str, zxid: int) -> None:
        """Remove a node that has no children."""
        above, name = split(path)
        node, up = self.node(path), self.node(above)
        assert not node.children, path
        family = up.family
        assert family is not None
        before = (family.cversion, family.pzxid)
        acl = node.traits.acl
        self.journal.changes.append(_change((_DELETED, path, acl, up.traits.acl, node, up, before)))
        self._touch(path, node)
        self._touch(above, up)
        self._note_growth(key_of(above), family)
        family.pzxid = zxid
        self._forget(path, node)
        self._unlink(path, name, family, node)

    def set_data(self, path: str, data: bytes | None, zxid: int, time_ms: int) -> None:
        """Replace the data; the version rises by one, and jumps over -1, which means any and stays (of CONFIG)."""
        node = self.node(path)
        old, version = node.data, node.version
        before = (old, node.mzxid, node.mtime, version)
        self.journal.changes.append(_change((_DATA, path, node.traits.acl, (), node, None, before)))
        self._touch(path, node)
        risen = version + 1
        if not 0 < risen <= INT_MAX:
            risen = version if version == -1 else wrapped(risen) if version != -2 else 0
        self.write(key_of(path), node, data, zxid, time_ms, risen)

    def write(self, key: int, node: Znode, data: bytes | None, zxid: int, time_ms: int, version: int) -> None:
        """A node gets these fields; `key`: its own, for the digest."""
        old = node.data
        if node not in self.written:
            if len(self.written) >= NOTED_MAX:
                self.settle()
            self.written[node] = (key, node.mzxid, node.mtime, node.version, crc32(old or b""))
        self.bytes += len(data or b"") - len(old or b"")
        node.data = data
        node.mzxid = zxid
        node.mtime = time_ms
        node.version = version

    def set_acl(self, path: str, acl: AclList) -> None:
        """Replace the ACL; the aversion rises by one."""
        node = self.node(path)
        old = node.traits
        self.journal.changes.append(_change((_ACL, path, old.acl, (), node, None, (old,))))
        self._touch(path, node)
        self._wear(path, node, self.traits.of(acl, old.owner, wrapped(old.aversion + 1) if old.aversion != -2 else 0))

    def undo(self, mark: int) -> None:
        """Take back all changes since `mark`: the tree is as it was, digest included."""
        changes = self.journal.changes
        while len(changes) > mark:
            change = changes.pop()
            node, up, path = change.node, change.parent, change.path
            if up is not None:
                (above, name), family = split(path), up.family
                assert family is not None
                self._note_growth(key_of(above), family)
                family.cversion, family.pzxid = change.before
                if change.kind is _CREATED:
                    self._forget(path, node)
                    self._unlink(path, name, family, node)
                else:
                    self._come_back(path, name, family, node)
            elif change.kind is _DATA:
                self.write(key_of(path), node, *change.before)
            else:
                self._wear(path, node, change.before[0])

    # --- the digest

    @property
    def total(self) -> int:
        """The digest of all nodes, as they are now."""
        if self.written or self.grown:
            self.settle()
        return self._total

    def settle(self) -> None:
        """Count what was noted."""
        total = self._total
        for node, was in self.written.items():
            total += rewriting(node, was)
        for family, were in self.grown.items():
            total += growth(family, were)
        self._total = total & MASK64
        self.written.clear()
        self.grown.clear()

    def recomputed(self) -> int:
        """The digest from nothing but the nodes; equal to `total`, or there is a defect."""
        return sum(key_of(path) * weigh(node) for path, node in self.walk()) & MASK64

    def _note_growth(self, key: int, family: Family) -> None:
        """The family of the path with this key is about to change."""
        if family not in self.grown:
            if len(self.grown) >= NOTED_MAX:
                self.settle()
            self.grown[family] = (key, family.cversion, family.pzxid)

    def _come_back(self, path: str, name: str, family: Family, node: Znode) -> None:
        """A node that was deleted is where it was."""
        self._total = (self._total + key_of(path) * weigh(node)) & MASK64
        self._place(family, len(path), name, node)
        if node.traits.owner:
            self._own(path, node.traits.owner)

    def _wear(self, path: str, node: Znode, traits: Traits) -> None:
        """The node has other traits from now on."""
        self._total = (self._total + key_of(path) * (traits.weight - node.traits.weight)) & MASK64
        node.traits = traits

    def _forget(self, path: str, node: Znode) -> None:
        """The node, as it is, counts no more."""
        written = self.written.pop(node, None)
        grown = self.grown.pop(node.family, None) if node.family is not None else None
        total = self._total - key_of(path) * weigh(node)
        if written is not None:
            total += rewriting(node, written)
        if grown is not None and node.family is not None:
            total += growth(node.family, grown)
        self._total = total & MASK64

    def adopt(self, above: str, names: Sequence[str], nodes: Sequence[Znode]) -> bool:
        """Put siblings in their places with their fields as they are (built-in, or from a snapshot). False: `above` is
        not there yet. ValueError: a name stands there twice."""
        up = self.get(above)
        if up is None:
            return False
        children = (up.family or self.begin(up)).children
        count = len(children)
        children.update(zip(names, nodes, strict=True))
        if len(children) != count + len(nodes):
            raise ValueError(f"snapshot: two children of {above!a} with one name")
        prefix = join(above, "")
        start, total, size = crc32(prefix.encode()), 0, len(prefix) * len(nodes)
        for name, node in zip(names, nodes, strict=True):
            total += (crc32(name.encode(), start) << 1 | 1) * weigh(node)
            size += len(name) + len(node.data or b"")
            if node.traits.owner:
                self._own(prefix + name, node.traits.owner)
        self._total = (self._total + total) & MASK64
        self._count += len(nodes)
        self.bytes += size
        return True

    def adopt_root(self, node: Znode) -> None:
        """Begin an empty tree with this root."""
        assert not self._count
        self.root, self._count = node, 1
        self._total = key_of("/") * weigh(node) & MASK64
        self.written.clear()
        self.grown.clear()
        self.bytes = 1 + len(node.data or b"")

    @staticmethod
    def begin(up: Znode) -> Family:
        """The family of a node that has had no child yet."""
        up.family = Family(up.czxid)
        return up.family

    def _own(self, path: str, owner: int) -> None:
        """Index a node that goes by itself."""
        if owner > 0:
            self.ephemerals.setdefault(owner, {})[path] = None
        else:
            self.reapable[path] = None

    def _unlink(self, path: str, name: str, family: Family, node: Znode) -> None:
        del family.children[name]
        if not family.children:
            family.children, family.sorted = {}, None
        elif family.sorted is not None:
            family.sorted.remove(name)
        self._found.pop(path, None)
        if self.known:
            self.known.pop(path.encode(), None)
        self._count -= 1
        self.bytes -= len(path) + len(node.data or b"")
        owner = node.traits.owner
        if owner > 0:
            owned = self.ephemerals[owner]
            del owned[path]
            if not owned:
                del self.ephemerals[owner]
        elif owner:
            del self.reapable[path]

    def _touch(self, path: str, node: Znode) -> None:
        """Before a node changes: the running snapshot gets its old image, unless it has it."""
        if self.keep is not None and node.seen != self.generation:
            self.keep(path, node)
