"""Peers' messages as protobuf: one table, made from the fields of zooweeper/zab/messages.py.

Rules: a field has the same name on both sides, so nothing is written down twice; only two field types need help
(a batch, the epochs). Bytes from a peer that make no message are a ValueError, whatever is wrong with them. Knows no
carrier: a framed TCP lane could send the same bytes.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from operator import attrgetter
from re import sub
from typing import Any, get_type_hints

from google.protobuf.message import DecodeError

from zooweeper.model.durable import Epochs
from zooweeper.model.entry import REQUEST_SIZE, Batch
from zooweeper.model.limits import MIB
from zooweeper.model.zxid import epoch_of
from zooweeper.pb import peer_pb2 as pb
from zooweeper.zab.messages import MESSAGES, Message

FRAME_BYTES = MIB  # a frame takes further messages until it holds as much; well below PEER_MESSAGE_BYTES_MAX
MESSAGE_OVERHEAD_BYTES = 64  # what a message counts for in a queue, besides its bytes fields


def _batch_to(batch: Batch) -> pb.Batch:
    return pb.Batch(first=batch.first, last=batch.last, time_ms=batch.time_ms, data=batch.data)


def _batch_from(proto: pb.Batch) -> Batch:
    batch = Batch(proto.first, proto.last, proto.time_ms, proto.data)
    if not 0 < batch.first <= batch.last or epoch_of(batch.first) != epoch_of(batch.last):
        raise ValueError(f"a batch from {batch.first} to {batch.last}")
    if batch.count * REQUEST_SIZE > len(batch.data):
        raise ValueError(f"a batch of {batch.count} requests in {len(batch.data)} bytes")
    return batch


def _epochs_to(epochs: Epochs) -> list[pb.EpochEnd]:
    return [pb.EpochEnd(epoch=epoch, counter=counter) for epoch, counter in epochs]


def _epochs_from(proto: Sequence[pb.EpochEnd]) -> Epochs:
    return tuple((end.epoch, end.counter) for end in proto)


CONVERTED: dict[Any, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    Batch: (_batch_to, _batch_from),
    Epochs: (_epochs_to, _epochs_from),
}


class _Kind:
    """How one class of message is turned into its protobuf message and back."""

    __slots__ = ("cls", "converted", "get", "name", "names", "proto")

    def __init__(self, cls: type) -> None:
        hints = get_type_hints(cls)
        self.cls = cls
        self.name = sub("(?<!^)(?=[A-Z])", "_", cls.__name__).lower()  # its field in PeerMessage
        self.proto: Any = getattr(pb, cls.__name__)
        self.names = tuple(field.name for field in fields(cls))
        self.get = attrgetter(*self.names)
        self.converted = [(place, *CONVERTED[hints[name]]) for place, name in enumerate(self.names)
                          if hints[name] in CONVERTED]  # fmt: skip

    def to_proto(self, message: Message) -> pb.PeerMessage:
        values = list(self.get(message))
        for place, convert, _ in self.converted:
            values[place] = convert(values[place])
        proto = self.proto(**dict(zip(self.names, values, strict=True)))
        return pb.PeerMessage(**{self.name: proto})

    def from_proto(self, proto: Any) -> Message:
        values = list(self.get(proto))
        for place, _, convert in self.converted:
            values[place] = convert(values[place])
        message: Message = self.cls(*values)
        return message


_BY_CLASS = {cls: _Kind(cls) for cls in MESSAGES}
_BY_NAME = {kind.name: kind for kind in _BY_CLASS.values()}


def size_of(message: Message) -> int:
    """What a message counts for in a queue, in bytes: about its size on the wire."""
    size = MESSAGE_OVERHEAD_BYTES
    batch = getattr(message, "batch", None)
    if batch is not None:
        size += len(batch.data)
    for name in ("data", "report", "epochs"):
        size += len(getattr(message, name, b""))
    return size


def frames(messages: Sequence[Message]) -> Iterator[bytes]:
    """The messages in order, as few encoded PeerFrames as their size allows."""
    frame, size = pb.PeerFrame(), 0
    for message in messages:
        frame.messages.append(_BY_CLASS[type(message)].to_proto(message))
        size += size_of(message)
        if size >= FRAME_BYTES:
            yield frame.SerializeToString()
            frame, size = pb.PeerFrame(), 0
    if size:
        yield frame.SerializeToString()


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
