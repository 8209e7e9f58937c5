"""Runs the scripts of tests/traces/zab: several `zab.Peer`, a disk each, and messages that move on command.

Rules: output is what can be observed: the state of a node where it changed, then what it wants done in the order of
its Ready. Nothing happens by itself but the sending itself: messages wait in the stream until `deliver`, records wait
for the disk until `synced`. Commands are the functions named `do_*` below; their docstrings are the manual.
"""

import re
from collections import deque
from typing import Any

from sim.members import ids_words, membership, parse_ids, proposal
from sim.memory import MemoryStore
from sim.words import words
from tests.golden import Command
from zooweeper.model import durable
from zooweeper.model.config import Timing
from zooweeper.model.durable import Record
from zooweeper.model.entry import Batch, pack_request
from zooweeper.model.members import Membership
from zooweeper.model.zxid import parse, show
from zooweeper.ops.reconfig import membership_of
from zooweeper.zab.events import HandOff, PeerDown, PeerUp, Received, Tick
from zooweeper.zab.following import Following
from zooweeper.zab.history import upto
from zooweeper.zab.leading import Leading
from zooweeper.zab.memberships import Memberships
from zooweeper.zab.messages import Message, SnapBegin, SnapChunk
from zooweeper.zab.peer import Peer

TIMING = Timing()
SETTLE_STEPS_MAX = 10_000


def batch_of(text: str) -> Batch:
    """`2:1` or `2:1–2:3`: a batch with requests of no meaning. `2:1=1,2/4`: a membership, with its observers."""
    text, _, ids = text.partition("=")
    if ids:
        return Batch(parse(text), parse(text), 0, proposal(parse_ids(ids)))
    first, _, last = text.replace("-", "–").partition("–")
    low, high = parse(first), parse(last or first)
    data = b"".join(pack_request(0, 0, 0, 0, b"") for _ in range(low, high + 1))
    return Batch(low, high, 0, data)


class Node:
    """One process with its disk; `jobs` is what the disk was given and has not reported."""

    def __init__(self, id: int, settings: Membership, voting: bool = True) -> None:
        self.id = id
        self.settings = settings
        self.store = MemoryStore(voting)
        self.peer: Any = None  # Peer, or the replica of replica_runner.py
        self.jobs: deque[tuple[list[Record], list[tuple[int, Message]]]] = deque()
        self.lives = 0

    def start(self) -> None:
        self.lives += 1
        recovered = self.store.recover()
        self.peer = Peer(self.id, self.settings, TIMING, recovered, self.lives * 100, membership_of)
        self.jobs.clear()


