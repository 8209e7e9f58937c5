"""Text to statements and back: everything that is right is read, everything else is told what is wrong, and where."""

import time

import pytest
from grades.statements import (
    INT_MAX,
    INT_MIN,
    TEXT_MAX,
    Append,
    BadStatement,
    Delete,
    Put,
    Select,
    Statement,
    parse,
    text_of,
)
from hypothesis import example, given
from hypothesis import strategies as st

ints = st.integers(INT_MIN, INT_MAX)
lists = st.lists(ints, max_size=20).map(tuple)
statements: st.SearchStrategy[Statement] = st.one_of(
    st.builds(Put, ints, lists),
    st.builds(Append, ints, lists),
    st.builds(Delete, ints),
    st.builds(Select, st.none() | ints),
)

GOOD: tuple[tuple[str, Statement], ...] = (
    ("INSERT INTO grade (id, events) VALUES (123, [90, 85])", Put(123, (90, 85))),
    ("insert into GRADE(Id,Events)values(123,[90,85])", Put(123, (90, 85))),
    ("  INSERT\n INTO\tgrade (id , events)\r\n VALUES ( -1 , [ ] ) ;  ", Put(-1, ())),
    ("UPDATE grade SET events = [1, 2] WHERE id = 123", Put(123, (1, 2))),
    ("UPDATE grade SET events = events + [85] WHERE id = 123", Append(123, (85,))),
    (
        "update grade set events=events+[-85,0]where id=-2147483648;",
        Append(INT_MIN, (-85, 0)),
    ),
    ("DELETE FROM grade WHERE id = 2147483647", Delete(INT_MAX)),
    ("DELETE FROM grade WHERE id = 007", Delete(7)),
    ("SELECT * FROM grade", Select()),
    ("select id, events from grade where id = 5 ;", Select(5)),
)

# what is wrong: the text, with the place marked by «, and what is said there
BAD: tuple[tuple[str, str], ...] = (
    ("«", "expected INSERT, UPDATE, DELETE or SELECT, found the end"),
    ("  «", "expected INSERT, UPDATE, DELETE or SELECT, found the end"),
    ("«DROP TABLE grade", "expected INSERT, UPDATE, DELETE or SELECT, found 'DROP'"),
    ("«'", 'expected INSERT, UPDATE, DELETE or SELECT, found "\'"'),
    ("«\x00", "found '\\x00'"),
    ("INSERT«", "expected INTO, found the end"),
    ("INSERT INTO «grades (id, events) VALUES (1, [])", "expected 'grade', found 'grades'"),
    ("INSERT INTO grade («events, id) VALUES (1, [])", "expected 'id', found 'events'"),
    ("INSERT INTO grade (id, events) VALUES («[], 1)", "expected a whole number, found '['"),
    ("INSERT INTO grade (id, events) VALUES (1, [1«", "expected ',', found the end"),
    ("INSERT INTO grade (id, events) VALUES (1, [1,«])", "expected a whole number, found ']'"),
    ("INSERT INTO grade (id, events) VALUES (1, [1 «2])", "expected ',', found '2'"),
    ("INSERT INTO grade (id, events) VALUES (1, [1«.5])", "expected ',', found '.'"),
    ("INSERT INTO grade (id, events) VALUES (1, [«'90'])", 'expected a whole number, found "\'"'),
    ("INSERT INTO grade (id, events) VALUES (1, «null)", "expected '[', found 'null'"),
    ("INSERT INTO grade (id, events) VALUES (1, [«2147483648])", "expected an int, -2147483648 to 2147483647"),
    ("INSERT INTO grade (id, events) VALUES («-2147483649, [])", "expected an int, -2147483648 to 2147483647"),
    ("DELETE FROM grade WHERE id = «99999999999999999999999999999999999999999999999999", "99999...'"),
    ("DELETE FROM grade WHERE id = «12a", "expected a whole number, found '12a'"),
    ("DELETE FROM grade WHERE id = «0x10", "expected a whole number, found '0x10'"),
    ("DELETE FROM grade WHERE id = «--1", "expected a whole number, found '-'"),
    ("DELETE FROM grade WHERE id = «١", "expected a whole number, found '١'"),
    ("DELETE FROM grade«", "expected WHERE, found the end"),
    ("DELETE FROM grade WHERE id = 1; «SELECT * FROM grade", "expected the end, found 'SELECT'"),
    ("DELETE FROM grade WHERE id = 1 «OR id = 2", "expected the end, found 'OR'"),
    ("UPDATE grade SET events = events «- [1] WHERE id = 1", "expected '+', found '-'"),
    ("UPDATE grade SET events = [1]«", "expected WHERE, found the end"),
    ("SELECT id «FROM grade", "expected ',', found 'FROM'"),
    ("SELECT * FROM grade «LIMIT 5", "expected the end, found 'LIMIT'"),
)


