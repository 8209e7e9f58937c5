"""How long nobody can write: from the start of an ensemble, and after its leader was killed.

Method: one writer for each node, on the ZooKeeper port of either side, with a session of its own; when that breaks it
opens another, RETRY_S later. The first write is counted from the start of the processes to the first write that any
node acknowledges. The gap of a kill is the longest time in which no write anywhere was acknowledged, from the last
answer before SIGKILL on.

Rules: one clock. A writer waits ANSWER_S for an answer at most: a node that takes a connection and says nothing must
not hide that others serve.
"""

import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from bench.compare.rivals import Servers
from bench.figures import clock, longest_gap
from bench.load import Stuck
from bench.wire import Connection
from zooweeper.model.acl import OPEN
from zooweeper.model.config import Address
from zooweeper.model.errors import ErrorCode
from zooweeper.ops.create import Create
from zooweeper.ops.data import SetData

RETRY_S = 0.005
PAUSE_S = 0.002  # between two writes of one writer
ANSWER_S = 1.0
SESSION_MS = 10_000
STEADY_S, AFTER_S = 1.0, 2.0  # of writing, before a kill and after the next write
GIVE_UP_S = 60.0
VALUE = b"x" * 100


class Writers:
    """Writes on every node between `with` and its end."""

    def __init__(self, hosts: Sequence[Address]) -> None:
        self._acknowledged: list[float] = []
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._write, args=(host,)) for host in hosts]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def next_write(self, after: float) -> float:
        """When the first write after a time was acknowledged; waits for it. Stuck after GIVE_UP_S."""
        while clock() < after + GIVE_UP_S:
            if self._acknowledged and self._acknowledged[-1] > after:
                return min(at for at in self._acknowledged if at > after)
            time.sleep(RETRY_S / 5)
        raise Stuck(f"no write was acknowledged within {GIVE_UP_S:g} s")

    def gap(self, start: float, end: float) -> float:
        """The longest time without an acknowledged write that touches start..end."""
        return longest_gap(sorted(self._acknowledged), start, end)

    def _write(self, host: Address) -> None:
        while not self._stopping.is_set():
            try:
                self._session(Connection(host, SESSION_MS, wait_s=ANSWER_S), f"/writes-{host.port}")
            except (Stuck, OSError):
                self._stopping.wait(RETRY_S)

    def _session(self, connection: Connection, path: str) -> None:
        """Writes until the connection breaks, or all is over."""
        try:
            created = connection.ask(Create, Create.Request(path, VALUE, list(OPEN))).error
            if created not in (ErrorCode.OK, ErrorCode.NODE_EXISTS):
                raise Stuck(f"create answers {created}")
            while not self._stopping.is_set():
                if connection.ask(SetData, SetData.Request(path, VALUE)).error != ErrorCode.OK:
                    raise Stuck("a set failed")
                self._acknowledged.append(clock())
                self._stopping.wait(PAUSE_S)
        finally:
            connection.close()


def start_to_first_write(servers: Servers) -> float:
    """Seconds; `servers` do not run before, and run afterwards."""
    begin = clock()
    servers.start()
    with Writers(servers.hosts) as writers:
        return writers.next_write(begin) - begin


def kill_to_next_write(servers: Servers) -> float:
    """Seconds; every node runs before and afterwards."""
    leader = servers.leader()
    with Writers(servers.hosts) as writers:
        writers.next_write(clock())
        time.sleep(STEADY_S)
        killed = clock()
        servers.kill((leader,))
        back = writers.next_write(clock())
        time.sleep(AFTER_S)
        gap = writers.gap(killed, back + AFTER_S)
    servers.start((leader,))
    servers.wait()
    return gap
