"""Records that decode and are odd: fields changed by the kind of value they hold, whatever the operation is.

Rules: knows no operation. Texts come from TEXTS, bytes are changed; numbers are odd ones; lists get
longer, shorter, or one odd element.
"""

from typing import Any

from fuzz.mutator import Mutator
from zooweeper.codec.record import Record
from zooweeper.model.errors import ZkError
from zooweeper.ops.table import OPS

ELEMENTS_MAX = 64  # of one list
TEXTS = (
    "/a",
    "/a/b",
    "/",
    "",
    "/zookeeper/config",
    "\ud800",
    "/\ud83d\ude00",
    "/x\0y",
    "a",
    "//",
    "/a/",
    "é",
    "digest",
)


class Fields:
    """A mutator of records."""

    def __init__(self, mutator: Mutator) -> None:
        self.mutator = mutator
        self.rng = mutator.rng

    def mutate(self, record: Record) -> None:
        """Change one or two of its fields, in depth."""
        names = list(record._fields)
        for _ in range(self.rng.choice((1, 1, 2)) if names else 0):
            name = self.rng.choice(names)
            setattr(record, name, self._value(getattr(record, name)))

    def _value(self, now: Any) -> Any:
        """Another value of its kind."""
        rng = self.rng
        match now:
            case bool():
                return not now
            case int():
                value = self.mutator.odd_number(now % (1 << 32), 32)
                return value - (1 << 32) if value >> 31 else value
            case str() | None:
                return rng.choice((*TEXTS, (now or "") + rng.choice(TEXTS), None if now is None else ""))
            case bytes():
                return self.mutator.mutate(now, (now,))
            case list():
                return self._list(list(now))
            case tuple():
                at = rng.randrange(len(now))
                changed = [self._value(value) if place == at else value for place, value in enumerate(now)]
                return type(now)(*changed) if hasattr(now, "_fields") else tuple(changed)
            case Record():
                self.mutate(now)
        return now

    def _list(self, now: list[Any]) -> list[Any]:
        if not now:
            return [self.rng.choice(TEXTS)] if self.rng.random() < 0.3 else now
        at, way = self.rng.randrange(len(now)), self.rng.random()
        if way < 0.2:
            del now[at]
        elif way < 0.4:
            now = (now + now[at : at + 1] * self.rng.choice((1, 3, 40)))[:ELEMENTS_MAX]
        else:
            now[at] = self._value(now[at])
        return now


def odd_body(code: int, body: bytes, mutator: Mutator) -> bytes:
    """A body of that operation, changed in a field; or in its bytes."""
    op = OPS.get(code)
    if op is None or mutator.rng.random() < 0.3:
        return mutator.mutate(body, (body, *mutator.words))
    try:
        record = op.Request.decode(body)
        Fields(mutator).mutate(record)
        return record.encode()
    except (ZkError, AttributeError, TypeError, ValueError, IndexError):  # a value that its field cannot hold
        return mutator.mutate(body)
