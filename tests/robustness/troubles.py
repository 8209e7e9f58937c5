"""What can be done to nodes, each thing with how it is seen to bite and seen to be over.

Rules: a trouble begins, bites, ends, is over. `bites` and `over` look at the world, never at what the trouble believes
it did, and return the evidence in a few words, or nothing while there is none; they are asked again until there is, or
time is up. A trouble that never bit makes its run invalid. All methods block.
"""

import errno
import os
import random
import threading
from dataclasses import dataclass, field, replace
from typing import Protocol

from tests.robustness.bed import Bed
from tests.robustness.proxy import Pair, Quality
from tests.robustness.shapes import Shape
from zooweeper.storage.log import segment_number

FLAP_S = 0.5


class Trouble(Protocol):
    """One thing that goes wrong, once."""

    def begin(self) -> None: ...

    def bites(self) -> str:
        """Evidence that it does; empty while there is none."""

    def end(self) -> None: ...

    def over(self) -> str:
        """Evidence that it does no longer; empty while there is none."""


@dataclass
class Site:
    """Where a trouble strikes: who, out of whom, with what chance."""

    bed: Bed
    victims: tuple[int, ...]
    chance: random.Random


def running(bed: Bed, nodes: tuple[int, ...]) -> str:
    """Evidence that these nodes serve again."""
    serving = {row.id for row in bed.rows() if row.serving}
    return f"{names(nodes)} serve" if serving.issuperset(nodes) else ""


def names(nodes: tuple[int, ...]) -> str:
    return ("nodes " if len(nodes) > 1 else "node ") + ", ".join(map(str, nodes))


@dataclass
class Kill:
    """SIGKILL to all victims at once."""

    site: Site
    pids: dict[int, int | None] = field(default_factory=dict)

    def begin(self) -> None:
        ensemble = self.site.bed.ensemble
        self.pids = {node: ensemble.pid(node) for node in self.site.victims}
        ensemble.kill(self.site.victims)

    def bites(self) -> str:
        gone = all(self.site.bed.ensemble.pid(node) is None for node in self.site.victims)
        return (
            f"pid {', '.join(str(pid) for pid in self.pids.values())} gone" if gone and all(self.pids.values()) else ""
        )

    def end(self) -> None:
        self.site.bed.start(self.site.victims)

    def over(self) -> str:
        return running(self.site.bed, self.site.victims)


@dataclass
class Pause:
    """SIGSTOP, then SIGCONT."""

    site: Site

    def begin(self) -> None:
        for node in self.site.victims:
            self.site.bed.ensemble.pause(node)

    def bites(self) -> str:
        states = [self.site.bed.process_state(node) for node in self.site.victims]
        return f"state {' '.join(states)}" if all(state == "T" for state in states) else ""

    def end(self) -> None:
        for node in self.site.victims:
            self.site.bed.ensemble.resume(node)

    def over(self) -> str:
        stopped = any(self.site.bed.process_state(node) == "T" for node in self.site.victims)
        return "" if stopped else running(self.site.bed, self.site.victims)


@dataclass
class PauseAndKill:
    """The first victim stands still while the second dies: in three nodes, no majority until both are back."""

    site: Site
    pause: Pause = field(init=False)
    kill: Kill = field(init=False)

    def __post_init__(self) -> None:
        first, second = self.site.victims
        self.pause = Pause(replace(self.site, victims=(first,)))
        self.kill = Kill(replace(self.site, victims=(second,)))

    def begin(self) -> None:
        self.pause.begin()
        self.kill.begin()

    def bites(self) -> str:
        seen = (self.pause.bites(), self.kill.bites())
        return ", ".join(seen) if all(seen) else ""

    def end(self) -> None:
        """In the order in which an old leader would do harm: it wakes before the dead one is back."""
        self.pause.end()
        self.kill.end()

    def over(self) -> str:
        return running(self.site.bed, self.site.victims)


