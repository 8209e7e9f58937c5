"""The ensemble as a nemesis sees it: the nodes, the network, the clients; and how all of it is made whole again.

Rules: a nemesis does harm through this and nothing else. What it undoes later (`later`) is its own business only until
healing begins: then `heal` decides who is whole, and what was not healed stays as broken as it is. The fault atlas
(`may_harm`) bounds damage: at any time a majority has forgotten nothing, for beyond that nothing is promised.
"""

import random
from collections.abc import Callable, Iterable
from typing import Any

from sim.network import LAN, Network
from sim.node import Node
from sim.world import World
from zooweeper.model.members import Membership
from zooweeper.zab.quorum import is_quorum

HEALTHY_DISK_US = 300


class Ensemble:
    """What a fault may lay hands on."""

    def __init__(
        self,
        world: World,
        network: Network,
        nodes: list[Node],
        newest: Callable[[], Membership],
        in_force: Callable[[], list[Membership]],
    ) -> None:
        self.world = world
        self.network = network
        self.nodes = nodes
        self.clients: list[Any] = []  # each with drop(): its connection breaks
        self.operator: Any = None  # a client that may change the members
        self.newest = newest  # the last that is known to be committed
        self.in_force = in_force  # all whose majority may be asked
        self.healing = False  # True: no new trouble, and no aftermath of the old

    def node(self, id: int) -> Node:
        return self.nodes[id - 1]

    def leader(self) -> Node | None:
        """The node that leads, as it believes."""
        for node in self.nodes:
            if node.brain is not None and node.brain.status().role == "leader":
                return node
        return None

    def victim(self, chance: random.Random) -> Node:
        """The leader in half of the cases."""
        leader = self.leader()
        return leader if leader is not None and chance.random() < 0.5 else chance.choice(self.nodes)

    def may_harm(self, node: Node) -> bool:
        """Whether this disk may be damaged or wiped: all that are so, or were and are not synchronized yet, must be a
        minority. Nobody exchanges disks while the members are being changed."""
        if self.operator is not None and self.operator.waits:
            return False
        return all(node.id not in one.voters or self.remembered(one, node) for one in self.in_force())

    def remembered(self, membership: Membership, without: Node | None = None) -> bool:
        """Whether a majority of it has its memory."""
        have = [one.id for one in self.nodes if not (one.harmed or one.lost or one is without)]
        return is_quorum(membership.voters, have)

    def later(self, delay_us: int, action: Callable[..., None], *arguments: Any) -> None:
        """The aftermath of a strike: done after `delay_us`, unless healing has begun by then."""
        self.world.after(delay_us, self._unless_healing, action, arguments)

    def _unless_healing(self, action: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        if not self.healing:
            action(*arguments)

    def core(self, chance: random.Random) -> list[int]:
        """Few nodes that could serve if the others never came back: a majority of all memberships that may still be
        asked. As long as a change of them may come about, that is nobody but all."""
        if self.operator is not None and self.operator.waits:
            return [node.id for node in self.nodes]
        chosen: list[int] = []
        for _, _, id in sorted((node.harmed or node.lost, chance.random(), node.id) for node in self.nodes):
            voters = [one.voters for one in self.in_force() if id in one.voters]
            if not all(is_quorum(those, chosen) for those in voters):
                chosen.append(id)
        return sorted(chosen)

    def restart(self, node: Node) -> None:
        """A new process, if there is none."""
        if not node.alive:
            node.start()

    def heal(self, ids: Iterable[int]) -> None:
        """These nodes, and the links among them, are in order from now on; the rest stays as it is."""
        self.healing = True
        whole = list(ids)
        self.network.quality = LAN
        self.network.heal_among(whole)
        for id in whole:
            node = self.node(id)
            node.calm()
            node.disk_us = HEALTHY_DISK_US
        for id in whole:
            self.restart(self.node(id))
