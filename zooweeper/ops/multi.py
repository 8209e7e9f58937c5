"""Several operations as one: multi (writes, all or none) and multiRead (reads of one moment).

Rules: the wire form is ZooKeeper's: parts behind headers, a header that says done at the end. Parts run on the tree
itself, each seeing the ones before; if one fails, the journal takes all back, digest included. The multi itself
succeeds then, and its result has an error for each part: 0 before the failed one, the error itself, -2 after it.
"""

from collections.abc import Callable
from struct import Struct
from typing import Annotated, NamedTuple

from zooweeper.codec.jute import Source, Type
from zooweeper.codec.record import Record
from zooweeper.model.entry import Entry
from zooweeper.model.errors import ErrorCode, MarshallingError, TooLarge, ZkError
from zooweeper.model.limits import ANSWERED_BYTES_MAX, MULTI_PARTS_MAX
from zooweeper.ops.create import TTL_FLAG, Create, Create2, CreateContainer, CreateTtl
from zooweeper.ops.data import Check, GetData, SetData
from zooweeper.ops.delete import Delete
from zooweeper.ops.op import Kind, Op, State, View, encoded
from zooweeper.ops.read import GetChildren

FAILED = -1  # the code of a part of a result that is an error
_HEADER = Struct("!i?i")
_END = _HEADER.pack(-1, True, -1)
_ERROR = Struct("!i")

WRITES: dict[int, type[Op]] = {
    op.code: op for op in (Create, Create2, CreateContainer, CreateTtl, Delete, SetData, Check)
}
READS: dict[int, type[Op]] = {op.code: op for op in (GetData, GetChildren)}
_RESULT_CODES = {CreateContainer.code: Create2.code, CreateTtl.code: Create2.code}  # answered as create2 is

_FLAGS = {  # with others ZooKeeper cannot read the multi; what else is wrong with flags fails in its turn
    Create.code: range(TTL_FLAG),
    Create2.code: range(TTL_FLAG),
    CreateContainer.code: range(TTL_FLAG),
}


class Part(NamedTuple):
    """One part of a multi, or its result: then `code` is FAILED and `record` None where there is an error instead."""

    code: int
    record: Record | bytes | None  # a result may be given as its bytes
    error: int = 0


class _Parts(Type):
    """Parts behind headers, as a field."""

    bytes_min = _HEADER.size

    def __init__(self, records: dict[int, type[Record]], results: bool) -> None:
        self.records = records
        self.results = results

    def read(self, to: str, source: Source) -> None:
        source.put(f"{to}, at = {source.unique(self._read)}(data, at, size)")

    def write(self, value: str, source: Source) -> None:
        source.put(f"{source.unique(self._write)}({value}, put)")

    def _read(self, data: bytes, at: int, size: int) -> tuple[list[Part], int]:
        parts: list[Part] = []
        while True:
            code, done, error = _HEADER.unpack_from(data, at)
            at += _HEADER.size
            if done:
                return parts, at
            if len(parts) == MULTI_PARTS_MAX:
                raise TooLarge(f"a multi has at most {MULTI_PARTS_MAX} parts")
            record = self.records.get(code)
            if record is not None:
                value, at = record._read(data, at, size)
                parts.append(Part(code, value))
            elif code == FAILED and self.results:
                (error,) = _ERROR.unpack_from(data, at)
                at += _ERROR.size
                parts.append(Part(FAILED, None, error))
            else:
                raise MarshallingError(f"operation {code} is no part of this kind of multi")

    def _write(self, parts: list[Part], put: Callable[[bytes], None]) -> None:
        for code, record, error in parts:
            if record is None:
                put(_HEADER.pack(FAILED, False, error) + _ERROR.pack(error))
            else:
                put(_HEADER.pack(code, False, 0 if self.results else -1))
                if isinstance(record, bytes):
                    put(record)
                else:
                    record._write(put)
        put(_END)


def _requests(ops: dict[int, type[Op]]) -> _Parts:
    return _Parts({code: op.Request for code, op in ops.items()}, results=False)


def _results(ops: dict[int, type[Op]]) -> _Parts:
    return _Parts({code: op.Result for code, op in ops.items() if code not in _RESULT_CODES}, results=True)


class Multi(Op, code=14, name="multi", kind=Kind.WRITE):
    """All of these writes, or none of them."""

    class Request(Record):
        parts: Annotated[list[Part], _requests(WRITES)]

    class Result(Record):
        parts: Annotated[list[Part], _results(WRITES)]

    @staticmethod
    def execute(request: Request, state: State, entry: Entry) -> "Multi.Result":
        mark = state.journal.mark()
        results: list[Part] = []
        for code, record, _ in request.parts:
            try:
                result = WRITES[code].execute(record, state, entry)
            except ZkError as error:
                state.tree.undo(mark)
                after = len(request.parts) - len(results) - 1
                return Multi.Result(
                    [Part(FAILED, None, ErrorCode.OK)] * len(results)
                    + [Part(FAILED, None, error.code)]
                    + [Part(FAILED, None, ErrorCode.RUNTIME_INCONSISTENCY)] * after
                )
            results.append(Part(_RESULT_CODES.get(code, code), result))
        return Multi.Result(results)

    @classmethod
    def admit(cls, request: Request) -> None:
        for code, record, _ in request.parts:
            WRITES[code].admit(record)
            if code in _FLAGS and record.flags not in _FLAGS[code]:  # type: ignore[union-attr]  # creates have them
                raise MarshallingError(f"operation {code} has no flags {record.flags}")  # type: ignore[union-attr]


class MultiRead(Op, code=22, name="multiRead", kind=Kind.READ):
    """Reads of one moment, each with its own result or error; they set no watches. TooLarge, without any of them, when
    they would come to more than what is read for a connection in one step: a few names ask for gigabytes otherwise."""

    class Request(Record):
        parts: Annotated[list[Part], _requests(READS)]

    class Result(Record):
        parts: Annotated[list[Part], _results(READS)]

    @staticmethod
    def read(request: Request, view: View) -> "MultiRead.Result":
        results: list[Part] = []
        room = ANSWERED_BYTES_MAX
        for code, record, _ in request.parts:
            record.watch = False  # type: ignore[union-attr]  # both kinds have the field
            try:
                result = encoded(READS[code].read(record, view))
            except ZkError as error:
                results.append(Part(FAILED, None, error.code))
                continue
            room -= len(result)
            if room < 0:
                raise TooLarge(f"the results of a multiRead have at most {ANSWERED_BYTES_MAX} bytes; read fewer")
            results.append(Part(code, result))
        return MultiRead.Result(results)

    @classmethod
    def admit(cls, request: Request) -> None:
        for code, record, _ in request.parts:
            READS[code].admit(record)