@dataclass
class Cut:
    """Ways between nodes that let nothing through: held back, or lost."""

    site: Site
    shape: Shape
    swallow: bool = False
    pairs: list[Pair] = field(default_factory=list)
    before: dict[Pair, tuple[int, int, int]] = field(default_factory=dict)

    def begin(self) -> None:
        bed = self.site.bed
        self.pairs = self.shape(bed.ids, self.site.victims[0], self.site.chance)
        proxies = bed.proxies
        (proxies.swallow if self.swallow else proxies.hold)(self.pairs)
        self.before = {pair: self._counts(pair) for pair in self.pairs}

    def _counts(self, pair: Pair) -> tuple[int, int, int]:
        """Passed, kept back in any way, connections kept out."""
        way = self.site.bed.proxies.way(pair)
        return way.passed, way.held + way.swallowed, way.kept_out

    def bites(self) -> str:
        """Each cut way was wanted, and let nothing through."""
        kept = 0
        for pair in self.pairs:
            before, now = self.before[pair], self._counts(pair)
            if now[0] != before[0] or now[1:] == before[1:]:
                return ""
            kept += now[1] - before[1]
        return f"{len(self.pairs)} ways kept {kept} bytes back"

    def end(self) -> None:
        self.before = {pair: self._counts(pair) for pair in self.pairs}
        self.site.bed.proxies.heal(self.pairs)

    def over(self) -> str:
        flows = all(self._counts(pair)[0] > self.before[pair][0] for pair in self.pairs)
        return running(self.site.bed, self.site.bed.ids) if flows else ""


@dataclass
class CutLane:
    """Lanes that let nothing through, beside streams that do."""

    site: Site
    shape: Shape
    pairs: list[Pair] = field(default_factory=list)
    before: dict[Pair, int] = field(default_factory=dict)

    def begin(self) -> None:
        self.pairs = self.shape(self.site.bed.ids, self.site.victims[0], self.site.chance)
        self.site.bed.proxies.hold(self.pairs, lane=True)

    def bites(self) -> str:
        ways = [self.site.bed.proxies.way(pair, lane=True) for pair in self.pairs]
        held = sum(way.held + way.kept_out for way in ways)
        return f"{len(ways)} lanes kept {held} bytes or connections back" if all(way.held for way in ways) else ""

    def end(self) -> None:
        proxies = self.site.bed.proxies
        self.before = {pair: proxies.way(pair, lane=True).passed for pair in self.pairs}
        proxies.heal(self.pairs)

    def over(self) -> str:
        proxies = self.site.bed.proxies
        flows = all(proxies.way(pair, lane=True).passed > self.before[pair] for pair in self.pairs)
        return running(self.site.bed, self.site.bed.ids) if flows else ""


@dataclass
class Flap:
    """Ways that open and close again and again, for half a second each."""

    site: Site
    shape: Shape
    pairs: list[Pair] = field(default_factory=list)
    before: dict[Pair, int] = field(default_factory=dict)
    turns: int = 0
    held: int = 0
    _ending: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def begin(self) -> None:
        self.pairs = self.shape(self.site.bed.ids, self.site.victims[0], self.site.chance)
        self._thread = threading.Thread(target=self._flap, name="flap", daemon=True)
        self._thread.start()

    def _flap(self) -> None:
        proxies = self.site.bed.proxies
        while not self._ending.is_set():
            proxies.hold(self.pairs)
            self._ending.wait(FLAP_S)
            self.held += sum(proxies.way(pair).held for pair in self.pairs)
            proxies.heal(self.pairs)
            self.turns += 1
            self._ending.wait(FLAP_S)

    def bites(self) -> str:
        return f"{self.turns} turns held {self.held} bytes" if self.turns >= 2 and self.held else ""

    def end(self) -> None:
        assert self._thread is not None
        self._ending.set()
        self._thread.join()
        self.before = {pair: self.site.bed.proxies.way(pair).passed for pair in self.pairs}

    def over(self) -> str:
        proxies = self.site.bed.proxies
        flows = all(proxies.way(pair).passed > self.before[pair] for pair in self.pairs)
        return running(self.site.bed, self.site.bed.ids) if flows else ""


