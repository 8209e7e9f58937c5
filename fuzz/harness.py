"""Runs a target on many inputs, measures some of them, and shrinks the first that is wrong.

Rules: everything follows from (target, seed): the same inputs in the same order, in any process. Bounds are bytes
allocated and functions called, never seconds. An input that does something new is kept and changed further.
"""

import sys
import traceback
import tracemalloc
from collections.abc import Callable, Hashable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any
from zlib import crc32

from fuzz.mutator import Mutator
from fuzz.target import Target

MEASURE_EVERY = 50  # inputs; bytes are also counted where an input holds what could be a large length
BYTES_PER_BYTE = 8  # allocated for each byte of an input
CALLS_PER_BYTE = 64
KEPT_MAX = 4096  # inputs that did something new
SHRINK_RUNS = 500


class TooMuch(AssertionError):
    """An input cost more than its size explains."""


@dataclass(slots=True)
class Finding:
    """An input that was not answered as it should have been."""

    target: str
    seed: int
    number: int  # of the input, from 0
    found: bytes
    shrunk: bytes
    trace: str

    def __str__(self) -> str:
        return (
            f"{self.trace}\n{self.target}: input {self.number} of seed {self.seed}, {len(self.found)} bytes, "
            f"shrunk to {len(self.shrunk)}\nreplay: python -m fuzz {self.target} --replay {self.shrunk.hex() or '-'}"
        )


def attempt(target: Target, data: bytes) -> Hashable:
    """Feed one input to a fresh world; what came of it. Raises what no target should let out."""
    run = target.prepare()
    try:
        return run(data)
    except target.refusals as error:
        return type(error).__name__, _line(error)


def _line(error: BaseException) -> int:
    """Where it was raised: enough to tell refusals apart."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace.tb_lineno if trace is not None else 0


def weigh(target: Target, data: bytes) -> None:
    """`attempt` again, counting bytes. TooMuch."""
    allowed = BYTES_PER_BYTE * len(data) + target.bytes_max
    peak = _peak(target, data)
    if peak > allowed:
        peak = _peak(target, data)  # the first may have met a table of the interpreter that grew, or an import
    if peak > allowed:
        raise TooMuch(f"{len(data)} bytes made it allocate {peak}, at most {allowed} are allowed")


def _peak(target: Target, data: bytes) -> int:
    """The bytes that it holds at most."""
    run = target.prepare()
    tracemalloc.start()
    try:
        _guarded(target, run, data)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def clock(target: Target, data: bytes) -> None:
    """`attempt` again, counting calls. TooMuch."""
    run = target.prepare()
    calls = 0

    def count(frame: Any, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        _guarded(target, run, data)
    finally:
        sys.setprofile(None)
    allowed = CALLS_PER_BYTE * len(data) + target.calls_max
    if calls > allowed:
        raise TooMuch(f"{len(data)} bytes made it call {calls} functions, at most {allowed} are allowed")


def _guarded(target: Target, run: Callable[[bytes], Hashable], data: bytes) -> None:
    with suppress(*target.refusals):
        run(data)


def whole(target: Target, data: bytes) -> Hashable:
    """`attempt`, with all that can be said against it."""
    label = attempt(target, data)
    weigh(target, data)
    clock(target, data)
    return label


class Fuzzer:
    """One target and one seed: an endless row of inputs."""

    def __init__(self, target: Target, seed: int) -> None:
        self.target = target
        self.seed = seed
        self.inputs = 0
        self.trace = 0  # checksum of all inputs: the same seed, the same inputs
        self.labels: dict[Hashable, None] = {}  # what has been seen to happen
        self._rng = Random(f"{target.name}:{seed}")
        self._mutator = Mutator(self._rng, target.words)
        self._kept = list(target.seeds())
        self._rows = self._made()

    def _made(self) -> Iterator[tuple[bytes, bool]]:
        """(input, whether it holds what could be taken for a large length), endlessly: the seeds themselves first."""
        for data in tuple(self._kept):
            yield data, False
        while True:
            data = self.target.mutate(self._rng.choice(self._kept), self._mutator, self._kept)
            yield data, self._mutator.swollen

    def step(self) -> Finding | None:
        """The next input; what was wrong with its treatment, if anything was."""
        data, swollen = next(self._rows)
        number, self.inputs = self.inputs, self.inputs + 1
        self.trace = crc32(data, self.trace)
        try:
            label = attempt(self.target, data)
            if number % MEASURE_EVERY == 0:
                clock(self.target, data)
            if swollen or number % MEASURE_EVERY == 0:
                weigh(self.target, data)
        except Exception as error:
            return Finding(self.target.name, self.seed, number, data, shrink(self.target, data), _trace(error))
        if label not in self.labels and len(self.labels) < KEPT_MAX:
            self.labels[label] = None
            self._kept.append(data)
        return None

    def skip(self, inputs: int) -> None:
        """Leave out the first of the row, which are the seeds."""
        for _ in range(inputs):
            next(self._rows)

    def run(self, inputs: int) -> Finding | None:
        """So many inputs, or up to the first finding."""
        for _ in range(inputs):
            finding = self.step()
            if finding is not None:
                return finding
        return None


def replay(target: Target, data: bytes) -> str:
    """One input again; the trace of what is wrong, or nothing."""
    try:
        whole(target, data)
    except Exception as error:
        return _trace(error)
    return ""


def _trace(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)).rstrip()


def _kind(target: Target, data: bytes, judge: Callable[[Target, bytes], object]) -> tuple[str, str] | None:
    """What is wrong with an input, as (error, where); None: nothing."""
    try:
        judge(target, data)
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return type(error).__name__, f"{place.filename}:{place.lineno}"
    return None


def shrink(target: Target, data: bytes) -> bytes:
    """A smaller input that is wrong in the same way: halves are left out first, single bytes last."""
    judge: Callable[[Target, bytes], object] = attempt if _kind(target, data, attempt) else whole
    kind = _kind(target, data, judge)
    runs, size = 0, max(1, len(data) // 2)
    while kind is not None and runs < SHRINK_RUNS:
        at, before = 0, len(data)
        while at < len(data) and runs < SHRINK_RUNS:
            runs += 1
            smaller = data[:at] + data[at + size :]
            if _kind(target, smaller, judge) == kind:
                data = smaller
            else:
                at += size
        if size == 1 and len(data) == before:
            break
        size = max(1, size // 2)
    return data
