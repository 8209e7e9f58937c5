"""What is measured while the node works, and shown to who asks: a few numbers each, updated where the thing happens.

Rules: plain counting, no clock, nothing decided by it. Where nothing was measured yet the extremes are -1.
"""

FEW = 4  # for fewer values, one by one is faster


class Figure:
    """Last, least, most and mean of one measure."""

    __slots__ = ("count", "last", "least", "most", "total")

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.count = self.total = 0
        self.last = self.least = self.most = -1

    def add(self, value: int) -> None:
        self.count += 1
        self.total += value
        self.last = value
        if value > self.most:
            self.most = value
        if value < self.least or self.count == 1:
            self.least = value

    def add_all(self, values: list[int]) -> None:
        """`add` each."""
        if len(values) < FEW:
            for value in values:
                self.add(value)
            return
        least = min(values)
        self.least = min(self.least, least) if self.count else least
        self.most = max(self.most, max(values))
        self.count += len(values)
        self.total += sum(values)
        self.last = values[-1]

    @property
    def mean(self) -> float:
        return self.total / self.count if self.count else 0.0
