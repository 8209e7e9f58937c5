"""The leader is killed with SIGKILL under load, again and again: how long is the gap, and is anything lost?

Method: three nodes; one writer pinned to each node and two that may move. Each round kills the leader, waits until a
write was acknowledged, starts the node again and waits until every writer has had an answer. The gap of a round is the
longest time in which no write anywhere was acknowledged, from the last answer before the kill on. At the end every
node is read, not stale, and compared with what the writers know; all digests must be equal.
"""

from bench.figures import Bar, clock, longest_gap, median, milliseconds
from bench.load import Load
from bench.rig import agreed, each_node, in_thread, running
from bench.say import Say

KILLS = 30
MEDIAN_S, MAX_S = 0.3, 1.0


async def measure(say: Say, kills: int = KILLS) -> list[Bar]:
    gaps: list[float] = []
    with running(3) as ensemble:
        hosts = each_node(ensemble)
        async with Load([*hosts, ensemble.hosts, ensemble.hosts]) as load:
            await load.progress()
            for _ in say.each("kill -9 of the leader under load", range(kills), kills):
                leader = await in_thread(ensemble.leader)
                begin = clock()
                await in_thread(ensemble.kill, leader)
                await load.any_progress()
                await in_thread(ensemble.start, (leader,))
                await in_thread(ensemble.wait_healthy)
                await load.progress()
                gaps.append(longest_gap(load.times, begin, clock()))
            await load.settle()
            verdicts = await load.verdicts(hosts)
            await in_thread(agreed, ensemble)
            broken = load.broken
    worst = next((verdict for verdict in verdicts if not verdict.good), verdicts[0])
    gap = f"median {milliseconds(median(gaps))}, max {milliseconds(max(gaps))}"
    return [
        Bar(
            "leader-kills: write gap",
            "median <= 300 ms, max <= 1 s",
            gap,
            median(gaps) <= MEDIAN_S and max(gaps) <= MAX_S,
            {"seconds": gaps},
        ),
        Bar("leader-kills: writes", "0 lost", str(worst), worst.good and not broken, {"kills": kills}),
    ]
