"""A script, played to one server in lock step; and what it answered, made comparable.

Rules: numbers that each server counts for itself are replaced by what they say: a zxid by the step that wrote it, a
time by whether it is the time of its zxid, a session's id by the session's name. Everything else stays as it came.
After a step that may change something, every other connection is asked something harmless, so that all events of
the step have come before the next one begins.
"""

import bisect
import time
from itertools import groupby
from typing import Any

from tests.interop.differential import wire
from tests.interop.differential.session import Address, Asked, Frame, Session
from tests.interop.differential.steps import Ask, Batch, Bytes, Drop, Open, Raw, Seen, Step, requests
from tests.interop.differential.wire import Millis, Owner, Zxid

OPEN_ACL = ((31, "world", "anyone"),)
SUPER = b"super:test"
SUPER_DIGEST = "super:D/InIHSb7yEEbrWz8b9l71RjZJU="
CLOSING = -6, -115  # errors after which a server closes the connection
CONFIG = "/zookeeper/config"
BUILT_IN = {"/": OPEN_ACL, "/zookeeper": OPEN_ACL, "/zookeeper/quota": OPEN_ACL, CONFIG: ((1, "world", "anyone"),)}
COUNTERS = "version", "cversion", "aversion"
Answer = list[tuple[str, Frame]]  # (session, frame), as they came


