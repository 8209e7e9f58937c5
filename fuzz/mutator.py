"""Bytes that are nearly right: a valid input, changed in a few places.

Rules: all chance comes from the generator given; the same seed makes the same inputs. The ways know how our formats are
made (big-endian numbers, lengths before contents), not what they mean. What is made is bounded.
"""

from collections.abc import Callable, Sequence
from random import Random

INPUT_BYTES_MAX = 64 * 1024
SWOLLEN = 1 << 16  # a number this large, read as a length, would show whether anybody believes it
CHANGES = (1, 1, 1, 1, 2, 2, 3, 4, 8)  # how many changes an input gets


class Mutator:
    """Makes inputs of others. `words` are what the format likes to read."""

    def __init__(self, rng: Random, words: Sequence[bytes] = ()) -> None:
        self.rng = rng
        self.words = words
        self.swollen = False  # the last input got a number of SWOLLEN or more

    def mutate(self, data: bytes, others: Sequence[bytes] = (b"",)) -> bytes:
        """`data` with a few changes; `others` are inputs to take pieces from."""
        self.swollen = False
        for _ in range(self.rng.choice(CHANGES)):
            data = self.rng.choice(WAYS)(self, data, others)
        return data[:INPUT_BYTES_MAX]

    # --- the ways

    def _place(self, data: bytes) -> int:
        """Somewhere, more often near the start, where formats keep their lengths."""
        size = min(len(data), 64) if self.rng.random() < 0.5 else len(data)
        return self.rng.randrange(size + 1)

    def _piece(self, data: bytes) -> tuple[int, int]:
        at = self._place(data)
        return at, min(len(data), at + self.rng.choice((1, 2, 4, 8, 32, 256)))

    def _flip_bit(self, data: bytes, others: Sequence[bytes]) -> bytes:
        if not data:
            return data
        at = self._place(data[1:])
        return data[:at] + bytes((data[at] ^ 1 << self.rng.randrange(8),)) + data[at + 1 :]

    def _set_byte(self, data: bytes, others: Sequence[bytes]) -> bytes:
        at = self._place(data)
        return data[:at] + bytes((self.rng.choice((0, 1, 0x7F, 0x80, 0xFF, self.rng.randrange(256))),)) + data[at + 1 :]

    def _truncate(self, data: bytes, others: Sequence[bytes]) -> bytes:
        return data[: self._place(data)]

    def _cut_out(self, data: bytes, others: Sequence[bytes]) -> bytes:
        at, end = self._piece(data)
        return data[:at] + data[end:]

    def _repeat(self, data: bytes, others: Sequence[bytes]) -> bytes:
        at, end = self._piece(data)
        return data[:at] + data[at:end] * self.rng.choice((2, 2, 3, 16, 100)) + data[end:]

    def _swap(self, data: bytes, others: Sequence[bytes]) -> bytes:
        at, end = self._piece(data)
        further = self.rng.randrange(end, len(data) + 1)
        return data[:at] + data[end:further] + data[at:end] + data[further:]

    def _number(self, data: bytes, others: Sequence[bytes]) -> bytes:
        """Another number where one may stand: a length that is off by one, negative, or enormous."""
        size = self.rng.choice((1, 2, 4, 4, 4, 8, 8))
        if len(data) < size:
            return data
        at = self._place(data[size:])
        value = self.odd_number(int.from_bytes(data[at : at + size]), 8 * size, len(data) - at - size)
        return data[:at] + value.to_bytes(size) + data[at + size :]

    def odd_number(self, now: int, bits: int, rest: int = 0) -> int:
        """An unsigned number of so many bits to try instead of `now`; `rest` bytes come behind it."""
        choices = (0, 1, now + 1, now - 1, now * 2, -1, -2, 1 << bits - 1, (1 << bits - 1) - 1, rest, rest + 1,
                   rest - 1, self.rng.getrandbits(bits), 1 << self.rng.randrange(bits))  # fmt: skip
        value = self.rng.choice(choices) % (1 << bits)
        self.swollen = self.swollen or value >= SWOLLEN
        return value

    def _splice(self, data: bytes, others: Sequence[bytes]) -> bytes:
        other = self.rng.choice(others)
        return data[: self._place(data)] + other[self._place(other) :]

    def _take_piece(self, data: bytes, others: Sequence[bytes]) -> bytes:
        other = self.rng.choice(others)
        at, (start, end) = self._place(data), self._piece(other)
        return data[:at] + other[start:end] + data[at + (end - start) * self.rng.randrange(2) :]

    def _word(self, data: bytes, others: Sequence[bytes]) -> bytes:
        at, word = self._place(data), self.rng.choice(self.words or (b"\0",))
        return data[:at] + word + data[at + len(word) * self.rng.randrange(2) :]

    def _noise(self, data: bytes, others: Sequence[bytes]) -> bytes:
        at, noise = self._place(data), self.rng.randbytes(self.rng.choice((1, 2, 4, 16)))
        return data[:at] + noise + data[at + len(noise) * self.rng.randrange(2) :]


WAYS: tuple[Callable[[Mutator, bytes, Sequence[bytes]], bytes], ...] = (
    Mutator._flip_bit,
    Mutator._set_byte,
    Mutator._truncate,
    Mutator._cut_out,
    Mutator._repeat,
    Mutator._swap,
    Mutator._number,
    Mutator._number,
    Mutator._number,
    Mutator._splice,
    Mutator._take_piece,
    Mutator._word,
    Mutator._noise,
)
