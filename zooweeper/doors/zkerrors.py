"""What becomes of an error on the ZooKeeper wire: its clients know ZooKeeper's codes, and some break on any other.

Rules: a code that is in no row leaves as it is, and is ZooKeeper's. `CLOSE`: the connection ends without an answer, and
the client tries the next node, as it would with ZooKeeper.
"""

from typing import Final

from zooweeper.model.errors import ErrorCode

CLOSE: Final = 1

ON_WIRE: dict[int, int] = {
    # ZooKeeper's, but said by its clients alone
    ErrorCode.CONNECTION_LOSS: CLOSE,  # clients report it themselves when the connection ends
    ErrorCode.OPERATION_TIMEOUT: CLOSE,  # nobody knows what became of the request: that is a lost connection
    ErrorCode.SESSION_MOVED: CLOSE,  # the session lives elsewhere; nobody is listening here any more
    ErrorCode.UNKNOWN_SESSION: ErrorCode.SESSION_EXPIRED,  # the same thing, and clients act on this one
    # our own
    ErrorCode.NO_QUORUM: CLOSE,  # ZooKeeper closes, so that clients look for a node of the majority
    ErrorCode.BEHIND: CLOSE,  # the client has seen more than this node: ZooKeeper's guard, and its way
    ErrorCode.TOO_LARGE: ErrorCode.BAD_ARGUMENTS,  # an answer ends it; closing would make clients send it again
    ErrorCode.NUMBER_GAP: CLOSE,  # of a session that counts its writes, which this wire does not
    ErrorCode.RESULT_FORGOTTEN: CLOSE,  # the same
    ErrorCode.TOO_MANY_NODES: ErrorCode.BAD_ARGUMENTS,  # of an operation that this wire does not have
    ErrorCode.NOT_CONNECTED: CLOSE,  # our own client's word for a request it never sent
}
"""What leaves instead, or CLOSE."""
