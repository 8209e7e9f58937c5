"""All nodes are killed at once under load and started again: is anything lost, are the replicas equal?

Method: three nodes, a writer pinned to each and two that may move. Each round sends SIGKILL to all nodes back to back,
starts them, and waits until every writer has had an answer. At the end every node is read, not stale, and compared with
what the writers know; all digests must be equal.
"""

from bench.figures import Bar, clock, longest_gap, median, milliseconds
from bench.load import Load
from bench.rig import agreed, each_node, in_thread, running
from bench.say import Say

ROUNDS = 10


async def measure(say: Say, rounds: int = ROUNDS) -> list[Bar]:
    gaps: list[float] = []
    with running(3) as ensemble:
        hosts = each_node(ensemble)
        async with Load([*hosts, ensemble.hosts, ensemble.hosts]) as load:
            await load.progress()
            for _ in say.each("kill -9 of all nodes under load", range(rounds), rounds):
                begin = clock()
                await in_thread(ensemble.kill)
                await in_thread(ensemble.start)
                await in_thread(ensemble.wait_healthy)
                await load.progress()
                gaps.append(longest_gap(load.times, begin, clock()))
            await load.settle()
            verdicts = await load.verdicts(hosts)
            rows = await in_thread(agreed, ensemble)
            broken = load.broken
    worst = next((verdict for verdict in verdicts if not verdict.good), verdicts[0])
    shown = f"{worst}; digests equal ({rows[0].digest}); gap median {milliseconds(median(gaps))}"
    good = worst.good and not broken
    return [Bar("all-kills", "0 lost, equal digests", shown, good, {"rounds": rounds, "gaps": gaps})]
