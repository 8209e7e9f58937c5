"""Every golden trace, run and compared; see tests/golden.py for how to accept a change."""

from pathlib import Path

import pytest

from tests import golden
from tests.traces.replica_runner import ReplicaRunner
from tests.traces.zab_runner import ZabRunner

FOLDER = Path(__file__).parent


@pytest.mark.parametrize("path", sorted((FOLDER / "zab").glob("*.txt")), ids=lambda path: path.stem)
def test_zab(path: Path) -> None:
    golden.check(path, ZabRunner().run)


@pytest.mark.parametrize("path", sorted((FOLDER / "replica").glob("*.txt")), ids=lambda path: path.stem)
def test_replica(path: Path) -> None:
    golden.check(path, ReplicaRunner().run)
