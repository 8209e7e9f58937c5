"""The judge of the tests with real processes sees what it is there to see."""

import pytest

from tests.grades.ledger import FIRST_ROW, Fate, Ledger, Table

ROW = FIRST_ROW + 1
OTHER = FIRST_ROW + 2


def told() -> Ledger:
    """One writer: its first value acknowledged, the second refused, the third open; and a row that is known whole."""
    ledger = Ledger(exact={5: (1, 2), 6: None})
    writer = ledger.writer()
    for fate in (Fate.ACKNOWLEDGED, Fate.REFUSED, Fate.OPEN):
        row, value = ledger.value(writer)
        ledger.tell(row, value, fate)
    return ledger


FIRST, SECOND, THIRD = (1_000_000 + n for n in (1, 2, 3))
GOOD: Table = {ROW: [FIRST], 5: [1, 2]}


@pytest.mark.parametrize("table", [GOOD, {**GOOD, FIRST_ROW + 3: [THIRD]}], ids=["open: never", "open: once"])
def test_what_clients_were_told_may_be(table: Table) -> None:
    verdict = told().judge(table)
    assert verdict.good and verdict.acknowledged == 1, verdict


@pytest.mark.parametrize(
    ("table", "what"),
    [
        ({5: [1, 2]}, "lost"),
        ({**GOOD, ROW: [FIRST, FIRST]}, "doubled"),
        ({**GOOD, FIRST_ROW + 3: [THIRD, THIRD]}, "doubled"),
        ({**GOOD, OTHER: [SECOND]}, "foreign"),
        ({**GOOD, ROW: [FIRST, 77]}, "foreign"),
        ({**GOOD, 99: [1]}, "foreign"),
        ({ROW: [FIRST], 5: [2, 1]}, "wrong"),
        ({ROW: [FIRST]}, "wrong"),
        ({**GOOD, 6: []}, "wrong"),
    ],
)
def test_what_must_not_be_is_seen(table: Table, what: str) -> None:
    verdict = told().judge(table)
    assert not verdict.good and getattr(verdict, what), verdict


def test_the_order_of_a_writer_is_seen() -> None:
    ledger = Ledger()
    writer = ledger.writer()
    sent = [ledger.value(writer) for _ in range(17)]
    for row, value in sent:
        ledger.tell(row, value, Fate.ACKNOWLEDGED)
    table = {row: [value] for row, value in sent[1:16]}
    first, last = sent[0][1], sent[16][1]
    assert ledger.judge({**table, ROW: [first, last]}).good
    assert ledger.judge({**table, ROW: [last, first]}).disordered == 1
