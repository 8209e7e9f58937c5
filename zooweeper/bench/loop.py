"""The sockets of all lines: one thread over epoll, one read and one write for each wake.

Rules: bytes go between sockets and lines; nothing is known of requests. A connection that breaks is closed and counted;
the others go on. The last one to break ends the run.
"""

import select
import socket
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from zooweeper.bench.line import Line
from zooweeper.bench.load import BenchError
from zooweeper.model.config import Address

CONNECT_S = 5.0
ANSWER_S = 20.0  # in which an answer must come while one is awaited
RECEIVE_BYTES = 1 << 16
EVENTS = 512
BROKEN = "connection lost"

clock = time.monotonic


class Wire:
    """A line and its socket."""

    __slots__ = ("line", "rest", "socket")

    def __init__(self, line: Line, sock: socket.socket) -> None:
        self.line = line
        self.socket = sock
        self.rest: bytes | memoryview = b""  # what the socket did not take yet


class Loop:
    """All connections; leaving its `with` block closes them."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self.lines = list(lines)  # those that are not broken
        self.broken = 0
        self._poll = select.epoll()
        self._wires: dict[int, Wire] = {}
        self._by_line: dict[Line, Wire] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for wire in self._wires.values():
            wire.socket.close()
        self._poll.close()

    def connect(self) -> None:
        """Connects all lines and lets them shake hands. BenchError when one cannot."""
        for line in self.lines:
            wire = Wire(line, connected(line.address))
            self._by_line[line] = self._wires[wire.socket.fileno()] = wire
            self._poll.register(wire.socket, select.EPOLLIN)
            self.send(line, line.greeting())
        self.until(lambda: all(line.ready for line in self.lines), "to shake hands")

    def until(self, done: Callable[[], bool], what: str) -> None:
        """Turns until `done`. BenchError when no request is answered any more, or a connection breaks."""
        answered, deadline = 0, clock() + ANSWER_S
        while not done():
            self.turn(0.1)
            now = clock()
            if (count := sum(line.done for line in self.lines)) != answered:
                answered, deadline = count, now + ANSWER_S
            if self.broken:
                raise BenchError(f"a server closes a connection that waits {what}")
            if now > deadline:
                silent = next((line for line in self.lines if not line.ready or not line.finished), self.lines[0])
                raise BenchError(f"{silent.address} gave no answer within {ANSWER_S:g} s, waiting {what}")

    def ask(self) -> None:
        """Lets all lines ask what they have room for."""
        for line in list(self.lines):
            self.send(line, line.ask(clock()))

    def send(self, line: Line, data: bytes | memoryview) -> None:
        if data:
            self._send(self._by_line[line], data)

    def turn(self, wait_s: float) -> int:
        """Takes what has come, and asks anew; on how many connections."""
        events = self._poll.poll(wait_s, EVENTS)
        wires = self._wires
        for fd, mask in events:
            wire = wires[fd]
            if mask & select.EPOLLOUT:
                data, wire.rest = wire.rest, b""
                self._poll.modify(fd, select.EPOLLIN)
                self._send(wire, data)
            if mask & ~select.EPOLLOUT and fd in wires:
                try:
                    came = wire.socket.recv(RECEIVE_BYTES)
                except BlockingIOError:
                    continue
                except OSError:
                    came = b""
                if not came:
                    self._lose(wire)
                    continue
                line = wire.line
                line.take(came, clock())
                data = line.ask(clock())
                if data:
                    self._send(wire, data)
        return len(events)

    def _send(self, wire: Wire, data: bytes | memoryview) -> None:
        if wire.rest:
            wire.rest = bytes(wire.rest) + bytes(data)
            return
        try:
            sent = wire.socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._lose(wire)
            return
        if sent < len(data):
            wire.rest = data[sent:]
            self._poll.modify(wire.socket, select.EPOLLIN | select.EPOLLOUT)

    def _lose(self, wire: Wire) -> None:
        line = wire.line
        del self._wires[wire.socket.fileno()], self._by_line[line]
        self._poll.unregister(wire.socket)
        wire.socket.close()
        self.broken += 1
        self.lines.remove(line)
        line.tally.error(BROKEN)
        if not line.ready:
            raise BenchError(f"{line.address} closes the connection before there is a session; is this its port?")
        if not self.lines:
            raise BenchError("the servers have closed all connections")


def connected(address: Address) -> socket.socket:
    """A socket that does not block. BenchError when nobody answers."""
    try:
        sock = socket.create_connection((address.host, address.port), CONNECT_S)
    except OSError as error:
        raise BenchError(f"cannot connect to {address}: {error.strerror or error}") from None
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setblocking(False)
    return sock
