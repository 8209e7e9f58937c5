"""The pure part of the measurements: a wrong checker would bless a wrong server, so it is tested like one."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.figures import Bar, as_json, bars_table, longest_gap, percentile


def test_percentiles_are_nearest_rank() -> None:
    values = [float(value) for value in range(100, 0, -1)]
    assert percentile(values, 50) == 50
    assert percentile(values, 99) == 99
    assert percentile(values, 100) == 100
    assert percentile([7.0], 1) == 7
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)


@pytest.mark.parametrize(
    ("times", "start", "end", "gap"),
    [
        ([1, 2, 3, 7, 8], 3.5, 7.5, 4),  # the gap begins with the last answer before the start
        ([1, 2, 3, 7, 8], 0, 9, 4),
        ([1, 2, 3, 7, 8], 7, 8, 1),
        ([1, 2, 3, 10], 4, 5, 7),  # and may end after the end
        ([1, 2], 3, 9, math.inf),
        ([], 0, 1, math.inf),
        ([5], 4, 6, 0),
    ],
)
def test_longest_gap(times: list[float], start: float, end: float, gap: float) -> None:
    assert longest_gap(times, start, end) == gap


@given(st.lists(st.integers(0, 1000), min_size=2, unique=True))
def test_a_gap_over_everything_is_the_largest_difference(times: list[int]) -> None:
    times.sort()
    expected = max(after - before for before, after in itertools.pairwise(times))
    assert longest_gap(times, times[0], times[-1]) == expected


def test_bars_are_shown() -> None:
    bars = [Bar("start", "<= 1.5 s", "1.2 s", True, {"seconds": 1.2}), Bar("memory", "<= 60 MB", "70 MB", False)]
    assert bars_table(bars).splitlines() == [
        "name    bar       measured  verdict",
        "start   <= 1.5 s  1.2 s     ok",
        "memory  <= 60 MB  70 MB     FAILED",
    ]
    assert '"seconds": 1.2' in as_json(bars)
