"""The Session stream of the gRPC port as the generator speaks it: one stream, all requests of one wake in one message.

Rules: requests are protobuf bytes made once; a message is a piece of the ring. Answers are read with the project's own
messages. Results are kept for retries as the client library asks for it, so that a session costs what it costs others.
"""

from collections.abc import Sequence

from zooweeper.bench.http2 import GRPC_HEAD, WORD, Event, Frame, Http2, status_of
from zooweeper.bench.line import SESSION_MS, Ask, Ordered, name_of
from zooweeper.bench.load import BenchError
from zooweeper.bench.tally import Tally
from zooweeper.bench.zoo import REQUESTS
from zooweeper.model.config import Address
from zooweeper.model.limits import RESULTS_KEPT_MAX
from zooweeper.pb.client_pb2 import ClientMessage, Hello, Request, ServerMessage

PATH = "/zooweeper.v1.Zooweeper/Session"
STREAM = 1
VERSION = 1
MESSAGE_BYTES_MAX = 1 << 26


class ZwLine(Ordered):
    """A session over a stream."""

    __slots__ = ("_http", "_message")

    def __init__(self, address: Address, tally: Tally) -> None:
        super().__init__(address, tally)
        self._http = Http2(str(address))
        self._message = bytearray()  # the gRPC message that is not whole yet

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

    def take(self, data: bytes, now: float) -> None:
        for event in self._http.feed(data):
            if event.type == Frame.DATA:
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
