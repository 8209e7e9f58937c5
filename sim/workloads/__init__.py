"""Workloads: what clients of the simulated world, and of real processes, do; each with its own judge.

Rules: one file each, see base.py. The table is all that others need to know.
"""

from sim.workloads.appends import Appends
from sim.workloads.base import Workload
from sim.workloads.ephemerals import Ephemerals
from sim.workloads.registers import Registers
from sim.workloads.sequences import Sequences
from sim.workloads.watches import Watches

WORKLOADS: dict[str, type[Workload]] = {
    kind.name: kind for kind in (Registers, Sequences, Appends, Ephemerals, Watches)
}
