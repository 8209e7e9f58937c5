"""One odd frame of an authenticated peer, to a node in every state: from bytes through transport and brain to the disk.

An input is a state, a sender and an encoded PeerFrame. The frame breaks its stream with a ValueError, or its messages
are stepped; either way the node goes on, keeps what it had promised, and recovers from its disk what it believes.
"""

import pickle
from collections.abc import Hashable, Sequence
from random import Random

from fuzz.mutator import Mutator
from fuzz.protobufs import Numbers
from fuzz.subject import (
    BATCHES,
    BEST,
    COMMITTED,
    CONFIG,
    COUNT,
    HISTORY,
    IMAGE,
    IMAGE_ZXID,
    LAST,
    ME,
    NEXT,
    OTHER,
    SEGMENT_BYTES,
    STATES,
    Subject,
    vote,
)
from fuzz.target import Run, Target
from fuzz.values import EPOCH, TIME_MS, batch
from zooweeper.model.entry import Batch
from zooweeper.model.members import of_settings
from zooweeper.model.zxid import EPOCH_MAX, make
from zooweeper.pb import peer_pb2 as pb
from zooweeper.replica.events import PeerDown, PeerUp
from zooweeper.replica.liveness import pack_report
from zooweeper.replica.membership import confirmation, founding
from zooweeper.storage.storage import Storage
from zooweeper.transport import packed, wire
from zooweeper.zab import messages as zab
from zooweeper.zab.following import Following
from zooweeper.zab.leading import Leading
from zooweeper.zab.messages import FollowerInfo, Message, Vote

HEAD = 2  # bytes: state, sender
SENDERS = (OTHER, BEST)
WORLDS = [pickle.dumps(state()) for state in STATES]
ATTEMPTS = {pickle.loads(world).attempt: None for world in WORLDS} | {21: None, 31: None}
FORWARDED = batch(1, 2, Random(3)).data
PLENTY = ((1, 5), (2, 3), (EPOCH, COUNT * 3))
NUMBERS = (
    *ATTEMPTS,
    *(EPOCH, NEXT, EPOCH_MAX, LAST, COMMITTED, IMAGE_ZXID),
    *(edge for one in BATCHES for edge in (one.first, one.last)),
    *(make(NEXT, 1), make(NEXT, 2), make(NEXT, COUNT), make(EPOCH, 10), make(EPOCH, 12), make(EPOCH_MAX, 1)),
)


def _spoken(attempt: int, epoch: int) -> Sequence[Sequence[Message]]:
    """What a peer may say, in the order in which it might."""
    more = batch(make(epoch, 1) if epoch == NEXT else make(epoch, 10), COUNT, Random(epoch))
    members = Batch(more.first, more.first, TIME_MS, founding(of_settings(CONFIG.members)))
    behind = Batch(more.first + 1, more.first + 1, TIME_MS, confirmation())
    snap_epochs = ((EPOCH, IMAGE_ZXID - make(EPOCH, 0)),)
    chunks = [zab.SnapChunk(attempt, place, False, data) for place, data in enumerate(IMAGE)]
    return [
        *([vote(state, choice, epoch)] for state, choice in ((0, ME), (0, BEST), (1, ME), (2, BEST), (2, OTHER))),
        [FollowerInfo(attempt, epoch, True)],
        [zab.NewEpoch(attempt, epoch)],
        [zab.AckEpoch(attempt, epoch, True, EPOCH, LAST, HISTORY, COMMITTED)],
        [zab.AckEpoch(attempt, epoch, True, 2, make(2, 3), PLENTY[:2], make(2, 3))],
        [zab.Sync(attempt, epoch, COMMITTED), zab.Propose(attempt, epoch, more, LAST)],
        [zab.Sync(attempt, epoch, 0), *(zab.Propose(attempt, epoch, one, 0) for one in BATCHES)],
        [
            zab.SnapBegin(attempt, epoch, IMAGE_ZXID, snap_epochs),
            *chunks,
            zab.SnapChunk(attempt, len(IMAGE), True, b""),
        ],
        [*chunks[2:], zab.SnapChunk(attempt, len(IMAGE), True, b""), zab.NewLeader(attempt, epoch, IMAGE_ZXID)],
        [zab.SnapAck(attempt, 1)],
        [zab.NewLeader(attempt, epoch, LAST), zab.UpToDate(attempt, epoch, LAST)],
        [zab.AckNewLeader(attempt, epoch, LAST)],
        [zab.UpToDate(attempt, epoch, LAST)],
        [zab.Propose(attempt, epoch, more, LAST), zab.Commit(attempt, epoch, more.last)],
        [zab.Propose(attempt, epoch, members, LAST), zab.Commit(attempt, epoch, members.last)],
        [zab.Propose(attempt, epoch, one, LAST) for one in (members, behind)],
        [zab.Sync(attempt, epoch, COMMITTED), zab.Propose(attempt, epoch, members, LAST)],
        [Vote(0, EPOCH, LAST, True, BEST, False, False, members.first)],
        [zab.Ack(attempt, epoch, make(NEXT, 1))],
        [zab.Ping(attempt, epoch, 3, LAST)],
        [zab.Pong(attempt, epoch, 1, pack_report(LAST, 77, [make(EPOCH, 1)]))],
        [zab.HandOver(attempt, epoch, ME)],
        [zab.Forward(attempt, epoch, 2, FORWARDED)],
        [zab.BarrierAsk(attempt, epoch, 5)],
        [zab.BarrierAnswer(attempt, epoch, 1, COMMITTED)],
        [zab.Diverged(attempt, epoch, COMMITTED)],
    ]


