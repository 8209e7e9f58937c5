"""Ratios and their bars: what must hold, what was found, and how it is shown.

Rules: pure. A ratio is ours by theirs, of figures of one round; a row shows the median of the rounds with the
smallest and the largest, and is judged by the median. Larger is better for throughput alone.
"""

from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

VERDICTS = ("missed", "ok", "goal")


@dataclass(frozen=True, slots=True)
class Bar:
    """What the ratio of one figure must be, and what it should be."""

    figure: str
    bar: float
    goal: float

    @property
    def larger_is_better(self) -> bool:
        return self.figure == "per_s"

    def verdict(self, ratio: float) -> str:
        sign = 1 if self.larger_is_better else -1
        return VERDICTS[(ratio * sign >= self.bar * sign) + (ratio * sign >= self.goal * sign)]

    def __str__(self) -> str:
        return f"{'>=' if self.larger_is_better else '<='} {self.bar:g}x"


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of one load, compared. `ours` and `theirs` are those of each round."""

    load: str
    player: str
    rival: str
    figure: str
    ours: tuple[float, ...]
    theirs: tuple[float, ...]
    bar: Bar | None = None

    @property
    def ratios(self) -> tuple[float, ...]:
        return tuple(our / their for our, their in zip(self.ours, self.theirs, strict=True))

    @property
    def ratio(self) -> float:
        return median(self.ratios)

    @property
    def verdict(self) -> str:
        """Empty where nothing must hold."""
        return self.bar.verdict(self.ratio) if self.bar is not None else ""

    def as_json(self) -> dict[str, Any]:
        ratios = self.ratios
        more = {"ratio": self.ratio, "ratio_min": min(ratios), "ratio_max": max(ratios), "verdict": self.verdict}
        rounded = {name: round(value, 4) if isinstance(value, float) else value for name, value in more.items()}
        return asdict(self) | rounded
