"""The gRPC server that clients talk to: the Session stream, the unary calls, health and reflection.

Rules: assembles, decides nothing. It speaks HTTP/2 itself (docs/decisions/own-http2.md), so that a message costs what
it must. Health is what load balancers and orchestrators ask: "" and "zooweeper.v1.Zooweeper" serve while the node is
part of a quorum, "leader" on the leader alone.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from logging import getLogger

from grpc_health.v1 import health

from zooweeper.doors.grpc_client import SessionStream
from zooweeper.doors.grpc_port import GrpcPort, PortTaken
from zooweeper.doors.standard import Health, HealthCall, ReflectionCall, reflection_of
from zooweeper.doors.unary import Unary
from zooweeper.http2.stream import Call, Stream
from zooweeper.model.config import Config
from zooweeper.runtime.gateway import Gateway

SERVICE = "zooweeper.v1.Zooweeper"
HEALTH_SERVICES = ("", "zooweeper.v1", SERVICE)
LEADER = "leader"
REFLECTIONS = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")

__all__ = ["SERVICE", "GrpcDoor", "PortTaken"]

log = getLogger("zooweeper.grpc")


class GrpcDoor:
    """The server of one node."""

    def __init__(self, gateway: Gateway, config: Config, version: str) -> None:
        self._gateway = gateway
        self._config = config
        self._unary = Unary(gateway, config, version)
        self._health = Health()
        reflection = reflection_of(SERVICE, health.SERVICE_NAME)
        self._paths: dict[bytes, Callable[[Stream], Call]] = {
            f"/{SERVICE}/Session".encode(): self._session,
            f"/{health.SERVICE_NAME}/Check".encode(): partial(HealthCall, self._health, False),
            f"/{health.SERVICE_NAME}/Watch".encode(): partial(HealthCall, self._health, True),
        }
        for name, call in self._unary.calls().items():
            self._paths[f"/{SERVICE}/{name}".encode()] = call
        for name in REFLECTIONS:
            self._paths[f"/{name}/ServerReflectionInfo".encode()] = partial(ReflectionCall, reflection)
        self._port: GrpcPort | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Listen. PortTaken."""
        port = GrpcPort(self._open, self._gateway.after_turn)
        await port.start(self._config.me.grpc)
        self._port = port
        self._tick()

    async def close(self) -> None:
        """Take no new calls, and end those that run."""
        if self._timer is not None:
            self._timer.cancel()
        if self._port is not None:
            self._port.close()

    def _open(self, path: bytes, stream: Stream) -> Call | None:
        make = self._paths.get(path)
        return make(stream) if make is not None else None

    def _session(self, stream: Stream) -> SessionStream:
        assert self._port is not None, "it was listening"
        session = SessionStream(self._gateway, stream, self._config.id, self._config.super_digest, self._port.wake)
        self._port.expect(session)
        return session

    def _tick(self) -> None:
        """Keep the health service, and the unary calls' session, up to date."""
        self._timer = asyncio.get_running_loop().call_later(self._config.timing.tick_ms / 1000, self._tick)
        status = self._gateway.status()
        for service in HEALTH_SERVICES:
            self._health.set(service, status.serving)
        self._health.set(LEADER, status.serving and status.role == "leader")
        self._unary.caller.keep_alive()
