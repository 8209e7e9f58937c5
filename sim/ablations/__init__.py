"""Safeguards switched off one at a time: what the simulator must notice, or it proves nothing.

Rules: the product has no switches. An ablation replaces attributes of its modules and classes for the time of a run,
from here, and puts them back; so nothing of this can be on in a real node. Each says in one line what it switches off.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sim.ablations.agreement import AGREEMENT
from sim.ablations.patch import Ablation

ABLATIONS: dict[str, Ablation] = {**AGREEMENT}


@contextmanager
def ablated(name: str) -> Iterator[None]:
    """With that safeguard off; "": with all of them on. KeyError: there is none of that name."""
    if not name:
        yield
        return
    patches = ABLATIONS[name].patches()
    before = [(patch.target, patch.attribute, patch.target.__dict__[patch.attribute]) for patch in patches]
    try:
        for patch in patches:
            setattr(patch.target, patch.attribute, patch.instead)
        yield
    finally:
        for target, attribute, original in reversed(before):
            setattr(target, attribute, original)
