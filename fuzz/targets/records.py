"""Records of all operations: requests as clients send them, results as servers do.

An input is an operation code and a record. What is decoded, encoded, and decoded again is the same, and is written in
one way only.
"""

from collections.abc import Hashable, Sequence
from struct import Struct

from fuzz.mutator import Mutator
from fuzz.target import Run, Target
from fuzz.values import requests, results
from zooweeper.codec.record import Record
from zooweeper.model.errors import MarshallingError, TooLarge
from zooweeper.ops.op import Op
from zooweeper.ops.table import OPS

CODE = Struct("!i")
LONG = 64  # characters of a shown text


def operation(data: bytes) -> tuple[int, type[Op] | None]:
    """What an input begins with."""
    (code,) = CODE.unpack(data[: CODE.size].rjust(CODE.size, b"\0"))
    return code, OPS.get(code)


def _again(cls: type[Record], data: bytes) -> None:
    record = cls.decode(data)
    once = record.encode()
    size = cls._read(data, 0, len(data))[1]
    assert size <= len(data), f"{size} bytes were read of {len(data)}"
    assert len(once) == size, f"{record!r:.{LONG}} was read from {size} bytes, and is written in {len(once)}"
    back = cls.decode(once)
    assert back == record, f"{record!r:.{LONG}} came back as {back!r:.{LONG}}"
    assert back.encode() == once, f"{record!r:.{LONG}} is written in two ways"


class Requests(Target):
    name = "requests"
    about = "request bodies of every operation code, as the door and the log decode them"
    refusals = (MarshallingError, TooLarge)
    words = (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\x01", b"/a", b"\xed\xa0\x80", b"\xf0\x9f\x98\x80")

    def seeds(self) -> Sequence[bytes]:
        return [CODE.pack(code) + request.encode() for code, request in requests()]

    def mutate(self, data: bytes, mutator: Mutator, others: Sequence[bytes]) -> bytes:
        if mutator.rng.random() < 0.05:
            return mutator.mutate(data, others)
        return data[:4] + mutator.mutate(data[4:], others)

    def prepare(self) -> Run:
        return self._run

    @staticmethod
    def _run(data: bytes) -> Hashable:
        code, op = operation(data)
        if op is None:
            return "no operation"
        _again(op.Request, data[4:])
        return code


class Results(Requests):
    name = "results"
    about = "result records of every operation code, as clients decode them"

    def seeds(self) -> Sequence[bytes]:
        return [CODE.pack(code) + body for code, body in results()]

    @staticmethod
    def _run(data: bytes) -> Hashable:
        code, op = operation(data)
        if op is None:
            return "no operation"
        _again(op.Result, data[4:])
        return code