@dataclass
class Slow:
    """Ways that deliver late."""

    site: Site
    shape: Shape
    quality: Quality
    pairs: list[Pair] = field(default_factory=list)
    before: dict[Pair, int] = field(default_factory=dict)

    def begin(self) -> None:
        proxies = self.site.bed.proxies
        self.pairs = self.shape(self.site.bed.ids, self.site.victims[0], self.site.chance)
        self.before = {pair: proxies.way(pair).delayed for pair in self.pairs}
        proxies.slow(self.pairs, self.quality)

    def bites(self) -> str:
        proxies = self.site.bed.proxies
        late = [proxies.way(pair).delayed - self.before[pair] for pair in self.pairs]
        return f"{sum(late)} chunks late" if all(late) else ""

    def end(self) -> None:
        self.site.bed.proxies.heal(self.pairs)
        self.before = {pair: self.site.bed.proxies.way(pair).passed for pair in self.pairs}

    def over(self) -> str:
        proxies = self.site.bed.proxies
        flows = all(proxies.way(pair).passed > self.before[pair] for pair in self.pairs)
        return running(self.site.bed, self.site.bed.ids) if flows else ""


@dataclass
class Reset:
    """All connections of the victims with the others end at once; or their lanes alone."""

    site: Site
    lane: bool = False
    ended: int = 0

    def begin(self) -> None:
        bed = self.site.bed
        pairs = [(victim, node) for victim in self.site.victims for node in bed.ids if node != victim]
        self.ended = bed.proxies.reset(pairs, self.lane)

    def bites(self) -> str:
        return f"{self.ended} connections reset" if self.ended else ""

    def end(self) -> None:
        """They come back by themselves."""

    def over(self) -> str:
        return running(self.site.bed, self.site.bed.ids)


@dataclass
class Restart:
    """SIGTERM and a new process, one node after the other: what an upgrade does."""

    site: Site
    pids: dict[int, int | None] = field(default_factory=dict)

    def begin(self) -> None:
        bed = self.site.bed
        for node in self.site.victims:
            self.pids[node] = bed.ensemble.pid(node)
            bed.ensemble.stop((node,))
            bed.start((node,))
            bed.wait_complete()

    def bites(self) -> str:
        pids = {node: self.site.bed.ensemble.pid(node) for node in self.site.victims}
        new = all(pids[node] not in (None, self.pids[node]) for node in self.site.victims)
        return f"{len(pids)} new processes" if new else ""

    def end(self) -> None:
        """They are back."""

    def over(self) -> str:
        return running(self.site.bed, self.site.victims)


@dataclass
class SyncFails:
    """Every sync of the victims fails: they must end by themselves, and say why."""

    site: Site
    marks: dict[int, int] = field(default_factory=dict)

    def begin(self) -> None:
        bed = self.site.bed
        self.marks = {node: bed.log_size(node) for node in self.site.victims}
        for node in self.site.victims:
            bed.shims[node].set("sync_errno", errno.EIO)

    def bites(self) -> str:
        return ended_by_disk(self.site, self.marks, os.strerror(errno.EIO))

    def end(self) -> None:
        for node in self.site.victims:
            self.site.bed.shims[node].clear()
        self.site.bed.start(self.site.victims)

    def over(self) -> str:
        return running(self.site.bed, self.site.victims)


@dataclass
class Shimmed:
    """A switch of the victims' preloaded libraries is on; their counter tells how often it was met."""

    site: Site
    switch: str
    value: int
    counter: str
    said: str
    before: dict[int, int] = field(default_factory=dict)

    def begin(self) -> None:
        for node in self.site.victims:
            shim = self.site.bed.shims[node]
            self.before[node] = shim.get(self.counter)
            shim.set(self.switch, self.value)

    def bites(self) -> str:
        met = [self.site.bed.shims[node].get(self.counter) - self.before[node] for node in self.site.victims]
        return self.said.format(sum(met)) if all(met) else ""

    def end(self) -> None:
        for node in self.site.victims:
            self.site.bed.shims[node].clear()

    def over(self) -> str:
        return running(self.site.bed, self.site.bed.ids)


