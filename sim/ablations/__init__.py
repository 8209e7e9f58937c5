"""Safeguards switched off one at a time: what the simulator must notice, or it proves nothing.

Rules: the product has no switches. An ablation changes lines of it for the time of a run, from here, and puts them
back; so nothing of this can be on in a real node. Each says in one line what does not happen any more.
`python -m sim.ablations` looks for the first seed that notices, for each of them.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sim.ablations.agreement import AGREEMENT
from sim.ablations.clients import CLIENTS
from sim.ablations.election import ELECTION
from sim.ablations.execution import EXECUTION
from sim.ablations.lanes import LANES
from sim.ablations.members import MEMBERS
from sim.ablations.patch import Ablation, patched
from sim.ablations.reads import READS
from sim.ablations.sessions import SESSIONS
from sim.ablations.storage import STORAGE
from sim.ablations.watches import WATCHES

ABLATIONS: dict[str, Ablation] = {
    **AGREEMENT,
    **ELECTION,
    **STORAGE,
    **EXECUTION,
    **SESSIONS,
    **READS,
    **WATCHES,
    **CLIENTS,
    **MEMBERS,
    **LANES,
}


@contextmanager
def ablated(name: str) -> Iterator[None]:
    """With that safeguard off; "": with all of them on. KeyError: there is none of that name."""
    if not name:
        yield
        return
    with patched(ABLATIONS[name]):
        yield
