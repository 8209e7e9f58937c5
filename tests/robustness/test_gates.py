"""Each gate fails when what it asks for is missing, and a broken promise outweighs them all."""

from collections.abc import Callable

import pytest

from tests.robustness.facts import Count, Facts, Ledger, Sample, Second, stalls
from tests.robustness.gates import GATES, Gate, Verdict, judge
from tests.robustness.strikes import Strike


def good() -> Facts:
    """A run without fault, but for its faults."""
    strike = Strike("leader killed", "kill", (2,), 4.0, 4.1, 5.0, 6.0, "pid 7 gone", "node 2 serves", True)
    return Facts(
        {"seed": "1"},
        planned_s=10.0,
        fire_s=10.2,
        began_s=4.0,
        strikes=[strike],
        samples=[Sample(1.0, {1: "follower", 2: "leader"}, 2, 1), Sample(8.0, {1: "leader", 2: "follower"}, 1, 2)],
        seconds=[Second(ok=60) for _ in range(14)],
        counts={"setData": Count(ok=500, error=20, unknown=5), "getData": Count(ok=200)},
        ledger=Ledger(acknowledged=500, recovered=500, kills=1),
        checked=725,
        asked=725,
    )


def mostly_refused(facts: Facts) -> None:
    facts.counts = {"setData": Count(ok=100, error=625)}


def idle_before(facts: Facts) -> None:
    facts.seconds[:4] = [Second(ok=3) for _ in range(4)]


def blunt(facts: Facts) -> None:
    facts.strikes[0].bit_s = -1.0


def no_fault(facts: Facts) -> None:
    facts.strikes = []


def lasting(facts: Facts) -> None:
    facts.strikes[0].over_s = -1.0


def same_leader(facts: Facts) -> None:
    facts.samples = facts.samples[:1]


def unseen(facts: Facts) -> None:
    facts.checked = 600


def short(facts: Facts) -> None:
    facts.fire_s = 9.0


def broken_rig(facts: Facts) -> None:
    facts.trouble = "mount: no loop device"


SPOILED: dict[str, tuple[Callable[[Facts], None], ...]] = {
    "operations answered well": (mostly_refused,),
    "rate before the first fault": (idle_before,),
    "faults seen to bite": (blunt, no_fault),
    "faults seen to end": (lasting,),
    "leader changes": (same_leader,),
    "operations the checks saw": (unseen,),
    "planned time reached": (short, broken_rig),
}


def missed(gates: list[Gate]) -> list[str]:
    return [gate.name for gate in gates if not gate.ok]


def test_a_good_run_passes() -> None:
    verdict, gates = judge(good())
    assert (verdict, missed(gates)) == (Verdict.PASS, [])


@pytest.mark.parametrize(("name", "spoil"), [(name, spoil) for name, ways in SPOILED.items() for spoil in ways])
def test_each_gate_can_fail(name: str, spoil: Callable[[Facts], None]) -> None:
    facts = good()
    spoil(facts)
    verdict, gates = judge(facts)
    assert (verdict, missed(gates)) == (Verdict.INVALID, [name])


def test_no_gate_is_without_its_failure() -> None:
    assert [gate(good()).name for gate in GATES] == list(SPOILED)


def test_no_change_of_leaders_is_asked_for_where_none_is_due() -> None:
    facts = good()
    facts.strikes[0].new_leader = False
    same_leader(facts)
    assert judge(facts)[0] is Verdict.PASS


def test_a_broken_promise_fails_whatever_the_gates_say() -> None:
    facts = good()
    facts.violations = ["durability: acknowledged and not committed"]
    assert judge(facts)[0] is Verdict.FAIL
    blunt(facts)
    assert judge(facts)[0] is Verdict.FAIL


@pytest.mark.parametrize(("gap_s", "majority", "stalled"), [(4.0, True, 0), (11.0, True, 1), (11.0, False, 0)])
def test_a_whole_majority_must_go_on(gap_s: float, majority: bool, stalled: int) -> None:
    strike = good().strikes[0]
    strike.gap_s, strike.majority = gap_s, majority
    assert len(stalls([strike])) == stalled
