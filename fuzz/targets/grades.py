"""What the grade database reads from others: statements, the data of its znodes, files of scores.

An input is a kind of text and the text. Each is read, or refused with its documented error, in one line; what is read
comes back from its own text.
"""

from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from grades.layout import BadZnode, Entry, Head, Leader, Server, decode_number, encode_number
from grades.scores import FileError, read_scores
from grades.statements import EXAMPLES, BadStatement, parse, text_of

from fuzz.mutator import Mutator
from fuzz.target import Run, Target


def _statement(data: bytes) -> Hashable:
    statement = parse(data.decode("utf-8", "surrogateescape"))
    assert parse(text_of(statement)) == statement
    return type(statement).__name__, len(getattr(statement, "events", ())).bit_length()


def _entry(data: bytes) -> Hashable:
    entry = Entry.decode(data)
    assert Entry.decode(entry.encode()) == entry and " " not in entry.client
    return len(entry.client).bit_length()


def _head(data: bytes) -> Hashable:
    head = Head.decode(data)
    assert Head.decode(head.encode()) == head
    return head.token > 0, head.last > 0


def _server(data: bytes) -> Hashable:
    server = Server.decode(data)
    assert Server.decode(server.encode()).address == server.address
    return server.level


def _leader(data: bytes) -> Hashable:
    leader = Leader.decode(data)
    assert Leader.decode(leader.encode()) == leader
    return len(leader.name).bit_length()


def _number(data: bytes) -> Hashable:
    number = decode_number(data)
    assert decode_number(encode_number(number)) == number
    return number.bit_length()


def _scores(data: bytes) -> Hashable:
    with TemporaryDirectory() as folder:
        path = Path(folder, "scores.csv")
        path.write_bytes(data)
        return len(read_scores(path)).bit_length()


KINDS: tuple[tuple[Callable[[bytes], Hashable], type[Exception], tuple[bytes, ...]], ...] = (
    (_statement, BadStatement, tuple(text.encode() for text in EXAMPLES.values())),
    (_entry, BadZnode, (b"alice 17 DELETE FROM grade WHERE id = 123",)),
    (_head, BadZnode, (Head(4294967299, 17).encode(),)),
    (_server, BadZnode, (Server("127.0.0.1:6181", 1.5, True).encode(),)),
    (_leader, BadZnode, (Leader("db1", "127.0.0.1:6181").encode(),)),
    (_number, BadZnode, (b"0", b"1700")),
    (_scores, FileError, (b"school,score_milli\n1,500\n2,-7\n1,600\n",)),
)
"""How a kind is read, the error that refuses it, and some that are right."""


class Refused(Exception):
    """The text was refused as it should be."""


class Grades(Target):
    name = "grades"
    about = "the grade database: statements, entries of its log, the data of its other znodes, scores"
    refusals = (Refused,)
    bytes_max = 1024 * 1024  # a file of scores, read and parsed by the standard library, a tuple per line
    words = (b"UPDATE grade SET events = events + [", b"2147483648", b"-2147483648", b"9" * 5000, "²".encode(), b"[]",
             "\u0664".encode(), b"[" * 3000, b'{"a":' * 3000, b"null", b"true", b"1e999", b"Infinity", b"\\ud800",
             b"\0", b"\xff", b" ", b"--", b";", b"'", b'"last": -1', b'"token": 1.5')  # fmt: skip

    def seeds(self) -> Sequence[bytes]:
        return [bytes((place,)) + text for place, (_, _, texts) in enumerate(KINDS) for text in texts]

    def mutate(self, data: bytes, mutator: Mutator, others: Sequence[bytes]) -> bytes:
        return data[:1] + mutator.mutate(data[1:], [other[1:] for other in others if other[:1] == data[:1]])

    def prepare(self) -> Run:
        return self._run

    def _run(self, data: bytes) -> Hashable:
        place = (data[0] if data else 0) % len(KINDS)
        reader, refusal, _ = KINDS[place]
        try:
            return place, reader(data[1:])
        except refusal as error:
            known = type(error) is refusal, str(error)
            assert all(known) and "\n" not in str(error), f"{error!r} is not one clear line"
            raise Refused from None
