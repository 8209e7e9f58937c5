"""The memberships of a log: which are in force, and when one is known to be committed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.members import membership
from zooweeper.model.members import Membership, with_version
from zooweeper.zab.memberships import Memberships


def at(version: int, *voters: int) -> Membership:
    return with_version(membership(voters), version)


BASE = at(0, 1, 2, 3)
NEXT = at(5, 3, 4, 5)


def test_until_it_is_committed_both_count() -> None:
    ours = Memberships(BASE, [], 0)
    ours.append(NEXT)
    assert list(ours.in_force) == [BASE, NEXT] and ours.pending and (ours.settled, ours.newest) == (BASE, NEXT)
    assert not ours.is_quorum([1, 2]) and not ours.is_quorum([4, 5]) and ours.is_quorum([1, 3, 4])
    assert ours.reached({1: 9, 2: 9, 3: 7}) == 0 and ours.reached({1: 9, 3: 7, 4: 8}) == 7
    assert ours.leave_quorum([2, 5]) and not ours.leave_quorum([3, 4])
    assert ours.is_voter(1) and ours.is_voter(5) and not ours.is_voter(6)
    assert not ours.commit(4) and ours.commit(5)
    assert list(ours.in_force) == [NEXT] and not ours.pending and ours.is_quorum([4, 5])


def test_a_cut_takes_it_back() -> None:
    ours = Memberships(BASE, [], 0)
    ours.append(NEXT)
    assert ours.cut(4) and ours.in_force == (BASE,) and not ours.cut(3)


def test_who_knows_may_say_so() -> None:
    ours = Memberships(BASE, [NEXT], 0)
    assert not ours.confirm(4), "of another log, or of an earlier membership"
    assert ours.confirm(5) and ours.in_force == (NEXT,)
    assert not ours.confirm(9), "of one that is still to come"
    ours.append(at(9, 7))
    assert ours.in_force == (at(9, 7),)


def test_what_is_known_stays_known() -> None:
    ours = Memberships(BASE, [NEXT], 0)
    assert ours.confirm(5)
    assert not ours.confirm(8) and ours.in_force == (NEXT,)


def test_a_restart_finds_what_was() -> None:
    later = [NEXT, at(7, 6), at(9, 7)]
    assert Memberships(BASE, later, 0).in_force == (at(7, 6), at(9, 7))
    assert Memberships(BASE, later, 7).settled == at(7, 6)
    assert Memberships(BASE, later, 9).in_force == (at(9, 7),)


def test_a_state_takes_the_place_of_the_log() -> None:
    ours = Memberships(BASE, [NEXT], 0)
    ours.reset(at(6, 8), 7)
    assert ours.in_force == (at(6, 8),)
    ours = Memberships(BASE, [], 0)
    ours.reset(None, 7)
    assert ours.in_force == (BASE,)


def test_everybody_is_whom_to_be_connected_with() -> None:
    moved = Membership((*at(5, 4).servers, *at(5, 2).servers), 5)
    ours = Memberships(BASE, [moved], 0)
    assert ours.everybody().ids == (1, 2, 3, 4) and ours.everybody().version == 5


@pytest.mark.parametrize("voting", [True, False])
def test_an_observer_never_counts(voting: bool) -> None:
    ours = Memberships(membership([1, 2, 3], [] if voting else [4]), [], 0)
    assert not ours.is_quorum([3, 4]) and ours.reached({4: 9, 3: 9}) == 0 and not ours.is_voter(4)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.data())
def test_quorums_of_neighbours_meet(data: st.DataObject) -> None:
    """Whoever has a membership, pending or committed, or only the one before, cannot decide apart from the others."""
    groups = st.sets(st.integers(1, 7), min_size=1).map(sorted)
    before, after = with_version(membership(data.draw(groups)), 0), with_version(membership(data.draw(groups)), 5)
    views = [Memberships(before, [], 0), Memberships(before, [after], 0), Memberships(before, [after], 5)]
    one, two = data.draw(st.sets(st.integers(1, 7))), data.draw(st.sets(st.integers(1, 7)))
    joint = views[1]
    for view in views:
        if joint.is_quorum(sorted(one)) and view.is_quorum(sorted(two)):
            assert one & two
