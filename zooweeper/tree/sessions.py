"""The sessions: who exists, how each is attached, what it has executed.

Rules: replicated, by zxid order, so iteration is the same everywhere. `expect` decides whether an entry of a session
takes effect: exactly the session's next number does, once. Secrets are compared in constant time and shown nowhere.
"""

from collections.abc import Callable, Iterator
from hmac import compare_digest
from struct import Struct
from zlib import crc32

from zooweeper.model.acl import Id
from zooweeper.model.entry import Entry
from zooweeper.model.errors import (
    BadArguments,
    NumberGap,
    ResultForgotten,
    SessionExpired,
    SessionMoved,
    ThrottledOp,
)
from zooweeper.model.limits import IDENTITIES_MAX, RESULTS_KEPT_MAX, SESSIONS_MAX
from zooweeper.model.session import LARGE, Remembered, Session

__all__ = ["Remembered", "Session", "SessionTable"]

MASK64 = (1 << 64) - 1
_FACTS = Struct("!qqqqqq")


class SessionTable:
    __slots__ = ("_by_id", "_by_place", "generation", "keep", "total")

    def __init__(self) -> None:
        self._by_id: dict[int, Session] = {}
        self._by_place: dict[tuple[int, int], int] = {}  # (origin, token) of the present attachment → id
        self.total = 0  # what the sessions add to the digest
        self.generation = 0  # as in DataTree
        self.keep: Callable[[Session], None] | None = None

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[int]:
        return iter(self._by_id)

    def __contains__(self, id: object) -> bool:
        return id in self._by_id

    def __getitem__(self, id: int) -> Session:
        return self._by_id[id]

    def get(self, id: int) -> Session | None:
        return self._by_id.get(id)

    def values(self) -> list[Session]:
        """All sessions, oldest first."""
        return list(self._by_id.values())

    # --- who may execute what

    def expect(self, entry: Entry) -> Remembered | None:
        """None: the entry is the session's next and must be executed. Else it was executed before, and this is its
        result. SessionExpired, SessionMoved, NumberGap, ResultForgotten: it is neither; none of them uses a number."""
        session = self._by_id.get(entry.session)
        if session is None:
            raise SessionExpired
        if entry.attach != session.attach:
            raise SessionMoved
        ahead = entry.number - session.number
        if ahead == 1:
            return None
        if ahead > 1:
            raise NumberGap(f"expected number {session.number + 1}, got {entry.number}")
        result = session.result(entry.number)
        if result is None:
            raise ResultForgotten(f"number {entry.number} was executed before")
        return result

    def remember(self, entry: Entry, error: int, body: bytes) -> None:
        """The entry was executed: its number is used, and its result kept for as long as was asked for."""
        session = self._by_id.get(entry.session)
        if session is None:
            return  # it was the session's end
        if self.keep is not None and session.seen != self.generation:
            self.keep(session)
        assert entry.number == session.number + 1, (session, entry.number)
        session.number = entry.number
        self.used(1)
        if session.results is not None:
            session.results.append((error, body, entry.zxid))
            if len(body) > LARGE:
                session.large = entry.number
            session.trim()

    def used(self, numbers: int) -> None:
        """So many running numbers were used, by whichever sessions."""
        self.total = (self.total + numbers) & MASK64

    # --- changing

    def open(self, entry: Entry, secret: bytes, timeout_ms: int, results: int, address: str) -> Session:
        """A new session, attached where the entry says; the same once more if that attachment has opened one.
        ThrottledOp beyond SESSIONS_MAX."""
        known = self._by_place.get((entry.attach, entry.number))
        if known is not None:
            return self._by_id[known]
        if len(self._by_id) >= SESSIONS_MAX:
            raise ThrottledOp("too many sessions")
        session = Session(entry.zxid, secret, timeout_ms, entry.zxid, entry.attach, entry.number)
        session.keep(max(0, min(results, RESULTS_KEPT_MAX)), ())
        session.identities = (Id("ip", address),) if address else ()
        session.seen = self.generation
        self.adopt(session)
        return session

    def attach(self, entry: Entry, secret: bytes, timeout_ms: int, results: int, address: str) -> Session:
        """Move a session to where the entry says; nothing if it is there already. SessionExpired if there is no such
        session, or the secret is not its."""
        session = self._by_id.get(entry.session)
        if session is None or not compare_digest(session.secret, secret):
            raise SessionExpired
        place = self._by_place.get((entry.attach, entry.number))
        if place == session.id:
            return session
        if place is not None:
            raise BadArguments("a connection carries one session")
        self._touch(session)
        del self._by_place[session.origin, session.token]
        session.origin, session.token, session.attach = entry.attach, entry.number, entry.zxid
        self._by_place[session.origin, session.token] = session.id
        session.identities = (Id("ip", address),) if address else ()
        session.timeout_ms = timeout_ms or session.timeout_ms
        session.keep(max(0, min(results, RESULTS_KEPT_MAX)), session.results or ())
        self._rebase(session)
        return session

    def identify(self, session: Session, identity: Id) -> None:
        """Add an identity that a door has verified. ThrottledOp beyond IDENTITIES_MAX."""
        if identity in session.identities:
            return
        if len(session.identities) >= IDENTITIES_MAX:
            raise ThrottledOp("too many identities")
        self._touch(session)
        session.identities = (*session.identities, identity)
        self._rebase(session)

    def close(self, session: Session) -> None:
        """Forget a session; its ephemerals are the caller's business."""
        self._touch(session)
        del self._by_id[session.id]
        del self._by_place[session.origin, session.token]
        self.total = (self.total - session.base - session.number) & MASK64

    def adopt(self, session: Session) -> None:
        """Put a session in with its fields as they are."""
        self._by_id[session.id] = session
        self._by_place[session.origin, session.token] = session.id
        session.base = self._summed(session)
        self.total = (self.total + session.base + session.number) & MASK64

    def recomputed(self) -> int:
        return sum(self._summed(session) + session.number for session in self._by_id.values()) & MASK64

    def _touch(self, session: Session) -> None:
        if self.keep is not None and session.seen != self.generation:
            self.keep(session)

    def _rebase(self, session: Session) -> None:
        new = self._summed(session)
        self.total = (self.total - session.base + new) & MASK64
        session.base = new

    @staticmethod
    def _summed(session: Session) -> int:
        start = crc32(
            _FACTS.pack(
                session.id, session.timeout_ms, session.attach, session.origin, session.token, session.results_kept
            ),
            crc32(session.secret),
        )
        for scheme, name in session.identities:
            start = crc32(f"{scheme}:{name}\n".encode("utf-8", "surrogatepass"), start)
        return start
