"""The handshake of the ZooKeeper wire, as records.

Rules: one field more may follow either, which old clients leave away: a flag about read-only servers.
"""

from zooweeper.codec.record import Buffer, Int, Long, Record, Secret


class ConnectRequest(Record):
    """A flag may follow: whether a read-only server will do."""

    version: Int
    seen: Long
    timeout_ms: Int
    session: Long
    secret: Secret


class ConnectResponse(Record):
    """The flag follows if it came."""

    version: Int
    timeout_ms: Int
    session: Long
    secret: Buffer
