"""The client core against a small service: one test per promise."""

from typing import Any

from zooweeper_client.calls import Call, Calls
from zooweeper_client.messages import Close, Request, Unwatch
from zooweeper_client.retry import NO_RETRY, patience_ms
from zooweeper_client.watches import EventType, WatchKind

from tests.client.world import GOOD_PASSWORD, World
from zooweeper.model.errors import ErrorCode
from zooweeper.model.limits import RESULTS_KEPT_MAX

CALLS = Calls()
SECONDS_30 = 30_000


def request(world: World, call: Call[Any], patient: bool = True, ms: int = SECONDS_30) -> Request:
    return Request(
        call.code,
        call.body,
        numbered=call.numbered,
        linear=call.linear,
        deadline_ms=world.now + ms,
        patient=patient,
        arm=call.arm,
    )


def create(world: World, path: str, patient: bool = True, ms: int = SECONDS_30, ephemeral: bool = False) -> Request:
    return world.ask(request(world, CALLS.create(path, b"", None, ephemeral=ephemeral), patient, ms))


def read(world: World, path: str, kind: WatchKind = WatchKind.DATA, watcher: int = 0) -> Request:
    verbs: dict[WatchKind, Any] = {
        WatchKind.DATA: CALLS.get,
        WatchKind.EXIST: CALLS.exists,
        WatchKind.CHILD: CALLS.children,
    }
    return world.ask(request(world, verbs[kind](path, False, (kind, watcher) if watcher else None)))


def ok(*requests: Request) -> bool:
    return all(one.settled and one.error == ErrorCode.OK for one in requests)


def connected(**options: object) -> World:
    world = World(**options)  # type: ignore[arg-type]
    world.settle()
    assert world.states == ["CONNECTED"]
    return world


def test_requests_are_answered_in_their_order() -> None:
    world = connected()
    made = [create(world, "/a"), create(world, "/a/b"), read(world, "/a/b"), create(world, "/c")]
    world.settle()
    assert ok(*made)
    assert world.settled == made
    assert [one.number for one in made] == [1, 2, 0, 3]


def test_requests_made_before_there_is_a_session_wait_for_it() -> None:
    world = World()
    made = create(world, "/a")
    world.settle()
    assert ok(made)


def test_a_write_whose_answer_was_lost_is_answered_from_memory() -> None:
    world = connected()
    made = create(world, "/a")
    world.hear()
    world.execute()
    world.cut()
    world.settle()
    assert ok(made)
    assert world.log.count((15, 0)) == 1 and (15, ErrorCode.NODE_EXISTS) not in world.log


def test_a_write_that_was_lost_on_the_way_is_sent_again_and_executed_once() -> None:
    world = connected()
    lost, after = create(world, "/a"), create(world, "/a/b")
    world.cut()
    world.settle()
    assert ok(lost, after)
    assert (lost.number, after.number) == (1, 2)


def test_a_write_that_was_ordered_but_not_executed_at_the_attach_counts_once() -> None:
    world = connected()
    made = create(world, "/a")
    world.hear()  # it is in the log, before the attach
    world.cut()
    world.settle()
    assert ok(made)
    assert [error for code, error in world.log if code == 15] == [0]


def test_an_old_copy_that_comes_after_the_attach_is_void() -> None:
    world = connected()
    first = create(world, "/a")
    world.hear()
    stray = world.ordered.pop()  # forwarded by the old node, still on its way
    world.cut()
    second = create(world, "/b")
    world.settle()
    assert ok(first, second)
    world.ordered.append(stray)
    world.settle()
    assert world.log[-1] == (15, ErrorCode.SESSION_MOVED)
    third = create(world, "/c")
    world.settle()
    assert ok(third)


def test_a_write_that_was_given_up_leaves_no_gap() -> None:
    world = connected()
    lost, kept = create(world, "/a"), create(world, "/b")
    lost.abandoned = True
    world.cut()
    world.settle()
    assert ok(kept) and kept.number == 1
    assert world.state.tree.get("/a") is None


def test_at_most_as_many_writes_are_unanswered_as_the_session_remembers() -> None:
    world = connected()
    made = [create(world, f"/{at}") for at in range(RESULTS_KEPT_MAX + 50)]
    assert world.link is not None and len(world.link.up) == RESULTS_KEPT_MAX
    for _ in range(RESULTS_KEPT_MAX):
        world.hear()
        world.execute()
    world.cut()
    world.settle()
    assert ok(*made)
    assert len([one for one in world.log if one[0] == 15]) == len(made)


