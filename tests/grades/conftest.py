"""A world for the tests of one module, made whole again before each of them."""

from collections.abc import Iterator

import pytest

from tests.grades.world import World, running


@pytest.fixture(scope="module")
def one_world() -> Iterator[World]:
    with running() as world:
        yield world


@pytest.fixture
def world(one_world: World) -> World:
    """Three nodes and three database servers, all level."""
    one_world.heal()
    return one_world