class Before:
    """What a node has promised so far, to be held against what it does next."""

    def __init__(self, node: Subject) -> None:
        zab = self.zab = node.replica.zab
        self.role = zab.role
        self.accepted, self.current = zab.accepted, zab.current
        self.last, self.committed = zab.history.last, zab.history.committed
        self.executed, self.digest = node.replica.state.zxid, node.replica.state.digest()
        self.acknowledged = isinstance(self.role, Following) and self.role._acking
        self.attempts = {node.attempt, *(one.attempt for one in getattr(self.role, "learners", {}).values())}

    def same(self) -> tuple[object, ...]:
        zab = self.zab
        return zab.accepted, zab.current, zab.history.last, zab.history.committed, id(zab.role)

    def check(self, node: Subject) -> None:
        """Nothing that was promised is gone."""
        zab, state = node.replica.zab, node.replica.state
        assert zab.accepted >= self.accepted and zab.current >= self.current, "an epoch went back"
        assert zab.current <= zab.accepted, "an epoch without a promise"
        assert zab.history.committed >= self.committed, "what was committed is not any more"
        assert self.executed <= state.zxid <= zab.history.committed <= zab.history.last, "executed beyond committed"
        assert state.zxid != self.executed or state.digest() == self.digest, "the state changed without an entry"
        if self.acknowledged and zab.role is self.role:
            assert zab.history.last >= self.last, "what was acknowledged is gone"
        if isinstance(zab.role, Leading):
            for learner in zab.role.learners.values():
                assert learner.durable <= zab.history.last, "an acknowledgement of what does not exist"
                assert learner.round <= zab.role.rounds.current, "an answer to a question not asked"
                assert learner.chunks_acked <= learner.chunks_sent, "an acknowledgement of what was not sent"


