"""Operators who change the members: some join, some leave, the leader too, in every way that may be asked for.

Rules: asked through a client like any write, and judged like one. Spare nodes run from the beginning and wait to be
taken in; who was removed may be started again by whoever starts nodes. What a leader refuses is no harm. Nobody asks
for members of whom a majority has an empty or a damaged disk, as docs/members.md says.
"""

import random
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from sim.agreement import Change
from sim.ensemble import Ensemble
from sim.members import membership as membership_of_ids
from sim.members import server
from zooweeper.model.errors import BadArguments
from zooweeper.model.members import Membership


class Wish(NamedTuple):
    """What a request asks for, as ZooKeeper's clients say it."""

    joining: str = ""
    leaving: str = ""
    new_members: str = ""
    from_config: int = -1


def membership(ensemble: Ensemble, chance: random.Random) -> None:
    """Somebody asks for another membership."""
    current = ensemble.newest()
    wish = chance.choice(WISHES)(ensemble, current, chance)
    if wish is None:
        return
    changed = None
    with suppress(BadArguments):
        changed = current.changed(*wish[:3])
    if changed is not None and not ensemble.remembered(changed):
        return
    ensemble.world.mark("a change of the members was asked for")
    if ensemble.operator is not None:
        ensemble.operator.wish(*wish)
    elif changed is not None:
        for node in ensemble.nodes:
            node.step(Change(changed))


def _strangers(ensemble: Ensemble, current: Membership) -> list[int]:
    return [node.id for node in ensemble.nodes if node.id not in current.ids]


def _add_observer(ensemble: Ensemble, current: Membership, chance: random.Random) -> Wish | None:
    others = _strangers(ensemble, current)
    return Wish(joining=str(server(chance.choice(others), observer=True))) if others else None


def _add_voter(ensemble: Ensemble, current: Membership, chance: random.Random) -> Wish | None:
    others = _strangers(ensemble, current)
    return Wish(joining=str(server(chance.choice(others)))) if others else None


def _promote(ensemble: Ensemble, current: Membership, chance: random.Random) -> Wish | None:
    return Wish(joining=str(server(chance.choice(current.observers)))) if current.observers else None


def _promote_all(ensemble: Ensemble, current: Membership, chance: random.Random) -> Wish | None:
    return Wish(joining=",".join(str(server(id)) for id in current.observers)) if current.observers else None


def _demote(ensemble: Ensemble, current: Membership, chance: random.Random) -> Wish | None:
    return Wish(joining=str(server(chance.choice(current.voters), observer=True)))


def _remove(ensemble: Ensemble, current: Membership, chance: random.Random) -> Wish | None:
    return Wish(leaving=str(chance.choice(current.ids)))


def _remove_leader(ensemble: Ensemble, current: Membership, chance: random.Random) -> Wish | None:
    leader = ensemble.leader()
    return Wish(leaving=str(leader.id)) if leader is not None else None


def _replace(ensemble: Ensemble, current: Membership, chance: random.Random) -> Wish | None:
    """One goes, and one that follows already takes its place."""
    if not current.observers:
        return None
    return Wish(str(server(chance.choice(current.observers))), str(chance.choice(current.voters)))


def _all_anew(ensemble: Ensemble, current: Membership, chance: random.Random) -> Wish | None:
    """A complete list: any of all nodes, in any role."""
    ids = chance.sample([node.id for node in ensemble.nodes], chance.randint(1, len(ensemble.nodes)))
    voters = ids[: chance.randint(1, len(ids))]
    return Wish(new_members=membership_of_ids(sorted(voters), sorted(ids[len(voters) :])).text())


def _swap(ensemble: Ensemble, current: Membership, chance: random.Random) -> Wish | None:
    """Who voted observes, and who observed votes."""
    return Wish(new_members=membership_of_ids(current.observers, current.voters).text()) if current.observers else None


def _outdated(ensemble: Ensemble, current: Membership, chance: random.Random) -> Wish | None:
    return Wish(leaving=str(chance.choice(current.ids)), from_config=max(0, current.version - 1))


def _up_to_date(ensemble: Ensemble, current: Membership, chance: random.Random) -> Wish | None:
    return Wish(leaving=str(chance.choice(current.ids)), from_config=current.version)


def _nonsense(ensemble: Ensemble, current: Membership, chance: random.Random) -> Wish | None:
    return Wish(leaving=",".join(map(str, current.ids)))


WISHES: tuple[Callable[[Ensemble, Membership, random.Random], Wish | None], ...] = (
    *(_add_observer,) * 3,
    *(_promote,) * 3,
    _promote_all,
    _add_voter,
    _demote,
    _remove,
    *(_remove_leader,) * 2,
    *(_replace,) * 2,
    _all_anew,
    _swap,
    _outdated,
    _up_to_date,
    _nonsense,
)
