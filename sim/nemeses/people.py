"""People: operators who move the leadership, clients that lose connections, or read nothing.

Rules: what is done to a client's connection ends by itself, healing or not: a client is never part of what is healed.
"""

import random
from typing import Any

from sim.ensemble import Ensemble
from sim.world import MS
from zooweeper.zab.events import HandOff


def hand_off(ensemble: Ensemble, chance: random.Random) -> None:
    """The operator asks the leader to stop leading. (Alone, it has nobody to hand over to.)"""
    leader = ensemble.leader()
    if leader is not None and not leader.paused and len(ensemble.nodes) > 1:
        ensemble.world.mark("a leader was asked to hand over")
        leader.step(HandOff())


def break_client(ensemble: Ensemble, chance: random.Random) -> None:
    """A client loses its connection."""
    if ensemble.clients:
        ensemble.world.mark("a client lost its connection")
        chance.choice(ensemble.clients).drop()


def break_clients(ensemble: Ensemble, chance: random.Random) -> None:
    """All lose theirs at once, or all of one node do."""
    node = chance.choice((None, *ensemble.nodes))
    for client in list(ensemble.clients):
        if node is None or (client.link is not None and client.link.node is node):
            ensemble.world.mark("all clients lost their connections" if node is None else "a node lost its clients")
            client.drop()


def half_open(ensemble: Ensemble, chance: random.Random) -> None:
    """A connection is dead, and one side does not know, or neither."""
    links = _links(ensemble)
    if not links:
        return
    client, link = chance.choice(links)
    side = chance.choice(("client", "node", "neither"))
    if not client.live:  # it would wait for its welcome for longer than its session lives
        side = "client"
    ensemble.world.mark(f"half-open: {side} knows")
    if side == "node":
        link.close()
        link.down.close()
    else:
        link.up.close()
        link.down.close()
    if side == "client":
        client.drop()


def slow_reader(ensemble: Ensemble, chance: random.Random) -> None:
    """A client takes nothing for a while; or nothing of it gets through."""
    links = _links(ensemble)
    if not links:
        return
    _, link = chance.choice(links)
    pipe = chance.choice((link.down, link.up))
    ensemble.world.mark("a client read nothing" if pipe is link.down else "a client was not heard")
    pipe.block(True)
    ensemble.world.after(chance.randrange(50 * MS, 2500 * MS), pipe.block, False)


def _links(ensemble: Ensemble) -> list[tuple[Any, Any]]:
    return [(client, client.link) for client in ensemble.clients if client.link is not None]
