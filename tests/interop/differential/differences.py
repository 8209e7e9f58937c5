"""Where we answer otherwise than ZooKeeper, on purpose; each with its reason and a narrow test of what it covers.

Rules: the same rows stand in docs/zookeeper-port.md under "Differences, on purpose", word by word. A row looks at the
step and at both answers, and explains exactly one thing; what it does not explain is a failure. `parts` says that the
two trees differ from there on, so that the script cannot go on.
"""

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.interop.differential import wire
from tests.interop.differential.play import Answer
from tests.interop.differential.session import Frame
from tests.interop.differential.steps import Ask, Open, Raw, Step, requests
from tests.interop.differential.wire import Part

MARSHALLING_ERROR, UNIMPLEMENTED, BAD_ARGUMENTS, NO_NODE = -5, -6, -8, -101
INVALID_ACL, AUTH_FAILED, NO_WATCHER = -114, -115, -121
CONFIG = "/zookeeper/config"


@dataclass(frozen=True)
class Row:
    name: str
    theirs: str
    ours: str
    why: str
    explains: Callable[[Step, list[Frame], list[Frame]], bool]
    """Of one session: one frame of each, if they sent it equally many; else all."""
    parts: bool = False


def explanation(step: Step, theirs: Answer, ours: Answer) -> list[Row] | None:
    """The reasons for all that differs; None: something has none."""
    rows: list[Row] = []
    for session in dict.fromkeys(name for name, _ in theirs + ours):
        first, second = ([frame for name, frame in answer if name == session] for answer in (theirs, ours))
        pairs = [(first, second)]
        if len(first) == len(second):
            pairs = [([one], [other]) for one, other in zip(first, second, strict=True)]
        for one, other in pairs:
            if one != other:
                row = next((row for row in ROWS if row.explains(step, one, other)), None)
                if row is None:
                    return None
                rows.append(row)
                if row.parts:
                    return rows  # what comes after is no longer comparable
    return rows


def _differ_in(theirs: list[Frame], ours: list[Frame], *keys: str) -> bool:
    """Whether two single frames are equal but for these fields."""
    if len(theirs) != 1 or len(ours) != 1 or theirs[0].keys() != ours[0].keys():
        return False
    return all(theirs[0][key] == ours[0][key] for key in theirs[0] if key not in keys)


def _ping(step: Step, theirs: list[Frame], ours: list[Frame]) -> bool:
    return _differ_in(theirs, ours, "zxid") and ours[0].get("code") == wire.PING


def _event_of_set_watches(step: Step, theirs: list[Frame], ours: list[Frame]) -> bool:
    return (
        _asks(step, wire.SET_WATCHES, wire.SET_WATCHES2)
        and _differ_in(theirs, ours, "zxid")
        and "event" in ours[0]
        and theirs[0]["zxid"] == "-1"
    )


def _watch_of_no_path(step: Step, theirs: list[Frame], ours: list[Frame]) -> bool:
    odd = any(
        ask.code in (wire.ADD_WATCH, wire.SET_WATCHES, wire.SET_WATCHES2)
        and (isinstance(ask, Raw) or any(not _possible(path) for path in _paths(ask)))
        for ask in requests(step)
    )
    return odd and ours[-1].get("error") == BAD_ARGUMENTS and theirs[-1].get("error") == 0


def _unknown_operation(step: Step, theirs: list[Frame], ours: list[Frame]) -> bool:
    return _differ_in(theirs, ours, "zxid") and ours[0].get("error") == UNIMPLEMENTED and theirs[0]["zxid"] == "-1"


def _standalone_config(step: Step, theirs: list[Frame], ours: list[Frame]) -> bool:
    return any(_names(ask, CONFIG) for ask in requests(step)) and _differ_in(theirs, ours, "stat", "data")


def _echo_of_sync(step: Step, theirs: list[Frame], ours: list[Frame]) -> bool:
    return _differ_in(theirs, ours, "path") and ours[0].get("code") == wire.SYNC and not _possible(ours[0]["path"])


def _odd_container(step: Step, theirs: list[Frame], ours: list[Frame]) -> bool:
    return isinstance(step, Raw) and step.code == wire.CREATE_CONTAINER and ours[-1].get("error") == BAD_ARGUMENTS


def _empty_path(step: Step, theirs: list[Frame], ours: list[Frame]) -> bool:
    return any(_names(ask, "") for ask in requests(step)) and (
        ours[-1].get("error") in (NO_NODE, BAD_ARGUMENTS) or "results" in ours[-1]
    )


def _null_path(step: Step, theirs: list[Frame], ours: list[Frame]) -> bool:
    return (
        any(_names(ask, None) for ask in requests(step))
        and theirs[-1].get("error") == MARSHALLING_ERROR
        and (ours[-1].get("error") in (NO_NODE, BAD_ARGUMENTS, NO_WATCHER) or "results" in ours[-1])
    )


