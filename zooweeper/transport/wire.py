"""Peers' messages as protobuf: one table, made from the fields of zooweeper/zab/messages.py.

Rules: a field has the same name on both sides, so nothing is written down twice; only two field types need help
(a batch, the epochs). Bytes from a peer that make no message are a ValueError, whatever is wrong with them: what is
true of a message whatever the state of this node (its numbers, the structure of what is to be logged) is checked here,
once; what depends on the state, in zab. Knows no carrier: stream and lane send the same frames.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from itertools import pairwise
from operator import attrgetter
from re import sub
from typing import Any, get_type_hints

from google.protobuf.message import DecodeError

from zooweeper.model.durable import Epochs
from zooweeper.model.entry import Batch, check_requests
from zooweeper.model.errors import BadArguments
from zooweeper.model.limits import (
    BATCH_DATA_BYTES_MAX,
    BATCH_REQUESTS_MAX,
    EPOCHS_KEPT,
    MIB,
    SNAPSHOT_CHUNK_BYTES,
)
from zooweeper.model.members import parse
from zooweeper.model.varint import varint
from zooweeper.model.zxid import COUNTER_MAX, EPOCH_MAX, ZXID_MAX, epoch_of, make
from zooweeper.pb import peer_pb2 as pb
from zooweeper.zab.messages import MESSAGES, Forward, Message, SnapBegin, SnapChunk

FRAME_BYTES = MIB  # a frame takes further messages until it holds as much; well below PEER_MESSAGE_BYTES_MAX
TIME_MS_MAX = (1 << 63) - 1  # clients read a signed number
STATE_MAX = 2  # of zab/vote.py:State
NODE_MAX = 255
MESSAGE_OVERHEAD_BYTES = 64  # what a message counts for in a queue, besides its bytes fields


def _batch_to(batch: Batch) -> pb.Batch:
    return pb.Batch(first=batch.first, last=batch.last, time_ms=batch.time_ms, data=batch.data)


def _batch_from(proto: pb.Batch) -> Batch:
    return batch_of(proto.first, proto.last, proto.time_ms, proto.data)


def batch_of(first: int, last: int, time_ms: int, data: bytes) -> Batch:
    """A batch as it came. ValueError: it cannot be."""
    batch = Batch(first, last, time_ms, data)
    if not 0 < batch.first <= batch.last <= ZXID_MAX or epoch_of(batch.first) != epoch_of(batch.last):
        raise ValueError(f"a batch from {batch.first} to {batch.last}")
    if batch.time_ms > TIME_MS_MAX:
        raise ValueError(f"a batch at {batch.time_ms} ms")
    check_load(data, batch.count)
    return batch


def check_load(data: bytes, count: int) -> None:
    """What is to be logged: everything that every node will execute comes through here first."""
    if not 0 < count <= BATCH_REQUESTS_MAX or len(data) > BATCH_DATA_BYTES_MAX:
        raise ValueError(f"{count} requests in {len(data)} bytes at once")
    check_requests(data, count)


def _epochs_to(epochs: Epochs) -> list[pb.EpochEnd]:
    return [pb.EpochEnd(epoch=epoch, counter=counter) for epoch, counter in epochs]


def _epochs_from(proto: Sequence[pb.EpochEnd]) -> Epochs:
    epochs = tuple((end.epoch, end.counter) for end in proto)
    possible = all(epoch <= EPOCH_MAX and 0 < counter <= COUNTER_MAX for epoch, counter in epochs)
    rising = all(one[0] < next[0] for one, next in pairwise(epochs))
    if not possible or not rising or len(epochs) > EPOCHS_KEPT:
        raise ValueError("a table of epochs that cannot be")
    return epochs


CONVERTED: dict[Any, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    Batch: (_batch_to, _batch_from),
    Epochs: (_epochs_to, _epochs_from),
}


def _check_snapshot(message: SnapBegin) -> None:
    if message.zxid != (make(*message.epochs[-1]) if message.epochs else 0):
        raise ValueError("a snapshot that is not where its epochs end")
    try:
        version = parse(message.members).version if message.members else 0
    except BadArguments as error:
        raise ValueError(f"a snapshot without members: {error.detail}") from None
    if not 0 <= version <= message.zxid:
        raise ValueError(f"a snapshot with the members of {version:x}")


def _check_chunk(message: SnapChunk) -> None:
    if len(message.data) > SNAPSHOT_CHUNK_BYTES:
        raise ValueError(f"a chunk of {len(message.data)} bytes")


BOUNDS: dict[str, int] = {
    "state": STATE_MAX,
    **dict.fromkeys(("choice", "target"), NODE_MAX),
    **dict.fromkeys(("epoch", "accepted", "current"), EPOCH_MAX),
    **dict.fromkeys(("zxid", "last", "cut", "executed", "committed", "version"), ZXID_MAX),
}
"""The largest value of a field, by its name; the others may hold whatever their type holds."""

CHECKS: dict[type, Callable[[Any], None]] = {
    SnapBegin: _check_snapshot,
    SnapChunk: _check_chunk,
    Forward: lambda message: check_load(message.data, message.count),
}


def _key(field: int) -> bytes:
    """What precedes a field that says its length."""
    return varint(field << 3 | 2)


MESSAGES_KEY = _key(pb.PeerFrame.MESSAGES_FIELD_NUMBER)
SIZED = ("batch", "data", "report", "epochs", "members")  # fields that may be large


class _Kind:
    """How one class of message is turned into its protobuf message and back."""

    __slots__ = ("bounds", "check", "cls", "converted", "get", "key", "name", "names", "proto", "sized")

    def __init__(self, cls: type) -> None:
        hints = get_type_hints(cls)
        self.cls = cls
        self.name = sub("(?<!^)(?=[A-Z])", "_", cls.__name__).lower()  # its field in PeerMessage
        self.proto: Any = getattr(pb, cls.__name__)
        self.names = tuple(field.name for field in fields(cls))
        self.get = attrgetter(*self.names)
        self.converted = [(place, *CONVERTED[hints[name]]) for place, name in enumerate(self.names)
                          if hints[name] in CONVERTED]  # fmt: skip
        self.bounds = [(place, name, BOUNDS[name]) for place, name in enumerate(self.names) if name in BOUNDS]
        self.check = CHECKS.get(cls)
        self.key = _key(pb.PeerMessage.DESCRIPTOR.fields_by_name[self.name].number)
        self.sized = tuple(name for name in SIZED if name in self.names)

    def encode(self, message: Message) -> bytes:
        """As one of the messages of a PeerFrame. The two wrappings around it are made by hand: that is half of the
        time that protobuf takes for it, and a batch is copied less often."""
        values = list(self.get(message))
        for place, convert, _ in self.converted:
            values[place] = convert(values[place])
        body = self.proto(**dict(zip(self.names, values, strict=True))).SerializeToString()
        head = self.key + varint(len(body))
        return b"".join((MESSAGES_KEY, varint(len(head) + len(body)), head, body))

    def from_proto(self, proto: Any) -> Message:
        values = list(self.get(proto))
        for place, name, most in self.bounds:
            if values[place] > most:
                raise ValueError(f"{self.cls.__name__} with {name} {values[place]}")
        for place, _, convert in self.converted:
            values[place] = convert(values[place])
        message: Message = self.cls(*values)
        if self.check is not None:
            self.check(message)
        return message


_BY_CLASS = {cls: _Kind(cls) for cls in MESSAGES}
_BY_NAME = {kind.name: kind for kind in _BY_CLASS.values()}


def size_of(message: Message) -> int:
    """What a message counts for in a queue, in bytes: about its size on the wire."""
    size = MESSAGE_OVERHEAD_BYTES
    for name in _BY_CLASS[type(message)].sized:
        value = getattr(message, name)
        size += len(value.data if name == "batch" else value)
    return size


def frame_of(message: Message, number: int, confirmed: int) -> bytes:
    """A PeerFrame with one message, encoded."""
    return pb.PeerFrame(number=number, confirmed=confirmed).SerializeToString() + _BY_CLASS[type(message)].encode(
        message
    )


def frames(messages: Sequence[Message], first: int = 0, confirmed: int = 0) -> Iterator[bytes]:
    """The messages in order, as few encoded PeerFrames as their size allows. `first`: the number of the first one, if
    they are numbered; `confirmed`: how many came from the other side (lanes.py)."""
    begin, size = 0, 0
    for at, message in enumerate(messages, 1):
        size += size_of(message)
        if size >= FRAME_BYTES or at == len(messages):
            head = pb.PeerFrame(number=first and first + begin, confirmed=confirmed).SerializeToString()
            yield head + b"".join([_BY_CLASS[type(one)].encode(one) for one in messages[begin:at]])
            begin, size = at, 0


def frame_from(data: bytes) -> pb.PeerFrame:
    """One frame as it came. ValueError: these bytes are none."""
    try:
        return pb.PeerFrame.FromString(data)
    except DecodeError as error:
        raise ValueError("not a frame of peers") from error


def messages_from(frame: pb.PeerFrame) -> list[Message]:
    """The messages of a frame, in order. ValueError: one of them is unknown or cannot be."""
    messages = []
    for proto in frame.messages:
        name = proto.WhichOneof("message")
        if name is None:
            raise ValueError("a message of a kind that is not known here")
        messages.append(_BY_NAME[name].from_proto(getattr(proto, name)))
    return messages
