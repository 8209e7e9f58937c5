"""A real node without its surroundings: replica and storage, brought into each state an odd message can meet.

Rules: node 1 of three; messages of the others are written here by hand. What it wants sent is encoded, what it wants
written is written, each as it comes out: a thing that cannot be encoded or written is a finding. Nothing is random.
"""

from collections.abc import Callable
from random import Random
from typing import Any

from fuzz.folder import MemoryDisk
from fuzz.values import EPOCH, TIME_MS, batch, play
from zooweeper.model.config import Address, Config, Member
from zooweeper.model.zxid import make
from zooweeper.replica.events import Ask, Connect, PeerDown, PeerUp, Received, Tick
from zooweeper.replica.outbox import Delivery
from zooweeper.replica.replica import Replica
from zooweeper.storage.folder import format_folder
from zooweeper.storage.storage import Storage
from zooweeper.transport.wire import frames
from zooweeper.tree.snapshot import SnapshotReader
from zooweeper.tree.state import State
from zooweeper.zab.following import Following
from zooweeper.zab.leading import Leading
from zooweeper.zab.messages import (
    Ack,
    AckEpoch,
    AckNewLeader,
    FollowerInfo,
    Message,
    NewEpoch,
    NewLeader,
    Propose,
    SnapBegin,
    SnapChunk,
    Sync,
    UpToDate,
    Vote,
)
from zooweeper.zab.vote import State as Role

ME, OTHER, BEST = 1, 2, 3
VOTERS = (ME, OTHER, BEST)
NOWHERE = Address("127.0.0.1", 1)
CONFIG = Config(ME, "fuzz", tuple(Member(id, NOWHERE, NOWHERE, NOWHERE, NOWHERE) for id in VOTERS), "")
NEXT = EPOCH + 1  # the epoch that is being won
COUNT = 3  # entries in each batch, so that most zxids are not the edge of one
SEGMENT_BYTES = 4096
BATCHES = [batch(make(EPOCH, 1 + COUNT * n), COUNT, Random(n)) for n in range(3)]
LAST = BATCHES[-1].last
COMMITTED = BATCHES[1].last
HISTORY = ((EPOCH, COUNT * len(BATCHES)),)
CLIENT = 1  # a connection


class Subject:
    """The node, its disk, and what it said."""

    def __init__(self) -> None:
        self.disk = MemoryDisk()
        self.identity = format_folder(self.disk, "fuzz", ME, bytes(range(16)), segment_bytes=SEGMENT_BYTES)
        self.storage, recovered = Storage.open(self.disk, self.identity, SEGMENT_BYTES)
        self.now_ms = 0
        self.stopped = ""
        self.said: list[tuple[int, Message]] = []  # since the last `hear`
        self.delivered: list[Delivery] = []
        self.replica = Replica(CONFIG, recovered, Random(4))
        self.tick()

    # --- what happens to it

    def step(self, event: Any) -> None:
        """One event, and everything that follows from it here."""
        if self.stopped:
            return
        self.replica.step(event)
        while not self.stopped and (outbox := self.replica.take()):
            self.stopped = outbox.stop
            if outbox.stop:
                return
            self.delivered += outbox.deliver
            self.storage.write(outbox.disk)
            sent = [(to, message) for to, message in (*outbox.now, *outbox.after) if to != ME]
            for _ in frames([message for _, message in sent]):
                pass
            self.said += sent
            for to, message in outbox.after:
                if to == ME:
                    self.replica.step(Received(ME, message))
            for event in outbox.written:
                self.replica.step(event)

    def tick(self, count: int = 1) -> None:
        for _ in range(count):
            self.now_ms += CONFIG.timing.tick_ms
            self.step(Tick(self.now_ms, TIME_MS + self.now_ms))

    def hear(self, peer: int, *messages: Message) -> None:
        for message in messages:
            self.step(Received(peer, message))

    # --- how it is

    @property
    def attempt(self) -> int:
        """The number of its try of following, or of leading."""
        role = self.replica.zab.role
        return role.attempt if isinstance(role, Following | Leading) else 0


def vote(role: int, choice: int, epoch: int = EPOCH, zxid: int = LAST) -> Vote:
    """Of a node fit to lead, of whom nothing else is to be said."""
    return Vote(int(role), epoch, zxid, True, choice, False)


