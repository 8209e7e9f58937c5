"""What a script is made of: steps, plain values that name sessions and never depend on an answer.

Rules: a step has the same meaning on both servers, whatever came before, so that any part of a script is a script
(that is what makes shrinking possible). What only a server can know, the zxid that a client has seen last, is said by
`Seen`. `show` writes a step as the line that a person reads.
"""

from dataclasses import dataclass
from typing import Any

from tests.interop.differential import wire


@dataclass(frozen=True)
class Seen:
    """The highest zxid that the session had seen `back` steps ago."""

    back: int

    def __repr__(self) -> str:
        return f"seen {self.back} steps ago"


@dataclass(frozen=True)
class Open:
    """A new connection of a session."""

    session: str
    how: str  # one of HOWS
    timeout_ms: int = 30_000
    flag: bool | None = False  # the read-only byte; None: not sent


WELL = "new", "again", "again while connected"
REFUSED = (
    "wrong password", "no password", "short password", "long password", "unknown session", "negative session", "ahead",
    "torn",
)  # fmt: skip
HOWS = WELL + REFUSED


@dataclass(frozen=True)
class Drop:
    """The connection of a session ends without a word."""

    session: str


@dataclass(frozen=True)
class Ask:
    """One request. `xid`: other than the next one."""

    session: str
    code: int
    fields: tuple[Any, ...] = ()
    xid: int | None = None


@dataclass(frozen=True)
class Raw:
    """A request whose body is no proper record of its operation."""

    session: str
    code: int
    body: bytes


@dataclass(frozen=True)
class Bytes:
    """Bytes that are no request at all; nothing but the end of the connection can come of it."""

    session: str
    data: bytes


@dataclass(frozen=True)
class Batch:
    """Requests sent at once, before the first answer is read."""

    session: str
    asks: tuple[Ask, ...]


Step = Open | Drop | Ask | Raw | Bytes | Batch


def requests(step: Step) -> tuple[Ask | Raw, ...]:
    """The requests of a step."""
    return step.asks if isinstance(step, Batch) else (step,) if isinstance(step, Ask | Raw) else ()


def show(step: Step) -> str:
    match step:
        case Open():
            return f"{step.session}: open {step.how}, timeout {step.timeout_ms} ms, read-only byte {step.flag}"
        case Drop():
            return f"{step.session}: drop"
        case Ask():
            return f"{step.session}: {_name(step.code)} {_fields(step.code, step.fields)}" + (
                "" if step.xid is None else f" xid={step.xid}"
            )
        case Raw():
            return f"{step.session}: {_name(step.code)} with the body {step.body.hex() or '(empty)'}"
        case Bytes():
            return f"{step.session}: the bytes {step.data.hex()}"
        case Batch():
            return f"{step.session}: at once:" + "".join(f"\n        {show(ask)}" for ask in step.asks)


def _name(code: int) -> str:
    return wire.NAMES.get(code, f"operation {code}").lower()


def _fields(code: int, fields: tuple[Any, ...]) -> str:
    names = (field.partition(":")[0] for field in wire.REQUESTS[code].split())
    return " ".join(f"{name}={_value(value)}" for name, value in zip(names, fields, strict=True))


def _value(value: Any) -> str:
    if isinstance(value, tuple) and value and isinstance(value[0], wire.Part):
        return "[" + "; ".join(f"{_name(part.code)} {_fields(part.code, part.fields)}" for part in value) + "]"
    return ascii(value)