class ZabRunner:
    """One script's world."""

    def __init__(self) -> None:
        self.nodes: dict[int, Node] = {}
        self.streams: dict[tuple[int, int], deque[Message]] = {}  # (from, to), of pairs that are connected
        self.now_ms = 0
        self.lines: list[str] = []
        self.hidden: tuple[str, ...] = ()
        self.attempts = False
        self.paused: list[int] = []

    def run(self, commands: list[Command]) -> list[str]:
        """One block."""
        self.lines = []
        for command in commands:
            getattr(self, f"do_{command.name}")(command)
        return self.lines

    # --- the script's commands

    def do_cluster(self, command: Command) -> None:
        """nodes=N [observers=N] [spare=N] [hide="Vote Ping Pong"] [show=attempt]: so many voters, then observers, then
        nodes that nobody but themselves knows of; none of them started."""
        voters = range(1, command.number("nodes", 3) + 1)
        observers = range(voters.stop, voters.stop + command.number("observers", 0))
        settings = membership(voters, observers)
        self.nodes = {id: Node(id, settings) for id in settings.ids}
        for id in range(observers.stop, observers.stop + command.number("spare", 0)):
            self.nodes[id] = Node(id, membership(voters, [*observers, id]), voting=False)
        self.hidden = tuple(command.options.get("hide", "Ping Pong").split())
        self.attempts = "show" in command.options

    def do_disk(self, command: Command) -> None:
        """ID log="1:1 1:2–1:4 1:5=1,2/4" [committed=1:1] [current=E] [accepted=E] [voting=no]: all that its
        folder holds."""
        node = self.nodes[int(command.words[0])]
        batches = [batch_of(text) for text in command.options.get("log", "").split()]
        committed = parse(command.options.get("committed", "0:0"))
        current = command.number("current", 0)
        accepted = command.number("accepted", current)
        node.store = MemoryStore(command.options.get("voting") != "no")
        facts: list[Record] = [durable.Accepted(accepted)] if accepted else []
        hints = [max([0, *(b.last for b in batches if b.last <= committed and b.last < a.first)]) for a in batches]
        logged: list[Record] = [durable.Logged(batch, hint) for batch, hint in zip(batches, hints, strict=True)]
        node.store.write([*facts, *logged, *([durable.Current(current)] if current else [])])

    def do_start(self, command: Command) -> None:
        """ID…|all: the processes start, knowing nobody."""
        for node in self._nodes(command):
            node.start()
            assert node.peer is not None
            self.step(node, Tick(self.now_ms, self.now_ms))
            self.say(node)

    def do_connect(self, command: Command) -> None:
        """A B|all: a stream between the two."""
        for a, b in self._pairs(command):
            if (a, b) not in self.streams:
                self.streams[a, b], self.streams[b, a] = deque(), deque()
                self.step(self.nodes[a], PeerUp(b))
                self.step(self.nodes[b], PeerUp(a))

    def do_disconnect(self, command: Command) -> None:
        """A B: the stream ends; what is on its way is lost."""
        for a, b in self._pairs(command):
            if self.streams.pop((a, b), None) is not None:
                self.streams.pop((b, a))
                for node, other in ((a, b), (b, a)):
                    self.step(self.nodes[node], PeerDown(other))

    def do_tick(self, command: Command) -> None:
        """[ID…] [times=N] [ms=T]: time passes, everywhere or for these nodes alone."""
        for _ in range(command.number("times", 1)):
            self.now_ms += command.number("ms", TIMING.tick_ms)
            for node in self._nodes(command):
                if node.peer is not None and node.id not in self.paused:
                    self.step(node, Tick(self.now_ms, self.now_ms))

    def do_deliver(self, command: Command) -> None:
        """[FROM] TO [count=N]: what is on its way to TO (from FROM) arrives."""
        *source, to = (int(word) for word in command.words)
        for (sender, receiver), stream in sorted(self.streams.items()):
            if receiver == to and (not source or sender in source):
                for _ in range(min(len(stream), command.number("count", len(stream)))):
                    self.step(self.nodes[to], Received(sender, stream.popleft()))

    def do_synced(self, command: Command) -> None:
        """ID…: its disk has everything it was given."""
        for node in self._nodes(command):
            while node.jobs:
                self._sync_one(node)

    def do_settle(self, command: Command) -> None:
        """Disks report and messages arrive until nothing is left; time stands still. [quiet=yes] [lines=Type…]."""
        lines, self.lines = self.lines, []
        for _ in range(SETTLE_STEPS_MAX):
            if not self._settle_step():
                break
        else:
            raise AssertionError("it never settles")
        if "lines" in command.options:
            wanted = re.compile(command.options["lines"])
            lines += [line for line in self.lines if wanted.search(line)]
        elif command.options.get("quiet") != "yes":
            lines += self.lines
        self.lines = lines

    def do_elect(self, command: Command) -> None:
        """[ms=T] [lines=...]: everybody ticks and everything settles for so long; then the states. Says nothing of
        what came before it in its block, or of what happens, but the lines that match."""
        self.lines = []
        for _ in range(0, command.number("ms", 500), TIMING.tick_ms):
            self.do_tick(Command("tick", [], {}, ""))
            self.do_settle(Command("settle", [], {}, ""))
        wanted = re.compile(command.options.get("lines", "^$"))
        self.lines = [line for line in self.lines if wanted.search(line)]
        self.do_state(Command("state", [], {}, ""))

    def do_propose(self, command: Command) -> None:
        """ID [count=N] [members=1,2/4]: the leader proposes a batch, or a membership."""
        node = self.nodes[int(command.words[0])]
        assert node.peer is not None and isinstance(node.peer.role, Leading)
        first = node.peer.role.next_zxid
        before = self.state(node)
        last = first + command.number("count", 1) - 1
        text = f"{show(first)}={command.options['members']}" if "members" in command.options else ""
        node.peer.role.propose(batch_of(text or f"{show(first)}–{show(last)}"))
        self.take(node, before)

    def do_barrier(self, command: Command) -> None:
        """ID token=N: its replica asks how far to execute for a read that is not stale."""
        node = self.nodes[int(command.words[0])]
        assert node.peer is not None and isinstance(node.peer.role, Leading | Following)
        before = self.state(node)
        node.peer.role.barrier(command.number("token", 1))
        self.take(node, before)

    def do_handoff(self, command: Command) -> None:
        """ID: its operator wants it to stop leading."""
        self.step(self.nodes[int(command.words[0])], HandOff())

    def do_crash(self, command: Command) -> None:
        """ID…: power fails: what the disk has not reported is gone, its streams end."""
        for node in self._nodes(command):
            node.peer = None
            node.jobs.clear()
            for a, b in sorted(self.streams):
                if a == node.id:
                    self.streams.pop((a, b))
                    self.streams.pop((b, a))
                    self.step(self.nodes[b], PeerDown(a))
            self.say(node)

    def do_pause(self, command: Command) -> None:
        """ID…: the process hangs, its streams live: nothing reaches it, its disk says nothing, until `resume`."""
        self.paused += [node.id for node in self._nodes(command)]

    def do_resume(self, command: Command) -> None:
        """ID…: it goes on."""
        self.paused = [id for id in self.paused if str(id) not in command.words]

    def do_snapshot(self, command: Command) -> None:
        """ID for=L chunks=N: the replica of leader ID sends learner L its state, at all that is committed."""
        node = self.nodes[int(command.words[0])]
        learner = command.number("for", 0)
        assert node.peer is not None and isinstance(node.peer.role, Leading)
        before, role, history = self.state(node), node.peer.role, node.peer.history
        ends = upto(tuple(history.epochs), history.committed)
        settled = node.peer.memberships.settled
        text = settled.shown() if settled.version else ""
        assert role.snapshot_begin(learner, history.committed, ends, text)
        for _ in range(command.number("chunks", 1)):
            role.snapshot_chunk(learner, b"state")
        role.snapshot_chunk(learner, None)
        self.take(node, before)

    def do_state(self, command: Command) -> None:
        """[ID…]: what they are now."""
        for node in self._nodes(command):
            self.say(node)

    # --- how it works

    def _nodes(self, command: Command) -> list[Node]:
        chosen = [word for word in command.words if word != "all"]
        return [self.nodes[int(word)] for word in chosen] if chosen else list(self.nodes.values())

    def _pairs(self, command: Command) -> list[tuple[int, int]]:
        if command.words == ["all"]:
            up = [id for id, node in self.nodes.items() if node.peer is not None]
            return [(a, b) for a in up for b in up if a < b]
        a, b = (int(word) for word in command.words)
        return [(min(a, b), max(a, b))]

    def _settle_step(self) -> bool:
        moved = False
        for node in self.nodes.values():
            if node.jobs and node.id not in self.paused:
                self._sync_one(node)
                moved = True
        for (sender, receiver), stream in sorted(self.streams.items()):
            if stream and (sender, receiver) in self.streams and receiver not in self.paused:
                self.step(self.nodes[receiver], Received(sender, stream.popleft()))
                moved = True
        return moved

    def _sync_one(self, node: Node) -> None:
        records, mail = node.jobs.popleft()
        node.store.write(records)
        for to, message in mail:
            self.send(node, to, message)

    def step(self, node: Node, event: Any) -> None:
        """One event, then everything it wants done."""
        assert node.peer is not None, f"node {node.id} is down"
        before = self.state(node)
        node.peer.step(event)
        self.take(node, before)

    def take(self, node: Node, before: str) -> None:
        assert node.peer is not None
        ready = node.peer.take()
        after = self.state(node)
        if after != before:
            self.lines.append(after)
        id = node.id
        for record in ready.disk:
            self.lines.append(f"{id} disk {words(record)}")
        for to, message in ready.now:
            self.send(node, to, message)
        for piece in ready.state:
            if isinstance(piece, SnapBegin | SnapChunk):
                self.lines.append(f"{id} take over {words(piece, self.attempts)}")
            else:
                self.lines.append(f"{id} commit {piece}")
        for answer in ready.barriers:
            self.lines.append(f"{id} barrier {answer.token} answered: execute up to {show(answer.zxid)}")
        for learner in ready.snapshots:
            self.lines.append(f"{id} wants the state for {learner}")
        for to, message in ready.after:
            when = "after disk, which has time" if ready.lazy else "after disk"
            self.lines.append(f"{id} ⋯ {to} {words(message, self.attempts)}  ({when})")
        if ready.disk or ready.after:
            if ready.disk or node.jobs:
                node.jobs.append((ready.disk, ready.after))
            else:
                for to, message in ready.after:
                    self.send(node, to, message)
        if ready.stop:
            self.lines.append(f"{id} stops: {ready.stop}")

    def send(self, node: Node, to: int, message: Message) -> None:
        if type(message).__name__ not in self.hidden:
            self.lines.append(f"{node.id} → {to} {words(message, self.attempts)}")
        if to == node.id:
            self.step(node, Received(to, message))
        elif (node.id, to) in self.streams:
            self.streams[node.id, to].append(message)

    def say(self, node: Node) -> None:
        self.lines.append(self.state(node))

    def state(self, node: Node) -> str:
        peer = node.peer
        if peer is None:
            return f"{node.id} down"
        role = peer.state.name.lower() + (f"({peer.leader})" if peer.leader not in (0, peer.id) else "")
        phase = peer.phase.name.lower()
        history = peer.history
        return (
            f"{node.id} {role} {phase} accepted={peer.accepted} current={peer.current} "
            f"log={show(history.last)} committed={show(history.committed)}{'' if peer.voting else ' no vote'}"
            f"{members_words(peer.memberships)}"
        )


def members_words(memberships: Memberships) -> str:
    """` members=1,2,3+1,2,4`: those in force, as long as they are not just the settings'."""
    if memberships.newest.version == 0:
        return ""
    return " members=" + "+".join(map(ids_words, memberships.in_force))
