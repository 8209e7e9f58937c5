"""The verbs without I/O: what a call sends and what its answer means.

Rules: every verb of both faces is one method here. Paths come in relative to the chroot and leave relative to it;
nothing behind this file sees the difference. What can be refused before it is sent raises here: BadArguments, TooLarge.
"""

from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from zooweeper.codec.record import Record
from zooweeper.model.acl import OPEN, Acl
from zooweeper.model.errors import BadArguments, ErrorCode, TooLarge, ZkError, error_for
from zooweeper.model.events import WatcherType, WatchMode
from zooweeper.model.limits import FRAME_BYTES_MAX, MULTI_PARTS_MAX
from zooweeper.model.paths import CONFIG, validate
from zooweeper.model.stat import Stat
from zooweeper.ops.create import Create, Create2, CreateContainer, CreateTtl
from zooweeper.ops.data import Check, GetAcl, GetData, SetAcl, SetData
from zooweeper.ops.delete import Delete, DeleteRecursive
from zooweeper.ops.multi import Multi, MultiRead, Part
from zooweeper.ops.op import Kind, Nothing, Op
from zooweeper.ops.read import (
    Exists,
    GetAllChildrenNumber,
    GetChildren,
    GetChildren2,
    GetEphemerals,
    ListChildren,
    ListSubtree,
    PageRequest,
    PathRequest,
    WhoAmI,
)
from zooweeper.ops.reconfig import Reconfig
from zooweeper.ops.session import Auth, CloseSession, Sync
from zooweeper.ops.watches import AddWatch, RemoveWatches, SetWatches2
from zooweeper_client.messages import Arm, Request
from zooweeper_client.watches import WatchKind

AUTH = Auth.code
CLOSE = CloseSession.code
REARM = SetWatches2.code

EPHEMERAL_FLAG, SEQUENCE_FLAG, CONTAINER_FLAG, TTL_FLAG = 1, 2, 4, 5
WATCHER_TYPES = {WatchKind.PERSISTENT: WatcherType.PERSISTENT, WatchKind.RECURSIVE: WatcherType.RECURSIVE}
WATCH_MODES = {WatchKind.PERSISTENT: WatchMode.PERSISTENT, WatchKind.RECURSIVE: WatchMode.RECURSIVE}

T = TypeVar("T")
Watcher = tuple[WatchKind, int] | None


class Node(NamedTuple):
    """A row of a listing. `path` is the child's name, or, from walk, the whole path."""

    path: str
    stat: Stat | None  # if it was asked for, and the node may be read
    data: bytes | None  # the same
    readable: bool


class Page(NamedTuple):
    nodes: list[Node]
    more: bool


class Call(Generic[T]):
    """A request not yet sent, and how to read its answer."""

    __slots__ = ("arm", "body", "code", "decode", "linear", "numbered", "path")

    def __init__(
        self,
        op: type[Op],
        request: Record,
        decode: Callable[[bytes], T],
        path: str = "",
        *,
        linear: bool = False,
        arm: Arm | None = None,
    ) -> None:
        op.admit(request)
        body = request.encode()
        if len(body) > FRAME_BYTES_MAX:
            raise TooLarge(f"a request has at most {FRAME_BYTES_MAX} bytes, this one {len(body)}", path)
        self.code = op.code
        self.body = body
        self.decode = decode
        self.path = path  # as the program wrote it
        self.numbered = op.kind is Kind.WRITE or op.code in (AUTH, CLOSE)
        self.linear = linear
        self.arm = arm


def _nothing(body: bytes) -> None:
    return None


def _stat(body: bytes) -> Stat:
    stat: Stat = SetData.Result.decode(body).stat
    return stat


