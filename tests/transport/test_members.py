"""Members come and go under the streams: who is taken, who is told why not, who finds whom after a long sleep."""

import asyncio
from collections.abc import Mapping

import pytest

from tests.transport.test_peers import Recorder, free_ports, run
from zooweeper.model.config import Address, Config, Member, Timing
from zooweeper.model.members import Membership, Server
from zooweeper.pb import peer_pb2 as pb
from zooweeper.transport.link import Link
from zooweeper.transport.peers import Peers
from zooweeper.zab.messages import Commit

TIMING = Timing(silence_ms=400)


def all_at(id: int, address: Address) -> Member:
    return Member(id, address, address, address, address)


class Changing:
    """A few transports, each with members of its own."""

    def __init__(self, count: int) -> None:
        self.addresses = {id: Address("127.0.0.1", port) for id, port in enumerate(free_ports(count), 1)}
        self.peers: dict[int, Peers] = {}
        self.seen: dict[int, Recorder] = {}

    async def start(self, node: int, *members: int, elsewhere: Mapping[int, Address] | None = None) -> Peers:
        """`elsewhere`: addresses as the settings of this node have them."""
        known = self.addresses | dict(elsewhere or {})
        config = Config(node, "test", tuple(all_at(id, known[id]) for id in members), "", TIMING)
        seen = self.seen[node] = Recorder()
        peers = self.peers[node] = Peers(config, b"folder %d" % node, b"process %d" % node, seen)
        await peers.start()
        return peers

    def change(self, version: int, *members: int, at: tuple[int, ...]) -> None:
        """The nodes `at` hear of a new membership."""
        servers = [Server(id, self.addresses[id], self.addresses[id], None) for id in members]
        for node in at:
            self.peers[node].set_members(Membership(tuple(servers), version))

    async def linked(self, one: int, other: int, times: int = 1) -> None:
        await self.seen[one].until("up", other, times=times)
        await self.seen[other].until("up", one, times=times)

    async def __aenter__(self) -> "Changing":
        return self

    async def __aexit__(self, *_: object) -> None:
        for peers in self.peers.values():
            await peers.close()


