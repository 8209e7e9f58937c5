"""What to measure and what came out: the values that the generator takes and gives.

Rules: checked when made; BenchError is one clear line for whoever asked. Times are microseconds where the name ends in
`_us`, else seconds. `Result.as_json` is what other programs read: keys are added, never changed.
"""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import NamedTuple, Self

from zooweeper.model.config import Address
from zooweeper.model.limits import DATA_BYTES_MAX, PENDING_REQUESTS_MAX

CONNECTIONS_MAX = 50_000
KEYS_MAX = 10_000_000
SECONDS_MAX = 86_400.0
SCHEMES = ("zk", "zw", "etcd")
OPERATIONS = {
    "get": "read a value from the node that is asked, as of a moment ago",
    "linear-get": "read a value that is not stale (zw:// and etcd://)",
    "set": "replace a value",
    "create": "make a znode with a sequence number, or a key",
    "mix": "get, and sets as many as --writes says",
    "multi": "one transaction of two sets, a create and a delete",
    "churn": "make an ephemeral znode and delete it again, one operation each",
    "fan-out": "set one znode, and wait until every connection has the event; counted are events",
}
SUPPORTED = {
    "zk": tuple(name for name in OPERATIONS if name != "linear-get"),
    "zw": tuple(OPERATIONS),
    "etcd": ("get", "linear-get", "set", "create", "mix", "multi"),
}


class BenchError(Exception):
    """A load that cannot be, or a target that cannot be measured; the text is one clear line."""


@dataclass(frozen=True, slots=True)
class Target:
    """Whom to load, and in which language."""

    scheme: str
    hosts: tuple[Address, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """`zk://h:p,h:p`, `zw://h:p`, `etcd://h:p`. BenchError for anything else."""
        scheme, found, rest = text.partition("://")
        if not found or scheme not in SCHEMES:
            names = ", ".join(f"{name}://host:port" for name in SCHEMES)
            raise BenchError(f"not a target: {text[:100]!r}; expected {names}")
        return cls(scheme, tuple(_address(word) for word in rest.split(",")))

    def __str__(self) -> str:
        return f"{self.scheme}://{','.join(map(str, self.hosts))}"


def _address(text: str) -> Address:
    match = re.fullmatch(r"\[?([^\[\]/@]+?)\]?:(\d{1,5})", text)
    if match is None or not 0 < int(match[2]) < 65536:
        raise BenchError(f"not an address: {text[:100]!r}; expected host:port such as 127.0.0.1:2181")
    return Address(match[1], int(match[2]))


@dataclass(frozen=True, slots=True)
class Load:
    """One measurement."""

    target: Target
    operation: str = "get"
    connections: int = 30
    depth: int = 16  # requests in flight on each connection
    value_bytes: int = 100
    seconds: float = 5.0
    warm_up: float = 1.0
    keys: int = 0  # 0: one for each connection
    writes: int = 10  # percent, of `mix`
    root: str = "/bench"  # everything is below it, and stays there
    paths: tuple[str, ...] = ()  # znodes that are there, to be asked for instead of own ones
    pids: tuple[int, ...] = ()  # the servers' processes; empty: looked for, where they are on this machine

    def __post_init__(self) -> None:
        if self.operation not in OPERATIONS:
            raise BenchError(f"no operation {self.operation!r}; there are: {', '.join(OPERATIONS)}")
        if self.operation not in SUPPORTED[self.target.scheme]:
            known = ", ".join(SUPPORTED[self.target.scheme])
            raise BenchError(f"{self.operation} is nothing for {self.target.scheme}://; it knows: {known}")
        for name, value, most in (
            ("connections", self.connections, CONNECTIONS_MAX),
            ("depth", self.depth, PENDING_REQUESTS_MAX),
            ("seconds", self.seconds, SECONDS_MAX),
        ):
            if not 0 < value <= most:
                raise BenchError(f"{name} is more than 0 and at most {most:g}, not {value:g}")
        for name, value, most in (
            ("value bytes", self.value_bytes, DATA_BYTES_MAX),
            ("warm-up", self.warm_up, SECONDS_MAX),
            ("keys", self.keys, KEYS_MAX),
            ("writes", self.writes, 100),
        ):
            if not 0 <= value <= most:
                raise BenchError(f"{name} is 0 to {most:g}, not {value:g}")
        if not re.fullmatch(r"(/[\w.-]+)+", self.root) or self.root.startswith("/zookeeper"):
            raise BenchError(f"not a path to work below: {self.root[:100]!r}; expected such as /bench")


class Side(NamedTuple):
    """The reads or the writes of a measurement."""

    per_s: float
    p50_us: float
    p99_us: float
    p999_us: float
    max_us: float


class Slot(NamedTuple):
    """A part of the measured time."""

    at: float  # seconds since the measured time began
    per_s: float


@dataclass(frozen=True, slots=True)
class Progress:
    """How it goes just now."""

    phase: str
    share: float  # of the whole time, 0 to 1
    per_s: float
    p99_us: float
    errors: int


@dataclass(frozen=True, slots=True)
class Result:
    """What came out. Server figures are those of all servers together, None where they are not on this machine."""

    target: str
    operation: str
    connections: int
    depth: int
    value_bytes: int
    seconds: float
    operations: int
    ops_per_s: float
    reads: Side | None
    writes: Side | None
    errors: dict[str, int]
    generator_cpu_us_per_op: float
    generator_cores: float
    server_cpu_us_per_op: float | None
    server_cores: float | None
    server_rss_mb: float | None
    interrupted: bool = False
    timeline: Sequence[Slot] = field(default=(), repr=False)
    latencies: dict[str, Sequence[tuple[float, int]]] = field(default_factory=dict, repr=False)
    """For `reads` and `writes`: (microseconds, how many), rising."""

    def as_json(self) -> dict[str, object]:
        """All figures but the two series for plots."""
        plain = asdict(self)
        for name in ("timeline", "latencies"):
            del plain[name]
        for name in ("reads", "writes"):
            side: Side | None = getattr(self, name)
            plain[name] = None if side is None else {key: round(value, 1) for key, value in side._asdict().items()}
        return {key: round(value, 3) if isinstance(value, float) else value for key, value in plain.items()}
