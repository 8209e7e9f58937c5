"""Who leads: the candidate with the lowest number, and the token that makes its word outlast nobody's.

Each server that is level makes an ephemeral, sequential znode below /mydb/candidates. The lowest one makes the
ephemeral /mydb/leader; each of the others watches the one before it, so that a leader's end wakes one server and not
all. The czxid of /mydb/leader is the leader's fencing token: a later leader has a larger one, whatever clocks say.

Why two who think they lead do no harm: to win here only allows to write the token into /mydb/log; who may append is
decided there (log.py). An old leader that was paused, or whose session has ended without its knowing, finds its next
append refused.

Rules: candidacy and leadership end with the session, all at once, and in no other way; who wants to stop leading closes
its session. A znode that is not ours is never deleted.
"""

import asyncio
from collections.abc import Iterable

from zooweeper_client.aio import Client
from zooweeper_client.exceptions import NodeExists

from grades.layout import Leader, Paths


class Dethroned(Exception):
    """Our candidate is gone, although the session is not: somebody deleted it."""


def number_of(candidate: str) -> int:
    """`c-0000000012` is number 12. -1 for what is no candidate."""
    digits = candidate.removeprefix("c-")
    return int(digits) if digits.isdigit() and digits != candidate else -1


def before(mine: str, candidates: Iterable[str]) -> str | None:
    """The candidate that has to go before `mine` may lead or asks again; None: `mine` leads. Dethroned if it is not
    among them.

    >>> before("c-0000000007", ["c-0000000009", "c-0000000003", "c-0000000007", "c-0000000005"])
    'c-0000000005'
    >>> before("c-0000000003", ["c-0000000007", "c-0000000003"]) is None
    True
    """
    order = sorted((one for one in candidates if number_of(one) >= 0), key=number_of)
    if mine not in order:
        raise Dethroned(f"{mine} is gone")
    at = order.index(mine)
    return order[at - 1] if at else None


async def campaign(zk: Client, paths: Paths, leader: Leader) -> int:
    """Until we lead; the fencing token. Ends with the error of the session, if that ends first."""
    mine = (await zk.create(paths.candidate, leader.name.encode(), ephemeral=True, sequence=True)).rpartition("/")[2]
    while (ahead := before(mine, await zk.get_children(paths.candidates))) is not None:
        await until_gone(zk, f"{paths.candidates}/{ahead}")
    while True:
        try:
            _, stat = await zk.create(paths.leader, leader.encode(), ephemeral=True, include_stat=True)
        except NodeExists:  # of a session that has not ended yet
            await until_gone(zk, paths.leader)
        else:
            return stat.czxid


async def until_gone(zk: Client, path: str) -> None:
    """Until the znode changes or is not there."""
    changed = asyncio.Event()
    if await zk.exists(path, lambda event: changed.set()) is not None:
        await changed.wait()
