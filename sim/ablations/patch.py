"""What an ablation is made of."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Patch:
    """An attribute of a module or a class, and what is there instead."""

    target: Any
    attribute: str
    instead: Any


@dataclass(frozen=True, slots=True)
class Ablation:
    """One safeguard, and how it is switched off."""

    off: str  # what does not happen any more, in one line
    patches: Callable[[], list[Patch]]  # made anew for each run, so that one may keep state
