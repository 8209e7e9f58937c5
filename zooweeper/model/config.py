"""The settings of one node, checked once, frozen after.

Rules: nothing here may decide the result of an operation (that is replicated state). Times are milliseconds. The
brain's share of it is `Timing` and `Members`.
"""

from dataclasses import dataclass, field

from zooweeper.model.limits import SNAPSHOT_EVERY_ENTRIES


@dataclass(frozen=True, slots=True)
class Timing:
    """The clockwork of a node, in milliseconds."""

    tick_ms: int = 100  # ping/pong, checks of quorum, sweeps
    silence_ms: int = 2000  # syncLimit: a peer silent for longer is taken for dead
    discovery_ms: int = 3000  # initLimit: election won to epoch established, without any progress
    finalize_ms: int = 100  # how long a quorum of equal votes waits for a voter that has not spoken


@dataclass(frozen=True, slots=True)
class Address:
    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Member:
    """One voter of the ensemble and where it is reached."""

    id: int  # 1..255
    peer: Address
    grpc: Address
    wire: Address
    admin: Address


@dataclass(frozen=True, slots=True)
class Config:
    """One node's settings."""

    id: int
    cluster: str  # names the ensemble; a foreign data folder or peer is refused
    members: tuple[Member, ...]
    data_dir: str
    timing: Timing = field(default_factory=Timing)
    snapshot_entries: int = SNAPSHOT_EVERY_ENTRIES
    super_digest: str = ""  # `super:base64(sha1(...))`: who authenticates so is the super user

    @property
    def me(self) -> Member:
        return next(member for member in self.members if member.id == self.id)

    @property
    def voters(self) -> tuple[int, ...]:
        return tuple(sorted(member.id for member in self.members))
