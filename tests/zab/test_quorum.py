"""Majorities."""

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from zooweeper.zab.messages import Vote
from zooweeper.zab.quorum import committed, is_quorum
from zooweeper.zab.vote import rank


def test_only_voters_count_and_each_once() -> None:
    assert is_quorum((1, 2, 3), [1, 2])
    assert not is_quorum((1, 2, 3), [1, 4, 5])
    assert not is_quorum((1, 2, 3), [1, 1, 1])
    assert not is_quorum((1, 2, 3, 4), [1, 2])
    assert is_quorum((1,), [1])


@given(st.integers(1, 7), st.data())
def test_committed_is_what_a_quorum_has(count: int, data: st.DataObject) -> None:
    voters = tuple(range(1, count + 1))
    durable = {voter: data.draw(st.integers(-1, 5)) for voter in voters if data.draw(st.booleans())}
    zxid = committed(voters, durable)
    assert zxid <= 0 or is_quorum(voters, [voter for voter, reached in durable.items() if reached >= zxid])
    higher = [voter for voter, reached in durable.items() if reached > zxid]
    assert not is_quorum(voters, higher)


def test_rank_is_a_strict_order_epoch_then_zxid_then_favour_then_id() -> None:
    ranks = [rank(Vote(0, epoch, zxid, True, 0, id == 2), id) for epoch, zxid, id in product((1, 2), (5, 9), (1, 2, 3))]
    assert len(set(ranks)) == len(ranks)
    assert max(ranks) == (True, 2, 9, True, 2)
    assert rank(Vote(0, 2, 1, True, 0, False), 1) > rank(Vote(0, 1, 9, True, 0, True), 3)


def test_who_was_elected_in_vain_is_the_last_choice() -> None:
    assert rank(Vote(0, 1, 1, True, 0, False), 1) > rank(Vote(0, 2, 9, True, 0, True, doubted=True), 3)
