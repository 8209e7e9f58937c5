"""Thousands of ZooKeeper sessions in one process that only live and hear: `python -m bench.crowd HOST:PORT…`.

Rules: one thread over epoll, so that a session costs this machine little beside what it costs the nodes. Lines on stdin
tell what to do, a line on stdout answers each: `open N` connects N more sessions, spread over the addresses; `back`
lets other processes go first; `watch PATH` sets a one-shot watch of each session on a znode's data, `stay PATH` a
persistent one; `hear N` waits until each session has heard N events since it was last asked, and answers with the time
when the last one had come, by the machine's monotonic clock. The process ends with its stdin, and with one line on
stderr when a session ends or is late.
"""

import argparse
import os
import select
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

from bench.figures import clock
from bench.load import Stuck
from bench.wire import PING_XID, Event, Frames, connect_frame, read_connected, read_frame, request_frame
from zooweeper.cli.settings import SettingsError, parse_address
from zooweeper.codec.record import Record
from zooweeper.model.config import Address
from zooweeper.model.errors import ErrorCode
from zooweeper.model.events import WatchMode
from zooweeper.ops.data import GetData, WatchRequest
from zooweeper.ops.op import Op
from zooweeper.ops.session import Ping
from zooweeper.ops.watches import AddWatch

TIMEOUT_MS = 40_000
PINGS_S = 0.1  # every so often some sessions ping, so that each does three times in its timeout
AT_ONCE = 256  # sessions that connect or ask at the same time
WAIT_S = 120.0
LOW = 10  # as `nice` counts
RECEIVE_BYTES = 1 << 16
PING = request_frame(PING_XID, Ping)


class Member:
    """One session."""

    __slots__ = ("connected", "frames", "heard", "socket", "waiting")

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.frames = Frames()
        self.connected = False
        self.waiting = True  # for the handshake, or the answer to a request
        self.heard = 0


class Crowd:
    """All sessions."""

    def __init__(self, addresses: list[Address]) -> None:
        self._addresses = addresses
        self._poll = select.epoll()
        self._members: dict[int, Member] = {}
        self._waiting = 0  # members of which something is awaited
        self._silent = 0  # members that have not heard `_due` events yet
        self._due = 0
        self._last = 0.0  # when the last event came
        self._next_pings = clock()
        self._ping_order: list[int] = []

    # ---- what the lines ask for

    def open(self, number: int) -> str:
        """`number` more sessions."""
        for count in range(number):
            address = self._addresses[count % len(self._addresses)]
            sock = socket.create_connection((address.host, address.port), WAIT_S)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setblocking(False)
            self._members[sock.fileno()] = Member(sock)
            self._poll.register(sock, select.EPOLLIN)
            self._waiting += 1
            sock.send(connect_frame(TIMEOUT_MS))
            self._until(lambda: self._waiting < AT_ONCE)
        self._until(lambda: not self._waiting)
        return f"{len(self._members)} sessions"

    def watch(self, path: str) -> str:
        return self._all_ask(GetData, WatchRequest(path, True))

    def stay(self, path: str) -> str:
        return self._all_ask(AddWatch, AddWatch.Request(path, WatchMode.PERSISTENT))

    def hear(self, events: int) -> str:
        self._due = events
        self._silent = sum(member.heard < events for member in self._members.values())
        self._until(lambda: not self._silent)
        for member in self._members.values():
            if member.heard != events:
                raise Stuck(f"a session heard {member.heard} events, {events} were due")
            member.heard = 0
        self._due = 0
        return f"{self._last:.6f}"

    def rest(self) -> None:
        """Until there is a line to read."""
        self._until(lambda: False, reading=True)

    def _all_ask(self, op: type[Op], request: Record) -> str:
        frame = request_frame(1, op, request)
        for member in self._members.values():
            member.waiting = True
            self._waiting += 1
            member.socket.send(frame)
            self._until(lambda: self._waiting < AT_ONCE)
        self._until(lambda: not self._waiting)
        return f"{len(self._members)} answers"

    # ---- the loop

    def _until(self, done: Callable[[], bool], reading: bool = False) -> None:
        """Hears the sessions until `done`, or until stdin is readable."""
        deadline = clock() + WAIT_S
        if reading:
            self._poll.register(sys.stdin, select.EPOLLIN)
        while not done():
            for fd, _ in self._poll.poll(PINGS_S):
                if fd == sys.stdin.fileno():
                    self._poll.unregister(sys.stdin)
                    return
                self._hear(self._members[fd])
            if clock() > self._next_pings:
                self._ping_some()
            if not reading and clock() > deadline:
                raise Stuck(f"{self._waiting} sessions wait for answers, {self._silent} for events")

    def _hear(self, member: Member) -> None:
        data = member.socket.recv(RECEIVE_BYTES)
        if not data:
            raise Stuck("a session's connection was closed")
        for payload in member.frames.feed(data):
            if not member.connected:
                if not read_connected(payload).timeout_ms:
                    raise Stuck("a session was refused")
                member.connected = True
                self._answered(member)
                continue
            one = read_frame(payload)
            if isinstance(one, Event):
                member.heard += 1
                self._last = clock()
                self._silent -= member.heard == self._due
            elif one.xid != PING_XID:
                if one.error != ErrorCode.OK:
                    raise Stuck(f"a session was answered with error {one.error}")
                self._answered(member)

    def _answered(self, member: Member) -> None:
        member.waiting = False
        self._waiting -= 1

    def _ping_some(self) -> None:
        """The next few of all sessions, in turn."""
        self._next_pings = clock() + PINGS_S
        if not self._ping_order:
            self._ping_order = list(self._members)
        share = int(len(self._members) * PINGS_S / (TIMEOUT_MS / 1000 / 3)) + 1
        for fd in islice(self._ping_order, share):
            if self._members[fd].connected:
                self._members[fd].socket.send(PING)
        del self._ping_order[:share]


def step_back() -> str:
    """To a low priority: programs on other machines would take no processor time from the nodes."""
    os.nice(LOW)
    with suppress(OSError):  # where Linux groups processes by their session, it looks at the groups first
        Path("/proc/self/autogroup").write_text(str(LOW))
    return f"priority {LOW}"


def run(words: Sequence[str]) -> int:
    """The process; its exit code."""
    parser = argparse.ArgumentParser(
        "python -m bench.crowd",
        description="Many ZooKeeper sessions; lines on stdin say what they do.",
        epilog="example: (echo open 1000; sleep 60) | python -m bench.crowd 127.0.0.1:2181 127.0.0.1:2182",
    )
    parser.add_argument("address", nargs="+", help="host:port of a node's ZooKeeper port")
    try:
        crowd = Crowd([parse_address(word) for word in parser.parse_args(words).address])
    except SettingsError as error:
        parser.error(str(error))
    verbs: dict[str, Callable[[str], str]] = {
        "back": lambda _: step_back(),
        "open": lambda word: crowd.open(int(word)),
        "watch": crowd.watch,
        "stay": crowd.stay,
        "hear": lambda word: crowd.hear(int(word)),
    }
    try:
        while True:
            crowd.rest()
            line = sys.stdin.readline()
            if not line:
                return 0
            verb, _, rest = line.strip().partition(" ")
            if verb not in verbs:
                raise Stuck(f"no such thing to do: {verb!r}; there are: {', '.join(verbs)}")
            print(verbs[verb](rest), flush=True)
    except (Stuck, OSError, ValueError) as error:
        print(f"bench.crowd: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
