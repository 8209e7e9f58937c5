"""One node: a brain, a store, and the loop that carries out the outbox, with a crash allowed between any two lines.

Rules: the same order as the real loop (replica/outbox.py): hand to the disk, send `now`, deliver, and when the disk
reports, send `after` and step `written`. Every seam burns the fuse, if one was lit, and springs the trap, if one was
set; then the process dies on the spot. A disk that fails ends the process. A paused process gets nothing, its disk
included, until it goes on; then everything at once. A node that lost its memory (`lost`: wiped, or repaired) must
promise nothing before a leader has synchronized it.
"""

import errno
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sim.checks.durable import Kept
from sim.disk import PowerCut
from sim.marks import AGAIN, LAZY, SENT
from sim.network import Network
from sim.words import words
from sim.world import MS, Violation, World
from zooweeper.model import durable
from zooweeper.model.durable import Record, Recovered
from zooweeper.model.entry import Batch
from zooweeper.model.errors import DataInconsistency
from zooweeper.replica.events import Clock
from zooweeper.storage.folder import FolderError
from zooweeper.zab.events import Received, Tick
from zooweeper.zab.messages import AckEpoch

LAZY_US = 2 * MS  # runtime/loop.py:LAZY_S


class Brain(Protocol):
    """What runs in a node: the replica, or less."""

    def step(self, event: Any) -> None: ...

    def take(self) -> Any: ...

    def status(self) -> Any: ...


class Store(Protocol):
    """What a node keeps."""

    repaired: bool  # the last recover() found damage, or a wiped disk: this node has forgotten things
    found: list[str]  # by the last recover(), of interest

    def recover(self) -> Recovered: ...

    def write(self, records: Sequence[Record]) -> None: ...

    def write_partly(self, records: Sequence[Record]) -> None: ...

    def crash(self, power_loss: bool) -> None: ...

    def close(self) -> None: ...

    def wipe(self) -> None: ...

    def calm(self) -> None: ...


class Crash(Exception):
    """The fuse is out."""


@dataclass(slots=True, eq=False)
class Trap:
    """The process dies at an outbox item of that type: `before` it is carried out, `after` it, or `within` it (a record
    half written)."""

    kind: type
    when: str
    power_loss: bool
    sprung: "Callable[[Node], None]"  # called at that moment


class Job:
    """What the disk was given at once, and what waits for it."""

    def __init__(self, outbox: Any) -> None:
        self.records: list[Record] = outbox.disk
        self.after: list[tuple[int, Any]] = outbox.after
        self.written: list[Any] = outbox.written
        self.lazy: bool = outbox.lazy


