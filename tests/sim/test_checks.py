"""A check that cannot fail proves nothing: true histories are broken on purpose, and each must be called what it is.

Rules: a run without faults gives the history; one thing of it is changed before the verdict.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from sim import work
from sim.checks import verdict
from sim.checks.expiry import Ending
from sim.history import Armed, History, Operation, Told
from sim.model import Model
from sim.plan import plan_of
from sim.scenario import run_service
from sim.workloads import WORKLOADS
from sim.world import MS, Violation
from zooweeper.model.entry import Batch, pack_request
from zooweeper.model.errors import ErrorCode
from zooweeper.model.zxid import epoch_of
from zooweeper.ops.create import Create
from zooweeper.ops.data import GetData, SetData
from zooweeper.ops.delete import Delete
from zooweeper.ops.multi import Multi, MultiRead
from zooweeper.ops.session import CloseSession
from zooweeper.replica.outbox import Answer, Notice


@dataclass
class Case:
    """What a verdict is asked about."""

    world: Any
    batches: list[Batch]
    drivers: list[Any]
    nodes: list[Any]
    endings: list[Ending]

    @property
    def clients(self) -> list[Any]:
        return [driver.client for driver in self.drivers]

    @property
    def operations(self) -> list[Operation]:
        return sorted((one for client in self.clients for one in client.history), key=lambda one: one.call_us)

    def first(self, op: type[Any], wanted: Callable[[Operation], bool] = lambda one: True) -> Operation:
        return next(one for one in self.operations if one.code == op.code and one.ok and wanted(one))

    def last(self, op: type[Any]) -> Operation:
        return [one for one in self.operations if one.code == op.code and one.ok][-1]

    def links(self) -> list[Any]:
        return [link for client in self.clients for link in client.links]

    def judge(self) -> int:
        return verdict.judge(self.world, self.batches, self.drivers, self.nodes, self.endings)


def case_of(monkeypatch: pytest.MonkeyPatch, seed: int, *names: str) -> Case:
    """A run in which all went well."""
    kept: list[Case] = []

    def keep(world: Any, batches: Any, drivers: Any, nodes: Any, endings: Any) -> int:
        kept.append(Case(world, list(batches), drivers, nodes, list(endings)))
        return 0

    monkeypatch.setattr(work, "judge", keep)
    plan = plan_of(seed, voters=3, workloads=names)
    plan = replace(
        plan.with_options(
            workloads=names, clients=4, timeout_ms=4000, window_entries=50_000, network="LAN", timing="quick"
        ),
        strikes=(),
        doings=tuple(
            replace(doing, workload=names[place % len(names)], client=1 + doing.dice % 4)
            for place, doing in enumerate(plan.doings)
        ),
    )
    outcome = run_service(plan)
    assert outcome.violation is None, outcome.report()
    return kept[0]


Break = Callable[[Case], None]


def lose_a_write(case: Case) -> None:
    zxid = case.last(SetData).zxid
    case.batches[:] = [batch for batch in case.batches if batch.last < zxid]


def change_an_entry(case: Case) -> None:
    zxid = case.first(SetData, lambda one: one.path != "/").zxid
    place = next(at for at, batch in enumerate(case.batches) if batch.first <= zxid <= batch.last)
    batch = case.batches[place]
    entries = [
        entry._replace(body=SetData.Request("/registers/a", b"other", -1).encode()) if entry.zxid == zxid else entry
        for entry in batch.entries()
    ]
    data = b"".join(pack_request(one.session, one.attach, one.number, one.code, one.body) for one in entries)
    case.batches[place] = Batch(batch.first, batch.last, batch.time_ms, data)


def tell_another_version(case: Case) -> None:
    result = case.first(SetData).result
    result.stat = result.stat._replace(version=result.stat.version + 1)


def tell_another_time(case: Case) -> None:
    result = case.first(SetData).result
    result.stat = result.stat._replace(mtime=result.stat.mtime + 1)


def tell_another_error(case: Case) -> None:
    case.first(SetData).error = ErrorCode.BAD_VERSION


def tell_another_zxid(case: Case) -> None:
    case.first(SetData).zxid -= 1


def call_late(case: Case) -> None:
    case.first(SetData).call_us = case.last(SetData).return_us + 1


def read_other_data(case: Case) -> None:
    case.first(GetData, lambda one: one.path == "/registers/a").result.data = b"nobody wrote that"


def read_nothing(case: Case) -> None:
    case.first(GetData).error = ErrorCode.NO_NODE


def read_what_is_old(case: Case) -> None:
    read = case.first(GetData)
    read.linear, read.call_us, read.return_us = True, 1 << 60, 1 << 61


def deny_what_happened(case: Case) -> None:
    write = case.first(SetData)
    write.return_us, write.lost, write.denied = -1, True, True


def end_a_session_that_lives(case: Case) -> None:
    client = next(client for client in case.clients if client.session)
    client.expired.append(client.session)


def close_a_session_in_vain(case: Case) -> None:
    close = case.first(CloseSession)
    wrong = [one for one in case.operations if one.ok and one.code == Create.code and one.session != close.session]
    close.session, close.number = wrong[-1].session, 0


def end_a_session_early(case: Case) -> None:
    case.endings[0] = case.endings[0]._replace(led_us=case.endings[0].at_us - 3999 * MS)


def end_a_session_that_was_heard(case: Case) -> None:
    ending = case.endings[0]
    link = next(link for link in case.links() if link.session == ending.session)
    link.touches.append((ending.at_us - 2500 * MS, epoch_of(ending.zxid)))


def events_of(case: Case) -> list[tuple[Any, int]]:
    return [
        (link.heard, place)
        for link in case.links()
        for place, one in enumerate(link.heard)
        if isinstance(one, Notice) and any(isinstance(later, Answer) for later in link.heard[place:])
    ]


def lose_an_event(case: Case) -> None:
    heard, place = events_of(case)[0]
    del heard[place]


def repeat_an_event(case: Case) -> None:
    heard, place = events_of(case)[0]
    heard.insert(place, heard[place])


def delay_an_event(case: Case) -> None:
    heard, place = next((heard, place) for heard, place in events_of(case) if isinstance(heard[place + 1], Answer))
    heard[place], heard[place + 1] = heard[place + 1], heard[place]


def change_an_event(case: Case) -> None:
    heard, place = events_of(case)[0]
    heard[place] = replace(heard[place], type=heard[place].type % 4 + 1)


def invent_an_event(case: Case) -> None:
    heard, place = events_of(case)[0]
    heard.insert(place, replace(heard[place], path="/watches/none"))


def programs(case: Case, kind: type[Any]) -> list[tuple[list[Any], int]]:
    return [
        (client.program, place)
        for client in case.clients
        for place, one in enumerate(client.program)
        if type(one) is kind and one.watcher
    ]


def tell_a_watcher_nothing(case: Case) -> None:
    program, place = programs(case, Told)[0]
    del program[place]


def tell_a_watcher_twice(case: Case) -> None:
    once = {one.watcher for client in case.clients for one in client.program if type(one) is Armed and one.kind < 3}
    program, place = next((program, at) for program, at in programs(case, Told) if program[at].watcher in once)
    program.insert(place, program[place])


def change_a_node(case: Case) -> None:
    case.nodes[1].brain.state.tree.node("/registers/a").mzxid += 1


def lose_a_node(case: Case) -> None:
    del case.nodes[1].brain.state.tree.node("/registers").children["c"]


def count_wrong(case: Case) -> None:
    sessions = case.nodes[0].brain.state.sessions
    sessions[next(iter(sessions))].number += 1


BREAKS: tuple[tuple[Break, str, str], ...] = (
    (lose_a_write, "registers", "durability"),
    (change_an_entry, "registers", "durability"),
    (tell_another_version, "registers", "results"),
    (tell_another_time, "registers", "results"),
    (tell_another_error, "registers", "results"),
    (tell_another_zxid, "registers", "results"),
    (call_late, "registers", "real time"),
    (read_other_data, "registers", "reads"),
    (read_nothing, "registers", "reads"),
    (read_what_is_old, "registers", "linear reads"),
    (deny_what_happened, "registers", "not applied"),
    (end_a_session_that_lives, "registers", "sessions"),
    (close_a_session_in_vain, "sessions", "durability"),
    (end_a_session_early, "sessions", "expiry"),
    (end_a_session_that_was_heard, "sessions", "expiry"),
    (lose_an_event, "watches", "event"),
    (repeat_an_event, "watches", "events"),
    (delay_an_event, "watches", "event before answer"),
    (change_an_event, "watches", "events"),
    (invent_an_event, "watches", "events"),
    (tell_a_watcher_nothing, "watches", "watchers"),
    (tell_a_watcher_twice, "watches", "watchers"),
    (change_a_node, "registers", "state"),
    (lose_a_node, "registers", "state"),
    (count_wrong, "registers", "sessions"),
)


@pytest.mark.parametrize(("broken", "workload", "check"), BREAKS, ids=[one[0].__name__ for one in BREAKS])
def test_what_is_broken_is_noticed(monkeypatch: pytest.MonkeyPatch, broken: Break, workload: str, check: str) -> None:
    case = case_of(monkeypatch, 3, workload)
    assert case.judge() > 10
    broken(case)
    with pytest.raises(Violation, match=f"^{check}"):
        case.judge()


@pytest.mark.parametrize("name", WORKLOADS)
def test_every_workload_does_something(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    case = case_of(monkeypatch, 4, name)
    assert case.judge() > 10
    codes = {one.code for one in case.operations if one.ok}
    assert len(codes) > 1


# --- the workloads' own judges, which do without the replay


def history_of(case: Case) -> History:
    model = Model()
    model.run(case.batches)
    return History(model, case.clients)


def of(history: History, name: str, op: type[Any], wanted: Callable[[Operation], Any] = lambda one: True) -> Operation:
    return next(one for one in history.of(name) if one.code == op.code and one.ok and wanted(one))


def a_linear_read_of_nothing(history: History) -> None:
    read = of(history, "registers", GetData, lambda one: one.linear and one.result.data)
    read.result.data = b"nobody wrote that"


def a_name_twice(history: History) -> None:
    one, other, *_ = [one for one in history.of("sequences") if one.code == Create.code and one.ok]
    other.result.path = one.result.path


def a_lost_append(history: History) -> None:
    of(history, "appends", SetData).note = b"another"


def a_double_append(history: History) -> None:
    zxid, node = history.model.past["/appends/list"][-1]
    assert node is not None
    history.model.past["/appends/list"].append((zxid, node._replace(data=node.data + node.data.split()[0])))


def an_item_taken_twice(history: History) -> None:
    one, other, *_ = [one for one in history.of("queue") if one.code == Delete.code and one.ok]
    other.path = one.path


def an_item_changed(history: History) -> None:
    of(history, "queue", Delete).note = b"another"


def an_item_lost(history: History) -> None:
    put = of(history, "queue", Create, lambda one: one.path.endswith("item-"))
    put.result.path = "/queue/item-9999999999"


def a_token_that_falls(history: History) -> None:
    past = history.model.past["/locks/guarded"]
    zxid, node = past[-1]
    assert node is not None
    past.append((zxid + 1, node._replace(data=b"1 late")))


def a_write_without_the_lock(history: History) -> None:
    write = of(history, "locks", Multi, lambda one: not one.result.parts[-1].error)
    write.note = ("/locks/line/l-9999999999", write.note[1])


def an_ephemeral_without_its_session(history: History) -> None:
    model = history.model
    node = next(node for _, node in model.past["/ephemerals/1"] if node is not None)
    session = model.session(node.owner)
    assert session is not None
    session.ended = node.czxid


def an_ephemeral_that_went_alone(history: History) -> None:
    for session in (*history.model.sessions.values(), *history.model.ended.values()):
        session.ended += 1


def another_sum(history: History) -> None:
    read = of(history, "bank", MultiRead, lambda one: all(part.record for part in one.result.parts))
    read.result.parts[0].record.data = b"1000000"


def money_from_nothing(history: History) -> None:
    past = history.model.past["/bank/0"]
    zxid, node = past[-1]
    assert node is not None
    past.append((zxid + 1, node._replace(data=b"1000000")))


def a_transfer_that_could_not_be(history: History) -> None:
    transfer = of(history, "bank", Multi, lambda one: one.note is True)
    transfer.result.parts[-1] = transfer.result.parts[-1]._replace(error=0)


JUDGED: tuple[tuple[Callable[[History], None], str, str], ...] = (
    (a_linear_read_of_nothing, "registers", "linearizability"),
    (a_name_twice, "sequences", "sequence"),
    (a_lost_append, "appends", "exactly once"),
    (a_double_append, "appends", "exactly once"),
    (an_item_taken_twice, "queue", "queue"),
    (an_item_changed, "queue", "queue"),
    (an_item_lost, "queue", "queue"),
    (a_token_that_falls, "locks", "locks"),
    (a_write_without_the_lock, "locks", "locks"),
    (an_ephemeral_without_its_session, "ephemerals", "ephemerals"),
    (an_ephemeral_that_went_alone, "sessions", "ephemerals"),
    (another_sum, "bank", "bank"),
    (money_from_nothing, "bank", "bank"),
    (a_transfer_that_could_not_be, "bank", "bank"),
)


@pytest.mark.parametrize(("broken", "workload", "check"), JUDGED, ids=[one[0].__name__ for one in JUDGED])
def test_a_judge_notices(
    monkeypatch: pytest.MonkeyPatch, broken: Callable[[History], None], workload: str, check: str
) -> None:
    history = history_of(case_of(monkeypatch, 3, workload))
    WORKLOADS[workload].judge(history)
    broken(history)
    with pytest.raises(Violation, match=f"^{check}"):
        WORKLOADS[workload].judge(history)
