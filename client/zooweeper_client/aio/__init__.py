"""The client for asyncio: `from zooweeper_client.aio import Client`.

Rules: gRPC's own log lines about connections that come and go are not for a program's stderr; what matters is in
our errors. The setting counts only before gRPC is loaded, hence its place.
"""

import os

os.environ.setdefault("GRPC_VERBOSITY", "NONE")

from zooweeper_client.aio.client import Client
from zooweeper_client.aio.status import NodeStatus, status
from zooweeper_client.aio.transaction import Transaction
from zooweeper_client.aio.watching import Watch, WatchEvent
from zooweeper_client.watches import EventType

__all__ = ["Client", "EventType", "NodeStatus", "Transaction", "Watch", "WatchEvent", "status"]
