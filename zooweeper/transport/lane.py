"""A lane: a plain connection beside a stream, for the messages of the broadcast; frames behind their lengths.

Rules: a frame is its length in four bytes, then a PeerFrame; the first one in each direction has MAGIC in between and
is a LaneHello. Until that has come and is right, a frame is short, time is too, and nothing is answered. What is
written in one turn of the loop leaves with one system call (uvloop gathers it). Nothing is queued here: what may be
under way is bounded in lanes.py. Both kinds of event loop set TCP_NODELAY.

Listening and dialing stand next to each other below: they have to be secured in the same way, as the streams are.
"""

import asyncio
from collections.abc import Callable
from socket import AF_UNSPEC, SOCK_STREAM
from typing import Any

from zooweeper.model.config import Address
from zooweeper.model.limits import PEER_MESSAGE_BYTES_MAX

VERSION = 1
MAGIC = b"ZWLN"
HELLO_BYTES_MAX = 1024  # of the first frame
HELLO_MS = 3000  # for it to come, and for a connection to be there
LENGTH_BYTES = 4
JOINED_BYTES_MAX = 65_536  # up to here it is cheaper to copy a frame behind its length than to write twice


class Lane(asyncio.Protocol):
    """One connection. `take` gets frame after frame; it is replaced when the other side has said hello."""

    def __init__(self, take: "Callable[[Lane, bytes], None]", lost: "Callable[[Lane, str], None]") -> None:
        """`lost` is called once, when nothing more comes, unless `close` was called before."""
        self.take = take
        self.closed = False
        self._lost = lost
        self._transport: Any = None
        self._frame_max = HELLO_BYTES_MAX
        self._rest = bytearray()
        self._wanted = 0  # bytes, before it is worth looking at the rest again
        self._timer: asyncio.TimerHandle | None = None

    def met(self, take: "Callable[[Lane, bytes], None]") -> None:
        """The other side is who it should be: frames go to `take` from now on."""
        self.take = take
        self._frame_max = PEER_MESSAGE_BYTES_MAX
        self._forget_timer()

    def write(self, frame: bytes) -> None:
        """A frame leaves, with all others of this turn of the loop."""
        head = len(frame).to_bytes(LENGTH_BYTES)
        if len(frame) <= JOINED_BYTES_MAX:
            self._transport.write(head + frame)
        else:
            self._transport.write(head)
            self._transport.write(frame)

    def close(self) -> None:
        """Be gone, at once, with what is under way."""
        self.closed = True
        self._forget_timer()
        if self._transport is not None:
            self._transport.abort()

    def fail(self, reason: str) -> None:
        """Be gone, and say so."""
        if not self.closed:
            self.close()
            self._lost(self, reason)

    # --- called by the loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        if self.closed:
            self._transport.abort()
            return
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(HELLO_MS / 1000, self.fail, "it says no hello")

    def data_received(self, data: bytes) -> None:
        if self._rest:
            self._rest += data
            if len(self._rest) < self._wanted:
                return
            data = bytes(self._rest)
            self._rest.clear()
        at, end = 0, len(data)
        while not self.closed:
            begin = at + LENGTH_BYTES
            if begin > end:
                self._wanted = LENGTH_BYTES
                break
            size = int.from_bytes(data[at:begin])
            if size > self._frame_max:
                self.fail(f"a frame of {size} bytes")
                return
            if begin + size > end:
                self._wanted = LENGTH_BYTES + size
                break
            at = begin + size
            self.take(self, data[begin:at])
        if at < end:
            self._rest += data[at:]

    def connection_lost(self, error: Exception | None) -> None:
        self.fail(f"{type(error).__name__} {error}" if error is not None else "it ended the connection")

    def _forget_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


async def listen(make: Callable[[], Lane], host: str, port: int) -> tuple[asyncio.Server, int]:
    """Take connections on one address of `host`; the port, any free one for 0. OSError when it cannot be had."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, family=AF_UNSPEC, type=SOCK_STREAM)
    server = await loop.create_server(make, str(found[0][4][0]), port)
    return server, server.sockets[0].getsockname()[1]


async def dial(make: Callable[[], Lane], address: Address) -> None:
    """A connection to who listens there. OSError or TimeoutError."""
    async with asyncio.timeout(HELLO_MS / 1000):
        await asyncio.get_running_loop().create_connection(make, address.host, address.port)
