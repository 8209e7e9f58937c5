"""One change, told to many: how long until every watcher has the event.

Rules: every connection watches one znode for good, and the first of them sets it; the next set waits until all have
heard of the one before. Counted are events. Writes are the sets, reads the rounds: from a set to the last event.
"""

from zooweeper.bench import plan
from zooweeper.bench.line import Ask
from zooweeper.bench.load import BenchError, Load
from zooweeper.bench.loop import ANSWER_S, Loop, clock

PING_S = 5.0


class FanOut:
    """The rounds."""

    def __init__(self, load: Load, loop: Loop) -> None:
        """Sets the watches."""
        self._loop = loop
        self._watchers = len(loop.lines)
        path = plan.path_of(load, 0)
        for line in loop.lines:
            line.use([Ask("watch", path)], 1, 1)
        loop.ask()
        loop.until(lambda: all(line.finished for line in loop.lines), "for its watch")
        self._writer = loop.lines[0]
        for error in self._writer.tally.errors:
            raise BenchError(f"cannot watch {path}: {error}")
        self._writer.use([Ask("set", path, plan.value_of(load))], 1, 0)
        self._due = self._writer.tally.heard
        self._began = self._next_ping = clock()
        self._begin()

    def turn(self, wait_s: float) -> None:
        """Hears what has come, and begins the next round when this one is over."""
        self._loop.turn(wait_s)
        now = clock()
        tally = self._writer.tally
        if self._loop.broken:
            raise BenchError("a server has closed the connection of a watcher")
        if tally.heard >= self._due and self._writer.finished:
            tally.reads.note(int((now - self._began) * 1e6), 1)
            self._begin()
        elif now - self._began > ANSWER_S:
            raise BenchError(f"{self._due - tally.heard} events did not come within {ANSWER_S:g} s")
        if now >= self._next_ping:
            self._next_ping = now + PING_S
            for line in self._loop.lines:
                self._loop.send(line, line.ping())

    def _begin(self) -> None:
        self._due += self._watchers
        self._began = clock()
        self._writer.limit += 1
        self._loop.send(self._writer, self._writer.ask(self._began))