def test_a_refused_write_and_those_behind_it_are_sent_again_in_order() -> None:
    world = connected(hosts="a")
    world.refuse.append(ErrorCode.THROTTLED_OP)
    made = [create(world, "/a"), create(world, "/a/b"), read(world, "/a/b"), create(world, "/a/b/c")]
    world.settle()
    assert ok(*made)
    assert world.settled == made and world.states == ["CONNECTED"]


def test_without_a_quorum_the_client_goes_to_the_next_host() -> None:
    world = connected()
    world.refuse.append(ErrorCode.NO_QUORUM)
    made = [create(world, "/a"), create(world, "/a/b")]
    world.settle()
    assert ok(*made)
    assert world.states == ["CONNECTED", "SUSPENDED", "CONNECTED"]
    assert world.dialled[0] != world.dialled[1]


def test_an_impatient_write_is_told_its_refusal_and_the_next_one_takes_its_number() -> None:
    world = connected(hosts="a", retry=NO_RETRY)
    world.refuse.append(ErrorCode.THROTTLED_OP)
    refused, behind = create(world, "/a", patient=False), create(world, "/b")
    world.settle()
    assert refused.error == ErrorCode.THROTTLED_OP
    assert ok(behind) and behind.number == 1
    assert world.state.tree.get("/a") is None


def test_an_impatient_request_fails_with_its_link() -> None:
    world = connected()
    sent, reading = create(world, "/a", patient=False), read(world, "/")
    world.cut()
    unsent = create(world, "/b", patient=False)
    assert (sent.error, unsent.error) == (ErrorCode.CONNECTION_LOSS, ErrorCode.NOT_CONNECTED)
    world.settle()
    assert ok(reading)


def test_a_deadline_says_what_is_known() -> None:
    world = connected(hosts="a")
    world.silent = True
    sent = create(world, "/a", ms=500)
    world.sleep(600)
    assert sent.error == ErrorCode.OPERATION_TIMEOUT
    world.cut()
    unsent = create(world, "/b", ms=500)
    world.sleep(600)
    assert unsent.error == ErrorCode.NOT_CONNECTED and "a:5181" in unsent.detail
    world.silent = False
    again = create(world, "/c")
    world.settle()
    assert ok(again)


def test_a_refusal_lasts_until_the_deadline_and_is_what_is_told_then() -> None:
    world = connected(hosts="a")
    world.refuse.extend([ErrorCode.THROTTLED_OP] * 1000)
    made = create(world, "/a", ms=1000)
    world.settle(rounds=60)
    assert made.error == ErrorCode.THROTTLED_OP


def test_a_silent_server_is_left() -> None:
    world = connected()
    world.sleep(3400)
    assert world.link is not None and len(world.link.up) == 1  # the ping
    world.silent = True
    world.sleep(7000)
    assert world.states[-1] == "SUSPENDED" and len(world.dialled) > 1
    world.silent = False
    world.settle()
    assert world.states[-1] == "CONNECTED"


def test_a_server_that_answers_pings_alone_is_left() -> None:
    world = connected()
    made = create(world, "/a")
    world.hear()  # ordered, and stuck there
    for _ in range(30):
        world.hear()
        world.tell()
        world.sleep(250)
    assert len(world.dialled) > 1
    world.settle()
    assert ok(made)


def test_a_server_without_a_leader_is_left_before_the_session_can_expire() -> None:
    world = connected()
    world.leaderless = True
    began = world.now
    while world.states == ["CONNECTED"]:
        reading = read(world, "/")
        world.hear(), world.tell()
        assert ok(reading) and reading.stale
        world.sleep(200)
    assert world.states[-1] == "SUSPENDED" and world.now - began < world.core.timeout_ms


def test_credentials_go_before_everything_else_at_every_welcome() -> None:
    world = connected(auth=GOOD_PASSWORD)
    made = create(world, "/a")
    world.cut()
    world.settle()
    assert ok(made)
    session = world.state.sessions[world.core.session]
    assert ("digest", "user:x") in session.identities
    assert [code for code, _ in world.log] == [-10, -13, -14, -13, 15]