class Node:
    """Survives its processes; `life` tells them apart."""

    def __init__(
        self,
        world: World,
        network: Network,
        id: int,
        store: Store,
        make_brain: Callable[[Recovered, int], Brain],
        disk_us: int = 300,
        tick_ms: int = 100,
    ) -> None:
        self.world = world
        self.network = network
        self.id = id
        self.store = store
        self.make_brain = make_brain
        self.disk_us = disk_us
        self.tick_ms = tick_ms
        self.chance = world.chance(f"node {id}")
        self.name = f"n{id}"
        self.wall_offset_ms = 0
        self.harmed = False  # its disk was damaged, and no process has looked at it since
        self.lost = False  # its folder begins anew: what it promised is forgotten until a leader has synchronized it
        self.new = False  # it never had anything to forget
        self._regaining = False  # ... which is on its way to the disk
        self.alive = False
        self.paused = False
        self.life = 0
        self.fuse: int | None = None  # seams until the process dies
        self.power_loss = False  # how it dies then
        self.trap: Trap | None = None
        self.stall_us = 0  # the next write takes that much longer
        self.brain: Brain | None = None
        self.batches: list[Batch] = []  # what the brain logged, as handed to the disk
        self.deliver: Callable[[Any], None] = lambda delivery: None
        self.on_crash: Callable[[], None] = lambda: None
        self.observe: Callable[[Node], None] = lambda node: None
        self.kept = Kept(id, network.initial)
        self.marks = network.marks
        self._jobs: deque[Job] = deque()
        self._writing: list[Job] = []
        self._disk_busy = False
        self._draining = False
        self._again_ms = 0  # as the last outbox said
        self._again_us = 0  # when that is due; 0: nothing is
        self._backlog: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self.clock_true = True  # and was so all the time
        self._percent = 100  # of true time, for the monotonic clock ...
        self._since_us = 0  # ... from this moment on ...
        self._then_us = 0  # ... when it showed this

    # --- clocks

    def now_ms(self) -> int:
        """The monotonic clock."""
        return self._now_us() // MS

    def _now_us(self) -> int:
        return self._then_us + (self.world.now_us - self._since_us) * self._percent // 100

    def wall_ms(self) -> int:
        return self.now_ms() + self.wall_offset_ms

    def run_clock(self, percent: int, jump_ms: int = 0) -> None:
        """From now on the monotonic clock runs at that rate (0: stands still); it jumps ahead first."""
        assert percent >= 0 and jump_ms >= 0
        self._then_us += (self.world.now_us - self._since_us) * self._percent // 100 + jump_ms * MS
        self._since_us = self.world.now_us
        self._percent = percent
        self.clock_true = self.clock_true and percent == 100 and not jump_ms

    # --- life and death

    def start(self) -> None:
        """A new process: recovers and begins to tick. It may fail to, for its disk does; then it is not alive."""
        assert not self.alive
        self.life += 1
        try:
            recovered = self.store.recover()
            brain = self.make_brain(recovered, self.life)
        except (AssertionError, FolderError, ValueError, DataInconsistency) as error:
            raise Violation("recovery", f"node {self.id}: {error!r}") from error
        except OSError as error:
            self.world.mark("a node could not start for its disk")
            self.world.note(self.name, f"cannot start: {error}")
            self.store.crash(False)
            return
        for what in self.store.found:
            self.world.mark(what)
        if self.store.repaired:
            self.world.mark("a node came back without its memory")
            self.lost = True
        elif self.harmed:
            self.world.mark("damage cost nothing")
        elif self.lost and recovered.current:  # it was synchronized, and died before it was told so
            self.lost = self.new = False
        self.harmed = self._regaining = False
        self.kept.started(recovered, self.store.repaired)
        self.marks.started(self.id, recovered)
        self.batches = [logged.batch for logged in recovered.batches]
        self.world.note(
            self.name, f"starts; log ends at {recovered.last}, epochs {recovered.accepted} {recovered.current}"
        )
        self.alive, self.paused, self.fuse = True, False, None
        self.brain = brain
        self._tick(self.life)

    def crash(self, power_loss: bool) -> None:
        """The process is gone; with it, if power failed, what the disk had not made durable."""
        if not self.alive:
            return
        self.world.note(self.name, "loses power" if power_loss else "is killed")
        if self._writing and self.chance.random() < 0.5:  # the disk was at it
            self.store.write_partly([record for job in self._writing for record in job.records])
        self.alive = self.paused = False
        self.brain, self.fuse, self.trap = None, None, None
        self._jobs.clear()
        self._writing = []
        self._disk_busy = self._draining = False
        self._again_ms = self._again_us = 0
        self._backlog.clear()
        self.store.crash(power_loss)
        self.network.crashed(self.id, power_loss)
        self.marks.left(self.id)
        self.on_crash()

    def stop(self) -> None:
        """The process ends in good order, as when it is told to: what was given to the disk is written."""
        if not self.alive:
            return
        jobs, self._writing = [*self._writing, *self._jobs], []
        try:
            self.store.write([record for job in jobs for record in job.records])
            self.store.close()
        except (PowerCut, OSError):
            self.world.mark("a disk failed while a node stopped")
        self.crash(False)

    def calm(self) -> None:
        """Nothing is wrong with it any more; what is dead stays dead until it is started."""
        self.resume()
        self.fuse, self.trap, self.stall_us = None, None, 0
        self.run_clock(100)
        self.store.calm()

    def pause(self) -> None:
        self.paused = self.alive

    def resume(self) -> None:
        """Everything that waited happens now, in its order."""
        if not self.paused:
            return
        self.paused = False
        self.world.note(self.name, f"goes on; {len(self._backlog)} wait")
        while self._backlog and self.alive and not self.paused:
            action, arguments = self._backlog.popleft()
            self._guard(action, *arguments)

    # --- events

    def step(self, event: Any) -> None:
        """Something happens to the node."""
        self._guard(self._step, event)

    def _guard(self, action: Callable[..., None], *arguments: Any) -> None:
        if not self.alive:
            return
        if self.paused:
            self._backlog.append((action, arguments))
            return
        try:
            action(*arguments)
        except (Crash, PowerCut):
            self.crash(self.power_loss)
        except Violation:
            raise
        except Exception as error:  # a node must not die of a defect, and not go on after one
            raise Violation("defect", f"node {self.id}: {error!r}") from error

    def _step(self, event: Any) -> None:
        assert self.brain is not None
        if self.world.traced and type(event) is not Tick:
            self.world.note(self.name, Noted("←", event))
        if not self._draining:
            self.brain.step(self._clock())
        self.brain.step(event)
        if not self._draining:
            self._draining = True
            wait_us = self.chance.choice((0, 0, 20, 300))  # a turn of the loop gathers what arrives meanwhile
            self.world.after(wait_us, self._guarded, self.life, self._drain)

    def _guarded(self, life: int, action: Callable[..., None], *arguments: Any) -> None:
        if life == self.life:
            self._guard(action, *arguments)

    def _tick(self, life: int) -> None:
        if life != self.life or not self.alive:
            return
        self.world.after(self.tick_ms * MS * 100 // (self._percent or 100), self._tick, life)
        if not self.paused:  # a stopped process has one timer waiting, not many
            now_ms = self.now_ms()
            self.step(Tick(now_ms, now_ms + self.wall_offset_ms))

    # --- the outbox

    def _seam(self, item: Any = None) -> None:
        if self.fuse is not None:
            self.fuse -= 1
            if self.fuse < 0:
                raise Crash
        if self.trap is not None and type(item) is self.trap.kind and self._spring() != "after":
            raise Crash

    def _spring(self) -> str:
        """The trap closes; when exactly it kills."""
        trap, self.trap = self.trap, None
        assert trap is not None
        self.power_loss = trap.power_loss
        if trap.when == "after":
            self.fuse = 0
        trap.sprung(self)
        return trap.when

    def _drain(self) -> None:
        self._draining = False
        while self.brain is not None:
            outbox = self.brain.take()
            self._plan(outbox.again_ms)
            if not outbox:
                break
            self._carry_out(outbox)
        self.observe(self)

    def _carry_out(self, outbox: Any) -> None:
        if outbox.stop:
            raise Violation("stop", f"node {self.id} stops: {outbox.stop}")
        self._seam()
        if outbox.members is not None:
            self.network.set_members(self.id, outbox.members)
        if self.lost:
            self._promises_nothing(outbox)
        if outbox.disk or ((outbox.after or outbox.written) and (self._jobs or self._disk_busy)):
            self._mirror(outbox.disk)
            self._jobs.append(Job(outbox))
            if outbox.lazy:
                self.world.mark(LAZY)
                self.world.after(LAZY_US, self._guarded, self.life, self._start_disk)
            else:
                self._start_disk()
        else:
            self._release(outbox.after, outbox.written)
        for to, message in outbox.now:
            self._seam(message)
            self._send(to, message)
        for delivery in outbox.deliver:
            self._seam(delivery)
            if self.world.traced:
                self.world.note(self.name, Noted("delivers", delivery))
            self.deliver(delivery)
        self._seam()
        if outbox.removed:
            self.world.mark("a removed node ended")
            self.stop()

    def _plan(self, again_ms: int) -> None:
        self._again_ms = again_ms
        due_us = self.world.now_us + again_ms * MS
        if again_ms and not 0 < self._again_us <= due_us:
            self._again_us = due_us
            self.world.after(again_ms * MS, self._guarded, self.life, self._look_again)

    def _look_again(self) -> None:
        self._again_us = 0
        if self._again_ms:
            self.world.mark(AGAIN[self._again_ms])
            self._step(self._clock())

    def _clock(self) -> Clock:
        now_ms = self.now_ms()
        return Clock(now_ms, now_ms + self.wall_offset_ms, self._now_us() % MS)

    def _promises_nothing(self, outbox: Any) -> None:
        assert self.brain is not None
        if self._regaining:
            return
        if any(type(record) is durable.Current for record in outbox.disk):
            if self.brain.status().role == "leader":
                raise Violation("no vote without memory", f"node {self.id} leads, and has forgotten what it promised")
            self._regaining = True
        elif any(type(message) is AckEpoch and message.promised for _, message in outbox.after):
            raise Violation("no vote without memory", f"node {self.id} promises, and has forgotten what it promised")

    def _send(self, to: int, message: Any) -> None:
        assert self.brain is not None
        self.kept.says(message, to)
        if to == self.id:
            if self.world.traced:
                self.world.note(self.name, Noted("← self", message))
            self.brain.step(Received(self.id, message))
        else:
            if type(message) in SENT:
                self.marks.sent(self.id, to, message, self.network.nodes[to].kept.last)
            self.network.send(self.id, to, message)

    def _release(self, after: list[tuple[int, Any]], written: list[Any]) -> None:
        assert self.brain is not None
        for to, message in after:
            self._seam(message)
            self._send(to, message)
        for event in written:
            self._seam(event)
            self.brain.step(event)
        self._seam()

    def _mirror(self, records: Sequence[Record]) -> None:
        self.kept.given(records)
        for record in records:
            if self.world.traced:
                self.world.note(self.name, Noted("disk", record))
            match record:
                case durable.Logged():
                    self.batches.append(record.batch)
                case durable.Cut():
                    while self.batches and self.batches[-1].last > record.zxid:
                        self.batches.pop()
                case durable.Installed():
                    self.batches.clear()

    # --- the disk

    def _start_disk(self) -> None:
        if not self._disk_busy and self._jobs:
            self._disk_busy = True
            self._writing = list(self._jobs)
            self._jobs.clear()
            wait_us = 20 + int(self.chance.expovariate(1.0) * self.disk_us) + self.stall_us
            self.stall_us = 0
            self.world.after(wait_us, self._guarded, self.life, self._disk_done)

    def _disk_done(self) -> None:
        self._seam()
        jobs, self._writing = self._writing, []
        records = [record for job in jobs for record in job.records]
        trapped = self.trap is not None and any(type(record) is self.trap.kind for record in records)
        when = self._spring() if trapped else ""
        if when == "within" or (self.fuse is not None and not when and self.fuse < len(records)):
            self.store.write_partly(records)
            raise Crash
        if when == "before":
            raise Crash
        if records:
            try:
                self.store.write(records)
            except OSError as error:
                self._disk_failed(error)
                return
            assert self.brain is not None
            self.kept.wrote(records)
            for job in self._jobs:
                self.kept.given(job.records)
            self.marks.wrote(self.id, records)
            if self.lost and any(type(record) is durable.Current for record in records):
                self.world.mark(f"a {'new node' if self.new else 'node that had lost its memory'} was synchronized")
                self.lost = self.new = False
        self.world.note(self.name, f"disk has {len(records)} records")
        self._disk_busy = False
        for job in jobs:
            self._release(job.after, job.written)
        self._start_disk()
        self._drain()

    def _disk_failed(self, error: OSError) -> None:
        """As runtime/loop.py does: the process ends at once, and what is on the disk decides at the next start."""
        self.world.mark(f"{errno.errorcode[error.errno or 0]} stopped a node")
        self.world.note(self.name, f"stops: {error}")
        self.crash(False)


class Noted:
    """A line of the trace that is put into words when it is read."""

    __slots__ = ("thing", "verb")

    def __init__(self, verb: str, thing: Any) -> None:
        self.verb = verb
        self.thing = thing

    def __str__(self) -> str:
        thing = self.thing
        if isinstance(thing, Received):
            return f"{self.verb} {thing.peer} {words(thing.message, attempts=True)}"
        return f"{self.verb} {words(thing, attempts=True)}"
