"""Every peer message has its protobuf message, field for field, and comes back as it was sent."""

from dataclasses import fields
from typing import Any, get_type_hints

import pytest
from google.protobuf.descriptor import FieldDescriptor
from hypothesis import given, settings
from hypothesis import strategies as st

from zooweeper.model.durable import Epochs
from zooweeper.model.entry import Batch, pack_request
from zooweeper.model.limits import PEER_MESSAGE_BYTES_MAX, READ_BACK_BYTES_MAX
from zooweeper.model.zxid import COUNTER_MAX, EPOCH_MAX, make
from zooweeper.pb import peer_pb2 as pb
from zooweeper.transport import wire
from zooweeper.zab.messages import MESSAGES, Commit, Forward, Message, Propose, SnapBegin, SnapChunk, Vote


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    bodies = draw(st.lists(st.binary(max_size=20), min_size=1, max_size=4))
    data = b"".join(pack_request(1, 2, n, 5, body) for n, body in enumerate(bodies))
    first = make(draw(st.integers(1, 5)), draw(st.integers(1, 1000)))
    return Batch(first, first + len(bodies) - 1, draw(st.integers(0, 2**60)), data)


SPECIAL: dict[Any, st.SearchStrategy[Any]] = {
    Batch: batches(),
    Epochs: st.dictionaries(st.integers(1, EPOCH_MAX), st.integers(1, COUNTER_MAX), max_size=4).map(
        lambda ends: tuple(sorted(ends.items()))
    ),
    bool: st.booleans(),
    bytes: st.binary(max_size=50),
    str: st.just(""),
}


def values(cls: type) -> st.SearchStrategy[Message]:
    """Any message of this class, with integers as large as its protobuf fields take."""
    descriptor = getattr(pb, cls.__name__).DESCRIPTOR
    hints, arguments = get_type_hints(cls), []
    for field in fields(cls):
        wide = descriptor.fields_by_name[field.name].cpp_type == FieldDescriptor.CPPTYPE_UINT64
        most = wire.BOUNDS.get(field.name, 2**64 - 1 if wide else 2**32 - 1)
        arguments.append(SPECIAL.get(hints[field.name], st.integers(0, most)))
    return st.tuples(*arguments).map(lambda each: possible(cls(*each)))


def possible(message: Message) -> Message:
    """The same, where one field follows from another."""
    if isinstance(message, SnapBegin):
        message.zxid = make(*message.epochs[-1]) if message.epochs else 0
        message.members = f"server.1=h:1:2:participant\nversion={message.zxid:x}" if message.zxid % 2 else ""
    if isinstance(message, Forward):
        message.count, message.data = 1, pack_request(1, 2, 3, 5, message.data)
    return message


@pytest.mark.parametrize("cls", MESSAGES, ids=lambda cls: cls.__name__)
def test_every_message_has_its_protobuf_message_field_for_field(cls: type) -> None:
    descriptor = getattr(pb, cls.__name__).DESCRIPTOR
    assert [field.name for field in fields(cls)] == [field.name for field in descriptor.fields]


def test_every_protobuf_message_has_its_class() -> None:
    oneof = pb.PeerMessage.DESCRIPTOR.oneofs_by_name["message"]
    assert [field.message_type.name for field in oneof.fields if field.message_type] == [
        cls.__name__ for cls in MESSAGES
    ]


@given(st.lists(st.one_of([values(cls) for cls in MESSAGES]), max_size=5))
@settings(max_examples=150)
def test_messages_come_back_as_they_were_sent(messages: list[Message]) -> None:
    back = [m for data in wire.frames(messages) for m in wire.messages_from(wire.frame_from(data))]
    assert back == messages


@given(st.one_of([values(cls) for cls in MESSAGES]), st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
@settings(max_examples=150)
def test_a_message_alone_is_the_frame_that_protobuf_would_make(message: Message, number: int, confirmed: int) -> None:
    made = wire.frame_of(message, number, confirmed)
    frame = wire.frame_from(made)
    assert (frame.number, frame.confirmed, wire.messages_from(frame)) == (number, confirmed, [message])
    assert sorted(frame.SerializeToString()) == sorted(made), "no byte more or less, in whatever order"


def test_the_messages_of_a_drain_are_numbered_from_the_first() -> None:
    large: list[Message] = [SnapChunk(1, n, False, bytes(wire.FRAME_BYTES)) for n in range(2)]
    found = [wire.frame_from(data) for data in wire.frames([Commit(1, 2, 3), *large, Commit(1, 2, 4)], 7, 5)]
    assert [(frame.number, frame.confirmed, len(frame.messages)) for frame in found] == [
        (7, 5, 2),
        (9, 5, 1),
        (10, 5, 1),
    ]
    assert [wire.frame_from(data).number for data in wire.frames([Commit(1, 2, 3), *large])] == [0, 0]


def test_a_drain_goes_as_one_frame_and_large_ones_are_split_below_the_limit() -> None:
    small: list[Message] = [Commit(1, 2, n) for n in range(100)]
    assert len(list(wire.frames(small))) == 1
    assert list(wire.frames([])) == []
    large: list[Message] = [SnapChunk(1, n, False, bytes(READ_BACK_BYTES_MAX - 1)) for n in range(3)]
    frames = list(wire.frames([*small, *large]))
    assert len(frames) == 3
    assert all(len(data) < PEER_MESSAGE_BYTES_MAX for data in frames)
    tiny_then_large: list[Message] = [SnapChunk(1, 0, False, bytes(wire.FRAME_BYTES - 100)), large[0]]
    assert all(len(data) < PEER_MESSAGE_BYTES_MAX for data in wire.frames(tiny_then_large))


@given(st.binary(max_size=60))
def test_any_bytes_are_messages_or_a_value_error(data: bytes) -> None:
    try:
        wire.messages_from(wire.frame_from(data))
    except ValueError:
        return


@pytest.mark.parametrize(
    "batch",
    [pb.Batch(), pb.Batch(first=5, last=4, data=bytes(99)), pb.Batch(first=make(1, 5), last=make(2, 5), data=bytes(99)),
     pb.Batch(first=make(1, 1), last=make(1, 3), data=bytes(60))],
)  # fmt: skip
def test_a_batch_that_cannot_be_is_refused(batch: pb.Batch) -> None:
    frame = pb.PeerFrame(messages=[pb.PeerMessage(propose=pb.Propose(attempt=1, epoch=1, batch=batch))])
    with pytest.raises(ValueError, match=r"a batch|requests"):
        wire.messages_from(wire.frame_from(frame.SerializeToString()))


def test_a_message_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="not known"):
        wire.messages_from(pb.PeerFrame(messages=[pb.PeerMessage()]))


def test_what_counts_in_a_queue_is_about_the_size_on_the_wire() -> None:
    batch = Batch(make(1, 1), make(1, 1), 5, pack_request(1, 1, 1, 5, bytes(10_000)))
    for message in (Propose(1, 1, batch, 0), Vote(1, 1, 1, True, 1, False), SnapChunk(1, 0, False, bytes(5000))):
        (frame,) = wire.frames([message])
        assert len(frame) <= wire.size_of(message) <= len(frame) + wire.MESSAGE_OVERHEAD_BYTES
