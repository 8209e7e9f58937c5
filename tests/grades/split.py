"""A network split, in a network of its own: `unshare -n python -m tests.grades.split`.

Side 0: coordination nodes 1 and 2, db1. Side 1: node 3, db2 and db3, one of which leads when the cable is pulled. Every
server has a writer of its own, which can always reach it. Prints one line with what was seen; a broken promise is an
AssertionError.
"""

import asyncio
import json
import sys

from grades.client import Client, GradesError
from grades.fleet import Fleet

from bench.rig import in_thread
from tests.grades.network import HOSTS, Sides
from tests.grades.world import Load, World
from zooweeper.cli import settings
from zooweeper.cli.ensemble import Ensemble
from zooweeper.cli.settings import PORTS, EnsembleSettings
from zooweeper.model.config import Address, Member

NODES = {1: 0, 2: 0, 3: 1}  # node: side
SERVERS = {"db1": 0, "db2": 1, "db3": 1}
SPLIT_S = 2.0  # so long only one side writes, after it has begun to


def moved(member: Member) -> Member:
    """With the same ports, on its side."""
    host = HOSTS[NODES[member.id]]
    return settings.make_member(member.id, {door: Address(host, getattr(member, door).port) for door, _ in PORTS})


def make(folder_of: Ensemble) -> Ensemble:
    """The same ensemble, with every node on its side."""
    known = EnsembleSettings(folder_of.cluster, tuple(moved(member) for member in folder_of.members))
    for member in known.members:
        change = {"members": [settings.member_out(one) for one in known.members]}
        settings.change_node(folder_of.node_folder(member.id), **change)
    settings.write_ensemble(folder_of.folder, known)
    return Ensemble.open(folder_of.folder)


def start(sides: Sides, ensemble: Ensemble, fleet: Fleet) -> None:
    for node, side in NODES.items():
        with sides.inside(side):
            ensemble.start((node,))
    ensemble.wait_healthy()
    for name, side in reversed(SERVERS.items()):  # the first one leads
        with sides.inside(side):
            fleet.start((name,))
        fleet.wait_level((name,))


async def stale(address: str) -> None:
    """What a server without the quorum answers: its own copy, and that it may be stale; nothing that must not be."""
    async with Client(address, deadline=1.0) as client:
        answer = await client.execute("SELECT * FROM grade")
        assert answer.stale and answer.rows, "a local read goes on, and says so"
        try:
            await client.get(1, consistency="linearizable")
        except GradesError:
            return
        raise AssertionError("a linearizable read was answered without the quorum")


async def scenario(sides: Sides, world: World) -> dict[str, object]:
    async with world.load(world.each()) as load:
        near, far = load.writers[:1], load.writers[1:]
        leader = await in_thread(world.fleet.leader)
        assert leader in ("db2", "db3"), leader
        sides.cut()
        took = await Load(near).progress()
        last = [writer.last for writer in far]
        before = world.ledger.acknowledged
        await asyncio.sleep(SPLIT_S)
        written = world.ledger.acknowledged - before
        assert written > 0, "the side with the quorum writes"
        assert [writer.last for writer in far] == last, "the side without the quorum accepted a write"
        for name in ("db2", "db3"):
            await stale(world.fleet.addresses[name])
        (near_row,) = (row for row in world.fleet.status() if row.name == "db1")
        assert near_row.leads, near_row
        sides.heal()
        healed = await load.progress()
    return {"leader before": leader, "election s": round(took, 2), "written": written, "healed s": round(healed, 2)}


def main() -> int:
    with Sides() as sides, Ensemble.temporary(3, base_port=21_000) as made:
        ensemble = make(made)
        addresses = [Address(HOSTS[side], 6181 + i) for i, side in enumerate(SERVERS.values())]
        with Fleet.create(ensemble, 3, addresses=addresses) as fleet:
            start(sides, ensemble, fleet)
            world = World(ensemble, fleet)
            seen = asyncio.run(scenario(sides, world))
            verdict = world.check()
    print(json.dumps(seen | {"acknowledged": verdict.acknowledged}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
