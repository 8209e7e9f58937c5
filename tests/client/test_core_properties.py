"""Whatever the world does to a client, its writes take effect at most once, in order, and its errors are true."""

from hypothesis import given, settings
from hypothesis import strategies as st
from zooweeper_client.messages import Request
from zooweeper_client.watches import WatchKind

from tests.client.test_core import CALLS, create, read, request
from tests.client.world import GOOD_PASSWORD, World
from zooweeper.model.errors import ErrorCode, Outcome, error_for

REFUSALS = (ErrorCode.THROTTLED_OP, ErrorCode.NO_QUORUM)
STEPS = st.one_of(
    st.tuples(st.just("write"), st.booleans()),
    st.tuples(st.just("read"), st.integers(0, 3)),
    st.tuples(st.just("watch"), st.integers(0, 3)),
    st.tuples(st.just("auth"), st.just(0)),
    st.tuples(st.just("hear"), st.integers(1, 8)),
    st.tuples(st.just("execute"), st.integers(1, 8)),
    st.tuples(st.just("tell"), st.integers(1, 8)),
    st.tuples(st.just("cut"), st.just(0)),
    st.tuples(st.just("refuse"), st.sampled_from(REFUSALS)),
    st.tuples(st.just("sleep"), st.sampled_from((1, 60, 700, 4000))),
    st.tuples(st.just("abandon"), st.integers(0, 5)),
    st.tuples(st.just("settle"), st.just(3)),
)


def play(world: World, steps: list[tuple[str, int]], expire_at: int = -1) -> tuple[list[Request], list[Request]]:
    """Let it happen; (writes, reads), in the order in which they were made."""
    writes: list[Request] = []
    reads: list[Request] = []
    for at, (what, how) in enumerate(steps):
        if at == expire_at:
            world.expire()
        if what == "write":
            writes.append(create(world, f"/{len(writes):04}", patient=bool(how), ms=9000))
        elif what == "read":
            reads.append(read(world, f"/{how:04}"))
        elif what == "watch":
            read(world, f"/{how:04}", WatchKind.EXIST, 100 + how)
        elif what == "auth":
            world.ask(request(world, CALLS.auth("digest", GOOD_PASSWORD)))
        elif what == "refuse":
            world.refuse.append(how)
        elif what == "abandon" and how < len(writes):
            writes[-1 - how].abandoned = True
        elif what in ("cut", "settle", "sleep"):
            world.sleep(how) if what == "sleep" else world.cut() if what == "cut" else world.settle(how)
        elif what in ("hear", "execute", "tell"):
            for _ in range(how):
                getattr(world, what)()
    world.settle()
    return writes, reads


def judge(world: World, writes: list[Request]) -> None:
    times = [world.log.count((15, 0))]
    applied = [world.state.tree.get(f"/{at:04}") for at in range(len(writes))]
    assert times == [sum(node is not None for node in applied)], "a write took effect twice"
    assert (15, ErrorCode.NODE_EXISTS) not in world.log
    zxids = [node.czxid for node in applied if node is not None]
    assert zxids == sorted(zxids), "writes took effect out of order"
    for write, node in zip(writes, applied, strict=True):
        if write.abandoned:
            continue
        assert write.settled, "a write was never answered"
        if write.error == ErrorCode.OK:
            assert node is not None, "an acknowledged write is not there"
        elif error_for(write.error).outcome is Outcome.NOT_APPLIED:
            assert node is None, f"{write.failure()} although it was applied"
    answered = [one for one in world.settled if one in writes]
    done = [one for one in answered if one.error == ErrorCode.OK]
    assert [writes.index(one) for one in done] == sorted(writes.index(one) for one in done), "answers out of order"


@settings(max_examples=300, deadline=None)
@given(st.lists(STEPS, max_size=60), st.sampled_from(("a", "a,b,c")), st.booleans())
def test_writes_take_effect_once_and_in_order(steps: list[tuple[str, int]], hosts: str, proves: bool) -> None:
    world = World(hosts, auth=GOOD_PASSWORD if proves else b"")
    writes, reads = play(world, steps)
    judge(world, writes)
    assert all(one.settled for one in reads)
    assert ErrorCode.NO_AUTH not in [one.error for one in reads]
    assert "LOST" not in world.states


@settings(max_examples=150, deadline=None)
@given(st.lists(STEPS, max_size=60), st.integers(0, 50))
def test_errors_are_true_even_when_the_session_expires(steps: list[tuple[str, int]], expire_at: int) -> None:
    world = World()
    writes, reads = play(world, steps, expire_at)
    judge(world, writes)
    assert all(one.settled for one in reads)


@settings(max_examples=150, deadline=None)
@given(st.lists(STEPS, max_size=50))
def test_no_event_of_a_watch_is_missed(steps: list[tuple[str, int]]) -> None:
    """A watch on a path that did not exist fires if it exists at the end."""
    world = World()
    play(world, steps)
    fired = {(one.watcher, one.path) for one in world.fired}
    for at in range(4):
        watched = [one for one in world.settled if one.arm is not None and one.arm.watcher == 100 + at]
        missing = [one for one in watched if one.error == ErrorCode.NO_NODE]
        if missing and world.state.tree.get(f"/{at:04}") is not None:
            assert (100 + at, f"/{at:04}") in fired
