"""The client for asyncio: `from zooweeper_client.aio import Client`."""

from zooweeper_client.aio.client import Client
from zooweeper_client.aio.status import NodeStatus, status
from zooweeper_client.aio.transaction import Transaction
from zooweeper_client.aio.watching import Watch, WatchEvent
from zooweeper_client.watches import EventType

__all__ = ["Client", "EventType", "NodeStatus", "Transaction", "Watch", "WatchEvent", "status"]
