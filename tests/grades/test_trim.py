"""When entries of the log may go: the cases as a table, then what must hold for all of them."""

import pytest
from grades.layout import MAX_LOG_SIZE
from grades.trim import trim
from hypothesis import given
from hypothesis import strategies as st

CASES: tuple[tuple[str, int, int, int, dict[str, int], list[str], tuple[int, int]], ...] = (
    # what, first, last, adding, checkpoints, registered, (trimmed up to, room)
    ("nothing yet", 1, 0, 1, {}, [], (0, 1)),
    ("a leader without a checkpoint", 1, 50, 10, {}, ["db1"], (0, 10)),
    ("all have it", 1, 200, 100, {"db1": 200, "db2": 100}, ["db1", "db2"], (100, 100)),
    ("an absent server matters while there is room", 1, 300, 100, {"db1": 300, "db2": 5}, ["db1"], (5, 100)),
    ("and no more when there is none", 1, 301, 100, {"db1": 300, "db2": 0}, ["db1"], (300, 100)),
    ("the last free place still waits for it", 1, 399, 1, {"db1": 300, "db2": 0}, ["db1"], (0, 1)),
    ("a slow one that is registered is waited for", 1, 400, 100, {"db1": 400, "db2": 0}, ["db1", "db2"], (0, 0)),
    ("it made a little room", 1, 400, 100, {"db1": 400, "db2": 30}, ["db1", "db2"], (30, 30)),
    ("registered, without a checkpoint", 1, 400, 1, {"db1": 400}, ["db1", "db3"], (0, 0)),
    ("a checkpoint before the first entry", 201, 400, 100, {"db1": 400, "db2": 7}, ["db1", "db2"], (200, 100)),
    ("checkpoints beyond the last entry", 1, 10, 1, {"db1": 99}, ["db1"], (10, 1)),
    ("nobody is registered: everybody may need all", 1, 400, 100, {"db1": 400}, [], (0, 0)),
    ("all entries may go", 301, 400, 100, {"db1": 400, "db2": 400}, ["db1", "db2"], (400, 100)),
)


@pytest.mark.parametrize(("first", "last", "adding", "checkpoints", "registered", "expected"),
                         [case[1:] for case in CASES], ids=[case[0] for case in CASES])  # fmt: skip
def test_a_case(
    first: int, last: int, adding: int, checkpoints: dict[str, int], registered: list[str], expected: tuple[int, int]
) -> None:
    assert trim(first, last, adding, checkpoints, registered) == expected


names = st.sampled_from(["db1", "db2", "db3", "db4"])


@given(
    st.integers(1, 1000),
    st.integers(0, MAX_LOG_SIZE),
    st.integers(1, 100),
    st.dictionaries(names, st.integers(0, 1500)),
    st.sets(names),
)
def test_what_goes_is_on_the_disk_of_all_who_are_registered_and_the_log_is_never_too_long(
    first: int, size: int, adding: int, checkpoints: dict[str, int], registered: set[str]
) -> None:
    last = first + size - 1
    upto, room = trim(first, last, adding, checkpoints, sorted(registered))
    assert first - 1 <= upto <= last and 0 <= room <= adding
    assert last - upto + room <= MAX_LOG_SIZE
    if upto >= first:
        assert registered and all(checkpoints.get(name, 0) >= upto for name in registered)
    if room < adding:
        assert last - upto + room == MAX_LOG_SIZE, "no free place is left without a reason"