def slow_sync(site: Site, milliseconds: int) -> Shimmed:
    """Every sync of the victims takes a while longer."""
    return Shimmed(site, "sync_delay_us", milliseconds * 1000, "delayed", "{} syncs late")


def clock_step(site: Site, seconds: int) -> Shimmed:
    """The wall clock of the victims jumps, and later back."""
    return Shimmed(site, "clock_offset_ns", seconds * 1_000_000_000, "shifted", "read {} times")


@dataclass
class PowerCut:
    """The disks of the victims lose their power and their processes die; only what was synced is there afterwards."""

    site: Site
    said: str = ""

    def begin(self) -> None:
        bed = self.site.bed
        for node in self.site.victims:
            bed.disks[node].cut()
        dead = [bed.disks[node].dead() for node in self.site.victims]
        self.said = dead[0] if all(dead) else ""
        bed.ensemble.kill(self.site.victims)

    def bites(self) -> str:
        gone = all(self.site.bed.ensemble.pid(node) is None for node in self.site.victims)
        return f"writes answered: {self.said}" if gone and self.said else ""

    def end(self) -> None:
        bed = self.site.bed
        for node in self.site.victims:
            bed.disks[node].unmount()
            bed.disks[node].mount()
        bed.start(self.site.victims)

    def over(self) -> str:
        alive = not any(self.site.bed.disks[node].dead() for node in self.site.victims)
        return running(self.site.bed, self.site.victims) if alive else ""


@dataclass
class DiskFull:
    """No space is left on the disks of the victims: at their next need they must end, and say why."""

    site: Site
    marks: dict[int, int] = field(default_factory=dict)

    def begin(self) -> None:
        bed = self.site.bed
        self.marks = {node: bed.log_size(node) for node in self.site.victims}
        for node in self.site.victims:
            bed.disks[node].fill()

    def bites(self) -> str:
        return ended_by_disk(self.site, self.marks, os.strerror(errno.ENOSPC))

    def end(self) -> None:
        for node in self.site.victims:
            self.site.bed.disks[node].drain()
        self.site.bed.start(self.site.victims)

    def over(self) -> str:
        return running(self.site.bed, self.site.victims)


@dataclass
class Rot:
    """A byte in the middle of what a stopped node had logged changes: it must say so, and be repaired by the others."""

    site: Site
    where: str = ""
    marks: dict[int, int] = field(default_factory=dict)

    def begin(self) -> None:
        (node,) = self.site.victims
        bed = self.site.bed
        bed.ensemble.kill(node)
        folder = bed.data_folder(node)
        path = max(path for path in folder.iterdir() if segment_number(path.name) is not None)
        data = bytearray(path.read_bytes())
        at = len(bytes(data).rstrip(b"\0")) // 2
        data[at] ^= 0x40
        path.write_bytes(data)
        self.where = f"{path.name} byte {at}"
        self.marks = {node: bed.log_size(node)}
        bed.start((node,))

    def bites(self) -> str:
        (node,) = self.site.victims
        return f"{self.where}: found" if "damaged reason=" in self.site.bed.log_since(node, self.marks[node]) else ""

    def end(self) -> None:
        """The others repair it."""

    def over(self) -> str:
        return running(self.site.bed, self.site.victims)


def ended_by_disk(site: Site, marks: dict[int, int], what: str) -> str:
    """Evidence that the victims stopped because of their disks: more than half of them, for without a majority nobody
    has anything to write any more."""
    ended = [
        node
        for node in site.victims
        if site.bed.ensemble.pid(node) is None
        and "disk.failed" in (said := site.bed.log_since(node, marks[node]))
        and what in said
    ]
    return f"{names(tuple(ended))} ended: {what}" if len(ended) > len(site.victims) // 2 else ""
