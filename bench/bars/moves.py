"""A session that moves between three nodes, 1,000 times, with ephemerals, watches and requests that are under way.

Method: over the ZooKeeper port, in one thread. Before each move the session has set one-shot watches on data, existence
and children, and has ten writes on their way of which it has read some answers; it has persistent watches all the time.
Another session changes what is watched before the move, after the new connection is there, and after setWatches2. Every
second move or so the old connection stays open and sends one more write when the session has moved. After each move:

- a one-shot watch has told exactly one event if its znode was changed since it was set, else none; the persistent ones
  have told every change that their connection has seen, once, in order;
- every acknowledged ephemeral is there, the session's, and seen so by others;
- of the writes that were under way a prefix is executed, all acknowledged ones in it; the late write is not.
"""

from collections.abc import Sequence
from random import Random

from bench.figures import Bar, clock, milliseconds, percentile
from bench.load import Stuck
from bench.moving import CHILDREN, DATA, EXIST, PENDING, STAYING, Broken, Changer, Mover, good
from bench.rig import in_thread, running
from bench.say import Say
from zooweeper.model.config import Address

MOVES = 1000
EPHEMERALS = 5
SEED = 1
PHASES = 4  # before the pending writes, before the move, on the new connection, after setWatches2


async def measure(say: Say) -> list[Bar]:
    with running(3) as ensemble:
        addresses = [member.wire for member in ensemble.members]
        return [await in_thread(move_often, say, addresses, Random(SEED))]


def move_often(say: Say, addresses: Sequence[Address], rng: Random) -> Bar:
    """All moves; a broken promise ends the measurement."""
    changer, mover, at, times = Changer(addresses[0]), Mover(addresses[0]), 0, list[float]()
    for round in say.each("moves of a session", range(MOVES), MOVES):
        at = (at + rng.randrange(1, len(addresses))) % len(addresses)
        try:
            times.append(move(mover, changer, round, [*addresses[at:], *addresses[:at]], rng))
        except Broken as broken:
            raise Stuck(f"move {round + 1} of seed {SEED}: {broken}") from None
    mover.close(changer)
    shown = f"0 in {MOVES} moves, {mover.events} events; a move takes {milliseconds(percentile(times, 50))}"
    figures = {"events": mover.events, "median_s": percentile(times, 50), "longest_s": max(times)}
    return Bar("moves", "nothing lost, nothing doubled", shown, True, {**figures})


def move(mover: Mover, changer: Changer, round: int, addresses: Sequence[Address], rng: Random) -> float:
    """One move and its checks; how long it took until the watches were set again. Broken."""
    mover.arm()
    mover.own(EPHEMERALS)
    phases: list[list[str]] = [[] for _ in range(PHASES)]
    for path in (*DATA, *CHILDREN, *STAYING):
        for _ in range(rng.randrange(3)):
            rng.choice(phases).append(path)
    for path in EXIST:  # once: setWatches cannot tell of a znode that came and went
        if rng.random() < 0.5:
            rng.choice(phases).append(path)
    before, during, attached, after = phases
    for path in before:
        changer.change(path)
    sent = mover.begin_writes(round)
    for path in during:
        changer.change(path)
    acknowledged = rng.randrange(PENDING + 1)
    for xid, path in sent[:acknowledged]:
        good(mover.wire.reply(xid), path or "counter")
    begin = clock()
    mover.attach(addresses, keep_old=rng.random() < 0.5)
    moved = clock() - begin
    for path in attached:
        changer.change(path)
    begin = clock()
    mover.rearm()
    moved += clock() - begin
    for path in after:
        changer.change(path)
    mover.check_events(changer)
    mover.check_writes(changer, round, sent, acknowledged)
    return moved
