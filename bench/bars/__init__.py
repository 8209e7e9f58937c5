"""The bars: one file for each thing measured, one async function `measure(say)` in each."""

from collections.abc import Awaitable, Callable

from bench.bars import all_kills, catch_up, crowd, grades, leader_kills, majority, memory, moves, requests, start
from bench.figures import Bar
from bench.say import Say

Measure = Callable[[Say], Awaitable[list[Bar]]]

BARS: dict[str, Measure] = {
    "start": start.measure,
    "leader-kills": leader_kills.measure,
    "all-kills": all_kills.measure,
    "majority": majority.measure,
    "catch-up": catch_up.measure,
    "requests": requests.measure,
    "memory": memory.measure,
    "moves": moves.measure,
    "crowd": crowd.measure,
    "grades": grades.measure,
}
