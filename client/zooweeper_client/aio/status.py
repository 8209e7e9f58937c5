"""What one node says of itself, without a session.

Rules: a unary call to exactly one node, for tools; NotConnected with the reason if it does not answer in time.
"""

from dataclasses import dataclass

import grpc
import grpc.aio

from zooweeper.model.errors import NotConnected
from zooweeper.pb.client_pb2 import StatusRequest
from zooweeper.pb.client_pb2_grpc import ZooweeperStub
from zooweeper_client.aio.link_grpc import open_channel, reason
from zooweeper_client.options import BadHosts, parse_hosts


@dataclass(frozen=True, slots=True)
class MemberAddresses:
    """Where one member of the ensemble is reached."""

    id: int
    grpc: str
    wire: str
    admin: str
    peer: str = ""
    observer: bool = False


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """One node at one moment. `zxid`: last logged; `applied`: last executed; `digest`: of the state at `applied`."""

    id: int
    role: str
    epoch: int
    zxid: int
    applied: int
    leader: int
    grpc: str
    wire: str
    admin: str
    pid: int
    sessions: int
    digest: str
    connections: int
    watches: int
    znodes: int
    quorum: bool
    cluster: str
    version: str
    phase: str
    members: tuple[MemberAddresses, ...]  # of the ensemble, as this node knows it
    config_version: int = 0  # of that membership
    carrier: str = ""  # of the leader's broadcast to it: fast, a lane, or grpc, the stream; empty: it follows nobody


async def status(address: str, timeout: float = 2.0) -> NodeStatus:
    """The status of the node at `host:port`. Raises BadHosts, NotConnected.

    >>> (await status("127.0.0.1:5181")).role    # doctest: +SKIP
    'leader'
    """
    addresses, _ = parse_hosts(address)
    if len(addresses) != 1:
        raise BadHosts(f"{address!r}: the status is that of one node")
    async with open_channel(addresses[0]) as channel:
        try:
            reply = await ZooweeperStub(channel).Status(StatusRequest(), timeout=timeout)
        except grpc.aio.AioRpcError as error:
            raise NotConnected(f"{addresses[0]}: {reason(error)}") from None
    return NodeStatus(
        reply.id,
        reply.role,
        reply.epoch,
        reply.zxid,
        reply.applied,
        reply.leader,
        reply.grpc,
        reply.wire,
        reply.admin,
        reply.pid,
        reply.sessions,
        reply.digest,
        reply.connections,
        reply.watches,
        reply.znodes,
        reply.quorum,
        reply.cluster,
        reply.version,
        reply.phase,
        tuple(MemberAddresses(one.id, one.grpc, one.wire, one.admin, one.peer, one.observer) for one in reply.members),
        reply.config_version,
        reply.carrier,
    )
