"""The table of recovery has exactly one row for each input, and each row is reached."""

from itertools import product
from pathlib import Path

from zooweeper.storage.recovery import ROWS, Action, Place, judge


def test_exactly_one_row() -> None:
    used = set()
    for cells in product((False, True), repeat=len(Place._fields)):
        place = Place(*cells)
        rows = [row for row in ROWS if row.matches(place)]
        assert len(rows) == 1, (place, rows)
        assert judge(place) is rows[0]
        used.add(rows[0].label)
    assert used == {row.label for row in ROWS}


def test_labels_and_shape() -> None:
    assert [row.label for row in ROWS] == [f"@{letter}" for letter in "ABCDEFGHI"]
    assert all(len(row.pattern) == len(Place._fields) and row.why for row in ROWS)


def test_what_was_durable_is_never_cut() -> None:
    for cells in product((False, True), repeat=len(Place._fields)):
        place = Place(*cells)
        if place.durable and not place.closed and not place.sound:
            assert judge(place).action in (Action.REPAIR, Action.SKIP)
        if judge(place).action is Action.SKIP:
            assert place.covered
        if judge(place).action is Action.KEEP:
            assert place.sound and place.placed and place.sensible


def test_the_page_shows_the_table() -> None:
    page = (Path(__file__).parents[2] / "docs" / "storage.md").read_text()
    for row in ROWS:
        cells = " | ".join("" if cell == "-" else cell for cell in row.pattern)
        assert f"| {row.label} | {cells} | **{row.action.value}** | {row.why} |\n" in page
