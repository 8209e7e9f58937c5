"""What no sound peer says, said by an authenticated one: refused, and the node keeps what it promised.

Rules: each row broke the brain, or a promise, before it was refused; found by `python -m fuzz peers`. The node is a
real one with its storage (fuzz/subject.py); whatever is raised on the way fails the test.
"""

from collections.abc import Callable

import pytest

from fuzz import subject
from fuzz.subject import BATCHES, BEST, COMMITTED, IMAGE, IMAGE_ZXID, LAST, NEXT, OTHER, Subject
from fuzz.targets.peers import Before
from fuzz.values import EPOCH
from zooweeper.model.zxid import EPOCH_MAX, counter_of, make
from zooweeper.replica.events import PeerDown
from zooweeper.transport import wire
from zooweeper.zab import messages as zab
from zooweeper.zab.vote import State

INSIDE = BATCHES[2].first  # a zxid that is no edge of a batch
OURS = 21  # node 2's try of following the subject
SNAP = ((EPOCH, counter_of(IMAGE_ZXID)),)
SNAP_LAST = ((EPOCH, counter_of(LAST)),)


def looks_again(node: Subject) -> bool:
    return node.replica.zab.state is State.LOOKING


def dropped(node: Subject) -> bool:
    return OTHER not in node.replica.zab.role.learners  # type: ignore[union-attr]


def goes_on(node: Subject) -> bool:
    return not looks_again(node) and not node.stopped


def has_epochs_left(node: Subject) -> bool:
    return node.replica.zab.accepted < EPOCH_MAX


def stops(node: Subject) -> bool:
    return bool(node.stopped)


Said = Callable[[int], list[zab.Message]]  # what is said in the try of this number

TO_A_FOLLOWER: dict[str, tuple[Callable[[], Subject], Said, Callable[[Subject], bool]]] = {
    "a commit inside a batch": (subject.following, lambda a: [zab.Commit(a, EPOCH, INSIDE)], goes_on),
    "a cut inside a batch": (subject.returning, lambda a: [zab.Sync(a, NEXT, INSIDE)], looks_again),
    "a cut of what was acknowledged": (subject.synchronized, lambda a: [zab.Sync(a, EPOCH, COMMITTED)], looks_again),
    "a cut while serving": (subject.following, lambda a: [zab.Sync(a, EPOCH, COMMITTED)], looks_again),
    "a proposal before the epoch": (subject.discovering, lambda a: [zab.Propose(a, 0, BATCHES[0], 0)], looks_again),
    "a proposal of another epoch": (subject.promised, lambda a: [zab.Propose(a, 9, BATCHES[0], 0)], looks_again),
    "a new leader before the epoch": (subject.discovering, lambda a: [zab.NewLeader(a, 0, 0)], looks_again),
    "a snapshot of the past": (
        subject.returning,
        lambda a: [zab.SnapBegin(a, NEXT, BATCHES[0].last, ((EPOCH, 3),))],
        looks_again,
    ),
    "a snapshot while serving": (subject.following, lambda a: [zab.SnapBegin(a, EPOCH, LAST, SNAP)], looks_again),
    "a chunk out of order": (subject.receiving, lambda a: [zab.SnapChunk(a, 7, False, IMAGE[2])], looks_again),
    "a chunk that is none": (subject.receiving, lambda a: [zab.SnapChunk(a, 2, False, b"\xff" * 999)], stops),
    "a snapshot of another zxid": (
        subject.promised,
        lambda a: [
            zab.SnapBegin(a, EPOCH, LAST, SNAP_LAST),
            *(zab.SnapChunk(a, place, False, data) for place, data in enumerate(IMAGE)),
            zab.SnapChunk(a, len(IMAGE), True, b""),
        ],
        stops,
    ),
}

TO_A_LEADER: dict[str, tuple[Callable[[], Subject], list[zab.Message], Callable[[Subject], bool]]] = {
    "an acknowledgement of the future": (subject.serving, [zab.Ack(OURS, NEXT, make(NEXT, 99))], dropped),
    "an answer to no question": (subject.serving, [zab.Pong(OURS, NEXT, 999, b"")], dropped),
    "a report that is none": (subject.serving, [zab.Pong(OURS, NEXT, 1, b"report")], dropped),
    "a chunk acknowledged that was not sent": (subject.serving, [zab.SnapAck(OURS, 4)], dropped),
    "the last epoch of all": (subject.leading, [zab.FollowerInfo(OURS, EPOCH_MAX, True)], has_epochs_left),
    "a history of other batches": (
        subject.winning,
        [zab.AckEpoch(OURS, NEXT, True, EPOCH, INSIDE, ((EPOCH, counter_of(INSIDE)),), 0)],
        goes_on,
    ),
}


@pytest.mark.parametrize("name", TO_A_FOLLOWER)
def test_what_no_leader_says_is_refused(name: str) -> None:
    make_node, said, expected = TO_A_FOLLOWER[name]
    node = make_node()
    before = Before(node)
    node.hear(BEST, *said(node.attempt))
    assert expected(node)
    before.check(node)


@pytest.mark.parametrize("name", TO_A_LEADER)
def test_what_no_follower_says_is_refused(name: str) -> None:
    make_node, said, expected = TO_A_LEADER[name]
    node = make_node()
    before = Before(node)
    node.hear(OTHER, *said)
    assert expected(node)
    before.check(node)
    node.step(PeerDown(OTHER))


@pytest.mark.parametrize(
    "message",
    [
        subject.vote(3, 1),
        zab.FollowerInfo(OURS, EPOCH_MAX + 1, True),
        zab.Ack(OURS, NEXT, 1 << 63),
        zab.Forward(OURS, NEXT, 2, b"not two requests"),
        zab.Forward(OURS, NEXT, 0, b""),
        zab.SnapBegin(OURS, NEXT, LAST, ((EPOCH, 1),)),
        zab.SnapBegin(OURS, NEXT, LAST, SNAP_LAST, "nobody"),
        zab.SnapBegin(OURS, NEXT, LAST, SNAP_LAST, f"server.1=h:1:2\nversion={LAST + 1:x}"),
        zab.SnapBegin(OURS, NEXT, LAST, ((9, 1), (EPOCH, counter_of(LAST)))),
        zab.AckEpoch(OURS, NEXT, True, EPOCH, LAST, ((EPOCH, 0),), 0),
        zab.SnapChunk(OURS, 0, False, bytes(300_000)),
    ],
    ids=lambda message: type(message).__name__,
)
def test_what_cannot_be_breaks_the_stream(message: zab.Message) -> None:
    (data,) = wire.frames([message])
    with pytest.raises(ValueError, match=r"^[^\n]+$"):
        wire.messages_from(wire.frame_from(data))
