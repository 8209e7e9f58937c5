"""The client for asyncio: `from zooweeper_client.aio import Client`.

Rules: gRPC reads its settings when it is loaded, hence their place; whoever has set them otherwise is left alone. Its
log lines about connections that come and go are not for a program's stderr: what matters is in our errors. Its handlers
for forks now and then abort the child, which could not use the client anyway (see sync/portal.py).
"""

import os

os.environ.setdefault("GRPC_VERBOSITY", "NONE")
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

from zooweeper_client.aio.client import Client
from zooweeper_client.aio.status import NodeStatus, status
from zooweeper_client.aio.transaction import Transaction
from zooweeper_client.aio.watching import Watch, WatchEvent
from zooweeper_client.watches import EventType

__all__ = ["Client", "EventType", "NodeStatus", "Transaction", "Watch", "WatchEvent", "status"]
