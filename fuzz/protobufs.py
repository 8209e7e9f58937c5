"""Protobuf messages that parse and are odd: fields changed by their type, whatever the message is.

Rules: knows descriptors alone, no message of ours. Numbers come from what stands in the message, from the words of the
target, and from the edges of the type; bytes from the byte mutator. A message stays a message of its kind.
"""

from collections.abc import Callable, Sequence
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from fuzz.mutator import Mutator

ITEMS_MAX = 64  # of one repeated field
VALUES_SHARE = 0.8  # of the changes; the others change which messages there are
BITS = {
    FieldDescriptor.CPPTYPE_INT32: (32, True),
    FieldDescriptor.CPPTYPE_INT64: (64, True),
    FieldDescriptor.CPPTYPE_UINT32: (32, False),
    FieldDescriptor.CPPTYPE_UINT64: (64, False),
}


class Numbers:
    """A mutator of messages."""

    def __init__(self, mutator: Mutator, numbers: Sequence[int]) -> None:
        self.mutator = mutator
        self.rng = mutator.rng
        self.numbers = numbers  # that mean something where the message goes

    def mutate(self, message: Message) -> None:
        """Change the message in a few places."""
        for _ in range(self.rng.choice((1, 1, 1, 2, 3, 5))):
            places = list(self._places(message))
            values = [place for place in places if place[1].cpp_type != FieldDescriptor.CPPTYPE_MESSAGE]
            owner, field = self.rng.choice(values if values and self.rng.random() < VALUES_SHARE else places)
            if field.is_repeated:
                self._repeated(owner, field)
            elif field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
                self._child(owner, field)
            else:
                setattr(owner, field.name, self._value(field, getattr(owner, field.name)))

    def _places(self, message: Message) -> Any:
        """Every (message, field) of the message and of what is in it."""
        for field in message.DESCRIPTOR.fields:
            yield message, field
            if field.cpp_type != FieldDescriptor.CPPTYPE_MESSAGE:
                continue
            if field.is_repeated:
                for item in getattr(message, field.name):
                    yield from self._places(item)
            elif message.HasField(field.name):
                yield from self._places(getattr(message, field.name))

    def _child(self, owner: Any, field: Any) -> None:
        """A message inside: dropped, or there with default values."""
        if owner.HasField(field.name) and self.rng.random() < 0.3:
            owner.ClearField(field.name)
        else:
            getattr(owner, field.name).SetInParent()

    def _repeated(self, owner: Any, field: Any) -> None:
        items = getattr(owner, field.name)
        if not items or (len(items) < ITEMS_MAX and self.rng.random() < 0.3):
            if field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
                items.add()
            else:
                items.append(self._value(field, field.default_value or self._zero(field)))
            return
        at, to = self.rng.randrange(len(items)), self.rng.randrange(len(items))
        way = self.rng.randrange(3)
        if way == 0:
            del items[at]
        elif field.cpp_type != FieldDescriptor.CPPTYPE_MESSAGE:
            items[at] = self._value(field, items[at])
        elif way == 1 and len(items) < ITEMS_MAX:
            items.add().CopyFrom(items[at])
        else:
            copy = type(items[at])()
            copy.CopyFrom(items[at])
            items[at].CopyFrom(items[to])
            items[to].CopyFrom(copy)

    @staticmethod
    def _zero(field: Any) -> Any:
        return (
            b"" if field.type == FieldDescriptor.TYPE_BYTES else "" if field.type == FieldDescriptor.TYPE_STRING else 0
        )

    def _value(self, field: Any, now: Any) -> Any:
        return VALUES[field.cpp_type](self, field, now)

    def _number(self, field: Any, now: int) -> int:
        bits, signed = BITS[field.cpp_type]
        if self.numbers and self.rng.random() < 0.6:
            value = (self.rng.choice(self.numbers) + self.rng.choice((0, 0, 0, 1, -1))) % (1 << bits)
        else:
            value = self.mutator.odd_number(now % (1 << bits), bits)
        return value - (1 << bits) if signed and value >> bits - 1 else value

    def _bool(self, field: Any, now: bool) -> bool:
        return not now

    def _text(self, field: Any, now: Any) -> Any:
        if field.type == FieldDescriptor.TYPE_STRING:
            return self.mutator.mutate(now.encode(), (now.encode(),)).decode("utf-8", "replace")
        return self.mutator.mutate(now, (now, *self.mutator.words))


VALUES: dict[int, Callable[[Numbers, Any, Any], Any]] = {
    **dict.fromkeys(BITS, Numbers._number),
    FieldDescriptor.CPPTYPE_BOOL: Numbers._bool,
    FieldDescriptor.CPPTYPE_STRING: Numbers._text,
}
