"""A short run of random faults; `python -m bench chaos` makes longer ones."""

import asyncio

from bench import chaos
from bench.say import Say


def test_no_promise_breaks_under_random_faults() -> None:
    report = asyncio.run(chaos.run(Say(), nodes=3, seconds=8, seed=7))
    assert report.gaps and report.reads
    assert report.good, report.violations
