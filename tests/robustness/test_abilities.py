"""What cannot be done here is skipped with a reason, and the rest is done."""

import pytest

from tests.robustness import abilities
from tests.robustness.faults import named
from tests.robustness.run import Options, possible
from zooweeper.model.config import GRPC


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without root and without a compiler."""
    lacking = {abilities.DISKS: "needs root, to mount disks", abilities.SHIM: "no C compiler: cc"}
    monkeypatch.setattr(abilities, "missing", lacking.__getitem__)


def test_a_bare_machine_still_kills_pauses_and_cuts(bare: None) -> None:
    chosen, skipped = possible(named(()), Options())
    families = {fault.family for fault in chosen}
    assert families == {
        "kill",
        "pause",
        "partition",
        "one-way",
        "partial",
        "flap",
        "reset",
        "lane",
        "slow",
        "restart",
        "rot",
        "members",
    }
    assert skipped["power cut at all"] == "needs root, to mount disks"
    assert skipped["sync fails at one"] == "no C compiler: cc"
    assert skipped["ring"] == "needs five nodes"
    assert len(chosen) + len(skipped) == len(named(()))


def test_five_nodes_have_more_shapes(bare: None) -> None:
    assert (
        not {"ring", "leader in the smaller half"}
        & possible(named(("partition", "partial")), Options(nodes=5))[1].keys()
    )


def test_who_is_not_root_has_no_disks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    abilities.missing.cache_clear()
    assert "root" in abilities.missing(abilities.DISKS) or "Linux" in abilities.missing(abilities.DISKS)
    abilities.missing.cache_clear()


def test_an_unknown_fault_is_an_error() -> None:
    with pytest.raises(KeyError):
        named(("earthquake",))


def test_without_lanes_nothing_happens_to_them() -> None:
    skipped = possible(named(("lane",)), Options(carrier=GRPC))[1]
    assert len(skipped) == len(named(("lane",))) > 1 and all("no lanes" in reason for reason in skipped.values())
    assert not possible(named(("lane",)), Options())[1]
