"""What peers say to one another, one class per message.

Rules: plain values; `bytes` fields are opaque to zab. The name in brackets is ZooKeeper's packet. Everything between a
leader and one learner carries `attempt`, the number the learner gave to this try of following (never reused in the
life of its process): what belongs to an earlier try is dropped on arrival, so acknowledgements of a broken association
never count (stale acks, zab-protocol 8.4). A stream is FIFO; its end loses a suffix.
"""

from dataclasses import dataclass

from zooweeper.model.durable import Epochs
from zooweeper.model.entry import Batch


@dataclass(slots=True)
class Vote:
    """[notification] What the sender has, whom it would follow, and what it is doing. Sent on every change, to a peer
    whose stream comes up, and each tick while looking. `choice` 0: nobody."""

    state: int  # State.LOOKING, FOLLOWING or LEADING
    epoch: int  # currentEpoch
    zxid: int  # last logged
    eligible: bool  # connected to a quorum and allowed to vote
    choice: int  # LOOKING: the best candidate it sees; otherwise its leader
    favoured: bool  # a leader has handed over to the sender: it wins a tie of histories
    doubted: bool = False  # the sender could have led lately, and nothing came of it: any other is better
    version: int = 0  # of the newest membership that the sender knows to be committed


@dataclass(slots=True)
class FollowerInfo:
    """[FOLLOWERINFO] learner -> leader: I follow you; I promised `accepted`."""

    attempt: int
    accepted: int
    voting: bool


@dataclass(slots=True)
class NewEpoch:
    """[LEADERINFO] leader -> learner: promise `epoch`."""

    attempt: int
    epoch: int
    observes: bool = False  # the learner has a vote in none of the memberships that count for the leader


@dataclass(slots=True)
class AckEpoch:
    """[ACKEPOCH] learner -> leader: promised, durably. My history is `current`, up to `last`, with `epochs`.
    `promised` False: I had promised it before (after a crash perhaps), so it must not be counted again."""

    attempt: int
    epoch: int
    promised: bool
    current: int
    last: int
    epochs: Epochs
    executed: int  # nothing up to here can be cut


@dataclass(slots=True)
class Sync:
    """[DIFF, TRUNC] leader -> learner: cut your history after `cut`; the batches after it follow as Propose."""

    attempt: int
    epoch: int
    cut: int


@dataclass(slots=True)
class SnapBegin:
    """[SNAP] leader -> learner: a snapshot at exactly `zxid` follows in chunks, then the batches after it."""

    attempt: int
    epoch: int
    zxid: int
    epochs: Epochs
    members: str = ""  # the membership of that state, as clients read it; empty: it has none yet


@dataclass(slots=True)
class SnapChunk:
    """leader -> learner: the next piece; `final` ends it (and holds nothing)."""

    attempt: int
    index: int
    final: bool
    data: bytes


@dataclass(slots=True)
class SnapAck:
    """learner -> leader: chunk `index` is written; more may come. Any of them is progress."""

    attempt: int
    index: int


@dataclass(slots=True)
class NewLeader:
    """[NEWLEADER] leader -> learner: all up to `last` is the initial history of `epoch`; make it durable."""

    attempt: int
    epoch: int
    last: int


@dataclass(slots=True)
class AckNewLeader:
    """[ACK of NEWLEADER] learner -> leader: history up to `last`, then currentEpoch = `epoch`, are durable."""

    attempt: int
    epoch: int
    last: int


@dataclass(slots=True)
class UpToDate:
    """[UPTODATE] leader -> learner: the epoch is established; committed up to here; serve."""

    attempt: int
    epoch: int
    committed: int


@dataclass(slots=True)
class Propose:
    """[PROPOSAL] leader -> learner: log this batch. Carries the commit of the ones before."""

    attempt: int
    epoch: int
    batch: Batch
    committed: int


@dataclass(slots=True)
class Ack:
    """[ACK] learner -> leader: everything up to `zxid` is durable."""

    attempt: int
    epoch: int
    zxid: int


@dataclass(slots=True)
class Commit:
    """[COMMIT] leader -> learner, when no Propose is at hand to carry it."""

    attempt: int
    epoch: int
    committed: int


@dataclass(slots=True)
class Ping:
    """[PING] leader -> learner, each tick and for every round of linearizable reads."""

    attempt: int
    epoch: int
    round: int
    committed: int


@dataclass(slots=True)
class Pong:
    """[PING back] learner -> leader. `report` is the replica's: who was alive, its digest."""

    attempt: int
    epoch: int
    round: int
    report: bytes


@dataclass(slots=True)
class HandOver:
    """leader -> learner: `target` has everything I have; elect it. (Planned stop.)"""

    attempt: int
    epoch: int
    target: int


# --- between replicas, carried on the same streams; zab only checks the association


@dataclass(slots=True)
class Forward:
    """[REQUEST] follower -> leader: `count` packed requests (model/entry.py), to be ordered as they stand."""

    attempt: int
    epoch: int
    count: int
    data: bytes


@dataclass(slots=True)
class BarrierAsk:
    """[SYNC] follower -> leader: how far must I have executed for a read that starts now?"""

    attempt: int
    epoch: int
    token: int


@dataclass(slots=True)
class BarrierAnswer:
    """leader -> follower: up to `zxid`, and a quorum confirmed after the question that I lead."""

    attempt: int
    epoch: int
    token: int
    zxid: int


@dataclass(slots=True)
class Diverged:
    """leader -> learner: at `zxid` your digest is not mine. Stop; keep your files."""

    attempt: int
    epoch: int
    zxid: int


Message = (
    Vote
    | FollowerInfo
    | NewEpoch
    | AckEpoch
    | Sync
    | SnapBegin
    | SnapChunk
    | SnapAck
    | NewLeader
    | AckNewLeader
    | UpToDate
    | Propose
    | Ack
    | Commit
    | Ping
    | Pong
    | HandOver
    | Forward
    | BarrierAsk
    | BarrierAnswer
    | Diverged
)

MESSAGES: tuple[type, ...] = Message.__args__