class Calls:
    """The verbs of a client that sees the tree below `chroot` ("" for all of it)."""

    def __init__(self, chroot: str = "") -> None:
        self.chroot = chroot

    # --- paths

    def full(self, path: str) -> str:
        """The servers' name of a path. BadArguments if it is none."""
        validate(path)
        if path == "/":
            return self.chroot or "/"
        return self.chroot + path

    def short(self, path: str) -> str:
        """The program's name of a servers' path."""
        chroot = self.chroot
        if chroot and (path == chroot or path.startswith(chroot + "/")):
            return path[len(chroot) :] or "/"
        return path

    # --- writes

    def create(
        self,
        path: str,
        value: bytes,
        acl: Sequence[Acl] | None,
        *,
        ephemeral: bool = False,
        sequence: bool = False,
        container: bool = False,
        ttl_ms: int = 0,
    ) -> Call[tuple[str, Stat]]:
        op, request = self._create(path, value, acl, ephemeral, sequence, container, ttl_ms)

        def decode(body: bytes) -> tuple[str, Stat]:
            result = Create2.Result.decode(body)
            return self.short(result.path), result.stat

        return Call(Create2 if op is Create else op, request, decode, path)

    def _create(
        self,
        path: str,
        value: bytes,
        acl: Sequence[Acl] | None,
        ephemeral: bool,
        sequence: bool,
        container: bool,
        ttl_ms: int,
    ) -> tuple[type[Op], Record]:
        if not isinstance(value, bytes):
            raise BadArguments(f"a value is bytes, not {type(value).__name__}", path)
        if container and (ephemeral or sequence or ttl_ms):
            raise BadArguments("a container is neither ephemeral nor sequential and has no ttl", path)
        if ttl_ms and ephemeral:
            raise BadArguments("an ephemeral znode has no ttl", path)
        if sequence and path.endswith("/"):  # the number will be the whole name
            full = (self.full(path[:-1]) if path != "/" else self.chroot) + "/"
        else:
            full = self.full(path)
        rows = list(OPEN if acl is None else acl)
        flags = EPHEMERAL_FLAG * ephemeral + SEQUENCE_FLAG * sequence
        if container:
            return CreateContainer, CreateContainer.Request(full, value, rows, CONTAINER_FLAG)
        if ttl_ms:
            return CreateTtl, CreateTtl.Request(full, value, rows, TTL_FLAG + sequence, ttl_ms)
        return Create, Create.Request(full, value, rows, flags)

    def set(self, path: str, value: bytes, version: int) -> Call[Stat]:
        return Call(SetData, self._set(path, value, version), _stat, path)

    def _set(self, path: str, value: bytes, version: int) -> Record:
        if not isinstance(value, bytes):
            raise BadArguments(f"a value is bytes, not {type(value).__name__}", path)
        return SetData.Request(self.full(path), value, version)

    def delete(self, path: str, version: int) -> Call[None]:
        return Call(Delete, Delete.Request(self.full(path), version), _nothing, path)

    def delete_recursive(self, path: str, limit: int) -> Call[int]:
        def decode(body: bytes) -> int:
            count: int = DeleteRecursive.Result.decode(body).count
            return count

        return Call(DeleteRecursive, DeleteRecursive.Request(self.full(path), limit), decode, path)

    def set_acls(self, path: str, acls: Sequence[Acl], version: int) -> Call[Stat]:
        return Call(SetAcl, SetAcl.Request(self.full(path), list(acls), version), _stat, path)

    # --- reads

    def get(self, path: str, linear: bool = False, watcher: Watcher = None) -> Call[tuple[bytes, Stat]]:
        def decode(body: bytes) -> tuple[bytes, Stat]:
            result = GetData.Result.decode(body)
            return result.data or b"", result.stat

        return self._watching(GetData, path, decode, linear, watcher)

    def exists(self, path: str, linear: bool = False, watcher: Watcher = None) -> Call[Stat]:
        return self._watching(Exists, path, _stat, linear, watcher)

    def children(self, path: str, linear: bool = False, watcher: Watcher = None) -> Call[list[str]]:
        def decode(body: bytes) -> list[str]:
            return [name or "" for name in GetChildren.Result.decode(body).children]

        return self._watching(GetChildren, path, decode, linear, watcher)

    def children_stat(self, path: str, linear: bool = False, watcher: Watcher = None) -> Call[tuple[list[str], Stat]]:
        def decode(body: bytes) -> tuple[list[str], Stat]:
            result = GetChildren2.Result.decode(body)
            return [name or "" for name in result.children], result.stat

        return self._watching(GetChildren2, path, decode, linear, watcher)

    def _watching(
        self, op: type[Op], path: str, decode: Callable[[bytes], T], linear: bool, watcher: Watcher
    ) -> Call[T]:
        full = self.full(path)
        arm = Arm(watcher[0], full, watcher[1]) if watcher is not None else None
        request = op.Request(full, watcher is not None)  # type: ignore[call-arg]  # all four have these fields
        return Call(op, request, decode, path, linear=linear, arm=arm)

    def page(
        self, path: str, after: str, *, below: bool, limit: int, with_stat: bool, with_data: bool, linear: bool
    ) -> Call[Page]:
        """A page of children, or (`below`) of all paths below; `after` is the last name or path of the page before."""
        op = ListSubtree if below else ListChildren
        full = self.full(path)
        request = PageRequest(full, self.full(after) if below and after else after, limit, with_stat, with_data)

        def decode(body: bytes) -> Page:
            result = op.Result.decode(body)
            nodes = [
                Node(self.short(one.name) if below else one.name, one.stat, _data(one, with_data), one.readable)
                for one in result.entries
            ]
            return Page(nodes, result.more)

        return Call(op, request, decode, path, linear=linear)

    def get_acls(self, path: str, linear: bool = False) -> Call[tuple[list[Acl], Stat]]:
        def decode(body: bytes) -> tuple[list[Acl], Stat]:
            result = GetAcl.Result.decode(body)
            return result.acl, result.stat

        return Call(GetAcl, GetAcl.Request(self.full(path)), decode, path, linear=linear)

    def count(self, path: str, linear: bool = False) -> Call[int]:
        def decode(body: bytes) -> int:
            number: int = GetAllChildrenNumber.Result.decode(body).number
            return number

        return Call(GetAllChildrenNumber, PathRequest(self.full(path)), decode, path, linear=linear)

    def ephemerals(self, prefix: str) -> Call[list[str]]:
        def decode(body: bytes) -> list[str]:
            return [self.short(path or "") for path in GetEphemerals.Result.decode(body).paths]

        return Call(GetEphemerals, GetEphemerals.Request(self.chroot + prefix), decode, prefix)

    def whoami(self) -> Call[list[tuple[str, str]]]:
        def decode(body: bytes) -> list[tuple[str, str]]:
            return [(one.scheme or "", one.user or "") for one in WhoAmI.Result.decode(body).identities]

        return Call(WhoAmI, Nothing(), decode)

    # --- several at once

    def multi(self, parts: Sequence[tuple[type[Op], Record]]) -> Call[list[Any]]:
        """The results: a path of create, a Stat of set, None of delete and check. If one part failed, its error is
        raised by `decode`, and nothing was done."""
        if len(parts) > MULTI_PARTS_MAX:
            raise TooLarge(f"a transaction has at most {MULTI_PARTS_MAX} parts, this one {len(parts)}")
        request = Multi.Request([Part(op.code, record) for op, record in parts])

        def decode(body: bytes) -> list[Any]:
            results = Multi.Result.decode(body).parts
            for at, part in enumerate(results):
                if part.error not in (ErrorCode.OK, ErrorCode.RUNTIME_INCONSISTENCY):
                    op, record = parts[at]
                    path = self.short(record.path)  # type: ignore[attr-defined]  # all kinds of parts have one
                    raise error_for(part.error, f"part {at + 1} of {len(parts)}, {op.name}; nothing was done", path)
            return [self._result(part.record) for part in results]

        return Call(Multi, request, decode)

    def _result(self, record: Any) -> Any:
        if isinstance(record, SetData.Result):
            return record.stat
        return self.short(str(record.path)) if isinstance(record, Create.Result) else None

    def create_part(
        self, path: str, value: bytes, acl: Sequence[Acl] | None, ephemeral: bool, sequence: bool
    ) -> tuple[type[Op], Record]:
        return self._create(path, value, acl, ephemeral, sequence, container=False, ttl_ms=0)

    def delete_part(self, path: str, version: int) -> tuple[type[Op], Record]:
        return Delete, Delete.Request(self.full(path), version)

    def set_part(self, path: str, value: bytes, version: int) -> tuple[type[Op], Record]:
        return SetData, self._set(path, value, version)

    def check_part(self, path: str, version: int) -> tuple[type[Op], Record]:
        return Check, Check.Request(self.full(path), version)

    def multi_read(
        self, get: Sequence[str], children: Sequence[str], linear: bool
    ) -> Call[tuple[list["tuple[bytes, Stat] | ZkError"], list["list[str] | ZkError"]]]:
        """Data of some znodes and children of others, of one moment; an error stands in its place."""
        paths = [*get, *children]
        if len(paths) > MULTI_PARTS_MAX:
            raise TooLarge(f"one read of several has at most {MULTI_PARTS_MAX} parts, this one {len(paths)}")
        request = MultiRead.Request(
            [Part(GetData.code, GetData.Request(self.full(path))) for path in get]
            + [Part(GetChildren.code, GetChildren.Request(self.full(path))) for path in children]
        )

        def decode(body: bytes) -> tuple[list[tuple[bytes, Stat] | ZkError], list[list[str] | ZkError]]:
            parts = MultiRead.Result.decode(body).parts
            found: list[Any] = []
            for path, part in zip(paths, parts, strict=True):
                record: Any = part.record
                if record is None:
                    found.append(error_for(part.error, "", path))
                elif isinstance(record, GetData.Result):
                    found.append((record.data or b"", record.stat))
                else:
                    found.append([name or "" for name in record.children])
            return found[: len(get)], found[len(get) :]

        return Call(MultiRead, request, decode, linear=linear)

    # --- membership: the same below every chroot

    def reconfig(
        self, joining: str | None, leaving: str | None, new_members: str | None, from_config: int
    ) -> Call[tuple[bytes, Stat]]:
        request = Reconfig.Request(joining or None, leaving or None, new_members or None, from_config)

        def decode(body: bytes) -> tuple[bytes, Stat]:
            result = Reconfig.Result.decode(body)
            return result.data or b"", result.stat

        return Call(Reconfig, request, decode)

    def config(self, linear: bool = False, watcher: Watcher = None) -> Call[tuple[bytes, Stat]]:
        return Calls().get(CONFIG, linear, watcher)

    # --- watches, session

    def add_watch(self, path: str, kind: WatchKind, watcher: int) -> Call[None]:
        full = self.full(path)
        return Call(AddWatch, AddWatch.Request(full, WATCH_MODES[kind]), _nothing, path, arm=Arm(kind, full, watcher))

    def sync(self, path: str) -> Call[None]:
        return Call(Sync, PathRequest(self.full(path)), _nothing, path)

    def auth(self, scheme: str, credential: bytes) -> Call[None]:
        return Call(Auth, Auth.Request(0, scheme, credential), _nothing)

    def close(self) -> Call[None]:
        return Call(CloseSession, Nothing(), _nothing)


def _data(one: Any, with_data: bool) -> bytes | None:
    return (one.data or b"") if with_data and one.readable else None


# --- what the core asks for itself


def auth_request(scheme: str, credential: bytes, deadline_ms: int, owner: object) -> Request:
    """Who we are, again."""
    body = Auth.Request(0, scheme, credential).encode()
    return Request(AUTH, body, numbered=True, deadline_ms=deadline_ms, owner=owner)


def credential_of(request: Request) -> tuple[str, bytes]:
    """What an auth request said."""
    auth = Auth.Request.decode(request.body)
    return auth.scheme or "", auth.auth or b""


def rearm_request(seen: int, paths: tuple[list[str], ...], deadline_ms: int, owner: object) -> Request:
    """The watches, again; `paths` in the order of WatchKind."""
    return Request(REARM, SetWatches2.Request(seen, *paths).encode(), deadline_ms=deadline_ms, owner=owner)


def unwatch_request(kind: WatchKind, path: str, deadline_ms: int, owner: object) -> Request:
    """Nobody here watches this any more."""
    body = RemoveWatches.Request(path, WATCHER_TYPES[kind]).encode()
    return Request(RemoveWatches.code, body, deadline_ms=deadline_ms, owner=owner)
