"""What can happen to zab: the arguments of `Peer.step`, shared with the replica above it.

Rules: plain values; time comes in here and nowhere else.
"""

from dataclasses import dataclass

from zooweeper.zab.messages import Message


@dataclass(slots=True)
class Tick:
    """Every `tick_ms`, and before the first event."""

    now_ms: int  # monotonic
    wall_ms: int  # wall clock; only the leader's stamp on entries comes from it


@dataclass(slots=True)
class Received:
    """A message of a peer; or of ourselves, when the disk released it (`peer` is our own id then)."""

    peer: int
    message: Message


@dataclass(slots=True)
class PeerUp:
    """The stream with a peer is there; nothing of an earlier stream arrives any more."""

    peer: int


@dataclass(slots=True)
class PeerDown:
    peer: int


@dataclass(slots=True)
class HandOff:
    """The operator wants this node to stop leading (it is about to stop)."""


Event = Tick | Received | PeerUp | PeerDown | HandOff