class Player:
    """One server, as the scripts see it. `barrier`: the operation by which a connection catches up."""

    def __init__(self, name: str, addresses: list[Address], barrier: int = wire.PING) -> None:
        self.name = name
        self._addresses = addresses
        self._barrier = barrier
        self._sessions: dict[str, Session] = {}
        self._owners: dict[int, str] = {0: "nobody"}
        self._seen: dict[str, list[int]] = {}
        self._zxids: list[int] = []  # of successful writes, ascending
        self._steps: list[str] = []  # who wrote them
        self._times: dict[int, int] = {}
        self._script = self._step = 0
        self._now = ""  # which step it is, in words; all of a reset is one
        self._janitor = Session("janitor", addresses)

    # ---- a script

    def play(self, step: Step) -> Answer:
        """What one step brings."""
        self._step += 1
        self._now = f"script {self._script} step {self._step}"
        session = self._session(step.session)
        answer = [(step.session, frame) for frame in self._do(session, step)]
        if any(ask.code in wire.WRITES for ask in requests(step)) or isinstance(step, Bytes | Open):
            answer += self._catch_up(besides=session)
        for name, one in self._sessions.items():
            self._seen[name].append(one.seen)
        self._note_writes(answer)
        if any(ask.code == wire.CLOSE_SESSION for ask in requests(step)):
            answer = _sorted_events(answer)  # ZooKeeper deletes the ephemerals of a session in no order
        return [(name, self._plain(frame)) for name, frame in answer]

    def reset(self) -> dict[str, dict[str, int]]:
        """Nothing is left of the script but what the built-in nodes remember: their Stats."""
        self._script, self._step = self._script + 1, 0
        self._now = f"before script {self._script}"
        for session in self._sessions.values():
            if session.connected:
                self._tell(session, wire.CLOSE_SESSION, ())
            session.drop()
        self._sessions.clear()
        self._seen.clear()
        if not self._janitor.connected:
            self._janitor.connect(wire.connect_request(0, 40_000, 0, None, None), None)
            self._tell(self._janitor, wire.AUTH, (0, "digest", SUPER), wire.XID_AUTH)
        self._tell(self._janitor, wire.SYNC, ("/",))
        for path, acl in BUILT_IN.items():
            self._tell(self._janitor, wire.SET_ACL, (path, acl, -1))
        self._tell(self._janitor, wire.SET_DATA, ("/", b"", -1))
        self._clear("/")
        return {path: self._stat(path) for path in BUILT_IN}

    def raise_counters(self, path: str, version: int, cversion: int, aversion: int) -> None:
        """Brings a built-in node's counters up to these, for they go on over all scripts."""
        stat = self._stat(path)
        for _ in range(stat["aversion"], aversion):
            self._tell(self._janitor, wire.SET_ACL, (path, BUILT_IN[path], -1))
        if path == CONFIG:
            return
        for _ in range(stat["version"], version):
            self._tell(self._janitor, wire.SET_DATA, (path, b"", -1))
        for _ in range(stat["cversion"], cversion, 2):
            self._tell(self._janitor, wire.CREATE, (f"{path.rstrip('/')}/once", b"", OPEN_ACL, 0))
            self._tell(self._janitor, wire.DELETE, (f"{path.rstrip('/')}/once", -1))

    def _stat(self, path: str) -> dict[str, int]:
        stat: dict[str, int] = self._tell(self._janitor, wire.EXISTS, (path, False))["stat"]
        return stat

    def close(self) -> None:
        for session in (*self._sessions.values(), self._janitor):
            session.drop()

    # ---- doing

    def _session(self, name: str) -> Session:
        if name not in self._sessions:
            self._sessions[name] = Session(name, self._addresses)
            self._seen[name] = []
            for _ in range(int(name[1:]) % len(self._addresses)):
                self._sessions[name].skip_address()
        return self._sessions[name]

    def _do(self, session: Session, step: Step) -> list[Frame]:
        match step:
            case Open():
                return self._open(session, step)
            case Drop():
                session.drop()
                return []
            case _ if not session.connected:
                return [{"connection": "none"}]
            case Bytes():
                session.send_bytes(step.data)
                return session.answers(Asked(0, 0))
            case Batch():
                asked = [self._ask(session, ask) for ask in step.asks]
                return [frame for one in asked for frame in session.answers(one)]
            case Ask() | Raw():
                return self._answers(session, self._ask(session, step))

    def _answers(self, session: Session, asked: Asked) -> list[Frame]:
        frames = session.answers(asked)
        last = frames[-1]
        if asked.code == wire.CLOSE_SESSION or last.get("error") in CLOSING:
            frames += session.after(asked)
        return frames

    def _open(self, session: Session, step: Open) -> list[Frame]:
        id, password, seen = session.id, session.password, session.seen
        match step.how:
            case "new":
                id, password, seen = 0, bytes(16), 0
            case "wrong password":
                password = bytes([password[0] ^ 1]) + password[1:]
            case "no password":
                password = b""
            case "short password":
                password = password[:8]
            case "long password":
                password += b"!"
            case "unknown session":
                id = 0x7123456789ABCDEF
            case "negative session":
                id = -2
            case "ahead":
                seen = 1 << 62
        hello = wire.connect_request(seen, step.timeout_ms, id, password, step.flag)
        if step.how == "torn":
            hello = hello[:27]
        stay = step.how == "again while connected"
        frames = session.connect(hello, step.flag, stay)
        if session.id not in self._owners:
            self._owners[session.id] = f"{session.name} since {self._now}"
        return frames

    def _ask(self, session: Session, step: Ask | Raw) -> Asked:
        if isinstance(step, Raw):
            return session.ask(step.code, step.body)
        fields = tuple(self._past(session, one) if isinstance(one, Seen) else one for one in step.fields)
        return session.ask(step.code, wire.encode(step.code, fields), step.xid)

    def _past(self, session: Session, when: Seen) -> int:
        seen = self._seen[session.name]
        return seen[-1 - min(when.back, len(seen) - 1)] if seen else 0

    def _catch_up(self, besides: Session) -> Answer:
        frames: Answer = []
        for name, session in self._sessions.items():
            if session.connected and (session is not besides or self._barrier == wire.SYNC):
                seen = session.seen
                xid = wire.XID_PING if self._barrier == wire.PING else None
                asked = session.ask(
                    self._barrier, wire.encode(self._barrier, ("/",)[: self._barrier == wire.SYNC]), xid
                )
                answers = session.answers(asked)
                answers[-1] = answers[-1] | {"zxid": 0}  # a ping's is a matter of taste, so neither seen nor compared
                session.seen = seen
                frames += [(name, frame) for frame in answers]
        return frames

    def _tell(self, session: Session, code: int, fields: tuple[Any, ...], xid: int | None = None) -> Frame:
        """A request of the housekeeping, whose answer is not compared."""
        frames = session.answers(session.ask(code, wire.encode(code, fields), xid))
        self._note_writes([(session.name, frame) for frame in frames])
        assert "error" in frames[-1], f"{self.name} does not answer the housekeeping: {frames[-1]}"
        return frames[-1]

    def _clear(self, path: str) -> None:
        names = self._tell(self._janitor, wire.GET_CHILDREN, (path, False)).get("children") or ()
        for name in names:
            child = f"{path.rstrip('/')}/{name}"
            self._clear(child)
            if child not in BUILT_IN:
                self._tell(self._janitor, wire.DELETE, (child, -1))

    # ---- making comparable

    def _note_writes(self, answer: Answer) -> None:
        for number, frame in enumerate(frame for _, frame in answer if "reply" in frame):
            done = frame.get("error") == 0 and not any(part.get("error") for part in frame.get("results", ()))
            if done and frame.get("code") in wire.WRITES and frame["zxid"] > self._newest:
                self._zxids.append(int(frame["zxid"]))
                self._steps.append(f"{self._now}.{number}" if self._step else self._now)

    @property
    def _newest(self) -> int:
        return self._zxids[-1] if self._zxids else 0

    def _plain(self, value: Any) -> Any:
        if isinstance(value, dict):
            if "czxid" in value:
                return self._plain_stat(value)
            return {key: self._plain(one) for key, one in value.items()}
        if isinstance(value, list):
            return [self._plain(one) for one in value]
        if isinstance(value, Zxid):
            return self._as_of(value)
        if isinstance(value, Owner):
            return self._owners.get(value, "somebody else")
        return value

    def _plain_stat(self, stat: dict[str, Any]) -> dict[str, Any]:
        plain = {key: self._plain(one) for key, one in stat.items()}
        for zxid in ("czxid", "mzxid", "pzxid"):
            plain[zxid] = self._written(stat[zxid])
        plain["ctime"] = self._time(stat["czxid"], stat["ctime"])
        plain["mtime"] = self._time(stat["mzxid"], stat["mtime"])
        return plain

    def _as_of(self, zxid: int) -> str:
        """The last write that a reply's zxid includes. Failed ones count nothing: a server may number them or not."""
        return str(zxid) if zxid <= 0 else self._steps[at] if (at := bisect.bisect(self._zxids, zxid) - 1) >= 0 else "-"

    def _written(self, zxid: int) -> str:
        """The write that a node's zxid names."""
        at = bisect.bisect_left(self._zxids, zxid)
        if zxid == 0 or (at < len(self._zxids) and self._zxids[at] == zxid):
            return "0" if zxid == 0 else self._steps[at]
        return "no write that was answered"

    def _time(self, zxid: int, ms: Millis) -> str:
        """Whether a time is the one of its zxid, and one that can be."""
        if ms == 0:
            return "0"
        if self._times.setdefault(zxid, ms) != ms:
            return f"{ms - self._times[zxid]} ms off"
        return "then" if abs(time.time() * 1000 - ms) < 3_600_000 else "at another time"


def _sorted_events(answer: Answer) -> Answer:
    """The answer with each run of events to one session in the order of their paths."""
    runs = groupby(answer, lambda item: (item[0], "event" in item[1]))
    return [
        item
        for (_, events), run in runs
        for item in (sorted(run, key=lambda item: (item[1]["path"], item[1]["type"])) if events else run)
    ]
