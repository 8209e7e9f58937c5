"""One client's connection, one operation after the other; and what came back, as plain values.

Rules: blocking, for everything here goes in lock step. What came is kept in its order, events between replies. A
server that closes is an answer like any other ("closed"); one that says nothing for `SILENCE_S` is one, too.
"""

import contextlib
import itertools
import socket
import struct
from dataclasses import dataclass
from typing import Any

from tests.interop.differential import wire
from tests.interop.differential.wire import Zxid

SILENCE_S = 10.0
NOBODY = bytes(16)

Address = tuple[str, int]
Frame = dict[str, Any]  # what came, by name: {"reply": ..., "zxid": ..., "error": ..., fields} or {"event": ...}


@dataclass
class Asked:
    """A request under way."""

    code: int
    xid: int


class Session:
    """A client, over all its connections."""

    def __init__(self, name: str, addresses: list[Address]) -> None:
        self.name = name
        self._addresses = itertools.cycle(addresses)
        self._socket: socket.socket | None = None
        self._buffer = bytearray()
        self.id = 0
        self.password = NOBODY
        self.seen = 0
        self._xid = 0

    @property
    def connected(self) -> bool:
        return self._socket is not None

    def drop(self) -> None:
        """The connection ends without a word."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def connect(self, hello: bytes, flag: bool | None, stay: bool = False) -> list[Frame]:
        """A new connection, at the next address; the server's welcome to this first frame. `stay`: the old connection
        is not closed before, and it is told what becomes of it."""
        old = self._socket if stay else None
        if old is None:
            self.drop()
        self._buffer.clear()
        self._socket = socket.create_connection(next(self._addresses), timeout=SILENCE_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.send_frame(hello)
        frames = self._welcome(flag)
        if old is not None:
            with old:
                frames.append({"old connection": _rest(old)})
        return frames

    def _welcome(self, flag: bool | None) -> list[Frame]:
        body = self._frame()
        if not isinstance(body, bytes):
            return [{"connection": body}]
        welcome = wire.decode(wire.WELCOME + (" readonly:bool" if flag is not None else ""), body)
        refused = welcome["timeout"] <= 0
        if not refused:
            self.id, self.password = int(welcome["session"]), welcome["password"]
        welcome["password"] = "nothing" if welcome["password"] == NOBODY else len(welcome["password"])
        return [{"welcome": True, **welcome}, *(self.after(Asked(0, 0)) if refused else [])]

    def ask(self, code: int, body: bytes, xid: int | None = None) -> Asked:
        """Send one request."""
        if xid is None:
            self._xid += 1
            xid = self._xid
        self.send_frame(struct.pack(">ii", xid, code) + body)
        return Asked(code, xid)

    def send_frame(self, payload: bytes) -> None:
        self.send_bytes(struct.pack(">i", len(payload)) + payload)

    def send_bytes(self, data: bytes) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):  # closed by the other side: reading tells
                self._socket.sendall(data)

    def answers(self, asked: Asked) -> list[Frame]:
        """All that comes up to the answer, or to the end of the connection."""
        frames: list[Frame] = []
        while True:
            body = self._frame()
            if not isinstance(body, bytes):
                return [*frames, {"connection": body}]
            frames.append(self._read(body, asked))
            if "reply" in frames[-1]:
                return frames

    def after(self, asked: Asked) -> list[Frame]:
        """What comes after an answer that ends the connection: nothing but its end."""
        body = self._frame()
        return [{"connection": body}] if isinstance(body, str) else [self._read(body, asked)]

    def skip_address(self) -> None:
        next(self._addresses)

    def _read(self, body: bytes, asked: Asked) -> Frame:
        xid, zxid, error = struct.unpack(">iqi", body[:16])
        if zxid > 0:
            self.seen = max(self.seen, zxid)
        if xid == wire.XID_EVENT:
            return {"event": True, "zxid": Zxid(zxid), "error": error, **wire.decode(wire.EVENT, body[16:])}
        head = {"reply": wire.NAMES.get(asked.code, asked.code), "code": asked.code, "echo": xid == asked.xid}
        head |= {"zxid": Zxid(zxid), "error": error}
        try:
            return head | wire.decode(wire.REPLIES.get(asked.code, "") if error == 0 else "", body[16:])
        except wire.Unreadable as unreadable:
            return head | {"unreadable": str(unreadable), "body": body[16:].hex()}

    def _frame(self) -> bytes | str:
        """One frame's payload, or why there is none."""
        while len(self._buffer) < 4 or len(self._buffer) < 4 + struct.unpack(">i", self._buffer[:4])[0]:
            if self._socket is None:
                return "closed"
            try:
                data = self._socket.recv(65536)
            except TimeoutError:
                return "silent"
            except OSError:
                data = b""
            if not data:
                self.drop()
                return "closed"
            self._buffer += data
        size = 4 + struct.unpack(">i", self._buffer[:4])[0]
        payload = bytes(self._buffer[4:size])
        del self._buffer[:size]
        return payload


def _rest(connection: socket.socket) -> str:
    """What becomes of a connection that nobody asks anything any more."""
    try:
        data = connection.recv(65536)
    except TimeoutError:
        return "silent"
    except OSError:
        data = b""
    return f"bytes: {data.hex()}" if data else "closed"
