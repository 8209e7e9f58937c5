"""What the leader knows of one node that follows it, in one try.

Rules: made anew for every FollowerInfo, so nothing of an earlier try counts: neither its acknowledgements nor its
promise.
"""

from collections.abc import Callable
from enum import IntEnum
from typing import Any

from zooweeper.model.durable import Epochs
from zooweeper.zab.messages import Ack, AckNewLeader, Pong, SnapAck


class Stage(IntEnum):
    """How far the learner has come."""

    INFORMED = 0  # FollowerInfo is here
    PROMISED = 1  # AckEpoch is here
    SNAPSHOT = 2  # receives the state
    SYNCING = 3  # has everything up to NewLeader, and gets what is proposed
    SYNCED = 4  # acknowledged NewLeader: counts for commits


class Learner:
    """One association."""

    __slots__ = (
        "accepted",
        "asked",
        "attempt",
        "chunks_acked",
        "chunks_sent",
        "due",
        "due_ms",
        "durable",
        "epochs",
        "executed",
        "heard_ms",
        "held",
        "id",
        "last",
        "owes",
        "promised",
        "round",
        "snapshot",
        "stage",
        "voting",
    )

    def __init__(self, id: int, attempt: int, accepted: int, voting: bool, now_ms: int) -> None:
        self.id = id
        self.attempt = attempt
        self.accepted = accepted
        self.voting = voting
        self.stage = Stage.INFORMED
        self.promised = False
        self.last = 0  # AckEpoch: where its history ends
        self.epochs: Epochs = ()
        self.executed = 0
        self.durable = 0  # the last zxid it acknowledged
        self.held = False  # our last batch is held back from it
        self.asked = 0  # where our history ended when it last forwarded something
        self.owes = 0  # it was waited for in vain, and is slow until its disk reaches this
        self.due = 0  # its disk should reach this
        self.due_ms = now_ms  # and has not since
        self.heard_ms = now_ms
        self.round = 0  # the last ping it answered
        self.snapshot = 0  # zxid of the snapshot it receives
        self.chunks_sent = 0
        self.chunks_acked = 0

    def may_say(self, message: object, last: int, round: int) -> bool:
        """Whether it can be true. `last`: where the leader's history ends, `round`: its last ping. To believe in an
        acknowledgement of what is still to come would be to count it when it comes."""
        match message:
            case Ack():
                return message.zxid <= last
            case AckNewLeader():
                return message.last <= last
            case Pong():
                return message.round <= round
            case SnapAck():
                return message.index < self.chunks_sent
        return True

    def stalled(self, last: int, now_ms: int) -> int:
        """For how long its disk has acknowledged nothing new, though something was proposed. It may well answer pings:
        its disk hangs, and what it has not written gathers in its memory."""
        if self.stage is not Stage.SYNCED or self.durable >= self.due:
            self.due, self.due_ms = last, now_ms
        return now_ms - self.due_ms if self.durable < self.due else 0


def of_its_try(handler: Callable[[Any, Learner, Any], None]) -> Callable[[Any, int, Any], None]:
    """Drop what is of an earlier try of that learner, or of nobody we lead; and a learner that says what cannot be."""

    def guarded(role: Any, sender: int, message: Any) -> None:
        learner = role.learners.get(sender)
        if learner is None or message.attempt != learner.attempt:
            return
        if not learner.may_say(message, role.peer.history.last, role.rounds.current):
            role.drop(sender)
            return
        learner.heard_ms = role.peer.now_ms
        handler(role, learner, message)

    return guarded
