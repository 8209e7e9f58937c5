"""Barriers: what a linearizable read and a sync wait for before their turn in their connection's queue.

Rules: a barrier is reached when a quorum has confirmed the leader after the question, and this node has executed all
that was committed by then. One question is under way at a time; who asks meanwhile gathers for the next. A question to
a leader that is gone is void: the next leader is asked anew, an old answer is never reused (etcd 20221).
"""

from collections.abc import Callable
from typing import Protocol

from zooweeper.model.errors import ErrorCode
from zooweeper.replica.connection import Connection, Kind, Pending
from zooweeper.replica.events import Ask

NO_QUORUM = "this node is not connected to a majority of the ensemble"


class Confirms(Protocol):
    """A role that can find out whether the leader still leads."""

    def barrier(self, token: int) -> None: ...


class Barriers:
    """Those of all connections of this node."""

    def __init__(self, drain: Callable[[Connection], None]) -> None:
        """`drain` answers a connection from the head of its queue, as far as answers are known."""
        self._drain = drain
        self.asking: list[tuple[Connection, Pending]] = []  # nobody was asked for these yet
        self._asked: list[tuple[Connection, Pending]] = []  # these wait for the answer to `_token`
        self._token = 0
        self._behind: dict[int, Connection] = {}  # confirmed, beyond what is executed here

    def add(self, connection: Connection, ask: Ask) -> None:
        """One more, behind all that its connection has asked."""
        pending = Pending(Kind.BARRIER, ask)
        connection.pending.append(pending)
        connection.barriers += 1
        self.asking.append((connection, pending))

    def ask(self, role: Confirms) -> None:
        """One question for all that gathered, unless one is under way."""
        if not self._asked:
            self._token += 1
            self._asked, self.asking = self.asking, []
            role.barrier(self._token)

    def answered(self, token: int, zxid: int) -> None:
        """A quorum confirmed the leader after the question; execute up to `zxid` first."""
        if token == self._token:
            for connection, pending in self._asked:
                pending.zxid = zxid
                self._behind[connection.id] = connection
            self._asked = []
        self.caught_up()

    def caught_up(self) -> None:
        """More was executed: some may be reached."""
        for connection in list(self._behind.values()):
            self._drain(connection)
            if not any(_reached(one) for one in connection.pending):
                self._behind.pop(connection.id, None)

    def forget(self, connection: Connection) -> None:
        """It is gone."""
        connection.barriers = 0
        self._behind.pop(connection.id, None)

    def leader_lost(self) -> None:
        """Ask the next one for all of them."""
        self.asking.extend(self._asked)
        self._asked = []

    def quorum_lost(self) -> None:
        """There will be no leader soon: refuse what cannot be confirmed."""
        self.leader_lost()
        asking, self.asking = self.asking, []
        for connection, pending in asking:
            if connection.barriers:
                connection.barriers -= 1
                pending.done(ErrorCode.NO_QUORUM, b"", 0, NO_QUORUM)
                self._drain(connection)


def _reached(one: Pending | Ask) -> bool:
    """It is a barrier, and known how far to execute before it."""
    return isinstance(one, Pending) and one.kind is Kind.BARRIER and one.zxid >= 0
