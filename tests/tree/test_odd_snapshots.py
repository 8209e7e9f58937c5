"""Snapshots that are whole, and cannot be: refused before anything is built on them.

Rules: each broke a node that had taken it; found by `python -m fuzz images`.
"""

import pytest

from fuzz.targets.images import _consistent, build, items, read_out
from fuzz.values import play
from zooweeper.tree.state import State


def test_two_sessions_with_one_id() -> None:
    found = items(read_out(play(State())))
    sessions = [one for one in found if one[:1] == b"\x03"]
    assert len(sessions) == 1
    twice = _consistent([*found[:-1], *sessions])
    with pytest.raises(ValueError, match="two sessions"):
        build(b"".join(twice))
    assert build(b"".join(_consistent(found[:-1]))).digest() == play(State()).digest()  # the test itself is sound