class Peers(Target):
    name = "peers"
    about = "an odd frame of an authenticated peer, to a node in every state"
    refusals = ()
    bytes_max = 512 * 1024  # a state, a window and an outbox are made anew
    calls_max = 60_000
    words = tuple(attempt.to_bytes(8) for attempt in ATTEMPTS)

    def seeds(self) -> Sequence[bytes]:
        made = []
        for state, world in enumerate(WORLDS):
            node: Subject = pickle.loads(world)
            role = node.replica.zab.role
            leads = isinstance(role, Leading)
            for sender in (BEST,) if isinstance(role, Following) else SENDERS:
                attempt = {OTHER: 21, BEST: 31}[sender] if leads else node.attempt
                for said in _spoken(attempt, node.replica.zab.accepted or EPOCH):
                    if type(said[0]) not in role.IGNORED or isinstance(said[0], Vote):
                        made += [bytes((state, sender)) + frame for frame in wire.frames(said)]
        return made

    def mutate(self, data: bytes, mutator: Mutator, others: Sequence[bytes]) -> bytes:
        rng = mutator.rng
        mutator.swollen = False
        head, body = data[:HEAD], data[HEAD:]
        if rng.random() < 0.1:
            head = bytes((rng.randrange(len(WORLDS)), rng.choice(SENDERS)))
        if rng.random() < 0.15:
            return head + mutator.mutate(body, [other[HEAD:] for other in rng.sample(list(others), 3)])
        frame = _parsed(body)
        if rng.random() < 0.3:
            frame.messages.extend(_parsed(rng.choice(others)[HEAD:]).messages)
        if rng.random() < 0.8:
            Numbers(mutator, NUMBERS).mutate(frame)
        return head + frame.SerializeToString()

    def prepare(self) -> Run:
        return self._run

    @staticmethod
    def _run(data: bytes) -> Hashable:
        head = data[:HEAD].ljust(HEAD, b"\0")
        node: Subject = pickle.loads(WORLDS[head[0] % len(WORLDS)])
        sender = SENDERS[head[1] % len(SENDERS)]
        return meet(node, sender, data[HEAD:])


def _parsed(data: bytes) -> pb.PeerFrame:
    """The frame in an input; an empty one where there is none."""
    try:
        return wire.frame_from(data)
    except ValueError:
        return pb.PeerFrame()


def meet(node: Subject, sender: int, data: bytes) -> Hashable:
    """The node takes the frame as transport/peers.py would hand it over; what it came to."""
    before = Before(node)
    try:
        found = packed.find(data)
        messages = wire.messages_from(wire.frame_from(data))
        assert found is None or [found[2]] == messages, "protobuf finds another message"
    except ValueError as error:
        assert "\n" not in str(error) and str(error), "not one clear line"
        node.step(PeerDown(sender))
        return "refused", str(error)[:12]
    _check_batches(messages)
    same = before.same()
    for message in messages:
        node.hear(sender, message)
    if all(_foreign(message, before.attempts) for message in messages):
        assert before.same() == same, "a message of an earlier try changed something"
    before.check(node)
    zab = node.replica.zab
    label = (zab.state, zab.phase, len(node.said), len(node.delivered), zab.history.last, zab.history.committed)
    if node.stopped:
        assert "\n" not in node.stopped, "not one clear line"
        return "stopped", node.stopped[:12]
    _go_on(node, sender)
    before.check(node)
    _recover(node)
    return label


def _foreign(message: Message, attempts: set[int]) -> bool:
    return not isinstance(message, Vote | FollowerInfo) and message.attempt not in attempts


def _check_batches(messages: Sequence[Message]) -> None:
    """What a frame lets in can be executed."""
    for message in messages:
        if isinstance(message, zab.Propose):
            entries = list(message.batch.entries())
            assert len(entries) == message.batch.count > 0
        elif isinstance(message, zab.Forward):
            assert len(list(Batch(1, message.count, 0, message.data).entries())) == message.count > 0


def _go_on(node: Subject, sender: int) -> None:
    """Time passes, the stream breaks and comes back, and a sane leader is found again."""
    node.tick(2)
    node.step(PeerDown(sender))
    node.tick()
    node.step(PeerUp(sender))
    node.tick(2)
    node.replica.status()


def _recover(node: Subject) -> None:
    """The disk holds what the node believes, and a node can start from it."""
    if node.stopped:
        return
    zab = node.replica.zab
    storage, recovered = Storage.open(node.disk, node.identity, SEGMENT_BYTES)
    found = recovered.accepted, recovered.current, recovered.last, recovered.voting
    assert found == (zab.accepted, zab.current, zab.history.last, zab.voting), (found, "is not what the node believes")
    storage.close()
