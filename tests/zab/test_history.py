"""The history: contiguous, cut at edges only, its epoch table exact."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zooweeper.model import limits
from zooweeper.model.entry import Batch
from zooweeper.model.zxid import make
from zooweeper.zab.history import History, upto


def batch(epoch: int, first: int, last: int, size: int = 10) -> Batch:
    return Batch(make(epoch, first), make(epoch, last), 0, b"x" * size)


def history(*batches: Batch, committed: int = 0) -> History:
    made = History(0, (), [], 0)
    for one in batches:
        made.append(one)
    if committed:
        made.commit(committed)
    return made


def test_refuses_a_gap_and_an_older_epoch() -> None:
    made = history(batch(2, 1, 3))
    for wrong in (batch(2, 5, 5), batch(1, 1, 1), batch(3, 2, 2), batch(2, 3, 4)):
        with pytest.raises(AssertionError):
            made.append(wrong)
    made.append(batch(2, 4, 4))
    made.append(batch(5, 1, 2))
    assert made.epochs == [(2, 4), (5, 2)]


def test_cuts_at_an_edge_and_never_what_is_committed() -> None:
    made = history(batch(1, 1, 2), batch(1, 3, 4), batch(2, 1, 1), committed=make(1, 2))
    with pytest.raises(AssertionError):
        made.cut(make(1, 3))  # inside a batch
    with pytest.raises(AssertionError):
        made.cut(0)
    made.cut(make(1, 4))
    assert (made.last, made.epochs) == (make(1, 4), [(1, 4)])
    assert [str(one) for one in made.after(make(1, 2))] == ["1:3–1:4"]


def test_commit_hands_out_each_batch_once() -> None:
    made = history(batch(1, 1, 2), batch(1, 3, 3), batch(1, 4, 6))
    assert [str(one) for one in made.commit(make(1, 3))] == ["1:1–1:2", "1:3"]
    assert [str(one) for one in made.commit(make(1, 6))] == ["1:4–1:6"]


def test_window_lets_go_of_committed_batches_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "WINDOW_BYTES_MAX", 25)
    made = history(*(batch(1, n, n) for n in range(1, 6)), committed=make(1, 2))
    made.trim(made.last)
    assert (made.base, made.last) == (make(1, 2), make(1, 5))
    assert not made.oversized
    assert made.epochs == [(1, 5)]


@given(st.data())
def test_common_point_is_the_longest_shared_prefix(data: st.DataObject) -> None:
    """Two histories made by the rule (one leader per epoch, upon one initial history): compare with the lists."""
    shared = data.draw(st.lists(st.integers(1, 4), max_size=4))
    entries: list[tuple[int, int]] = [(e, c) for e, n in enumerate(shared, 1) for c in range(1, n + 1)]
    sides = []
    for own_epochs in ((20, 22), (21, 23)):
        keep = data.draw(st.integers(0, len(entries)))
        tail = [(e, c) for e in own_epochs for c in range(1, data.draw(st.integers(0, 2)) + 1)]
        sides.append(entries[:keep] + tail)
    made = [history(*(batch(e, c, c) for e, c in side)) for side in sides]
    longest = 0
    for one, other in zip(*sides, strict=False):
        if one != other:
            break
        longest = make(*one)
    assert made[0].common(tuple(made[1].epochs)) == longest
    assert made[1].common(tuple(made[0].epochs)) == longest


def test_epoch_table_of_a_prefix() -> None:
    table = ((1, 7), (3, 4))
    assert upto(table, make(3, 4)) == table
    assert upto(table, make(3, 2)) == ((1, 7), (3, 2))
    assert upto(table, make(1, 7)) == ((1, 7),)
    assert upto(table, 0) == ()
