"""The states of a client and what leads from one to the next, as one table.

Rules: `TABLE` is complete: every state takes every input. The five inner states are ours, the three public ones are
those kazoo's users know. CLOSED is the end.

    CONNECTING ──welcome──> CONNECTED <──welcome── SUSPENDED
        │                       │   └────down────────> ^ │
        └──expired──> LOST <────┴────────expired────────┘    LOST ──welcome──> CONNECTED, as a new session
"""

from enum import Enum, StrEnum


class State(Enum):
    CONNECTING = "CONNECTING"  # no session was ever open
    CONNECTED = "CONNECTED"
    SUSPENDED = "SUSPENDED"  # there is a session, as far as we know, and no connection
    LOST = "LOST"  # the session has ended; a new one is being opened
    CLOSED = "CLOSED"


class ClientState(StrEnum):
    """What programs are told. SUSPENDED: others may find the session expired any moment, so whoever holds a lock
    pauses; LOST: its ephemerals are gone."""

    CONNECTED = "CONNECTED"
    SUSPENDED = "SUSPENDED"
    LOST = "LOST"


class Input(Enum):
    WELCOME = "welcome"
    DOWN = "down"
    EXPIRED = "expired"
    CLOSE = "close"


PUBLIC: dict[State, ClientState] = {
    State.CONNECTING: ClientState.LOST,
    State.CONNECTED: ClientState.CONNECTED,
    State.SUSPENDED: ClientState.SUSPENDED,
    State.LOST: ClientState.LOST,
    State.CLOSED: ClientState.LOST,
}

TABLE: dict[tuple[State, Input], State] = {
    (State.CONNECTING, Input.WELCOME): State.CONNECTED,
    (State.CONNECTING, Input.DOWN): State.CONNECTING,
    (State.CONNECTING, Input.EXPIRED): State.LOST,
    (State.CONNECTING, Input.CLOSE): State.CLOSED,
    (State.CONNECTED, Input.WELCOME): State.CONNECTED,
    (State.CONNECTED, Input.DOWN): State.SUSPENDED,
    (State.CONNECTED, Input.EXPIRED): State.LOST,
    (State.CONNECTED, Input.CLOSE): State.CLOSED,
    (State.SUSPENDED, Input.WELCOME): State.CONNECTED,
    (State.SUSPENDED, Input.DOWN): State.SUSPENDED,
    (State.SUSPENDED, Input.EXPIRED): State.LOST,
    (State.SUSPENDED, Input.CLOSE): State.CLOSED,
    (State.LOST, Input.WELCOME): State.CONNECTED,
    (State.LOST, Input.DOWN): State.LOST,
    (State.LOST, Input.EXPIRED): State.LOST,
    (State.LOST, Input.CLOSE): State.CLOSED,
    (State.CLOSED, Input.WELCOME): State.CLOSED,
    (State.CLOSED, Input.DOWN): State.CLOSED,
    (State.CLOSED, Input.EXPIRED): State.CLOSED,
    (State.CLOSED, Input.CLOSE): State.CLOSED,
}
