"""The Session stream of the gRPC port as the generator speaks it: one stream, all requests of one wake in one message.

Rules: requests are protobuf bytes made once; a message is a piece of the ring. Answers are read with the project's own
messages; where all are alike, as those of a plain load are, many are checked at once, column by column: every byte that
is no value. Results are kept for retries as the client library asks for it, so that a session costs what it costs
others.
"""

from collections.abc import Sequence

from zooweeper.bench.http2 import GRPC_HEAD, WORD, Event, Frame, Http2, status_of
from zooweeper.bench.line import SESSION_MS, Ask, Ordered, name_of
from zooweeper.bench.load import BenchError
from zooweeper.bench.tally import Tally
from zooweeper.bench.zoo import REQUESTS
from zooweeper.model.config import Address
from zooweeper.model.limits import RESULTS_KEPT_MAX
from zooweeper.model.varint import varint
from zooweeper.pb.client_pb2 import ClientMessage, Hello, Request, ServerMessage

PATH = "/zooweeper.v1.Zooweeper/Session"
STREAM = 1
VERSION = 1
MESSAGE_BYTES_MAX = 1 << 26
ITEM, XID, ZXID, BODY = b"\x12", b"\x0d", b"\x11", b"\x22"  # what stands before an answer and its parts, in this order


class ZwLine(Ordered):
    """A session over a stream."""

    __slots__ = ("_constant", "_http", "_message", "_usual", "_xid")

    def __init__(self, address: Address, tally: Tally) -> None:
        super().__init__(address, tally)
        self._http = Http2(str(address))
        self._message = bytearray()  # the gRPC message that is not whole yet
        self._usual = self._xid = 0  # of the latest answer, as it lies in a message: its length, and where its xid is
        self._constant: list[tuple[int, int]] = []  # its bytes that are in every answer of its length, and where

    def greeting(self) -> bytes:
        hello = Hello(version=VERSION, timeout_ms=SESSION_MS, results=RESULTS_KEPT_MAX)
        self._http.open(STREAM, PATH)
        self._http.say(STREAM, ClientMessage(hello=hello).SerializeToString())
        return self._pull()

    def prepare(self, asks: Sequence[Ask]) -> None:
        frames = []
        for place, ask in enumerate(asks):
            op, record = REQUESTS[ask.kind](ask)
            request = Request(xid=place + 1, code=op.code, body=record.encode(), linear=ask.kind == "linear-get")
            frames.append(ClientMessage(requests=[request]).SerializeToString())
        self.lay(frames)  # messages that stand behind each other are one message
        self._usual = 0

    def take(self, data: bytes, now: float) -> None:
        for event in self._http.feed(data):
            if event.type == Frame.DATA:
                if self._usual and not self._message and self._alike(event.payload):
                    self.answered((len(event.payload) - GRPC_HEAD.size) // self._usual, now)
                    continue
                self._message += event.payload
                self._read_messages(now)
            elif event.end:
                self._ended(event)

    def ask(self, now: float) -> bytes | memoryview:
        if self.ready:
            requests = self.next(now)
            if requests:
                self._http.say(STREAM, bytes(requests))
        return self._pull()

    def ping(self) -> bytes:
        self._http.say(STREAM, ClientMessage(ping=True).SerializeToString())
        return self._pull()

    def _pull(self) -> bytes:
        data = bytes(self._http.out)
        self._http.out.clear()
        return data

    def _alike(self, data: bytes) -> bool:
        """Whether this is one message of answers without errors, the due ones, each as the latest were."""
        usual, size = self._usual, len(data) - GRPC_HEAD.size
        if size % usual or data[: GRPC_HEAD.size] != GRPC_HEAD.pack(0, size):
            return False
        count, xid = size // usual, self._xid
        return self.due(data[xid::usual], data[xid + 1 :: usual]) and all(
            data[place::usual].count(byte) == count for place, byte in self._constant
        )

    def _learn(self, size: int) -> None:
        """The next answers may be as one with a body of so many bytes, and without error, is."""
        length = varint(size)
        begin = ITEM + varint(len(XID + ZXID + BODY) + 12 + len(length) + size) + XID
        head = begin + bytes(4) + ZXID + bytes(8) + BODY + length
        self._usual, self._xid = len(head) + size, GRPC_HEAD.size + len(begin)
        values = (*range(len(begin), len(begin) + 4), *range(len(begin) + 5, len(begin) + 13))
        self._constant = [(GRPC_HEAD.size + at, byte) for at, byte in enumerate(head) if at not in values]

    def _read_messages(self, now: float) -> None:
        buffer = self._message
        while len(buffer) >= GRPC_HEAD.size:
            compressed, length = GRPC_HEAD.unpack_from(buffer)
            if compressed or length > MESSAGE_BYTES_MAX:
                raise BenchError(f"{self.address} sends what is no message of a Session stream")
            end = GRPC_HEAD.size + length
            if len(buffer) < end:
                return
            message = ServerMessage.FromString(bytes(memoryview(buffer)[GRPC_HEAD.size : end]))
            del buffer[:end]
            self._answers(message, now)

    def _answers(self, message: ServerMessage, now: float) -> None:
        due, ring = self.done % self._size + 1, self._size
        count = 0
        for item in message.items:
            xid = item.xid
            if xid == due:
                count += 1
                due = due % ring + 1
                if item.error:
                    self.refused(item.error)
            elif not xid:
                self.tally.heard += 1
            else:
                raise BenchError(f"{self.address} answers {xid} where {due} is due")
        if count:
            self._learn(len(message.items[-1].body))
            self.answered(count, now)
        if message.HasField("welcome"):
            self.ready = True
        if message.HasField("failure"):
            failure = message.failure
            raise BenchError(f"{self.address} ends the session: {name_of(failure.error)} {failure.detail}".rstrip())

    def _ended(self, event: Event) -> None:
        if event.type == Frame.RST_STREAM:
            raise BenchError(f"{self.address} breaks the stream, with HTTP/2 error {WORD.unpack(event.payload)[0]}")
        status, text = status_of(event.headers)
        raise BenchError(f"{self.address} ends the stream, with gRPC status {status} {text}".rstrip())
