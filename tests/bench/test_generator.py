"""What the load generator counts and asks, without a network."""

import random
from xml.etree import ElementTree

import pytest

from zooweeper.bench import BenchError, Load, Target, plan
from zooweeper.bench.line import RING_MAX
from zooweeper.bench.load import OPERATIONS, SUPPORTED
from zooweeper.bench.plot import Axis, Panel, svg
from zooweeper.bench.run import LINES
from zooweeper.bench.tally import EXACT, LONGEST_US, Histogram, Tally, bucket_of, middle_of
from zooweeper.bench.zoo import REQUESTS
from zooweeper.model.config import Address

TARGET = Target.parse("zk://127.0.0.1:2181")


@pytest.mark.parametrize("text", ["zk://127.0.0.1:2181,[::1]:2182", "zw://node-1:5181", "etcd://localhost:2379"])
def test_targets_are_shown_as_they_are_written(text: str) -> None:
    assert str(Target.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["", "bars", "http://h:1", "zk://", "zk://h", "zk://h:0", "zk://h:65536", "zk://h:1/x", "zk://h:1,,h:2"]
)
def test_what_is_no_target(text: str) -> None:
    with pytest.raises(BenchError, match="not a"):
        Target.parse(text)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"operation": "gte"}, "no operation 'gte'; there are: get"),
        ({"operation": "linear-get"}, "nothing for zk://"),
        ({"connections": 0}, "connections is more than 0"),
        ({"depth": 4097}, "depth is more than 0 and at most 4096"),
        ({"value_bytes": 2_000_000}, "value bytes is 0 to"),
        ({"writes": 101}, "writes is 0 to 100"),
        ({"root": "bench"}, "not a path"),
        ({"root": "/zookeeper/x"}, "not a path"),
    ],
)
def test_what_is_no_load(wrong: dict[str, object], why: str) -> None:
    with pytest.raises(BenchError, match=why):
        Load(TARGET, **wrong)  # type: ignore[arg-type]


def test_every_operation_is_known_to_somebody_and_every_request_to_the_dialects() -> None:
    assert {name for names in SUPPORTED.values() for name in names} == set(OPERATIONS)
    for scheme, names in SUPPORTED.items():
        line = LINES[scheme](Address("127.0.0.1", 1), Tally())
        for name in names:
            if name != "fan-out":
                load = Load(Target(scheme, TARGET.hosts), name, connections=2, depth=3)
                line.use(plan.ring(load, 1), load.depth, None)
    asked = {ask.kind for name in SUPPORTED["zw"] for ask in plan.ring(Load(Target("zw", ()), name), 0)}
    assert asked - {"fan-out"} <= set(REQUESTS)


# ---- latencies


def test_buckets_follow_each_other_and_are_narrow() -> None:
    for microseconds in [*range(5000), *(1 << power for power in range(10, 37)), LONGEST_US - 1]:
        bucket = bucket_of(microseconds)
        assert bucket_of(microseconds + 1) - bucket in (0, 1)
        assert abs(middle_of(bucket) - microseconds) <= (0 if microseconds < EXACT else microseconds / 500)


def test_percentiles_are_those_of_the_values() -> None:
    rng = random.Random(5)
    values = [int(rng.lognormvariate(7, 1.5)) for _ in range(20_000)]
    histogram = Histogram()
    for value in values:
        histogram.note(value, 1)
    values.sort()
    for percent in (1, 50, 90, 99, 99.9):
        exact = values[max(0, int(len(values) * percent / 100) - 1)]
        assert histogram.percentile(percent) == pytest.approx(exact, rel=0.005, abs=1)
    side = histogram.side(2.0)
    assert side is not None
    assert (side.per_s, side.max_us) == (10_000, values[-1])
    assert sum(times for _, times in histogram.rows()) == len(values)
    assert Histogram().side(1.0) is None


def test_many_at_once_are_many() -> None:
    histogram = Histogram()
    histogram.note(100, 98)
    histogram.note(1 << 40, 2)
    assert histogram.percentile(98) == 100
    assert histogram.percentile(99) == pytest.approx(LONGEST_US, rel=0.01)
    assert histogram.longest_us == 1 << 40


# ---- rings


def test_a_mix_has_its_share_of_writes_in_every_ring() -> None:
    for percent in (0, 1, 10, 50, 100):
        for value in (10, 100_000):
            load = Load(TARGET, "mix", writes=percent, value_bytes=value)
            ring = plan.ring(load, 3)
            assert 100 * sum(ask.kind == "set" for ask in ring) == percent * len(ring)
            assert ring == plan.ring(load, 3), "equal loads give equal rings"
            assert ring != plan.ring(load, 4)


def test_a_connection_has_a_znode_of_its_own_unless_there_is_a_number_of_them() -> None:
    alone = Load(TARGET, "get", connections=4)
    assert {ask.path for line in range(4) for ask in plan.ring(alone, line)} == {f"/bench/k{key}" for key in range(4)}
    spread = Load(TARGET, "get", connections=2, keys=300)
    paths = [ask.path for line in range(2) for ask in plan.ring(spread, line)]
    assert len(set(paths)) > 250
    assert max(len(plan.ring(spread, 0)), spread.depth) <= RING_MAX


def test_every_znode_is_made_once() -> None:
    load = Load(TARGET, keys=5000, connections=3, root="/a/b")
    made = [ask.path for portion in plan.slices(load) for mine in portion for ask in mine]
    assert sorted(made) == sorted(f"/a/b/k{key}" for key in range(5000))
    assert [ask.path for ask in plan.parents(load)] == ["/a", "/a/b"]


def test_large_values_do_not_take_all_memory() -> None:
    load = Load(TARGET, "set", connections=100, keys=10_000, value_bytes=1_000_000)
    assert sum(len(ask.value) for ask in plan.ring(load, 0)) <= plan.RING_BYTES // 100 + load.value_bytes


# ---- plots


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("values", [[1.0], [10, 1e6], [0.03, 7, 1234], [5, 6], [1000.0, 1000.0], [0.0, 3.0]])
def test_an_axis_holds_its_values(values: list[float], log: bool) -> None:
    axis = Axis(values, 0, 100, log)
    assert axis.ticks == sorted(axis.ticks) and 2 <= len(axis.ticks) <= 12
    assert axis.ticks[-1] >= max(values) and all(0 <= axis(value) <= 100 for value in values)
    assert (axis(axis.ticks[0]), axis(axis.ticks[-1])) == (0, 100)
    if log and min(values) > 0:
        assert axis.ticks[0] <= min(values) * 1.001


def test_a_plot_is_an_xml_document() -> None:
    panel = Panel("<a & b>", "x", "y", {"one": [(1.0, 2.0), (3.0, 4.0)], "none": [], "dot": [(2.0, 2.0)]})
    root = ElementTree.fromstring(svg([panel, Panel("empty", "x", "y")]))
    words = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"<a & b>", "one", "dot", "empty"} <= set(words) and "none" not in words