def _null_in_acl(step: Step, theirs: list[Frame], ours: list[Frame]) -> bool:
    if theirs[-1].get("error") != MARSHALLING_ERROR:
        return False
    if isinstance(step, Raw):  # damaged, so that there is none
        return step.code == wire.MULTI and INVALID_ACL in _codes(ours[-1])
    rows = [row for ask in requests(step) if isinstance(ask, Ask) for row in _acl_rows(ask)]
    return any(None in row for row in rows) and (INVALID_ACL in _codes(ours[-1]) or "results" in ours[-1])


def _codes(frame: Frame) -> list[int]:
    """The errors that an answer tells, those of a multi included."""
    return [one.get("error", 0) for one in (frame, *frame.get("results", ()))]


def _guarded_event_of_set_watches(step: Step, theirs: list[Frame], ours: list[Frame]) -> bool:
    return _asks(step, wire.SET_WATCHES, wire.SET_WATCHES2) and _fewer_events(theirs, ours)


def _left_open(step: Step, theirs: list[Frame], ours: list[Frame]) -> bool:
    """A race inside of ZooKeeper: the end of a connection forgets the one that has taken over the session meanwhile."""
    silent, closed = ([{"old connection": word}] for word in ("silent", "closed"))
    return isinstance(step, Open) and (theirs, ours) == (silent, closed)


def _event_of_closing(step: Step, theirs: list[Frame], ours: list[Frame]) -> bool:
    return _asks(step, wire.CLOSE_SESSION) and "closed" in ours[-1].values() and _fewer_events(theirs, ours)


def _fewer_events(theirs: list[Frame], ours: list[Frame]) -> bool:
    """Whether ours has all but some events."""
    plain = [[frame | {"zxid": 0} if "event" in frame else frame for frame in frames] for frames in (theirs, ours)]
    left = iter(plain[1])
    missed = []
    waiting = next(left, None)
    for frame in plain[0]:
        if frame == waiting:
            waiting = next(left, None)
        else:
            missed.append(frame)
    return waiting is None and all("event" in frame for frame in missed)


def _ahead_of_all(step: Step, theirs: list[Frame], ours: list[Frame]) -> bool:
    return isinstance(step, Open) and step.how == "ahead" and ours[0].get("timeout") == 0 and "welcome" not in theirs[0]


def _body_of_a_failed_multi_read(step: Step, theirs: list[Frame], ours: list[Frame]) -> bool:
    empty = {"body": "ffffffff01ffffffff", "unreadable": ": 9 bytes too many"}
    return ours[0].get("code") == wire.MULTI_READ and theirs[0] == ours[0] | empty


def _nameless_principal(step: Step, theirs: list[Frame], ours: list[Frame]) -> bool:
    return any(isinstance(ask, Ask) and (31, "sasl", "") in _acl_rows(ask) for ask in requests(step)) and (
        ours[-1].get("error") == INVALID_ACL or "results" in ours[-1]
    )


def _no_utf8(step: Step, theirs: list[Frame], ours: list[Frame]) -> bool:
    return isinstance(step, Raw) and ours[-1].get("error") == MARSHALLING_ERROR and max(step.body, default=0) >= 0x80


def _plain_ttl(step: Step, theirs: list[Frame], ours: list[Frame]) -> bool:
    parts = [Part(ask.code, ask.fields) for ask in requests(step) if isinstance(ask, Ask)]
    parts += [one for part in parts if part.code == wire.MULTI for one in part.fields[0]]
    return any(part.code == wire.CREATE_TTL and part.fields[3] not in (5, 6) for part in parts) and (
        BAD_ARGUMENTS in _codes(ours[-1]) and theirs[-1].get("error") != BAD_ARGUMENTS
    )


def _container_in_multi(step: Step, theirs: list[Frame], ours: list[Frame]) -> bool:
    parts = [
        part for ask in requests(step) if isinstance(ask, Ask) and ask.code == wire.MULTI for part in ask.fields[0]
    ]
    return "results" in ours[-1] and any(
        part.code in (wire.CREATE, wire.CREATE2) and part.fields[3] == 4 for part in parts
    )


def _userless(step: Step, theirs: list[Frame], ours: list[Frame]) -> bool:
    return (
        isinstance(step, Ask)
        and step.code == wire.AUTH
        and step.fields[1] == "digest"
        and step.fields[2].find(b":") < 1
        and ours[0].get("error") == AUTH_FAILED
    )


def _sasl_of_nothing(step: Step, theirs: list[Frame], ours: list[Frame]) -> bool:
    return _asks(step, wire.SASL) and theirs == [{"connection": "closed"}] and ours[0].get("token", 0) is None


def _names(ask: Ask | Raw, path: str | None) -> bool:
    """Whether a request names this path; of a damaged one, whether it begins with it."""
    if isinstance(ask, Raw):
        return ask.body.startswith(
            struct.pack(">i", -1) if path is None else struct.pack(">i", len(path)) + path.encode()
        )
    return path in _paths(ask)


