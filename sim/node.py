"""One node: a brain, a store, and the loop that carries out the outbox, with a crash allowed between any two lines.

Rules: the same order as the real loop (replica/outbox.py): hand to the disk, send `now`, deliver, and when the disk
reports, send `after` and step `written`. Every seam burns the fuse, if one was lit; when it is out the process dies on
the spot. A paused process gets nothing, its disk included, until it goes on; then everything at once.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from sim.network import Network
from sim.words import words
from sim.world import MS, Violation, World
from zooweeper.model import durable
from zooweeper.model.durable import Record, Recovered
from zooweeper.model.entry import Batch
from zooweeper.replica.events import Clock
from zooweeper.storage.folder import FolderError
from zooweeper.zab.events import Received, Tick


class Brain(Protocol):
    """What runs in a node: the replica, or less."""

    def step(self, event: Any) -> None: ...

    def take(self) -> Any: ...

    def status(self) -> Any: ...


class Store(Protocol):
    """What a node keeps."""

    def recover(self) -> Recovered: ...

    def write(self, records: Sequence[Record]) -> None: ...

    def write_partly(self, records: Sequence[Record]) -> None: ...

    def crash(self, power_loss: bool) -> None: ...


class Crash(Exception):
    """The fuse is out."""


class Job:
    """What the disk was given at once, and what waits for it."""

    def __init__(self, outbox: Any) -> None:
        self.records: list[Record] = outbox.disk
        self.after: list[tuple[int, Any]] = outbox.after
        self.written: list[Any] = outbox.written


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
        self.alive = False
        self.paused = False
        self.life = 0
        self.fuse: int | None = None  # seams until the process dies
        self.power_loss = False  # how it dies then
        self.brain: Brain | None = None
        self.batches: list[Batch] = []  # what the brain logged, as handed to the disk
        self.deliver: Callable[[Any], None] = lambda delivery: None
        self.on_crash: Callable[[], None] = lambda: None
        self.observe: Callable[[Node], None] = lambda node: None
        self.epochs = (0, 0)  # accepted and current, as the disk reported them durable
        self._jobs: deque[Job] = deque()
        self._disk_busy = False
        self._draining = False
        self._backlog: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()

    # --- life and death

    def start(self) -> None:
        """A new process: recovers and begins to tick."""
        assert not self.alive
        self.life += 1
        try:
            recovered = self.store.recover()
            brain = self.make_brain(recovered, self.life)
        except (AssertionError, FolderError) as error:
            raise Violation("recovery", f"node {self.id}: {error!r}") from error
        if (recovered.accepted, recovered.current) < self.epochs or recovered.current < self.epochs[1]:
            raise Violation("epochs never fall", f"node {self.id}: {self.epochs}, then {recovered}")
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
        self.alive = self.paused = False
        self.brain, self.fuse = None, None
        self._jobs.clear()
        self._disk_busy = self._draining = False
        self._backlog.clear()
        self.store.crash(power_loss)
        self.network.crashed(self.id)
        self.on_crash()

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
        except Crash:
            self.crash(self.power_loss)
        except AssertionError as error:
            raise Violation("assertion", f"node {self.id}: {error!r}") from error

    def _step(self, event: Any) -> None:
        assert self.brain is not None
        if not isinstance(event, Tick):
            self.world.note(self.name, Noted("←", event))
        if not self._draining:
            now_ms = self.world.now_us // MS
            self.brain.step(Clock(now_ms, now_ms + self.wall_offset_ms))
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
        self.world.after(self.tick_ms * MS, self._tick, life)
        if not self.paused:  # a stopped process has one timer waiting, not many
            now_ms = self.world.now_us // MS
            self.step(Tick(now_ms, now_ms + self.wall_offset_ms))

    # --- the outbox

    def _seam(self) -> None:
        if self.fuse is not None:
            self.fuse -= 1
            if self.fuse < 0:
                raise Crash

    def _drain(self) -> None:
        self._draining = False
        while self.brain is not None:
            outbox = self.brain.take()
            if not outbox:
                break
            self._carry_out(outbox)
        self.observe(self)

    def _carry_out(self, outbox: Any) -> None:
        if outbox.stop:
            raise Violation("stop", f"node {self.id} stops: {outbox.stop}")
        self._seam()
        if outbox.disk or ((outbox.after or outbox.written) and (self._jobs or self._disk_busy)):
            self._mirror(outbox.disk)
            self._jobs.append(Job(outbox))
            self._start_disk()
        else:
            self._release(outbox.after, outbox.written)
        for to, message in outbox.now:
            self._seam()
            self._send(to, message)
        for delivery in outbox.deliver:
            self._seam()
            self.world.note(self.name, Noted("delivers", delivery))
            self.deliver(delivery)

    def _send(self, to: int, message: Any) -> None:
        assert self.brain is not None
        if to == self.id:
            self.world.note(self.name, Noted("← self", message))
            self.brain.step(Received(self.id, message))
        else:
            self.network.send(self.id, to, message)

    def _release(self, after: list[tuple[int, Any]], written: list[Any]) -> None:
        assert self.brain is not None
        for to, message in after:
            self._seam()
            self._send(to, message)
        for event in written:
            self._seam()
            self.brain.step(event)

    def _mirror(self, records: Sequence[Record]) -> None:
        for record in records:
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
            jobs = list(self._jobs)
            self._jobs.clear()
            wait_us = 20 + int(self.chance.expovariate(1.0) * self.disk_us)
            self.world.after(wait_us, self._guarded, self.life, self._disk_done, jobs)

    def _disk_done(self, jobs: list[Job]) -> None:
        self._seam()
        records = [record for job in jobs for record in job.records]
        if self.fuse is not None and self.fuse < len(records):
            self.store.write_partly(records)
            raise Crash
        if records:
            self.store.write(records)
            accepted = max((record.epoch for record in records if isinstance(record, durable.Accepted)), default=0)
            current = max((record.epoch for record in records if isinstance(record, durable.Current)), default=0)
            self.epochs = (max(self.epochs[0], accepted), max(self.epochs[1], current))
        self.world.note(self.name, f"disk has {len(records)} records")
        self._disk_busy = False
        for job in jobs:
            self._release(job.after, job.written)
        self._start_disk()
        self._drain()


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
