"""The line of writes: nothing overtakes, nothing is lost, nothing is held for ever."""

import asyncio

import pytest
from grades.table import Result
from grades.writes import HOLD_S, WAITING_MAX, Group, Trouble, Writes
from hypothesis import given, settings
from hypothesis import strategies as st

ALL = 1 << 30


def group(*names: str, forwarded: bool = False) -> Group:
    return Group([name.encode() for name in names], forwarded)


def results(first: int, count: int) -> list[Result]:
    return [Result(n) for n in range(first, first + count)]


def test_batches_do_not_care_for_the_bounds_of_groups() -> None:
    async def scenario() -> None:
        writes = Writes()
        groups = [group("a", "b", "c"), group("d"), group("e", "f")]
        for one in groups:
            writes.submit(one)
        assert writes.ready(100) == len(writes) == 6 and writes.ready(4) == 4
        assert writes.take(2, ALL) == [b"a", b"b"] and writes.ready(100) == 4 and len(writes) == 6
        assert writes.take(3, ALL) == [b"c", b"d", b"e"]
        writes.settle(results(1, 2))
        assert not groups[0].done.done()
        writes.settle(results(3, 3))
        assert groups[0].done.result() == results(1, 3) and groups[1].done.result() == results(4, 1)
        assert writes.take(9, ALL) == [b"f"]
        writes.settle(results(6, 1))
        assert groups[2].done.result() == results(5, 2) and len(writes) == 0

    asyncio.run(scenario())


def test_what_is_given_back_comes_again_in_order_without_what_was_answered() -> None:
    async def scenario() -> None:
        writes = Writes()
        for one in (group("a", "b", "c"), group("d", "e")):
            writes.submit(one)
        writes.take(4, ALL)
        writes.settle(results(1, 1))
        writes.give_back("the leader is gone")
        writes.submit(group("f"))
        assert writes.take(9, ALL) == [b"b", b"c", b"d", b"e", b"f"]

    asyncio.run(scenario())


def test_a_batch_is_bounded_in_bytes_but_never_empty() -> None:
    async def scenario() -> None:
        writes = Writes()
        writes.submit(Group([b"x" * 700, b"y" * 200, b"z" * 200]))
        assert [len(entry) for entry in writes.take(9, 1000)] == [700, 200]
        assert [len(entry) for entry in writes.take(9, 10)] == [200]
        assert writes.take(9, 10) == []

    asyncio.run(scenario())


def test_there_is_room_for_so_many_and_for_more_when_some_are_answered() -> None:
    async def scenario() -> None:
        writes = Writes()
        for _ in range(WAITING_MAX // 1000):
            writes.submit(Group([b"x"] * 1000))
        with pytest.raises(Trouble) as refused:
            writes.submit(group("one more"))
        assert not refused.value.unknown
        writes.take(1000, ALL)
        writes.settle(results(1, 1000))
        writes.submit(group("one more"))

    asyncio.run(scenario())


def test_forwarded_groups_end_where_the_leadership_ends() -> None:
    async def scenario() -> None:
        writes = Writes()
        mine, theirs, waiting = group("a"), group("b", "c", forwarded=True), group("d", forwarded=True)
        for one in (mine, theirs, waiting):
            writes.submit(one)
        writes.take(2, ALL)
        writes.give_back("deposed", forwarded=False)
        assert not mine.done.done() and writes.take(9, ALL) == [b"a"]
        for one, unknown in ((theirs, True), (waiting, False)):
            trouble = one.done.exception()
            assert isinstance(trouble, Trouble) and trouble.unknown is unknown and str(trouble) == "deposed"

    asyncio.run(scenario())


def test_groups_that_wait_for_too_long_end_and_what_is_on_its_way_keeps_its_place() -> None:
    async def scenario() -> None:
        writes = Writes()
        taken, waiting = group("a", "b"), group("c")
        for one in (taken, waiting):
            writes.submit(one)
        assert writes.take(1, ALL) == [b"a"]
        for one in (taken, waiting):
            one.since -= HOLD_S + 1
        young = group("d")
        writes.submit(young)
        writes.expire("no answer")
        for one, unknown in ((taken, True), (waiting, False)):
            trouble = one.done.exception()
            assert isinstance(trouble, Trouble) and trouble.unknown is unknown
        assert not young.done.done() and len(writes) == 3
        writes.settle(results(1, 1))
        assert writes.take(9, ALL) == [b"b", b"d"]
        writes.settle(results(2, 2))
        assert young.done.result() == results(3, 1) and len(writes) == 0
        writes.submit(last := group("e"))
        writes.fail_all("the server stops")
        assert isinstance(last.done.exception(), Trouble) and len(writes) == 0

    asyncio.run(scenario())


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["submit", "take", "settle", "back"]), st.integers(1, 5)), max_size=60))
def test_whatever_happens_the_order_is_that_of_submission(steps: list[tuple[str, int]]) -> None:
    async def scenario() -> None:
        writes, submitted, answered = Writes(), 0, 0
        flying: list[bytes] = []
        groups: list[tuple[int, Group]] = []
        for step, count in steps:
            if step == "submit":
                made = group(*[str(number) for number in range(submitted, submitted + count)])
                groups.append((submitted, made))
                submitted += count
                writes.submit(made)
            elif step == "take":
                flying += writes.take(count, ALL)
                assert flying == [str(number).encode() for number in range(answered, answered + len(flying))]
            elif step == "settle":
                count = min(count, len(flying))
                writes.settle(results(answered, count))
                del flying[:count]
                answered += count
            else:
                writes.give_back("again")
                flying.clear()
            assert len(writes) == sum(len(one.entries) for _, one in groups if not one.done.done())
        for first, made in groups:
            whole = first + len(made.entries) <= answered
            assert made.done.done() is whole
            assert not whole or made.done.result() == results(first, len(made.entries))

    asyncio.run(scenario())