def _acl_rows(ask: Ask) -> Iterator[tuple[int, str | None, str | None]]:
    """All rows of ACLs in a request."""
    parts = [(ask.code, ask.fields)]
    while parts:
        code, fields = parts.pop()
        for field, value in zip(wire.REQUESTS[code].split(), fields, strict=True):
            if field.endswith(":acls"):
                yield from ((0, None, None),) if value is None else value
            elif field.endswith(":parts"):
                parts += [(part.code, part.fields) for part in value]


def _paths(ask: Ask) -> list[str | None]:
    """All paths that a request names."""
    found: list[str | None] = []
    for field, value in zip(wire.REQUESTS[ask.code].split(), ask.fields, strict=True):
        match field.partition(":")[2]:
            case "str":
                found.append(value)
            case "strs":
                found.extend(value)
            case "parts":
                found.extend(part.fields[0] for part in value)
    return found


def _asks(step: Step, *codes: int) -> bool:
    return any(ask.code in codes for ask in requests(step))


def _possible(path: str | None) -> bool:
    """Whether a znode can have the path."""
    if not path or not path.startswith("/") or (path.endswith("/") and path != "/"):
        return False
    if any(name in ("", ".", "..") for name in path[1:].split("/")) and path != "/":
        return False
    return not re.search("[\0-\x1f\x7f-\x9f\ud800-\uf8ff\ufff0-\uffff\U00010000-\U0010ffff]", path)


ROWS: tuple[Row, ...] = (
    Row(
        "an event found by setWatches",
        "has zxid -1",
        "has the zxid at which it was found",
        "it is one the client may go by",
        _event_of_set_watches,
    ),
    Row(
        "an event found by setWatches, of a znode that may not be read",
        "told",
        "kept back",
        "all other events of such znodes are",
        _guarded_event_of_set_watches,
    ),
    Row(
        "the zxid of a ping's answer",
        "the newest",
        "the last one told on the connection",
        "a ping looks at nothing",
        _ping,
    ),
    Row(
        "the zxid of the answer to an unknown operation",
        "-1",
        "the newest",
        "all other answers have it",
        _unknown_operation,
    ),
    Row(
        "`/zookeeper/config` of a single node",
        "empty",
        "names the node",
        "it is a member as any other",
        _standalone_config,
    ),
    Row(
        "a digest credential without `user:`",
        "taken as an identity",
        "-115",
        "it is a mistake, and no ACL could name it",
        _userless,
        parts=True,
    ),
    Row(
        "a session that has ended, of a client that has seen more than the server",
        "the connection is closed",
        "the client is told that its session has ended",
        "it need not ask the others",
        _ahead_of_all,
    ),
    Row(
        "the old connection of a session that connects anew",
        "stays open if the one before it ended just when it began",
        "is closed",
        "one session, one connection",
        _left_open,
    ),
    Row(
        "events of the end of one's own session, of znodes guarded by ACLs",
        "come before the answer",
        "do not come",
        "the session's identities end with it, and nobody listens",
        _event_of_closing,
    ),
    Row(
        "a watch on a path that no znode can have",
        "taken",
        "-8",
        "it is a mistake, and no event could come",
        _watch_of_no_path,
        parts=True,
    ),
    Row(
        "the empty path",
        "another name of the root, for reads",
        "no path",
        "one name is enough",
        _empty_path,
        parts=True,
    ),
    Row(
        "null for a path",
        "-5",
        "as the empty path",
        "null is empty wherever it means nothing else",
        _null_path,
    ),
    Row(
        "null in an ACL, or no ACL in a multi",
        "-5",
        "-114",
        "the mistake has a name",
        _null_in_acl,
        parts=True,
    ),
    Row(
        "an ACL entry of scheme `sasl` without a name",
        "taken",
        "-114",
        "it fits nobody",
        _nameless_principal,
        parts=True,
    ),
    Row(
        "text that is not UTF-8",
        "read with replacements",
        "-5",
        "two names must not become one",
        _no_utf8,
        parts=True,
    ),
    Row(
        "createTTL with a flag of another create",
        "-8; in a multi a znode without a TTL; with a negative time the server ends",
        "-8",
        "the mistake is told",
        _plain_ttl,
        parts=True,
    ),
    Row(
        "createContainer with a flag of another create",
        "a container, numbered or owned by a session",
        "-8",
        "the mistake is told",
        _odd_container,
        parts=True,
    ),
    Row(
        "create with the flag of containers",
        "persistent; in a multi a container",
        "persistent",
        "an operation does the same in a multi",
        _container_in_multi,
        parts=True,
    ),
    Row(
        "a multiRead with a part that is no read",
        "-5, and behind it an empty list",
        "-5",
        "an error has no body",
        _body_of_a_failed_multi_read,
    ),
    Row(
        "null for a SASL token, without SASL",
        "the connection is closed",
        "null is answered, as to any token",
        "the client goes on without",
        _sasl_of_nothing,
        parts=True,
    ),
    Row(
        "the path that sync gives back",
        "`?` for half a character",
        "as it came, null as empty",
        "it is an echo",
        _echo_of_sync,
    ),
)
