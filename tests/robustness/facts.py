"""What a run showed, as plain values: all that gates and report go by, and what stands in the JSON file.

Rules: times are seconds since the run began. Made from histories and logs after the run; nothing in here looks at a
process.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bench.figures import longest_gap, percentile
from sim.history import History, Operation
from tests.robustness.strikes import Strike
from zooweeper.cli.status import NodeStatus
from zooweeper.model.errors import ErrorCode
from zooweeper.ops.table import OPS

LATENCIES = (50, 99)
GAP_MAX_S = 10.0  # without an answered write while a majority is whole; an election takes a quarter of that


@dataclass(slots=True)
class Sample:
    """What the nodes said of themselves at one moment."""

    at_s: float
    roles: dict[int, str]
    leader: int  # 0: none that a majority follows
    epoch: int


@dataclass(slots=True)
class Second:
    """One second of the time line, by the moment of the answer."""

    ok: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    p50_ms: float = 0.0
    p99_ms: float = 0.0


@dataclass(slots=True)
class Count:
    """What became of the operations of one kind."""

    ok: int = 0
    error: int = 0
    unknown: int = 0


@dataclass(slots=True)
class Ledger:
    """What was promised to be durable, and what is there."""

    acknowledged: int = 0
    recovered: int = 0
    lost: int = 0
    unknown_applied: int = 0
    unknown_absent: int = 0
    kills: int = 0
    cuts: int = 0


@dataclass(slots=True)
class Facts:
    """One run."""

    header: dict[str, str]
    planned_s: float  # of faults
    fire_s: float = 0.0  # that there really were faults
    began_s: float = 0.0  # when the first fault was due
    strikes: list[Strike] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)  # fault -> reason
    samples: list[Sample] = field(default_factory=list)
    seconds: list[Second] = field(default_factory=list)
    counts: dict[str, Count] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)
    marks: dict[str, int] = field(default_factory=dict)  # rare situations that clients met
    checked: int = 0  # operations that the checks saw
    asked: int = 0  # operations
    violations: list[str] = field(default_factory=list)
    trouble: str = ""  # of the rig itself: why the run is no evidence

    @property
    def epochs(self) -> list[int]:
        """Of established leaders, in their order."""
        return sorted({sample.epoch for sample in self.samples if sample.leader})


def sample_of(at_s: float, rows: Sequence[NodeStatus], leader: NodeStatus | None) -> Sample:
    roles = {row.id: row.role if row.serving or not row.up else "looking" for row in rows if row.id is not None}
    return Sample(at_s, roles, (leader and leader.id) or 0, (leader and leader.epoch) or 0)


def seconds_of(operations: Iterable[Operation], length_s: float) -> list[Second]:
    """The time line, from answers."""
    line = [Second() for _ in range(int(length_s) + 1)]
    waits: list[list[float]] = [[] for _ in line]
    for operation in operations:
        if operation.return_us < 0:
            continue
        place = min(operation.return_us // 1_000_000, len(line) - 1)
        if not operation.error:
            line[place].ok += 1
            waits[place].append((operation.return_us - operation.call_us) / 1000)
        else:
            name = ErrorCode(operation.error).name
            line[place].errors[name] = line[place].errors.get(name, 0) + 1
    for second, found in zip(line, waits, strict=True):
        if found:
            second.p50_ms, second.p99_ms = (percentile(found, percent) for percent in LATENCIES)
    return line


def counts_of(operations: Iterable[Operation]) -> dict[str, Count]:
    counts: dict[str, Count] = {}
    for operation in operations:
        count = counts.setdefault(OPS[operation.code].name, Count())
        if operation.return_us < 0:
            count.unknown += 1
        elif operation.error:
            count.error += 1
        else:
            count.ok += 1
    return dict(sorted(counts.items()))


def ledger_of(history: History, strikes: Iterable[Strike]) -> Ledger:
    """Every write that was answered, and every one that was not, against the logs."""
    ledger = Ledger()
    for operation in history.writes:
        there = history.outcome(operation) is not None
        if operation.ok:
            ledger.acknowledged += 1
            ledger.recovered += there
            ledger.lost += not there
        elif operation.return_us < 0:
            ledger.unknown_applied += there
            ledger.unknown_absent += not there
    by_family = Counter[str]()
    for strike in strikes:
        by_family[strike.family] += len(strike.victims)
    ledger.kills, ledger.cuts = by_family["kill"], by_family["power"]
    return ledger


def measure_gaps(operations: Iterable[Operation], strikes: Iterable[Strike]) -> None:
    """Into each strike: how long nobody got an answer to a write around it."""
    times = sorted(operation.return_us / 1e6 for operation in operations if operation.ok and operation.number)
    for strike in strikes:
        strike.gap_s = longest_gap(times, strike.began_s, strike.over_s if strike.over_s >= 0 else strike.ended_s)


def stalls(strikes: Iterable[Strike]) -> list[str]:
    """The faults that stopped all writes although they left a majority whole."""
    return [
        f"liveness: {strike.fault} at {strike.began_s:.1f} s: no write was answered for {strike.gap_s:.1f} s"
        for strike in strikes
        if strike.majority and strike.gap_s > GAP_MAX_S
    ]
