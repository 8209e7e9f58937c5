"""Deadlines, reports and the comparison of digests."""

import pytest

from zooweeper.replica.liveness import Agreement, Deadlines, pack_report, unpack_report


def test_a_session_nobody_heard_for_its_timeout_is_expired() -> None:
    deadlines = Deadlines(1000)
    sessions = {7: 500, 8: 2000}
    assert deadlines.expired(sessions, 1500) == []
    assert deadlines.expired(sessions, 1501) == [7]
    deadlines.touch([7], 1400)
    assert deadlines.expired(sessions, 1900) == []
    assert deadlines.expired(sessions, 3001) == [7, 8]
    deadlines.restart(3001)
    assert deadlines.expired(sessions, 3501) == []


def test_between_two_looks_nobody_can_have_expired() -> None:
    deadlines = Deadlines(1000)
    assert deadlines.due(1001)
    assert deadlines.expired({7: 500, 8: 2000}, 1001) == []
    assert not deadlines.due(1500)
    assert deadlines.due(1501)
    deadlines.touch([7], 1450)
    assert deadlines.expired({7: 500, 8: 2000}, 1501) == []
    assert not deadlines.due(1950)
    deadlines.changed(9, 100, 1600)
    assert not deadlines.due(1700)
    assert deadlines.due(1701), "who came later may go sooner"
    assert deadlines.expired({7: 500, 8: 2000, 9: 100}, 1701) == [9]
    assert deadlines.due(1701), "whose end is proposed and not executed is looked at again"
    deadlines.expired({}, 1702)
    deadlines.restart(1800)
    assert deadlines.expired({7: 500}, 2300) == []


def test_sessions_that_ended_are_forgotten() -> None:
    deadlines = Deadlines(0)
    deadlines.touch(range(10_000), 5)
    deadlines.expired({3: 500}, 10)
    assert len(deadlines) == 1


def test_reports_round_trip_and_damage_is_refused() -> None:
    assert unpack_report(pack_report(5, 1 << 63, [3, 4])) == (5, 1 << 63, (3, 4))
    good = pack_report(5, 6, [3])
    for bad in (b"", good[:-1], good + b"\0"):
        with pytest.raises(ValueError):
            unpack_report(bad)


def test_the_minority_is_wrong() -> None:
    agreement = Agreement()
    for zxid in (10, 11, 12):
        agreement.record(zxid, zxid * 7)
    agreement.compare(2, 11, 77)
    agreement.compare(3, 10, 999)
    assert agreement.diverged(1, (1, 2, 3)) == [(3, 10)]


def test_nobody_is_stopped_without_a_majority() -> None:
    agreement = Agreement()
    agreement.record(10, 70)
    agreement.compare(3, 10, 999)
    assert agreement.diverged(1, (1, 2, 3)) == []
    agreement.compare(2, 9, 5)  # not in our table: says nothing
    assert agreement.diverged(1, (1, 2, 3)) == []
    agreement.compare(2, 10, 999)
    assert agreement.diverged(1, (1, 2, 3)) == [(1, 10)], "we are the minority"
