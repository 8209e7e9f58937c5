"""The loop with a brain of strings: order of carrying out, one drain per turn, what waits for the disk, and ends."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

import pytest

from zooweeper.model.config import Address, Member
from zooweeper.model.durable import Accepted, Record
from zooweeper.model.errors import ErrorCode, ThrottledOp
from zooweeper.model.limits import CONNECTIONS_MAX
from zooweeper.model.members import Membership, of_settings
from zooweeper.replica.events import Clock, Disconnect, Event, Heard, PeerUp, Received, SnapshotWritten, Tick
from zooweeper.replica.inspect import Inspection
from zooweeper.replica.outbox import Answer, Delivery, Notice, Outbox
from zooweeper.replica.status import Status
from zooweeper.runtime.loop import EXIT_BROKEN, EXIT_DISK, EXIT_STOPPED, LAZY_MOST, LAZY_S, Node
from zooweeper.runtime.outgoing import PAUSE_S, SLICE
from zooweeper.zab.broadcasting import PATIENCE_MS
from zooweeper.zab.messages import Ack, Commit, Message

ME, OTHER = 1, 2


class Brain:
    """Writes down what it is told; its outboxes are laid out by the test."""

    def __init__(self, journal: list[Any]) -> None:
        self.journal = journal
        self.next: list[Outbox] = []
        self.taken = 0

    def step(self, event: Event) -> None:
        if not isinstance(event, Clock | Tick):
            self.journal.append(event)

    def take(self) -> Outbox:
        self.taken += 1
        outbox = self.next.pop(0) if self.next else Outbox()
        if outbox:
            self.journal.append("take")
        return outbox

    def read(self, connection: int, session: int, code: int, body: bytes) -> tuple[int, bytes]:
        self.journal.append(("read", connection, session, code, body))
        return 7, b"result"

    def status(self) -> Status:
        return Status(1, "looking", "election", 0, 0, 0, 0, 0, 0, False, False, True, "", 0, 0, 0, 0, 0, Membership(()))

    def inspect(self) -> Inspection:
        raise AssertionError("nobody asks for it")


class World:
    """A node, and a disk, a net and a sink that write down what reaches them."""

    def __init__(self) -> None:
        self.journal: list[Any] = []
        self.brain = Brain(self.journal)
        self.ended: list[int] = []
        self.tokens: list[Any] = []
        self.node = Node(ME, self.brain, 10_000, self.ended.append)
        self.connection = self.node.register(self)
        self.node.start(self, self)

    def submit(self, records: Sequence[Record], token: Any) -> None:
        self.journal.append(("disk", list(records)))
        self.tokens.append(token)

    def send(self, peer: int, message: Message) -> None:
        self.journal.append(("send", peer, message))

    def set_members(self, membership: Membership) -> None:
        self.journal.append(("members", membership))

    def carrier(self, peer: int) -> str:
        return ""

    def deliver(self, item: Delivery) -> None:
        self.journal.append(("deliver", item))

    async def turn(self, *outboxes: Outbox) -> list[Any]:
        """Let one event lead to these outboxes; what happened, without the event."""
        self.journal.clear()
        for outbox in outboxes:
            self.brain.next.append(outbox)
            self.node.step(Heard(1))
            await settle()
        return [entry for entry in self.journal if entry != Heard(1)]


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


def answer(connection: int) -> Answer:
    return Answer(connection, 1, 1, ErrorCode.OK, b"")


def test_the_outbox_is_carried_out_in_its_order_and_after_waits_for_the_disk() -> None:
    async def main() -> None:
        world = World()
        outbox = Outbox(
            disk=[Accepted(1)],
            now=[(OTHER, Commit(1, 1, 1))],
            deliver=[answer(world.connection)],
            after=[(OTHER, Ack(1, 1, 1)), (ME, Ack(1, 1, 1))],
            written=[SnapshotWritten(1, 0, False)],
        )
        assert await world.turn(outbox) == [
            "take",
            ("send", OTHER, Commit(1, 1, 1)),
            ("disk", [Accepted(1)]),
            ("deliver", answer(world.connection)),
        ]
        world.journal.clear()
        world.node.report(world.tokens[0])
        await settle()
        assert world.journal == [
            ("send", OTHER, Ack(1, 1, 1)),
            Received(ME, Ack(1, 1, 1)),
            SnapshotWritten(1, 0, False),
        ]
        world.node.stop()

    run(main())


def test_after_without_disk_goes_at_once_or_behind_the_disk_work_before_it() -> None:
    async def main() -> None:
        world = World()
        alone = Outbox(after=[(OTHER, Ack(1, 1, 1))])
        assert await world.turn(alone) == ["take", ("send", OTHER, Ack(1, 1, 1))]
        writing = Outbox(disk=[Accepted(1)], after=[(OTHER, Ack(1, 1, 2))])
        behind = Outbox(after=[(OTHER, Ack(1, 1, 3))])
        assert await world.turn(writing, behind) == ["take", ("disk", [Accepted(1)]), "take"]
        world.journal.clear()
        world.node.report(world.tokens[-1])
        await settle()
        assert world.journal == [("send", OTHER, Ack(1, 1, 2)), ("send", OTHER, Ack(1, 1, 3))]
        world.node.stop()

    run(main())


def test_a_report_releases_what_was_submitted_up_to_it_and_no_more() -> None:
    async def main() -> None:
        world = World()
        boxes = [Outbox(disk=[Accepted(k)], after=[(OTHER, Ack(1, 1, k))]) for k in range(3)]
        await world.turn(*boxes)
        world.journal.clear()
        world.node.report(world.tokens[1])
        await settle()
        assert world.journal == [("send", OTHER, Ack(1, 1, 0)), ("send", OTHER, Ack(1, 1, 1))]
        world.node.report(world.tokens[2])
        await settle()
        assert world.journal[-1] == ("send", OTHER, Ack(1, 1, 2))
        world.node.stop()

    run(main())


def test_what_the_disk_may_take_later_goes_with_what_it_may_not() -> None:
    async def main() -> None:
        world = World()
        lazy = [Outbox(disk=[Accepted(k)], lazy=True, after=[(OTHER, Ack(1, 1, k))]) for k in range(2)]
        assert await world.turn(*lazy) == ["take", "take"]
        urgent = Outbox(disk=[Accepted(2)], after=[(OTHER, Ack(1, 1, 2))])
        assert await world.turn(urgent) == ["take", ("disk", [Accepted(0), Accepted(1), Accepted(2)])]
        world.journal.clear()
        world.node.report(world.tokens[0])
        await settle()
        assert world.journal == [("send", OTHER, Ack(1, 1, k)) for k in range(3)]
        world.node.stop()

    run(main())


def test_what_the_disk_may_take_later_waits_neither_long_nor_for_many_nor_for_an_end() -> None:
    async def main() -> None:
        world = World()
        assert await world.turn(Outbox(disk=[Accepted(1)], lazy=True)) == ["take"]
        async with asyncio.timeout(5):
            while not world.tokens:
                await asyncio.sleep(LAZY_S)
        assert world.journal[-1] == ("disk", [Accepted(1)])
        many = [Accepted(k) for k in range(LAZY_MOST + 1)]
        assert await world.turn(Outbox(disk=list(many), lazy=True)) == ["take", ("disk", many)]
        assert await world.turn(Outbox(disk=[Accepted(1)], lazy=True)) == ["take"]
        world.node.stop()
        assert world.journal[-1] == ("disk", [Accepted(1)])

    run(main())


def test_what_others_wait_for_leaves_before_the_rest_is_taken() -> None:
    async def main() -> None:
        world = World()
        await settle()
        world.journal.clear()
        told = answer(world.connection)
        world.brain.next += [Outbox(now=[(OTHER, Commit(1, 1, 1))], more=True), Outbox(deliver=[told])]
        world.node.step(Heard(1))
        await settle()
        assert world.journal == [Heard(1), "take", ("send", OTHER, Commit(1, 1, 1)), "take", ("deliver", told)]
        world.node.stop()

    run(main())


def test_a_brain_that_holds_something_back_is_shown_the_time() -> None:
    async def main() -> None:
        world = World()
        await world.turn(Outbox(again_ms=PATIENCE_MS), Outbox(again_ms=PATIENCE_MS))
        taken = world.brain.taken
        async with asyncio.timeout(5):
            while world.brain.taken == taken:
                await asyncio.sleep(PATIENCE_MS / 1000)
        await asyncio.sleep(4 * PATIENCE_MS / 1000)
        assert world.brain.taken == taken + 1, "once, for both"
        await world.turn(Outbox(again_ms=60_000), Outbox(again_ms=1))
        async with asyncio.timeout(5):
            while world.brain.taken == taken + 3:
                await asyncio.sleep(0.001)
        await world.turn(Outbox(again_ms=10), Outbox())
        taken = world.brain.taken
        await asyncio.sleep(0.04)
        assert world.brain.taken == taken, "what waited has gone"
        world.node.stop()

    run(main())


def test_everything_of_one_turn_is_stepped_before_one_drain() -> None:
    async def main() -> None:
        world = World()
        await settle()
        world.journal.clear()
        world.brain.next.append(Outbox(now=[(OTHER, Commit(1, 1, 1))]))
        for peer in range(5):
            world.node.peer_up(peer)
        await settle()
        expected: list[Any] = [PeerUp(peer) for peer in range(5)]
        assert world.journal == [*expected, "take", ("send", OTHER, Commit(1, 1, 1))]
        world.node.stop()

    run(main())


def test_a_connection_that_left_gets_nothing_and_is_told_of_once() -> None:
    async def main() -> None:
        world = World()
        world.node.disconnect(world.connection)
        world.node.disconnect(world.connection)
        await settle()
        assert world.journal.count(Disconnect(world.connection)) == 1
        assert await world.turn(Outbox(deliver=[answer(world.connection)])) == ["take"]
        world.node.stop()

    run(main())


def test_an_event_for_many_leaves_later_and_requests_go_on_meanwhile() -> None:
    async def main() -> None:
        world = World()
        numbers = tuple(world.node.register(world) for _ in range(4 * SLICE))
        event = ("deliver", Notice(numbers, 1, 3, "/w"))
        assert await world.turn(Outbox(deliver=[Notice(numbers, 1, 3, "/w")])) == ["take"]
        assert await world.turn(Outbox(deliver=[answer(world.connection)])) == [
            "take",
            ("deliver", answer(world.connection)),
        ]
        world.journal.clear()
        async with asyncio.timeout(5):
            while len(world.journal) < len(numbers):
                await asyncio.sleep(PAUSE_S)
        assert world.journal == [event] * len(numbers)
        await world.turn(Outbox(deliver=[Notice(numbers, 1, 3, "/w")]))
        world.node.stop()
        await asyncio.sleep(4 * PAUSE_S)
        assert event not in world.journal, "a node that has stopped tells nobody"

    run(main())


def test_a_read_at_once_is_the_brains_alone_and_waits_for_events_that_are_on_their_way() -> None:
    async def main() -> None:
        world = World()
        assert world.node.read(world.connection, 5, 4, b"body") == (7, b"result")
        await settle()
        assert world.journal == [("read", world.connection, 5, 4, b"body")], "nothing is stepped, taken or delivered"
        numbers = tuple(world.node.register(world) for _ in range(SLICE + 1))
        await world.turn(Outbox(deliver=[Notice(numbers, 1, 3, "/w")]))
        assert world.node.read(world.connection, 5, 4, b"body") is None, "the event comes first"
        world.journal.clear()
        async with asyncio.timeout(5):
            while len(world.journal) < len(numbers):
                await asyncio.sleep(PAUSE_S)
        assert world.node.read(world.connection, 5, 4, b"body") == (7, b"result")
        world.node.stop()
        assert world.node.read(world.connection, 5, 4, b"body") is None

    run(main())


def test_a_brain_that_breaks_in_a_read_ends_the_process() -> None:
    async def main() -> None:
        world = World()

        def broken(connection: int, session: int, code: int, body: bytes) -> tuple[int, bytes]:
            raise AssertionError("what must hold does not")

        world.brain.read = broken  # type: ignore[method-assign]
        with pytest.raises(AssertionError, match="must hold"):
            world.node.read(world.connection, 5, 4, b"body")
        assert world.ended == [EXIT_BROKEN]

    run(main())


def test_connections_are_bounded_and_never_numbered_twice() -> None:
    async def main() -> None:
        world = World()
        numbers = [world.node.register(world) for _ in range(CONNECTIONS_MAX - 1)]
        assert len({*numbers, world.connection}) == CONNECTIONS_MAX
        with pytest.raises(ThrottledOp):
            world.node.register(world)
        world.node.disconnect(numbers[0])
        assert world.node.register(world) > max(numbers)
        world.node.stop()

    run(main())


def test_an_outbox_that_says_stop_is_not_carried_out() -> None:
    async def main() -> None:
        world = World()
        outbox = Outbox(disk=[Accepted(1)], now=[(OTHER, Commit(1, 1, 1))], stop="a replica diverged")
        assert await world.turn(outbox) == ["take"]
        assert world.ended == [EXIT_STOPPED]
        world.node.peer_up(3)
        await settle()
        assert PeerUp(3) not in world.journal

    run(main())


def test_the_net_hears_of_the_members_before_anything_is_sent_to_them() -> None:
    async def main() -> None:
        world = World()
        two = of_settings(
            Member(id, Address("h", id), Address("h", id + 2), Address("h", id + 4), Address("h", id + 6))
            for id in (ME, OTHER)
        )
        outbox = Outbox(now=[(OTHER, Commit(1, 1, 1))], members=two)
        assert await world.turn(outbox) == ["take", ("members", two), ("send", OTHER, Commit(1, 1, 1))]
        world.node.stop()

    run(main())


def test_a_removed_node_carries_out_what_it_has_and_does_nothing_more() -> None:
    async def main() -> None:
        world = World()
        world.node.on_removed = lambda: world.journal.append("removed")
        outbox = Outbox(
            disk=[Accepted(1)], deliver=[answer(world.connection)], after=[(OTHER, Ack(1, 1, 1))], removed=True
        )
        done = ["take", ("disk", [Accepted(1)]), ("deliver", answer(world.connection)), "removed"]
        assert await world.turn(outbox) == done
        world.node.peer_up(3)
        world.node.report(world.tokens[0])
        await settle()
        assert world.journal[-1] == ("send", OTHER, Ack(1, 1, 1)) and PeerUp(3) not in world.journal
        assert world.node.removed and world.ended == []

    run(main())


def test_a_failed_disk_ends_the_process() -> None:
    async def main() -> None:
        world = World()
        world.node.disk_failed(OSError(5, "Input/output error"))
        assert world.ended == [EXIT_DISK]
        world.node.stop()

    run(main())


def test_a_brain_that_breaks_ends_the_process_and_is_not_asked_again() -> None:
    async def main() -> None:
        world = World()

        def broken(event: Event) -> None:
            raise AssertionError("what must hold does not")

        world.brain.step = broken  # type: ignore[method-assign]
        with pytest.raises(AssertionError, match="must hold"):
            world.node.step(Heard(1))
        assert world.ended == [EXIT_BROKEN]
        world.node.step(Heard(1))
        assert world.ended == [EXIT_BROKEN]

    run(main())


def test_reports_from_the_disk_thread_are_all_seen() -> None:
    async def main() -> None:
        world = World()
        count = 300
        for k in range(count):
            world.brain.next.append(Outbox(disk=[Accepted(k)], after=[(OTHER, Ack(1, 1, k))]))
            world.node.step(Heard(1))
            await asyncio.sleep(0)
        await settle()
        world.journal.clear()

        def report_all() -> None:
            for token in world.tokens:
                world.node.report(token)

        await asyncio.to_thread(report_all)
        async with asyncio.timeout(10):
            while len(world.journal) < count:
                await asyncio.sleep(0.001)
        assert world.journal == [("send", OTHER, Ack(1, 1, k)) for k in range(count)]
        world.node.stop()

    run(main())
