"""Ensembles for the tests of this folder: one for each module, made whole again before each test."""

from collections.abc import Iterator

import pytest

from bench.rig import running
from zooweeper.cli.ensemble import Ensemble


@pytest.fixture(scope="module")
def trio() -> Iterator[Ensemble]:
    with running(3) as ensemble:
        yield ensemble


@pytest.fixture
def three(trio: Ensemble) -> Ensemble:
    """Three nodes that all serve."""
    trio.start()
    trio.wait_healthy()
    return trio
