"""What is fuzzed: where inputs come from, what they meet, and which errors are an answer.

Rules: a target holds nothing that changes: every input meets a world made anew, so an input alone repeats what it did.
Whatever is raised and is no refusal is a finding; a target's own demands are assertions.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Sequence
from typing import ClassVar

from fuzz.mutator import Mutator

Run = Callable[[bytes], Hashable]
"""Takes an input. What it returns names what happened: an input with a new name is kept to make others of."""


class Target(ABC):
    """One decoder, or a row of them that bytes pass."""

    name: ClassVar[str]
    about: ClassVar[str]  # one line
    refusals: ClassVar[tuple[type[Exception], ...]]  # the documented errors
    words: Sequence[bytes] = ()
    bytes_max: ClassVar[int] = 64 * 1024  # what an input may allocate beyond 8 times its own size
    calls_max: ClassVar[int] = 20_000  # function calls that an input may cost beyond CALLS_PER_BYTE of its size

    @abstractmethod
    def seeds(self) -> Sequence[bytes]:
        """Valid inputs of every kind."""

    @abstractmethod
    def prepare(self) -> Run:
        """A fresh world for one input; making it is not measured."""

    def mutate(self, data: bytes, mutator: Mutator, others: Sequence[bytes]) -> bytes:
        """Another input made of `data`."""
        return mutator.mutate(data, others)
