"""Services that tools expect of any gRPC server: health, and reflection.

Rules: the messages and what they mean are those of the gRPC project's own packages; only the carrier is ours.
"""

from typing import Any

from google.protobuf.message import DecodeError, Message
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2

from zooweeper.http2.stream import Stream

INVALID_ARGUMENT, NOT_FOUND = 3, 5  # of gRPC's codes

Answer = health_pb2.HealthCheckResponse


class Health:
    """What the node says of its services."""

    def __init__(self) -> None:
        self._states: dict[str, Any] = {}
        self._watchers: dict[HealthCall, str] = {}

    def set(self, service: str, serving: bool) -> None:
        """Tell whoever watches, if it is news."""
        state = Answer.SERVING if serving else Answer.NOT_SERVING
        if self._states.get(service) != state:
            self._states[service] = state
            for call, watched in self._watchers.items():
                if watched == service:
                    call.tell(state)

    def get(self, service: str) -> Any:
        """None: there is no such service."""
        return self._states.get(service)

    def watch(self, call: "HealthCall", service: str) -> None:
        """Tell it the state, and each change of it until it is forgotten."""
        self._watchers[call] = service
        call.tell(self._states.get(service, Answer.SERVICE_UNKNOWN))

    def forget(self, call: "HealthCall") -> None:
        self._watchers.pop(call, None)


class HealthCall:
    """Check or Watch, as `http2.stream.Call`."""

    def __init__(self, health: Health, watch: bool, stream: Stream) -> None:
        self._health = health
        self._watch = watch
        self._stream = stream

    def message(self, data: bytes) -> None:
        request = _parse(health_pb2.HealthCheckRequest, data, self._stream)
        if request is None:
            return
        if self._watch:
            self._health.watch(self, request.service)
            return
        state = self._health.get(request.service)
        if state is None:
            self._stream.finish(NOT_FOUND, "there is no such service")
        else:
            self.tell(state)
            self._stream.finish()

    def tell(self, state: Any) -> None:
        """One answer."""
        self._stream.send(Answer(status=state).SerializeToString())

    def gone(self) -> None:
        self._health.forget(self)

    ended = drained = lambda self: None


class ReflectionCall:
    """ServerReflectionInfo: an answer to each message."""

    def __init__(self, servicer: Any, stream: Stream) -> None:
        self._servicer = servicer
        self._stream = stream

    def message(self, data: bytes) -> None:
        request = _parse(reflection_pb2.ServerReflectionRequest, data, self._stream)
        if request is not None:
            for reply in self._servicer.ServerReflectionInfo(iter((request,)), None):
                self._stream.send(reply.SerializeToString())

    def ended(self) -> None:
        self._stream.finish()

    gone = drained = lambda self: None


def reflection_of(*services: str) -> Any:
    """What is told of these services, and of reflection itself."""
    return reflection.ReflectionServicer((*services, reflection.SERVICE_NAME))


def _parse(cls: type[Message], data: bytes, stream: Stream) -> Any:
    try:
        return cls.FromString(data)
    except DecodeError:
        stream.finish(INVALID_ARGUMENT, f"not a {cls.__name__}")
        return None
