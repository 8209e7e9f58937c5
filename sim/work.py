"""What is done on an ensemble during a run: clients and their workloads, or bare proposals to zab.

Rules: two kinds behind one face, so that the phases of a run (scenario.py) are written once. Doings come from the plan;
a probe asks for progress and says whether it came.
"""

from collections.abc import Callable
from typing import Any, Protocol

from sim.agreement import AgreementBrain, Wish
from sim.checks.ledger import Ledger
from sim.checks.verdict import judge
from sim.core_client import CoreClient
from sim.ensemble import Ensemble
from sim.marks import mark_history
from sim.node import Brain, Node
from sim.operator import Operator
from sim.options import MEMBERSHIP, TIMINGS, Options
from sim.plan import Doing
from sim.sessions import Client, Doors
from sim.twice import TwiceReplica
from sim.workloads.base import Driver
from sim.world import World
from zooweeper.model.config import Config, Member
from zooweeper.model.durable import Recovered
from zooweeper.model.members import of_settings

Maker = Callable[[Recovered, int], Brain]


class Work(Protocol):
    """What a run is for."""

    def __init__(self, world: World, options: Options) -> None: ...

    def brain(self, id: int, members: tuple[Member, ...]) -> Maker: ...

    def begin(self, ensemble: Ensemble) -> None: ...

    def do(self, doing: Doing) -> None: ...

    def probe(self) -> Callable[[], bool]: ...

    def calm(self) -> None: ...

    def idle(self) -> bool: ...

    def judge(self, ledger: Ledger, nodes: list[Node]) -> int: ...


class ServiceWork:
    """Clients of both kinds, in turn: one written for checking, and the library's own core."""

    def __init__(self, world: World, options: Options) -> None:
        self.world = world
        self.options = options
        self.drivers: list[Driver] = []

    def brain(self, id: int, members: tuple[Member, ...]) -> Maker:
        """Makes the replica of a node with these settings, once per life."""
        options = self.options
        timing = TIMINGS[options.timing]
        config = Config(id, "sim", members, "", timing, snapshot_entries=options.snapshot_entries)
        chance = self.world.chance(f"replica {id}")
        return lambda recovered, life: TwiceReplica(config, recovered, chance, self.world)

    def begin(self, ensemble: Ensemble) -> None:
        """The clients start to connect."""
        doors = Doors(self.world, ensemble.nodes)
        quality, timeout_ms = ensemble.network.now, self.options.timeout_ms
        kinds: tuple[type[Client] | type[CoreClient], ...] = (Client, CoreClient)
        for id in range(1, self.options.clients + 1):
            client = kinds[id % 2](self.world, doors, id, quality, timeout_ms)
            ensemble.clients.append(client)
            self.drivers.append(Driver(self.world, client, self.options.workloads))
        if MEMBERSHIP in self.options.nemeses:
            ensemble.operator = Operator(self.world, doors, self.options.clients + 1, quality, timeout_ms)
            ensemble.clients.append(ensemble.operator)
            self.drivers.append(Driver(self.world, ensemble.operator, ()))
        for driver in self.drivers:
            driver.others = [other for other in self.drivers if other is not driver]

    def do(self, doing: Doing) -> None:
        self.drivers[doing.client - 1].act(doing.workload, self.world.dice(doing.dice))

    def probe(self) -> Callable[[], bool]:
        """A small write of each client."""
        asked = [driver.probe() for driver in self.drivers]
        return lambda: all(operation.return_us >= 0 or operation.lost for operation in asked)

    def calm(self) -> None:
        """From a timeout later on no session may end by itself."""
        for driver in self.drivers:
            driver.stop()
            driver.client.calm_us = self.world.now_us

    def idle(self) -> bool:
        return all(driver.idle for driver in self.drivers)

    def judge(self, ledger: Ledger, nodes: list[Node]) -> int:
        """Violation, or the number of acknowledged writes."""
        acknowledged = judge(self.world, ledger.history(), self.drivers, nodes, ledger.endings)
        mark_history(self.world, [driver.client for driver in self.drivers], ledger.led_us)
        return acknowledged


class AgreementWork:
    """Proposes unique values at whoever leads."""

    def __init__(self, world: World, options: Options) -> None:
        self.options = options
        self.nodes: list[Node] = []
        self.count = 0

    def brain(self, id: int, members: tuple[Member, ...]) -> Maker:
        timing = TIMINGS[self.options.timing]
        return lambda recovered, life: AgreementBrain(id, of_settings(members), timing, recovered, life)

    def begin(self, ensemble: Ensemble) -> None:
        self.nodes = ensemble.nodes

    def do(self, doing: Doing) -> None:
        self._propose()

    def _propose(self) -> None:
        self.count += 1
        for node in self.nodes:
            node.step(Wish(b"value %d" % self.count))

    def probe(self) -> Callable[[], bool]:
        """Something more is executed than was before."""
        before = self._executed()

        def grown() -> bool:
            if self._executed() > before:
                return True
            self._propose()
            return False

        return grown

    def calm(self) -> None:
        """Nothing to be calm about."""

    def idle(self) -> bool:
        return True

    def _executed(self) -> int:
        brains: list[Any] = [node.brain for node in self.nodes if node.brain is not None]
        return max((brain.status().applied for brain in brains), default=0)

    def judge(self, ledger: Ledger, nodes: list[Node]) -> int:
        """Batches that were executed."""
        return len(ledger.batches)
