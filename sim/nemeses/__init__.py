"""Trouble-makers, a family a file: each does one kind of harm, and a seed draws from all of them.

Rules: NEMESES is the whole list. A family knows nothing of the others; what they share is in base.py.
"""

from sim.nemeses import clocks, deaths, disks, links, members, people, processes
from sim.nemeses.base import Nemesis

__all__ = ["NEMESES", "Nemesis"]

NEMESES: dict[str, Nemesis] = {
    "crash": Nemesis(deaths.crash, 900),
    "crash_some": Nemesis(deaths.crash_some, 2500),
    "crash_all": Nemesis(deaths.crash_all, 3000),
    "crash_leader": Nemesis(deaths.crash_leader, 1500),
    "crash_synced": Nemesis(deaths.crash_synced, 1500),
    "aimed": Nemesis(deaths.aimed, 600),
    "disk_cut": Nemesis(deaths.disk_cut, 1000),
    "partition": Nemesis(links.partition, 1500),
    "forsaken": Nemesis(links.forsaken, 2000),
    "one_way": Nemesis(links.one_way, 1500),
    "swizzle": Nemesis(links.swizzle, 3000),
    "flap": Nemesis(links.flap, 3000),
    "slow_link": Nemesis(links.slow_link, 2000),
    "break_stream": Nemesis(links.break_stream, 600),
    "break_lane": Nemesis(links.break_lane, 400),
    "break_all": Nemesis(links.break_all, 1500),
    "pause": Nemesis(processes.pause, 2000),
    "restart": Nemesis(processes.restart, 1500),
    "rolling_restart": Nemesis(processes.rolling_restart, 3500),
    "wipe": Nemesis(processes.wipe, 2500),
    "slow_disk": Nemesis(disks.slow, 2000),
    "disk_error": Nemesis(disks.error, 1200),
    "disk_full": Nemesis(disks.full, 2500),
    "rot": Nemesis(disks.rot, 1500),
    "wall_clock": Nemesis(clocks.wall_clock, 2500),
    "drift": Nemesis(clocks.drift, 2500),
    "jump": Nemesis(clocks.jump, 2500),
    "hand_off": Nemesis(people.hand_off, 2000),
    "break_client": Nemesis(people.break_client, 700),
    "break_clients": Nemesis(people.break_clients, 1500),
    "half_open": Nemesis(people.half_open, 1500),
    "slow_reader": Nemesis(people.slow_reader, 1500),
    "membership": Nemesis(members.membership, 300),
}
