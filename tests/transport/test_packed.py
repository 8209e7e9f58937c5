"""A packed frame is what protobuf makes of it, and nothing else is taken for one."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.transport.test_wire import values
from zooweeper.model.entry import Batch, pack_request
from zooweeper.model.zxid import EPOCH_MAX, make
from zooweeper.transport import packed, wire
from zooweeper.zab.messages import MESSAGES, Ack, Commit, Forward, Message, Ping, Propose

NUMBERS = st.integers(0, 2**64 - 1)
HOT = st.one_of([values(cls) for cls in packed.PACK])


def by_protobuf(data: bytes) -> tuple[int, int, Message]:
    frame = wire.frame_from(data)
    (message,) = wire.messages_from(frame)
    return frame.number, frame.confirmed, message


@given(HOT, NUMBERS, NUMBERS)
@settings(max_examples=200)
def test_a_packed_frame_is_found_as_protobuf_finds_it(message: Message, number: int, confirmed: int) -> None:
    data = packed.frame_of(message, number, confirmed)
    assert packed.find(data) == by_protobuf(data) == (number, confirmed, message)


@given(st.one_of([values(cls) for cls in MESSAGES]), NUMBERS, NUMBERS)
def test_any_message_has_its_frame(message: Message, number: int, confirmed: int) -> None:
    assert by_protobuf(packed.frame_of(message, number, confirmed)) == (number, confirmed, message)


@given(HOT, st.data())
@settings(max_examples=400)
def test_what_is_found_in_a_changed_frame_is_what_protobuf_finds(message: Message, data: Any) -> None:
    frame = bytearray(packed.frame_of(message, 7, 6))
    head = packed.frame_of(message, 7, 6)[: len(frame) - len(getattr(message, "data", b""))]
    for at in data.draw(st.lists(st.integers(0, len(head) - 1), max_size=2)):
        frame[at] = data.draw(st.integers(0, 255))
    changed = bytes(frame[: data.draw(st.one_of(st.just(len(frame)), st.integers(0, len(frame))))])
    try:
        found = packed.find(changed)
    except ValueError as refused:
        with pytest.raises(ValueError) as again:
            by_protobuf(changed)
        assert str(again.value) == str(refused)
    else:
        assert found is None or found == by_protobuf(changed)


@pytest.mark.parametrize("at", range(len(packed.frame_of(Ack(1, 2, 3), 4, 5))))
def test_no_byte_but_those_of_numbers_may_differ(at: int) -> None:
    """Each key and each length counts."""
    other = bytearray(packed.frame_of(Ack(1, 2, 3), 4, 5))
    other[at] ^= 0x80
    found = packed.find(bytes(other))
    assert found is None or found == by_protobuf(bytes(other)) != (4, 5, Ack(1, 2, 3))


@pytest.mark.parametrize(
    "message",
    [
        Ack(1, EPOCH_MAX + 1, 1),
        Commit(1, 1, 1 << 63),
        Propose(1, EPOCH_MAX + 1, Batch(make(1, 1), make(1, 1), 5, pack_request(1, 1, 1, 5, b"")), 0),
        Propose(1, 1, Batch(make(1, 1), make(1, 2), 5, pack_request(1, 1, 1, 5, b"")), 0),
        Forward(1, 1, 2, pack_request(1, 1, 1, 5, b"")),
        Forward(1, EPOCH_MAX + 1, 1, pack_request(1, 1, 1, 5, b"")),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused(message: Message) -> None:
    data = packed.frame_of(message, 1, 0)
    with pytest.raises(ValueError, match=r"with epoch|with committed|requests"):
        assert packed.find(data) is None
        by_protobuf(data)


def test_other_frames_are_left_to_protobuf() -> None:
    (many,) = wire.frames([Commit(1, 2, 3), Commit(1, 2, 4)], 5, 6)
    (without,) = wire.frames([Commit(1, 2, 3)], 5)
    for data in (b"", bytes(23), bytes(60), many, without, packed.frame_of(Ping(1, 2, 3, 4), 5, 6)):
        assert packed.find(data) is None
