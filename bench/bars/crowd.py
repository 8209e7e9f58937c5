"""10,000 ZooKeeper sessions on three nodes: what each costs, and who notices when all their watches fire at once.

Method: the sessions live in a process of their own (bench/crowd.py) that has a low priority, since programs on other
machines would not take processor time from the nodes. Memory: how much the resident memory of the three nodes
together has grown SETTLE_S after the last session was there, by session. Then three sessions of this process, one on
each node, send reads and writes in turn, one each PROBE_S, for BEFORE_S; and go on while 100,000 watches on one znode
fire:

- ten times 10,000 one-shot watches, set again before each time, fired by one write;
- ten writes sent at once, of which 10,000 persistent watches tell each.

Judged is the 99th percentile of what the three sessions had to wait between a write and the last of its events, against
the same before it.
"""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from bench.figures import Bar, clock, milliseconds, percentile
from bench.load import Stuck
from bench.moving import create, good
from bench.rig import in_thread, pids, resident_bytes, running
from bench.say import Say
from bench.wire import Connection
from zooweeper.cli.ensemble import Ensemble
from zooweeper.model.config import Address
from zooweeper.ops.data import GetData, SetData, WatchRequest
from zooweeper.ops.session import CloseSession, Sync

SESSIONS = 10_000
ROUNDS = 10
SETTLE_S = 3.0
BEFORE_S = 10.0
PROBE_S = 0.002
TIMEOUT_MS = 40_000
MAX_BYTES = 12 * 1024
MAX_TIMES = 3.0
WATCHED, PROBED = "/watched", "/probed"


async def measure(say: Say) -> list[Bar]:
    with running(3) as ensemble:
        return await in_thread(all_of_it, say, ensemble)


def all_of_it(say: Say, ensemble: Ensemble) -> list[Bar]:
    addresses = [member.wire for member in ensemble.members]
    with Probes(addresses) as probes, gathered(addresses) as crowd:
        before = resident(ensemble)
        say.line(f"{SESSIONS} sessions connect")
        begin = clock()
        crowd.tell(f"open {SESSIONS}")
        crowd.tell("back")
        opened = clock() - begin
        time.sleep(SETTLE_S)
        each = (resident(ensemble) - before) / SESSIONS
        bars = [
            Bar(
                "crowd: memory",
                f"<= {MAX_BYTES // 1024} KB a session",
                f"{each / 1024:.1f} KB; {SESSIONS} sessions in {opened:.1f} s",
                each <= MAX_BYTES,
                {"bytes": each, "open_s": opened},
            )
        ]
        say.line("their watches fire")
        probes.start()
        begin = clock()
        time.sleep(BEFORE_S)
        calm = probes.waits([(begin, clock())])
        bars.append(judged("crowd: one-shot watches", calm, probes, fire_rounds(crowd, probes)))
        crowd.tell(f"stay {WATCHED}")
        bars.append(judged("crowd: persistent watches", calm, probes, fire_burst(crowd, probes)))
        return bars


def fire_rounds(crowd: "Crowd", probes: "Probes") -> list[tuple[float, float]]:
    """Fires all one-shot watches, ROUNDS times; when each time began and ended."""
    windows = []
    for _ in range(ROUNDS):
        crowd.tell(f"watch {WATCHED}")
        begin = probes.fire(1)
        windows.append((begin, float(crowd.tell("hear 1"))))
    return windows


def fire_burst(crowd: "Crowd", probes: "Probes") -> list[tuple[float, float]]:
    begin = probes.fire(ROUNDS)
    return [(begin, float(crowd.tell(f"hear {ROUNDS}")))]


def judged(name: str, calm: list[float], probes: "Probes", windows: list[tuple[float, float]]) -> Bar:
    busy = probes.waits(windows)
    before, while_it = percentile(calm, 99), percentile(busy, 99)
    lasted = sum(end - begin for begin, end in windows)
    shown = (
        f"p99 {milliseconds(while_it)} ({len(busy)} requests), before {milliseconds(before)}; "
        f"{SESSIONS * ROUNDS} events in {lasted:.2f} s"
    )
    figures = {
        "p99_s": while_it,
        "p99_before_s": before,
        "seconds": lasted,
        "requests": len(busy),
        "worst_s": max(busy),
    }
    return Bar(name, f"p99 <= {MAX_TIMES:g} x", shown, while_it <= MAX_TIMES * before, {**figures})


def resident(ensemble: Ensemble) -> int:
    return sum(resident_bytes(pid) for pid in pids(ensemble))


class Probes:
    """One session for each node that reads and writes all the time, on a thread of its own."""

    def __init__(self, addresses: Sequence[Address]) -> None:
        self._addresses = addresses
        self._sessions = [Connection(address, TIMEOUT_MS) for address in addresses]
        for path in (WATCHED, PROBED):
            good(self._sessions[0].ask(*create(path)), path)
        self._waits: list[tuple[float, float]] = []  # (when it began, how long it took)
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._probe, args=(session,)) for session in self._sessions]

    def __enter__(self) -> "Probes":
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def fire(self, changes: int) -> float:
        """Writes to what all watch, so many times at once; when that began."""
        session = Connection(self._addresses[0], TIMEOUT_MS)
        begin = clock()
        sent = [session.send(SetData, SetData.Request(WATCHED, b"now")) for _ in range(changes)]
        for xid in sent:
            good(session.reply(xid), WATCHED)
        good(session.ask(CloseSession), "closeSession")
        session.close()
        return begin

    def waits(self, windows: Sequence[tuple[float, float]]) -> list[float]:
        """How long the requests took that were under way in one of `windows`. Stuck when there were none."""
        if dead := [thread.name for thread in self._threads if not thread.is_alive()]:
            raise Stuck(f"requests failed: {', '.join(dead)}")
        found = [
            took for at, took in list(self._waits) if any(at < end and at + took > begin for begin, end in windows)
        ]
        if not found:
            raise Stuck("no request was under way")
        return found

    def _probe(self, session: Connection) -> None:
        requests = (GetData, WatchRequest(PROBED)), (SetData, SetData.Request(PROBED, b"x" * 100))
        good(session.ask(Sync, Sync.Request(PROBED)), PROBED)
        while not self._stopping.wait(PROBE_S):
            for request in requests:
                begin = clock()
                good(session.ask(*request), PROBED)
                self._waits.append((begin, clock() - begin))


class Crowd:
    """The process with the sessions."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def tell(self, line: str) -> str:
        """What it answers. Stuck when it has ended."""
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise Stuck("the process with the sessions has ended; see its line above") from None
        answer = self._process.stdout.readline()
        if not answer:
            raise Stuck("the process with the sessions has ended; see its line above")
        return answer.strip()


@contextmanager
def gathered(addresses: Sequence[Address]) -> Iterator[Crowd]:
    """The crowd, still without sessions."""
    command = [sys.executable, "-m", "bench.crowd", *map(str, addresses)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, start_new_session=True) as process:
        try:
            yield Crowd(process)
        finally:
            process.kill()
