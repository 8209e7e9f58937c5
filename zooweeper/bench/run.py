"""A measurement from the first connection to the figures.

Rules: znodes are made before the warm-up, and every server has them before the first request. What is counted is
answered inside the measured time. The garbage collector rests meanwhile: the generator makes none that matters.
"""

import gc
import time
from collections.abc import Callable, Sequence
from functools import partial

from zooweeper.bench import plan, servers
from zooweeper.bench.etcd import EtcdLine
from zooweeper.bench.fanout import FanOut
from zooweeper.bench.line import Ask, Line
from zooweeper.bench.load import BenchError, Load, Progress, Result, Slot
from zooweeper.bench.loop import BROKEN, Loop, clock
from zooweeper.bench.tally import Tally
from zooweeper.bench.zk import ZkLine
from zooweeper.bench.zw import ZwLine
from zooweeper.model.errors import ErrorCode

LINES: dict[str, type[Line]] = {"zk": ZkLine, "zw": ZwLine, "etcd": EtcdLine}
SLOT_S = 0.25  # how often the throughput is noted, and progress told
SETUP_DEPTH = 64

Watch = Callable[[Progress], None]


def run(load: Load, watch: Watch | None = None) -> Result:
    """Measures; `watch` is told now and then how it goes. BenchError when it cannot be measured. Ctrl-C while it is
    measuring ends it early, with what there is."""
    made = LINES[load.target.scheme]
    hosts = load.target.hosts
    measuring = Measuring(load, watch or (lambda _: None))
    lines = [made(hosts[number % len(hosts)], measuring.tally) for number in range(load.connections)]
    collecting = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        with Loop(lines) as loop:
            measuring.phase("connecting", 0)
            loop.connect()
            prepare(load, loop, measuring)
            return measuring.measure(loop)
    finally:
        if collecting:
            gc.enable()


def prepare(load: Load, loop: Loop, measuring: "Measuring") -> None:
    """Makes the znodes, each with the value it is to have, and waits until every server has them."""
    made = 0
    step = partial(setup, loop)
    step([plan.parents(load)])
    for mine in plan.slices(load):
        measuring.phase("making znodes", made / plan.keys_of(load))
        if step(mine):  # some were there, with any value
            step([[ask._replace(kind="set") for ask in asks] for asks in mine])
        made += sum(map(len, mine))
    step([plan.parents(load)[-1:]] * load.connections)  # a server that answers a write has executed all before it


def setup(loop: Loop, asks: Sequence[list[Ask]]) -> int:
    """Lets each line ask its own once; how many znodes were there already. BenchError for any other error."""
    busy = [(line, mine) for line, mine in zip(loop.lines, asks, strict=False) if mine]
    for line, mine in busy:
        line.use(mine, min(SETUP_DEPTH, len(mine)), len(mine), (ErrorCode.NODE_EXISTS,))
        loop.send(line, line.ask(clock()))
    loop.until(lambda: all(line.finished for line, _ in busy), "for its znodes")
    for line, mine in busy:
        for name in line.tally.errors:
            raise BenchError(f"cannot write {mine[0].path} at {line.address}: {name}")
    return sum(sum(line.tolerated.values()) for line, _ in busy)


class Measuring:
    """The clock and the figures of one measurement."""

    def __init__(self, load: Load, watch: Watch) -> None:
        self._load = load
        self._watch = watch
        self.tally = Tally()
        self._slots: list[Slot] = []
        self._interrupted = False

    def phase(self, name: str, share: float, per_s: float = 0.0) -> None:
        tally = self.tally
        worse = max(tally.reads, tally.writes, key=lambda side: side.count)
        self._watch(Progress(name, share, per_s, worse.percentile(99), sum(tally.errors.values())))

    def measure(self, loop: Loop) -> Result:
        """Warms up and measures."""
        load = self._load
        pids = load.pids or servers.find(load.target.hosts)
        fan = FanOut(load, loop) if load.operation == "fan-out" else None
        for number, line in enumerate(loop.lines if fan is None else ()):
            line.use(plan.ring(load, number), load.depth, None)
        turn: Callable[[float], object] = fan.turn if fan else loop.turn
        count: Callable[[], int] = (lambda: self.tally.heard) if fan else (lambda: self.tally.count)
        self._count_anew(loop)
        loop.ask()
        self._go_on(turn, count, load.warm_up, "warming up")
        self._count_anew(loop)
        self._slots.clear()
        before, count_before = servers.usage(pids), count()
        own, began = time.process_time(), clock()
        try:
            self._go_on(turn, count, load.seconds, "measuring")
        except KeyboardInterrupt:
            self._interrupted = True
        seconds, own = clock() - began, time.process_time() - own
        after = servers.usage(pids)
        operations = count() - count_before - (0 if fan else self._refused())
        if operations <= 0 and not self.tally.errors:
            raise BenchError(f"nothing was answered within {seconds:.1f} s")
        return self._result(seconds, operations, own, before, after)

    def _count_anew(self, loop: Loop) -> None:
        """From now on only what is answered from now on; but what has broken stays broken."""
        fresh = Tally()
        fresh.heard = self.tally.heard
        if loop.broken:
            fresh.errors[BROKEN] = loop.broken
        self.tally = fresh
        for line in loop.lines:
            line.tally = fresh

    def _go_on(self, turn: Callable[[float], object], count: Callable[[], int], seconds: float, phase: str) -> None:
        began = last = clock()
        counted = count()
        end = began + seconds
        while True:
            now = clock()
            if now >= last + SLOT_S or now >= end:
                per_s = (count() - counted) / max(now - last, 1e-9)
                if now > last:
                    self._slots.append(Slot(now - began, per_s))
                last, counted = now, count()
                self.phase(phase, min(1.0, (now - began) / seconds) if seconds else 1.0, per_s)
                if now >= end:
                    return
            turn(min(SLOT_S, end - now))

    def _refused(self) -> int:
        return sum(times for name, times in self.tally.errors.items() if name != BROKEN)

    def _result(
        self, seconds: float, operations: int, own: float, before: servers.Usage | None, after: servers.Usage | None
    ) -> Result:
        load, tally = self._load, self.tally
        each = 1e6 / max(operations, 1)
        cpu = after.cpu_s - before.cpu_s if before and after else None
        return Result(
            target=str(load.target),
            operation=load.operation,
            connections=load.connections,
            depth=load.depth,
            value_bytes=load.value_bytes,
            seconds=seconds,
            operations=operations,
            ops_per_s=operations / seconds,
            reads=tally.reads.side(seconds),
            writes=tally.writes.side(seconds),
            errors=dict(sorted(tally.errors.items())),
            generator_cpu_us_per_op=own * each,
            generator_cores=own / seconds,
            server_cpu_us_per_op=None if cpu is None else cpu * each,
            server_cores=None if cpu is None else cpu / seconds,
            server_rss_mb=None if after is None else after.rss_bytes / 1e6,
            interrupted=self._interrupted,
            timeline=tuple(self._slots),
            latencies={"reads": tally.reads.rows(), "writes": tally.writes.rows()},
        )
