"""CQL-style statements: from text to typed values and back.

    INSERT INTO grade (id, events) VALUES (123, [90, 85])      Put       makes the row or replaces it, as in CQL
    UPDATE grade SET events = [90, 85] WHERE id = 123          Put
    UPDATE grade SET events = events + [70] WHERE id = 123     Append    makes the row if there is none
    DELETE FROM grade WHERE id = 123                           Delete
    SELECT * FROM grade WHERE id = 123                         Select    without WHERE: all rows

Keywords and names in capitals or not, blanks and lines as you like, one `;` at the end if you like; numbers are CQL's
int, 32 bits with a sign.

Rules: pure. Any text at all gives a statement or a BadStatement that says what is wrong, where, and what would be
right; work and memory are bounded by TEXT_MAX. `parse(text_of(s)) == s` for every statement that text_of accepts.
"""

import re
from dataclasses import dataclass
from itertools import islice
from typing import Final, NoReturn

TEXT_MAX = 64 * 1024  # characters
INT_MIN, INT_MAX = -(2**31), 2**31 - 1
SHOWN = 40  # characters of what was found instead


class BadStatement(ValueError):
    """A text that is no statement: what, where (`column`, from 1), and an example that is right."""

    def __init__(self, what: str, column: int = 0, example: str = "") -> None:
        self.column = column
        super().__init__((f"column {column}: " if column else "") + what + (f"; write {example}" if example else ""))


@dataclass(frozen=True, slots=True)
class Put:
    """Make or replace a row."""

    id: int
    events: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Append:
    """Add to the end of a row's list; no row counts as an empty one."""

    id: int
    events: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove a row; it need not be there."""

    id: int


@dataclass(frozen=True, slots=True)
class Select:
    """Ask for a row, or for all of them."""

    id: int | None = None


Write = Put | Append | Delete
Statement = Write | Select

EXAMPLES: Final = {
    "INSERT": "INSERT INTO grade (id, events) VALUES (123, [90, 85])",
    "UPDATE": "UPDATE grade SET events = events + [70] WHERE id = 123",
    "DELETE": "DELETE FROM grade WHERE id = 123",
    "SELECT": "SELECT * FROM grade WHERE id = 123",
}
# Every character is of some token, so what no statement has in it is found, too: the last branch takes any character.
TOKEN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|-?[0-9]+[A-Za-z0-9_]*|[^ \t\r\n]")
INTEGER = re.compile(r"-?[0-9]{1,10}\Z")  # may be an int
DIGITS = re.compile(r"-?[0-9]+\Z")
NAMES = ("GRADE", "ID", "EVENTS")
END = ""  # the token behind the last one


def parse(text: str) -> Statement:
    """The statement that a text is. Raises BadStatement."""
    if len(text) > TEXT_MAX:
        raise BadStatement(f"{len(text)} characters, at most {TEXT_MAX}; append a long list in parts")
    return _Reader(text).statement()


def text_of(statement: Statement) -> str:
    """The text of a statement. Raises BadStatement for a number out of range or too much text."""
    match statement:
        case Put(id, events):
            text = f"INSERT INTO grade (id, events) VALUES ({_int(id)}, {_list(events)})"
        case Append(id, events):
            text = f"UPDATE grade SET events = events + {_list(events)} WHERE id = {_int(id)}"
        case Delete(id):
            text = f"DELETE FROM grade WHERE id = {_int(id)}"
        case Select(id):
            text = "SELECT * FROM grade" + ("" if id is None else f" WHERE id = {_int(id)}")
    if len(text) > TEXT_MAX:
        raise BadStatement(f"{len(text)} characters, at most {TEXT_MAX}; append a long list in parts")
    return text


def _int(value: int) -> int:
    if not INT_MIN <= value <= INT_MAX:
        raise BadStatement(f"{_shown(str(value))} is no int: expected {INT_MIN} to {INT_MAX}")
    return value


def _list(events: tuple[int, ...]) -> str:
    return f"[{', '.join([str(_int(value)) for value in events])}]"


def _shown(token: str) -> str:
    return token if len(token) <= SHOWN else token[:SHOWN] + "..."


class _Reader:
    """One pass over the tokens; each method reads what its name says. Columns are found again only for an error."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[str] = TOKEN.findall(text)
        self.tokens.append(END)
        self.at = 0
        self.example = ""

    def statement(self) -> Statement:
        verb = self.tokens[0].upper()
        if verb not in EXAMPLES:
            self.example = EXAMPLES["INSERT"]
            self.wrong("INSERT, UPDATE, DELETE or SELECT")
        self.example = EXAMPLES[verb]
        self.at = 1
        statement: Statement
        match verb:
            case "INSERT":
                statement = self.insert()
            case "UPDATE":
                statement = self.update()
            case "DELETE":
                self.words("FROM", "GRADE")
                statement = Delete(self.where())
            case _:
                statement = self.select()
        if self.tokens[self.at] == ";":
            self.at += 1
        if self.tokens[self.at] != END:
            self.wrong("the end")
        return statement

    def insert(self) -> Put:
        self.words("INTO", "GRADE", "(", "ID", ",", "EVENTS", ")", "VALUES", "(")
        id = self.integer()
        self.words(",")
        events = self.integers()
        self.words(")")
        return Put(id, events)

    def update(self) -> Put | Append:
        self.words("GRADE", "SET", "EVENTS", "=")
        kind: type[Put | Append] = Put
        if self.tokens[self.at].upper() == "EVENTS":
            self.words("EVENTS", "+")
            kind = Append
        events = self.integers()
        return kind(self.where(), events)

    def select(self) -> Select:
        self.words(*(("*",) if self.tokens[self.at] == "*" else ("ID", ",", "EVENTS")), "FROM", "GRADE")
        return Select(self.where() if self.tokens[self.at].upper() == "WHERE" else None)

    def where(self) -> int:
        self.words("WHERE", "ID", "=")
        return self.integer()

    def words(self, *expected: str) -> None:
        for word in expected:
            if self.tokens[self.at].upper() != word:
                self.wrong(word if word.isupper() and word not in NAMES else repr(word.lower()))
            self.at += 1

    def integer(self) -> int:
        token = self.tokens[self.at]
        if not INTEGER.match(token):
            self.wrong(f"an int, {INT_MIN} to {INT_MAX}" if DIGITS.match(token) else "a whole number")
        value = int(token)
        if not INT_MIN <= value <= INT_MAX:
            self.wrong(f"an int, {INT_MIN} to {INT_MAX}")
        self.at += 1
        return value

    def integers(self) -> tuple[int, ...]:
        self.words("[")
        found: list[int] = []
        while self.tokens[self.at] != "]":
            if found:
                self.words(",")
            found.append(self.integer())
        self.at += 1
        return tuple(found)

    def wrong(self, expected: str) -> NoReturn:
        found = self.tokens[self.at]
        place = next(islice(TOKEN.finditer(self.text), self.at, None), None)
        column = (place.start() if place else len(self.text)) + 1
        raise BadStatement(
            f"expected {expected}, found {repr(_shown(found)) if found else 'the end'}", column, self.example
        )
