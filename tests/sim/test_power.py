"""A simulator proves no more than its checks ask: here promises are broken on purpose, and it must say so."""

from collections.abc import Callable

import pytest
from zooweeper_client.watches import Watches

from sim.memory import MemoryStore
from sim.scenario import Outcome, run_agreement, run_service
from zooweeper.model.durable import Accepted
from zooweeper.replica.replica import Replica
from zooweeper.zab import quorum

SEEDS = range(200, 240)


def found(run: Callable[[int], Outcome]) -> bool:
    return any(run(seed).violation is not None for seed in SEEDS)


def test_commits_without_a_quorum_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quorum, "committed", lambda voters, reached: max(reached.values()))
    assert found(run_agreement)


def test_a_disk_that_forgets_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    write = MemoryStore.write
    monkeypatch.setattr(
        MemoryStore, "write", lambda self, records: write(self, [one for one in records if type(one) is not Accepted])
    )
    assert found(run_agreement)


def test_watches_that_are_not_armed_again_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Watches, "rearm", lambda self: iter(()))
    assert found(run_service)


def test_events_behind_answers_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    take = Replica.take

    def shuffled(self: Replica) -> object:
        outbox = take(self)
        outbox.deliver.sort(key=lambda one: type(one).__name__)  # Answer before Notice
        return outbox

    monkeypatch.setattr(Replica, "take", shuffled)
    assert found(run_service)
