"""Messages, records and deliveries as a reader wants them: `Propose 2:17–2:40 committed=2:16`.

Rules: the same words in golden traces, in the simulator's trace and in its verdicts. Fields are found by name, so a
new message reads well without a line here; `attempt` is left out unless asked for.
"""

from dataclasses import fields
from typing import Any

from zooweeper.model.durable import Epochs
from zooweeper.model.entry import Batch
from zooweeper.model.errors import ErrorCode, ZkError
from zooweeper.model.zxid import show
from zooweeper.zab.vote import State

ZXIDS = ("zxid", "last", "cut", "committed", "executed", "first", "seen", "attach", "version")
LEADING = {"Propose": "batch", "Ack": "zxid", "Commit": "committed", "Logged": "batch", "Cut": "zxid"}


def words(thing: Any, attempts: bool = False) -> str:
    """One line for a message, a durable record or a delivery."""
    name = type(thing).__name__
    first = LEADING.get(name, "")
    parts = [name, value_words(first, getattr(thing, first))] if first else [name]
    for field in fields(thing):
        if field.name == first or (field.name == "attempt" and not attempts):
            continue
        value = getattr(thing, field.name)
        if (
            value in ("", b"")
            or (field.name == "version" and not value)
            or (
                isinstance(value, bool)
                and field.name in ("final", "stale", "linear", "favoured", "doubted", "observes")
                and not value
            )
        ):
            continue
        parts.append(f"{field.name}={value_words(field.name, value)}")
    return " ".join(parts)


def value_words(name: str, value: Any) -> str:
    """A field's value: zxids as epoch:counter, epoch tables as a list of their ends, bytes by their number."""
    if isinstance(value, Batch):
        return str(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name == "epochs":
        return epochs_words(value)
    if name == "state" and isinstance(value, int):
        return State(value).name.lower()
    if name in ZXIDS and isinstance(value, int):
        return show(value)
    if name == "error":
        return value.name if isinstance(value, ZkError) else ErrorCode(value).name
    if isinstance(value, bytes):
        return f"[{len(value)}]"
    return str(value).replace("\n", " ")


def epochs_words(epochs: Epochs) -> str:
    return "(" + " ".join(f"{epoch}:{counter}" for epoch, counter in epochs) + ")"