def alone() -> Subject:
    """Just started."""
    return Subject()


def looking() -> Subject:
    """Connected, no vote heard."""
    node = Subject()
    node.step(PeerUp(OTHER))
    node.step(PeerUp(BEST))
    return node


def discovering() -> Subject:
    """Follows node 3, which has not answered."""
    node = looking()
    node.hear(BEST, vote(Role.LEADING, BEST))
    return node


def promised() -> Subject:
    """Has promised the leader's epoch; nothing of its history is here."""
    node = discovering()
    node.hear(BEST, NewEpoch(node.attempt, EPOCH))
    return node


def image() -> tuple[int, list[bytes]]:
    """A snapshot that a leader might send: (zxid, chunks)."""
    state = play(State())
    reader, chunks = SnapshotReader(state, 300), []
    while (chunk := reader.next_chunk()) is not None:
        chunks.append(chunk)
    return state.zxid, chunks


IMAGE_ZXID, IMAGE = image()


def receiving() -> Subject:
    """In the middle of the leader's snapshot."""
    node = promised()
    begin = SnapBegin(node.attempt, EPOCH, IMAGE_ZXID, ((EPOCH, IMAGE_ZXID - make(EPOCH, 0)),))
    node.hear(BEST, begin, SnapChunk(node.attempt, 0, False, IMAGE[0]), SnapChunk(node.attempt, 1, False, IMAGE[1]))
    return node


def synchronized() -> Subject:
    """Has the leader's history, and said so; the epoch is not established."""
    node = promised()
    mine = node.attempt
    node.hear(BEST, Sync(mine, EPOCH, 0), *(Propose(mine, EPOCH, one, 0) for one in BATCHES))
    node.hear(BEST, NewLeader(mine, EPOCH, LAST))
    return node


def following() -> Subject:
    """Serves, with the last batch not committed, and a client that waits for its session."""
    node = synchronized()
    node.hear(BEST, UpToDate(node.attempt, EPOCH, COMMITTED))
    node.step(Connect(CLIENT, 0, b"", 5000, 0, 10, "10.0.0.1"))
    node.step(Ask(CLIENT, 1, 9, b"\0\0\0\x01/", linear=True))
    return node


def returning() -> Subject:
    """Had followed epoch 5, and follows again: has a history, part of it executed, and promised the next epoch."""
    node = following()
    node.step(PeerDown(BEST))
    node.step(PeerUp(BEST))
    node.hear(BEST, vote(Role.LEADING, BEST))
    node.hear(BEST, NewEpoch(node.attempt, NEXT))
    return node


def electing() -> Subject:
    """Has the best history, and wants to lead."""
    node = following()
    node.step(PeerDown(BEST))
    node.step(PeerUp(BEST))
    return node


def leading() -> Subject:
    """Elected; nobody has followed yet."""
    node = electing()
    for peer in (OTHER, BEST):
        node.hear(peer, vote(Role.LOOKING, ME, EPOCH, COMMITTED))
    return node


def winning() -> Subject:
    """Its epoch is chosen, and told to node 2."""
    node = leading()
    node.hear(OTHER, FollowerInfo(21, EPOCH, True))
    return node


def serving() -> Subject:
    """Leads: node 2 has everything, a batch of a client is in flight."""
    node = winning()
    node.hear(OTHER, AckEpoch(21, NEXT, True, EPOCH, LAST, HISTORY, COMMITTED))
    node.hear(OTHER, AckNewLeader(21, NEXT, LAST))
    node.step(Connect(CLIENT + 1, 0, b"", 5000, 0, 10, "10.0.0.1"))
    return node


def sending() -> Subject:
    """Leads, and sends a snapshot to node 3, which had nothing in common."""
    node = serving()
    node.hear(OTHER, Ack(21, NEXT, node.replica.zab.history.last))
    node.replica.zab.history.trim(0)
    node.hear(BEST, FollowerInfo(31, EPOCH, True), AckEpoch(31, NEXT, True, 0, make(2, 5), ((2, 5),), make(2, 5)))
    return node


STATES: tuple[Callable[[], Subject], ...] = (
    alone,
    looking,
    discovering,
    promised,
    receiving,
    synchronized,
    following,
    returning,
    electing,
    leading,
    winning,
    serving,
    sending,
)
