"""What zab wants done, in named lists (the brain merges them into its outbox).

Rules: `state` is one list because its order matters: an installed snapshot comes before the batches after it.
"""

from dataclasses import dataclass, field

from zooweeper.model.durable import Record
from zooweeper.model.entry import Batch
from zooweeper.model.members import Membership
from zooweeper.zab.messages import BarrierAnswer, Forward, Message, SnapBegin, SnapChunk


@dataclass(slots=True)
class Ready:
    """Everything since the last take."""

    disk: list[Record] = field(default_factory=list)
    lazy: bool = False  # `disk` is batches that are final without it, and nothing else
    now: list[tuple[int, Message]] = field(default_factory=list)
    after: list[tuple[int, Message]] = field(default_factory=list)
    state: list[Batch | SnapBegin | SnapChunk] = field(default_factory=list)  # execute, or take over the leader's
    reports: list[tuple[int, bytes]] = field(default_factory=list)  # leader: of followers, with their pongs
    forwards: list[Forward] = field(default_factory=list)  # leader: requests of followers to order
    barriers: list[BarrierAnswer] = field(default_factory=list)  # our own questions, answered
    members: Membership | None = None  # be connected with these from now on
    snapshots: list[int] = field(default_factory=list)  # leader: learners that need the state from the replica
    stop: str = ""

    def __bool__(self) -> bool:
        return bool(
            self.now
            or self.after
            or self.disk
            or self.state
            or self.reports
            or self.forwards
            or self.barriers
            or self.snapshots
            or self.members is not None
            or self.stop
        )