def test_an_added_credential_is_kept_even_if_its_answer_was_lost() -> None:
    world = connected()
    auth = world.ask(request(world, CALLS.auth("digest", GOOD_PASSWORD)))
    world.hear()
    world.execute()
    world.cut()
    world.settle()
    assert ok(auth)
    assert ("digest", "user:x") in world.state.sessions[world.core.session].identities
    world.cut()
    world.settle()
    assert ("digest", "user:x") in world.state.sessions[world.core.session].identities


def test_a_bad_credential_at_the_start_ends_the_client() -> None:
    world = World(auth=b"user:bad")
    made = create(world, "/a")
    world.settle(rounds=3)
    assert world.states[-1] == "CLOSED"
    assert made.error == ErrorCode.AUTH_FAILED


def test_a_bad_credential_later_fails_alone() -> None:
    world = connected()
    auth, made = world.ask(request(world, CALLS.auth("digest", b"user:bad"))), create(world, "/a")
    world.settle()
    assert auth.error == ErrorCode.AUTH_FAILED
    assert ok(made)


def test_one_shot_watches_survive_a_reconnect_and_tell_what_was_missed() -> None:
    world = connected()
    create(world, "/data"), create(world, "/children"), create(world, "/quiet")
    world.settle()
    read(world, "/data", WatchKind.DATA, 1)
    read(world, "/children", WatchKind.CHILD, 2)
    read(world, "/none", WatchKind.EXIST, 3)
    read(world, "/quiet", WatchKind.DATA, 4)
    world.settle()
    world.cut()
    other = World()
    other.state = world.state
    other.settle()
    other.ask(request(other, CALLS.set("/data", b"new", -1)))
    create(other, "/children/x"), create(other, "/none")
    other.settle()
    world.settle()
    assert [(one.watcher, one.type, one.path) for one in world.fired] == [
        (1, EventType.CHANGED, "/data"),
        (3, EventType.CREATED, "/none"),
        (2, EventType.CHILD, "/children"),
    ]
    world.ask(request(world, CALLS.set("/quiet", b"", -1)))
    world.settle()
    assert (world.fired[-1].watcher, world.fired[-1].type) == (4, EventType.CHANGED)


def test_a_watch_event_is_told_again_when_the_next_link_ended_before_it_came() -> None:
    world = connected()
    create(world, "/data")
    world.settle()
    read(world, "/data", WatchKind.DATA, 1)
    world.settle()
    world.cut()
    other = World()
    other.state = world.state
    other.settle()
    other.ask(request(other, CALLS.set("/data", b"new", -1)))
    other.settle()
    while world.states[-1] != "CONNECTED":  # Welcome shows the zxid of the change, not its event
        if not (world.hear() or world.execute() or world.tell()):
            world.sleep(50)
    world.cut()
    world.settle()
    assert [(one.watcher, one.type, one.path) for one in world.fired] == [(1, EventType.CHANGED, "/data")]


def test_the_other_event_of_an_entry_is_told_when_the_link_ended_between_the_two() -> None:
    world = connected()
    create(world, "/data")
    world.settle()
    read(world, "/data", WatchKind.DATA, 1)
    read(world, "/data", WatchKind.CHILD, 2)
    world.settle()
    parts = [CALLS.set_part("/data", b"new", -1), CALLS.create_part("/data/x", b"", None, False, False)]
    world.ask(request(world, CALLS.multi(parts)))
    while not world.fired:
        assert world.hear() or world.execute() or world.tell()
    world.cut()
    world.settle()
    assert [(one.watcher, one.type) for one in world.fired] == [(1, EventType.CHANGED), (2, EventType.CHILD)]


def watch(world: World, path: str, kind: WatchKind, watcher: int) -> Request:
    return world.ask(request(world, CALLS.add_watch(path, kind, watcher)))


def test_lasting_watches_are_armed_again_and_told_the_gap() -> None:
    world = connected()
    assert not watch(world, "/a", WatchKind.RECURSIVE, 7).settled
    world.settle()
    create(world, "/a"), create(world, "/a/b")
    world.settle()
    world.cut()
    create(world, "/a/c")
    world.settle()
    assert [(one.type, one.path) for one in world.fired] == [
        (EventType.CREATED, "/a"),
        (EventType.CREATED, "/a/b"),
        (EventType.GAP, "/a"),
        (EventType.CREATED, "/a/c"),
    ]


