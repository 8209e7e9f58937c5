"""The gRPC server that clients talk to: the Session stream, the unary calls, health and reflection.

Rules: assembles, decides nothing. Bytes come unparsed, so that what makes no sense is answered by us and not by gRPC.
Health is what load balancers and orchestrators ask: "" and "zooweeper.v1.Zooweeper" serve while the node is part of a
quorum, "leader" on the leader alone.
"""

import asyncio
from logging import getLogger
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from zooweeper.doors.grpc_client import SessionStream
from zooweeper.doors.unary import Unary
from zooweeper.model.config import Config
from zooweeper.model.limits import CONNECTIONS_MAX, PEER_MESSAGE_BYTES_MAX
from zooweeper.runtime.gateway import Gateway

SERVICE = "zooweeper.v1.Zooweeper"
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
HEALTH_SERVICES = ("", "zooweeper.v1", SERVICE)
LEADER = "leader"

OPTIONS = [
    ("grpc.max_receive_message_length", PEER_MESSAGE_BYTES_MAX),
    ("grpc.max_send_message_length", PEER_MESSAGE_BYTES_MAX),
    ("grpc.so_reuseport", 0),  # a second process must not share the port unseen
    ("grpc.max_concurrent_streams", 256),  # of one connection
    ("grpc.max_metadata_size", 8192),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
]

log = getLogger("zooweeper.grpc")


class PortTaken(Exception):
    """The port for clients cannot be bound."""


class GrpcDoor:
    """The server of one node."""

    def __init__(self, gateway: Gateway, config: Config, version: str) -> None:
        self._gateway = gateway
        self._config = config
        self._unary = Unary(gateway, config, version)
        self._health = health.aio.HealthServicer()
        self._server: grpc.aio.Server | None = None
        self._watcher: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen. PortTaken."""
        server = grpc.aio.server(options=OPTIONS, maximum_concurrent_rpcs=CONNECTIONS_MAX)
        handlers: dict[str, Any] = self._unary.handlers()
        handlers["Session"] = grpc.stream_stream_rpc_method_handler(self._session)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        reflection.enable_server_reflection((SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
        address = str(self._config.me.grpc)
        try:
            server.add_insecure_port(address)
        except RuntimeError as error:
            raise PortTaken(address) from error
        await server.start()
        self._server = server
        self._watcher = asyncio.create_task(self._watch())

    async def close(self, grace_ms: int = 0) -> None:
        """Take no new calls, let the running ones end, then cut them."""
        if self._watcher is not None:
            self._watcher.cancel()
        if self._server is not None:
            await self._server.stop(grace_ms / 1000)

    async def _session(self, _: Any, context: Any) -> None:
        await SessionStream(self._gateway, context, self._config.id, self._config.super_digest).run()

    async def _watch(self) -> None:
        """Keep the health service, and the unary calls' session, up to date."""
        shown: tuple[bool, bool] | None = None
        while True:
            status = self._gateway.status()
            now = (status.serving, status.role == "leader" and status.serving)
            if now != shown:
                shown = now
                for service in HEALTH_SERVICES:
                    await self._health.set(service, SERVING if now[0] else NOT_SERVING)
                await self._health.set(LEADER, SERVING if now[1] else NOT_SERVING)
            self._unary.caller.keep_alive()
            await asyncio.sleep(self._config.timing.tick_ms / 1000)
