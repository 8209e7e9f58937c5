"""What the connections of the ZooKeeper port share.

Rules: made by whoever opens the port; connections read it, and count in its traffic.
"""

from collections.abc import Callable

from zooweeper.doors.figures import Traffic
from zooweeper.doors.sasl import SaslServer
from zooweeper.model.config import ClientPort
from zooweeper.runtime.gateway import Gateway

SLICE = 32  # frames taken before the loop may do other work; so many full znodes are below the bound of the output


class Port:
    """Of one node."""

    def __init__(
        self, gateway: Gateway, settings: ClientPort, super_digest: str, words: Callable[[bytes], bytes | None]
    ) -> None:
        """`words` answers a four-letter word, None: there is no such word."""
        self.gateway = gateway
        self.settings = settings
        self.super_digest = super_digest
        self.words = words
        self.sasl: Callable[[], SaslServer] | None = None  # begins an exchange
        self.traffic = Traffic()
        self.visited = False  # there are, or were, visitors
