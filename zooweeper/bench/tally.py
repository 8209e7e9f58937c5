"""Counting answers: how many, how long they took, which errors.

Rules: answers are noted by the run, those of one wake that were asked at one time being one note. A latency's bucket
is at most 0.2 % wide, so percentiles are as good; the longest is kept exactly.
"""

from array import array

from zooweeper.bench.load import Side

EXACT = 1024  # microseconds up to which each has a bucket of its own; above, half as many in each doubling
BITS = EXACT.bit_length() - 1
HALF = EXACT // 2
LONGEST_US = 1 << 36  # 19 hours


class Histogram:
    """Latencies in whole microseconds."""

    __slots__ = ("_buckets", "count", "longest_us")

    def __init__(self) -> None:
        self._buckets = array("Q", bytes(8 * (bucket_of(LONGEST_US) + 1)))
        self.count = 0
        self.longest_us = 0

    def note(self, microseconds: int, times: int) -> None:
        if microseconds > self.longest_us:
            self.longest_us = microseconds
        if microseconds < EXACT:
            self._buckets[microseconds if microseconds > 0 else 0] += times
        else:
            self._buckets[bucket_of(min(microseconds, LONGEST_US))] += times
        self.count += times

    def percentile(self, percent: float) -> float:
        """The smallest latency that `percent` of all do not exceed; 0 without any."""
        wanted = self.count * percent / 100
        seen = 0
        for bucket, times in enumerate(self._buckets):
            seen += times
            if times and seen >= wanted:
                return min(middle_of(bucket), float(self.longest_us))
        return 0.0

    def rows(self) -> list[tuple[float, int]]:
        """(latency, how many) of the buckets that are not empty, rising."""
        return [(middle_of(bucket), times) for bucket, times in enumerate(self._buckets) if times]

    def side(self, seconds: float) -> Side | None:
        """The figures of `seconds`; None when nothing was noted."""
        if not self.count:
            return None
        p50, p99, p999 = (self.percentile(percent) for percent in (50, 99, 99.9))
        return Side(self.count / seconds, p50, p99, p999, float(self.longest_us))


def bucket_of(microseconds: int) -> int:
    """The bucket of a latency."""
    shift = max(0, microseconds.bit_length() - BITS)
    return shift * HALF + (microseconds >> shift)


def middle_of(bucket: int) -> float:
    """The latency that a bucket stands for."""
    if bucket < EXACT:
        return float(bucket)
    shift = bucket // HALF - 1
    return float((bucket - shift * HALF << shift) + (1 << shift >> 1))


class Tally:
    """All that was answered since it was made."""

    __slots__ = ("errors", "heard", "reads", "writes")

    def __init__(self) -> None:
        self.reads = Histogram()
        self.writes = Histogram()
        self.errors: dict[str, int] = {}
        self.heard = 0  # watch events

    @property
    def count(self) -> int:
        return self.reads.count + self.writes.count

    def error(self, name: str) -> None:
        self.errors[name] = self.errors.get(name, 0) + 1