def test_a_watch_that_ends_does_not_silence_another_on_the_same_path() -> None:
    world = connected()
    watch(world, "/a", WatchKind.PERSISTENT, 1)
    watch(world, "/a", WatchKind.PERSISTENT, 2)
    world.step(Unwatch(WatchKind.PERSISTENT, "/a", 1))
    world.settle()
    create(world, "/a")
    world.settle()
    assert [(one.watcher, one.type) for one in world.fired] == [(2, EventType.CREATED)]
    world.step(Unwatch(WatchKind.PERSISTENT, "/a", 2))
    world.settle()
    assert world.watches.count() == 0


def test_an_expired_session_ends_what_belonged_to_it_and_a_new_one_begins() -> None:
    world = connected()
    create(world, "/a", ephemeral=True)
    read(world, "/", WatchKind.CHILD, 1)
    watch(world, "/b", WatchKind.PERSISTENT, 2)
    world.settle()
    old = world.core.session
    world.fired.clear()
    world.cut()
    sent = create(world, "/b")
    world.expire()
    world.settle()
    assert "LOST" in world.states and world.states[-1] == "CONNECTED"
    assert world.core.session not in (0, old)
    assert sent.error == ErrorCode.SESSION_EXPIRED
    assert [(one.watcher, one.type) for one in world.fired] == [(1, EventType.LOST), (2, EventType.GAP)]
    assert world.state.tree.get("/a") is None


def test_a_write_in_flight_when_the_session_expires_is_not_called_refused() -> None:
    world = connected()
    made = create(world, "/a")
    world.hear()
    world.execute()  # it has happened; the answer is lost with the session
    world.cut()
    world.expire()
    world.settle()
    assert made.error == ErrorCode.CONNECTION_LOSS


def test_closing_ends_the_session_and_the_client() -> None:
    world = connected()
    made = create(world, "/a", ephemeral=True)
    closing = world.ask(request(world, CALLS.close()))
    world.settle(rounds=2)
    assert ok(made, closing)
    assert world.states[-1] == "CLOSED" and world.link is None
    assert world.core.session not in world.state.sessions and world.state.tree.get("/a") is None
    assert create(world, "/b").error == ErrorCode.NOT_CONNECTED


def test_close_without_a_connection_fails_what_waits() -> None:
    world = connected()
    made = create(world, "/a")
    world.cut()
    world.step(Close())
    assert made.error == ErrorCode.CONNECTION_LOSS
    assert world.states[-1] == "CLOSED"
    world.sleep(10_000)
    assert world.link is None


def test_every_host_is_tried_at_once_and_then_slower() -> None:
    world = World(hosts="a,b,c")
    for _ in range(3):
        world.cut()
    assert sorted(world.dialled) == ["a:5181", "b:5181", "c:5181"]
    assert world.link is None
    world.sleep(60)
    assert len(world.dialled) == 4


def test_a_session_can_be_continued_by_another_client() -> None:
    world = connected()
    made = create(world, "/a", ephemeral=True)
    world.settle()
    assert ok(made)
    core = world.core
    world.link, world.links[-1].alive = None, False
    other = World()
    other.state = world.state
    other.core.session, other.core.secret = core.session, core.secret
    other.cut()
    again = create(other, "/b")
    other.settle()
    assert ok(again) and again.number == 2
    assert other.core.session == core.session


def test_answers_out_of_place_are_not_believed() -> None:
    world = connected()
    made = create(world, "/a")
    world.hear()
    world.execute()
    assert world.link is not None
    item = world.link.down[0].items[0]  # type: ignore[union-attr]
    item.xid += 5  # type: ignore[misc]
    world.settle()
    assert ok(made) and world.states == ["CONNECTED", "SUSPENDED", "CONNECTED"]


def test_a_slow_welcome_is_waited_for_longer_each_round() -> None:
    rounds = [patience_ms(1500, 5, tries) for tries in range(0, 25, 5)]
    assert rounds == [250, 500, 1000, 2000, 2000]
    assert patience_ms(10_000, 3, 2) == 2222
    assert patience_ms(10_000, 3, 900) == 6666
