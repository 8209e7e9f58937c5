"""A session stream without the client library: what a broken or hostile client can send.

Rules: blocking, one stream at a time, every wait bounded by the call's own deadline.
"""

import queue
from collections.abc import Iterator
from typing import Any

import grpc

from zooweeper.pb.client_pb2 import ClientMessage, Hello, Item, Request, ServerMessage

DEADLINE_S = 20.0
SESSION = "/zooweeper.v1.Zooweeper/Session"
PEERS = "/zooweeper.v1.Peers/Stream"


class RawSession:
    """One stream; what is sent may be a message or any bytes."""

    def __init__(self, address: str, path: str = SESSION) -> None:
        self._channel = grpc.insecure_channel(address)
        self._outgoing: queue.Queue[bytes | None] = queue.Queue()
        call: Any = self._channel.stream_stream(path, request_serializer=None, response_deserializer=None)
        self._incoming = call(iter(self._outgoing.get, None), timeout=DEADLINE_S)
        self._items: list[Item] = []

    def __enter__(self) -> "RawSession":
        return self

    def __exit__(self, *_: object) -> None:
        self._outgoing.put(None)
        self._incoming.cancel()
        self._channel.close()

    def send(self, message: ClientMessage | bytes) -> None:
        self._outgoing.put(message if isinstance(message, bytes) else message.SerializeToString())

    def messages(self) -> Iterator[ServerMessage]:
        """What comes, until the server ends the stream. grpc.RpcError when it ends it with a status."""
        for data in self._incoming:
            yield ServerMessage.FromString(data)

    def hello(self, session: int = 0, secret: bytes = b"", version: int = 1) -> ServerMessage:
        """Says hello, and returns what comes back."""
        hello = Hello(version=version, session=session, secret=secret, timeout_ms=10_000)
        self.send(ClientMessage(hello=hello))
        return next(self.messages())

    def ask(self, code: int, body: bytes, xid: int = 1) -> Item:
        """One request and its answer; a failure of the stream is an item with its error, too."""
        self.send(ClientMessage(requests=[Request(xid=xid, code=code, body=body)]))
        while True:
            for item in self._items:
                if item.xid == xid:
                    self._items.remove(item)
                    return item
            message = next(self.messages())
            if message.HasField("failure"):
                return Item(error=message.failure.error, detail=message.failure.detail)
            self._items.extend(message.items)


def ending(raw: RawSession) -> ServerMessage | None:
    """The last message before the stream ends, in whatever way it ends."""
    last = None
    try:
        for last in raw.messages():  # noqa: B007
            pass
    except grpc.RpcError as error:
        assert error.code() not in (grpc.StatusCode.UNKNOWN, grpc.StatusCode.DEADLINE_EXCEEDED), error
    return last