@pytest.mark.parametrize(("text", "statement"), GOOD)
def test_what_is_right_is_read(text: str, statement: Statement) -> None:
    assert parse(text) == statement


@pytest.mark.parametrize(("text", "says"), BAD)
def test_what_is_wrong_is_told_with_its_place(text: str, says: str) -> None:
    column = text.index("«") + 1
    with pytest.raises(BadStatement) as error:
        parse(text.replace("«", ""))
    shown = str(error.value)
    assert says in shown and "\n" not in shown
    assert error.value.column == column and shown.startswith(f"column {column}: ")
    advice = shown.partition("; write ")[2]
    assert parse(advice), "the example is right"


@given(statements)
@example(Put(0, ()))
def test_every_statement_comes_back_from_its_text(statement: Statement) -> None:
    assert parse(text_of(statement)) == statement


@given(st.data())
def test_any_text_is_a_statement_or_says_why_not(data: st.DataObject) -> None:
    words = st.sampled_from([word for text, _ in GOOD for word in text.split()])
    text = data.draw(st.one_of(st.text(), st.lists(words).map(" ".join), statements.map(text_of)))
    at = data.draw(st.integers(0, len(text)))
    text = text[:at] + data.draw(st.text(max_size=3)) + text[at + data.draw(st.integers(0, 3)) :]
    try:
        statement = parse(text)
    except BadStatement as error:
        assert 0 < error.column <= len(text) + 1
        assert len(str(error)) < 300 and "\n" not in str(error)
    else:
        assert parse(text_of(statement)) == statement


@pytest.mark.parametrize(
    "statement", [Put(INT_MAX + 1, ()), Append(1, (0, INT_MIN - 1)), Delete(10**50), Select(-(2**40))]
)
def test_a_number_out_of_range_has_no_text(statement: Statement) -> None:
    with pytest.raises(BadStatement, match="is no int: expected -2147483648 to 2147483647"):
        text_of(statement)


def test_the_text_is_bounded() -> None:
    longest = "DELETE FROM grade WHERE id = 1".ljust(TEXT_MAX)
    assert parse(longest) == Delete(1)
    with pytest.raises(BadStatement, match=f"{TEXT_MAX + 1} characters, at most {TEXT_MAX}; append"):
        parse(longest + " ")
    with pytest.raises(BadStatement, match="at most 65536; append"):
        text_of(Put(1, (INT_MIN,) * 6000))


@pytest.mark.parametrize("text", ["[" * TEXT_MAX, "1" * TEXT_MAX, "-" * TEXT_MAX, "a" * TEXT_MAX, "," * TEXT_MAX])
def test_no_text_takes_long(text: str) -> None:
    text = ("INSERT INTO grade (id, events) VALUES (1, [" + text)[:TEXT_MAX]
    began = time.process_time()
    with pytest.raises(BadStatement):
        parse(text)
    assert time.process_time() - began < 2, "it takes some ms; what grew faster than the text would take minutes"
