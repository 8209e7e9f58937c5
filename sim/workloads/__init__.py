"""Workloads: what clients of the simulated world, and of real processes, do; each with its own judge.

Rules: one file each, see base.py. The table is all that others need to know.
"""

from sim.workloads.appends import Appends
from sim.workloads.bank import Bank
from sim.workloads.base import Workload
from sim.workloads.ephemerals import Ephemerals
from sim.workloads.identities import Identities
from sim.workloads.kinds import Kinds
from sim.workloads.locks import Locks
from sim.workloads.queue import Queue
from sim.workloads.registers import Registers
from sim.workloads.sequences import Sequences
from sim.workloads.sessions import Sessions
from sim.workloads.watches import Watches

KINDS: tuple[type[Workload], ...] = (
    Registers,
    Sequences,
    Appends,
    Queue,
    Locks,
    Ephemerals,
    Watches,
    Bank,
    Sessions,
    Identities,
    Kinds,
)
WORKLOADS: dict[str, type[Workload]] = {kind.name: kind for kind in KINDS}
