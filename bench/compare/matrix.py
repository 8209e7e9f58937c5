"""The matrix: which load is compared with whom, in which figures, and what must come out.

Rules: a table and nothing else. `port` is our ZooKeeper port, `stream` our gRPC sessions, `unary` our unary calls by
h2load; `etcd` is driven by h2load where that is installed, `etcd, our generator` shows whether the two agree. Values
have 100 bytes. The order is that of a round; what leaves znodes behind comes last.
"""

from dataclasses import dataclass

from bench.compare.measured import Load
from bench.compare.ratios import Bar

P99 = Bar("p99_us", 1.0, 0.5)
SERVERS = Bar("servers_us", 0.5, 0.2)
NO_DEARER = Bar("servers_us", 1.0, 0.5)


@dataclass(frozen=True, slots=True)
class Match:
    """A load that two players have; `shown` are figures for which no bar is set."""

    load: Load
    ours: str
    theirs: str
    bars: tuple[Bar, ...] = ()
    shown: tuple[str, ...] = ()


def zookeeper(load: Load, *bars: Bar) -> Match:
    return Match(load, "port", "zookeeper", bars)


def rate(bar: float, goal: float) -> Bar:
    return Bar("per_s", bar, goal)


ONE_SET, ONE_GET = Load("set", 1, 1), Load("get", 1, 1)
SETS, LINEAR_GETS = Load("set", 30, 16), Load("linear-get", 30, 16)
MIX = (Bar("reads_p99_us", 1.0, 0.5), Bar("writes_p99_us", 1.0, 0.5))

MATCHES = (
    zookeeper(ONE_SET, Bar("p50_us", 0.9, 0.75), P99, SERVERS),
    zookeeper(Load("set", 30, 1), rate(1.8, 2.4), P99, SERVERS),
    zookeeper(Load("set", 200, 1), rate(3.0, 4.7), P99, SERVERS),
    zookeeper(SETS, rate(3.0, 5.0), P99, SERVERS),
    zookeeper(ONE_GET, Bar("p50_us", 0.5, 0.35), P99, SERVERS),
    zookeeper(Load("get", 30, 1), rate(1.5, 1.8), P99, SERVERS),
    zookeeper(Load("get", 30, 16), rate(3.0, 5.0), P99, SERVERS),
    zookeeper(Load("mix", 30, 16), rate(4.0, 7.0), *MIX, SERVERS),
    Match(SETS, "stream", "etcd", (rate(3.0, 6.0), P99, NO_DEARER)),
    Match(SETS, "unary", "etcd", shown=("per_s", "p99_us", "servers_us")),
    Match(SETS, "etcd, our generator", "etcd", shown=("per_s",)),
    Match(LINEAR_GETS, "stream", "etcd", (rate(3.0, 6.0), P99, NO_DEARER)),
    Match(LINEAR_GETS, "unary", "etcd", shown=("per_s", "p99_us", "servers_us")),
    Match(LINEAR_GETS, "etcd, our generator", "etcd", shown=("per_s",)),
    zookeeper(Load("create", 30, 16), rate(3.0, 4.5), P99, SERVERS),
)

START = zookeeper(Load("start to first write"), Bar("s", 0.6, 0.4))
KILL = zookeeper(Load("leader kill to next write"), Bar("s", 0.5, 0.25))

MEMORY = zookeeper(Load("1 M znodes: memory per node"), Bar("mb", 0.5, 0.35))
RESTART = zookeeper(Load("1 M znodes: restart to first write"), Bar("s", 0.5, 0.35))
SNAPSHOT = Match(
    Load("1 M znodes: snapshots written during set", 30, 16), "port", "no snapshot", (Bar("p99_us", 2.0, 1.3),)
)
BIG = (MEMORY, RESTART, SNAPSHOT)
ALL = (*MATCHES, START, KILL, *BIG)