def test_a_new_member_is_refused_until_it_is_one(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with Changing(3) as n:
            for node, members in ((1, (1, 2)), (2, (1, 2)), (3, (1, 2, 3))):
                await n.start(node, *members)
            await n.linked(1, 2)
            await asyncio.sleep(0.3)
            assert n.seen[3].events == []
            n.change(7, 1, 2, 3, at=(1, 2))
            await n.linked(1, 3)
            await n.linked(2, 3)
            n.peers[3].send(1, Commit(1, 1, 1))
            await n.seen[1].until("received", 3, Commit(1, 1, 1))
        told = [record.getMessage() for record in caplog.records if "refuses this node" in record.getMessage()]
        assert len(told) == 2 and all("node 3 is no member of the ensemble" in line for line in told), told

    run(main())


def test_a_lower_id_may_join_as_well() -> None:
    async def main() -> None:
        async with Changing(3) as n:
            for node, members in ((2, (2, 3)), (3, (2, 3)), (1, (1, 2, 3))):
                await n.start(node, *members)
            n.change(7, 1, 2, 3, at=(2, 3))
            await n.linked(1, 2)
            await n.linked(1, 3)

    run(main())


@pytest.mark.parametrize("gone", [1, 2, 3])
def test_a_removed_peer_still_hears_what_is_on_its_way_and_is_then_told(gone: int) -> None:
    async def main() -> None:
        async with Changing(3) as n:
            for node in (1, 2, 3):
                await n.start(node, 1, 2, 3)
            rest = tuple({1, 2, 3} - {gone})
            await n.linked(1, 2)
            for node in rest:
                await n.linked(node, gone)
            n.change(7, *rest, at=rest)
            for node in rest:
                n.peers[node].send(gone, Commit(node, 1, 7))
                await n.seen[gone].until("received", node, Commit(node, 1, 7))
            for node in rest:
                await n.seen[node].until("down", gone)
                await n.seen[gone].until("down", node)
            await asyncio.sleep(0.5)
            ups = [event for node in rest for event in n.seen[node].events if event == ("up", gone)]
            assert len(ups) == 2, "it came back"
            assert [event[0] for event in n.seen[gone].events].count("up") == 2, "it was dialed again"
            other = {node: [e for e in n.seen[node].events if e[1] not in (gone, node)] for node in rest}
            assert all(events == [("up", peer)] for peer, events in zip(reversed(rest), other.values(), strict=True))
            n.change(8, 1, 2, 3, at=rest)
            for node in rest:
                await n.linked(node, gone, times=2)

    run(main())


def test_a_removed_node_that_comes_back_is_told_so(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with Changing(2) as n:
            await n.start(1, 1, 2)
            n.change(7, 1, at=(1,))
            await n.start(2, 1, 2)
            async with asyncio.timeout(10):
                while "node 2 was removed from the ensemble" not in caplog.text:
                    await asyncio.sleep(0.01)
            assert n.seen[1].events == n.seen[2].events == []

    run(main())


@pytest.mark.parametrize(("awake", "asleep"), [(3, 1), (1, 3)])
def test_who_slept_through_a_change_is_found_by_those_it_does_not_know(awake: int, asleep: int) -> None:
    async def main() -> None:
        async with Changing(3) as n:
            await n.start(awake, 2, awake)
            n.change(7, awake, asleep, at=(awake,))
            await n.start(asleep, 2, asleep)
            await n.linked(awake, asleep)
            n.change(7, awake, asleep, at=(asleep,))
            n.peers[asleep].send(awake, Commit(1, 1, 1))
            await n.seen[awake].until("received", asleep, Commit(1, 1, 1))
            await asyncio.sleep(3.5 * TIMING.silence_ms / 1000)
            assert ("down", asleep) not in n.seen[awake].events, "a link that is there is kept"

    run(main())


def test_of_two_streams_the_one_of_the_higher_id_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with Changing(2) as n:
            await n.start(2, 1, 2)
            low = await n.start(1, 1, 2)
            await n.linked(1, 2)
            n.change(7, 1, 2, at=(1,))
            async with low._channel(2, n.addresses[2]) as channel:
                assert not await low._try(2, n.addresses[2], channel, wait=True), "it has a stream with us"
            await n.peers[2].close()
            await n.seen[1].until("down", 2)
            await n.start(2, 1, 2, elsewhere={1: Address("127.0.0.1", free_ports(1)[0])})
            theirs, check = Link(2, b"process 2", lambda: None, lambda peer, message: None), low._check

            def meanwhile(frame: pb.PeerFrame) -> pb.PeerHello:
                low._links[2] = theirs
                return check(frame)

            monkeypatch.setattr(low, "_check", meanwhile)
            async with low._channel(2, n.addresses[2]) as channel:
                assert await low._try(2, n.addresses[2], channel, wait=True)
            assert low._links[2] is theirs and not theirs.closed
            assert n.seen[1].events == [("up", 2), ("down", 2)]

    asyncio.run(asyncio.wait_for(main(), 20))


def test_a_moved_member_is_dialed_where_it_is() -> None:
    async def main() -> None:
        async with Changing(3) as n:
            await n.start(2, 1, 2)
            await n.start(1, 1, 2)
            await n.linked(1, 2)
            await n.peers[1].close()
            n.addresses[1] = n.addresses[3]
            await n.start(1, 1, 2)
            n.change(7, 1, 2, at=(2,))
            await n.seen[1].until("up", 2)
            await n.seen[2].until("up", 1, times=2)

    run(main())


def test_a_route_of_the_settings_is_stronger_than_the_membership() -> None:
    async def main() -> None:
        async with Changing(3) as n:
            await n.start(1, 1, 2)
            nowhere = all_at(1, n.addresses[3])
            me = all_at(2, n.addresses[2])
            seen = n.seen[2] = Recorder()
            config = Config(2, "test", (nowhere, me), "", TIMING, routes=((1, n.addresses[1]),))
            n.peers[2] = Peers(config, b"folder 2", b"process 2", seen)
            await n.peers[2].start()
            await n.linked(1, 2)

    run(main())


def test_the_lower_id_opens_no_stream_with_who_knows_as_much() -> None:
    async def main() -> None:
        async with Changing(2) as n:
            wrong = Address("127.0.0.1", free_ports(1)[0])
            await n.start(1, 1, 2)
            await n.start(2, 1, 2, elsewhere={1: wrong})
            await asyncio.sleep(3.5 * TIMING.silence_ms / 1000)
            assert n.seen[1].events == n.seen[2].events == []
            n.change(7, 1, 2, at=(1,))
            await n.linked(1, 2)

    run(main())
