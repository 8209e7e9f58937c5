"""The checker of acknowledged writes finds each kind of wrong, and blesses nothing but the right."""

from hypothesis import given
from hypothesis import strategies as st

from bench.ledger import Fate, Ledger, judge


def three() -> tuple[Ledger, list[tuple[str, bytes]]]:
    """Three acknowledged writes, and the znodes they made."""
    ledger = Ledger("w")
    for number in range(3):
        write = ledger.send()
        write.fate, write.name = Fate.ACKNOWLEDGED, f"e{number:010d}"
    return ledger, [(write.name, write.value) for write in ledger.writes]


def test_what_is_right_is_good() -> None:
    ledger, found = three()
    verdict = judge([ledger], found)
    assert verdict.good
    assert str(verdict) == "3 acknowledged, 0 lost, 0 duplicated, 0 ghosts, 0 misordered"


def test_an_acknowledged_write_that_is_not_there_is_lost() -> None:
    ledger, found = three()
    assert judge([ledger], found[:2]).lost == ("w:2",)


def test_an_acknowledged_write_under_another_name_is_lost() -> None:
    ledger, found = three()
    found[2] = ("e0000000009", found[2][1])
    assert judge([ledger], found).lost == ("w:2",)


def test_a_write_that_took_effect_twice_is_duplicated() -> None:
    ledger, found = three()
    verdict = judge([ledger], [*found, ("e0000000003", b"w:2")])
    assert verdict.duplicated == ("w:2",)
    assert not verdict.lost


def test_a_refused_write_that_is_there_is_a_ghost() -> None:
    ledger, found = three()
    ledger.writes[1].fate = Fate.REFUSED
    assert judge([ledger], found).ghosts == ("w:1",)


def test_a_write_nobody_sent_is_a_ghost() -> None:
    ledger, found = three()
    assert judge([ledger], [*found, ("e0000000003", b"\xff")]).ghosts == ("\ufffd",)


def test_a_write_of_unknown_fate_may_be_there_or_not() -> None:
    ledger, found = three()
    ledger.writes[2].fate = Fate.OPEN
    assert judge([ledger], found).good
    assert judge([ledger], found[:2]).good


def test_writes_of_one_writer_keep_their_order() -> None:
    ledger, found = three()
    for write in ledger.writes:
        write.fate = Fate.OPEN
    swapped = [(found[1][0], b"w:0"), (found[0][0], b"w:1"), found[2]]
    assert judge([ledger], swapped).misordered == ("w:0",)


@given(st.lists(st.sampled_from("ab")), st.data())
def test_any_interleaving_of_writers_is_good_and_any_missing_one_is_lost(order: list[str], data: st.DataObject) -> None:
    ledgers = {"a": Ledger("a"), "b": Ledger("b")}
    found = []
    for place, writer in enumerate(order):
        write = ledgers[writer].send()
        write.fate, write.name = Fate.ACKNOWLEDGED, f"e{place:010d}"
        found.append((write.name, write.value))
    assert judge(ledgers.values(), data.draw(st.permutations(found))).good
    if found:
        missing = data.draw(st.integers(0, len(found) - 1))
        verdict = judge(ledgers.values(), found[:missing] + found[missing + 1 :])
        assert verdict.lost == (found[missing][1].decode(),)
