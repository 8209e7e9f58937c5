"""The client library of Zooweeper: `Client` blocks, `aio.Client` is for asyncio; the verbs are the same.

    >>> from zooweeper_client import Client
    >>> with Client("127.0.0.1:5181") as zk:    # doctest: +SKIP
    ...     zk.create("/hello", b"world")
    ...     data, stat = zk.get("/hello")

Rules: importing this costs nothing of asyncio and gRPC; the faces are loaded when they are first named.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from zooweeper.model.acl import Acl, Id, Perm
from zooweeper.model.errors import Outcome, ZkError
from zooweeper.model.stat import Stat
from zooweeper_client.options import BadHosts, BadOption, parse_hosts
from zooweeper_client.retry import NO_RETRY, RetryPolicy
from zooweeper_client.states import ClientState
from zooweeper_client.watches import EventType

if TYPE_CHECKING:
    from zooweeper_client.aio.status import NodeStatus
    from zooweeper_client.aio.watching import WatchEvent
    from zooweeper_client.sync.client import Client, status

_LATER = {
    "Client": "zooweeper_client.sync.client",
    "NodeStatus": "zooweeper_client.aio.status",
    "WatchEvent": "zooweeper_client.aio.watching",
    "status": "zooweeper_client.sync.client",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'zooweeper_client' has no attribute {name!r}")
    return getattr(import_module(_LATER[name]), name)


__all__ = [
    "NO_RETRY",
    "Acl",
    "BadHosts",
    "BadOption",
    "Client",
    "ClientState",
    "EventType",
    "Id",
    "NodeStatus",
    "Outcome",
    "Perm",
    "RetryPolicy",
    "Stat",
    "WatchEvent",
    "ZkError",
    "parse_hosts",
    "status",
]
