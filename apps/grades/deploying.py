"""What `./deploy.sh` does with database servers: `--grades M`, and its commands when they get a server's name.

Rules: as for the nodes (zooweeper.cli.deploy): every command may be given twice, answers on stdout. Only a kill of the
leader is timed, by asking the others until one of them leads.
"""

import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime

from grades import status
from grades.fleet import Fleet
from grades.status import Asker, ServerStatus
from zooweeper.cli import text
from zooweeper.cli.ensemble import Ensemble, EnsembleError

LEADER = "grades-leader"
FAILOVER_S = 15.0
LOG_LINES = 20


def prepare(ensemble: Ensemble, servers: int, cassandra: str | None = None) -> Fleet:
    """The servers beside an ensemble, made where there are none; their copies are in the Cassandra at host:port, if one
    is given. EnsembleError when there are not so many, or their copies are elsewhere."""
    options = () if cassandra is None else ("--store", "cassandra", "--cassandra", cassandra)
    if not Fleet.beside(ensemble):
        return Fleet.create(ensemble, servers, options)
    fleet = Fleet.open(ensemble)
    if len(fleet.names) != servers:
        raise EnsembleError(f"{fleet.folder} has {len(fleet.names)} database servers, not {servers}; wipe it first")
    if cassandra is not None and fleet.options != options:
        raise EnsembleError(f"{fleet.folder} has servers whose copies are not at {cassandra}; wipe it first")
    return fleet


def show(rows: Sequence[ServerStatus]) -> bool:
    """One line per server, and the verdict; whether it is a good one."""
    head, *lines = text.table(status.COLUMNS, status.cells(rows))
    print(text.paint(head, "bold", sys.stdout))
    for line, one in zip(lines, rows, strict=True):
        print(text.paint(line, "red", sys.stdout) if not one.up else line)
    good = status.good(rows)
    print(text.paint(status.verdict(rows), "green" if good else "red", sys.stdout))
    return good


def command(ensemble: Ensemble, what: str, name: str) -> int:
    """A command of deploy.sh about one server, or about `grades-leader`."""
    fleet = Fleet.open(ensemble)
    if name == LEADER and what == "kill":
        name = fleet.leader(FAILOVER_S)
    if name not in fleet.names:
        raise EnsembleError(f"there is no database server {name}; there are {', '.join(fleet.names)}")
    if what not in COMMANDS:
        raise EnsembleError(f"{what} concerns nodes, and {name} is a database server; there are {', '.join(COMMANDS)}")
    return COMMANDS[what](fleet, name)


def start(fleet: Fleet, name: str) -> int:
    print(f"started {name}" if fleet.start((name,)) else "nothing was down")
    fleet.wait_level((name,))
    return 0 if show(fleet.status()) else 75


def stop(fleet: Fleet, name: str) -> int:
    print(f"stopped {name}" if fleet.stop((name,)) else "nothing ran")
    return 0


def renew(fleet: Fleet, name: str) -> None:
    fleet.restart(name)
    print(f"restarted {name}")
    fleet.wait_level((name,))


def restart(fleet: Fleet, name: str) -> int:
    renew(fleet, name)
    return 0 if show(fleet.status()) else 75


def kill(fleet: Fleet, name: str) -> int:
    """SIGKILL; of the leader it shows how long the others need."""
    victim = next(one for one in fleet.status() if one.name == name)
    others = {one: address for one, address in fleet.addresses.items() if one != name}
    with Asker(others) as asker:
        asker.ask()  # so that the channels are there before the clock starts
        began = time.monotonic()
        at = datetime.now().strftime("%H:%M:%S.%f")[:-3]
        if not fleet.kill(name):
            raise EnsembleError(f"{name} does not run")
        print(f"{name} ({victim.role}, applied {victim.applied}, pid {victim.pid}) killed with SIGKILL at {at}")
        while victim.leads and others and time.monotonic() - began < FAILOVER_S:
            leader = status.leader_of(asker.ask())
            if leader is not None:
                took = (time.monotonic() - began) * 1000
                print(f"{leader} leads after {took:.0f} ms; next: ./deploy.sh start {name}")
                return 0
    if victim.leads:
        print("no other database server leads; look at ./deploy.sh status")
    return 0


def logs(fleet: Fleet, name: str) -> int:
    print(text.paint(f"--- {name}: {fleet.log_path(name)}", "dim", sys.stdout))
    print(fleet.log_tail(name, LOG_LINES))
    return 0


COMMANDS: dict[str, Callable[[Fleet, str], int]] = {
    "stop": stop,
    "start": start,
    "restart": restart,
    "kill": kill,
    "logs": logs,
}
