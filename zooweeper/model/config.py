"""The settings of one node, checked once, frozen after.

Rules: nothing here may decide the result of an operation (that is replicated state). Times are milliseconds. The
brain's share of it is `Timing` and `Members`.
"""

from dataclasses import dataclass, field

from zooweeper.model.limits import SESSION_TIMEOUT_MAX_MS, SESSION_TIMEOUT_MIN_MS, SNAPSHOT_EVERY_ENTRIES

ALL_WORDS = "*"
FAST, GRPC = CARRIERS = ("fast", "grpc")
"""What carries the broadcast between nodes: lanes beside the gRPC streams, or those alone."""


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
    """One node of the ensemble and where it is reached, by the settings: what the log says is stronger."""

    id: int  # 1..255
    peer: Address
    grpc: Address
    wire: Address
    admin: Address
    observer: bool = False  # it follows and serves, and never counts


@dataclass(frozen=True, slots=True)
class ClientPort:
    """How ZooKeeper programs are served: the plain port is `Member.wire`, the same over TLS is `secure`."""

    words: tuple[str, ...] = ("ruok", "srvr", "stat", "mntr", "conf", "isro", "envi", "wchs")  # ALL_WORDS: every one
    per_address_max: int = 60  # connections of one client address, loopback apart; 0: no bound
    session_min_ms: int = SESSION_TIMEOUT_MIN_MS  # what a client asks for is brought within these two
    session_max_ms: int = SESSION_TIMEOUT_MAX_MS
    plain: bool = True  # False: the secure port alone
    announced: bool = True  # the `wire` of every member is right, so clients may be told in /zookeeper/config
    read_only: bool = True  # without a quorum, serve reads to clients that said they take them
    secure: Address | None = None
    tls_cert: str = ""  # paths of PEM files
    tls_key: str = ""
    tls_ca: str = ""  # not empty: clients have to show a certificate that it signed
    tls_optional: bool = False  # they may come without one, too
    sasl_users: str = ""  # path of the file of users for SASL DIGEST-MD5; empty: there is no SASL


@dataclass(frozen=True, slots=True)
class LaneSettings:
    """The lanes that join the streams between nodes (docs/decisions/fast-lane.md)."""

    carrier: str = FAST  # GRPC: the streams alone
    port: int = 0  # where this node listens for lanes, on the host of its peer port; 0: any free port
    routes: tuple[tuple[int, Address], ...] = ()  # (member, its lanes' port as this node has to dial it)


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
    clients: ClientPort = field(default_factory=ClientPort)
    reconfig: bool = True  # clients that may write /zookeeper/config may change the members
    routes: tuple[tuple[int, Address], ...] = ()  # (member, its peer port as this node has to dial it), behind a NAT
    lanes: LaneSettings = field(default_factory=LaneSettings)

    @property
    def me(self) -> Member:
        return next(member for member in self.members if member.id == self.id)

    @property
    def voters(self) -> tuple[int, ...]:
        return tuple(sorted(member.id for member in self.members if not member.observer))
