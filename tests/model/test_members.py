"""Memberships: their text, and what a client's request makes of one."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zooweeper.model.config import Address, Member
from zooweeper.model.errors import BadArguments
from zooweeper.model.members import TEXT_CHARS_MAX, Membership, Server, of_settings, parse, parse_server, with_version

ONE = "server.1=a:10:11:participant;a:12"
TWO = "server.2=b:20:21:participant;b:22"
SEER = "server.9=[::1]:90:91:observer"
TRIO = f"{ONE}\n{TWO}\n{SEER}"


def test_text_is_what_was_parsed() -> None:
    found = parse(TRIO)
    assert found.text() == TRIO
    assert (found.ids, found.voters, found.observers, found.version) == ((1, 2, 9), (1, 2), (9,), 0)
    assert found.servers[2] == Server(9, Address("::1", 90), Address("::1", 91), None, observer=True)
    assert with_version(found, 0x100000002).shown() == TRIO + "\nversion=100000002"
    assert parse(with_version(found, 0x100000002).shown()) == with_version(found, 0x100000002)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("server.7=h:1:2;3", "server.7=h:1:2:participant;0.0.0.0:3"),
        ("server.7 = h:1:2:OBSERVER", "server.7=h:1:2:observer"),
        ("server.7=h:1:2:observer;0.0.0.0:3", "server.7=h:1:2:observer;0.0.0.0:3"),
    ],
)
def test_short_forms(written: str, told: str) -> None:
    assert str(parse_server(written)) == told


@pytest.mark.parametrize(
    "line",
    [
        "", "some thing", "server.1", "server.x=a:1:2", "server.0=a:1:2", "server.256=a:1:2", "server.1=a:1",
        "server.1=:1:2", "server.1=a:0:2", "server.1=a:1:65536", "server.1=a:1:2:king", "server.1=a:1:2;",
        "server.1=a:1:2;b:", "server.1=a:1:2|b:1:2", "server.1=::1:1:2", "server.1=a b:1:2", "server.1=\x07:1:2",
        f"server.1={'h' * 256}:1:2", "server.1=a:1:2\nserver.1=b:1:2", "group.1=1:2", "weight.1=1", "x=y",
        "server.\u0661=a:1:2",
    ],
)  # fmt: skip
def test_nonsense_is_refused_in_one_line(line: str) -> None:
    with pytest.raises(BadArguments) as caught:
        parse(line)
    assert caught.value.detail.isprintable() and len(caught.value.detail) < 200


def change(joining: str = "", leaving: str = "", new_members: str = "") -> Membership:
    return parse(TRIO).changed(joining, leaving, new_members)


def test_joining_and_leaving() -> None:
    joined = change(joining="server.3=c:30:31:observer;c:32, server.4=d:40:41")
    assert (joined.voters, joined.observers) == ((1, 2, 4), (3, 9))
    assert change(leaving="1,9, 77").ids == (2,)
    assert change(joining=TWO, leaving="2") == parse(TRIO)
    assert change() == parse(TRIO)


def test_joining_with_a_known_id_replaces() -> None:
    assert change(joining="server.2=b:20:21:observer;b:22").voters == (1,)
    assert change(joining="server.9=z:1:2:participant").servers[2].peer == Address("z", 1)


def test_a_complete_list_may_be_separated_by_commas() -> None:
    assert change(new_members=f"{TWO},{SEER}\nversion=5").ids == (2, 9)


@pytest.mark.parametrize(
    ("joining", "leaving", "new_members", "why"),
    [
        ("some thing", "", "", "not a server"),
        ("", "x", "", "not the id of a server"),
        ("", "1,2", "", "at least one server must be a participant"),
        ("", "", SEER, "at least one server must be a participant"),
        ("server.3=a:10:31", "", "", "the address a:10 of server 3 is taken"),
        ("server.3=c:30:30", "", "", "the address c:30 of server 3 is taken"),
        ("server.3=c:30:31;c:31", "", "", "the address c:31 of server 3 is taken"),
        ("server.3=c:30:31,server.4=c:40:31", "", "", "the address c:31 of server 4 is taken"),
        ("", "", f"{ONE},server.3=a:10:11", "the address a:10 of server 3 is taken"),
        ("", "", "," * (TEXT_CHARS_MAX + 1), "at most"),
        ("," * (TEXT_CHARS_MAX + 1), "", "", "at most"),
    ],
)
def test_requests_that_are_refused(joining: str, leaving: str, new_members: str, why: str) -> None:
    with pytest.raises(BadArguments, match=why):
        change(joining, leaving, new_members)


def test_an_id_beyond_the_bound_is_refused_in_the_end() -> None:
    """Not at once: who may not change members is to hear that, as from ZooKeeper."""
    asked = change(joining="server.999=c:30:31:observer")
    with pytest.raises(BadArguments, match="1 to 255, not 999"):
        asked.bounded()
    assert change().bounded() == parse(TRIO)


def test_what_stands_in_for_all_addresses_is_no_address() -> None:
    assert change(joining="server.3=c:30:31;22,server.4=d:40:41;22").ids == (1, 2, 3, 4, 9)


def test_addresses_of_those_that_are_there_already_are_their_business() -> None:
    same = parse("server.1=h:1:1\nserver.2=h:1:1")
    assert same.changed("server.3=i:1:2", "", "").ids == (1, 2, 3)


def test_of_settings() -> None:
    here, there = Address("h", 1), Address("i", 2)
    members = (Member(2, here, here, here, there, observer=True), Member(1, here, here, here, there))
    assert of_settings(members).text() == "server.1=h:1:1:participant;h:1\nserver.2=h:1:1:observer;h:1"
    for bad in (Address("", 1), Address("h", 0), Address("h;", 1), there):
        with pytest.raises(ValueError, match="cannot be told to others"):
            of_settings((Member(1, here, bad, here, here),))


PORTS = st.integers(1, 65535)
HOSTS = st.sampled_from(["a", "b.example", "10.0.0.1", "::1", "fe80::1%eth0"])
SERVERS = st.builds(
    lambda id, host, peer, grpc, wire, observer: Server(
        id, Address(host, peer), Address(host, grpc), Address("w", wire) if wire else None, observer
    ),
    st.integers(1, 255),
    HOSTS,
    PORTS,
    PORTS,
    st.none() | PORTS,
    st.booleans(),
)
LISTS = st.lists(SERVERS, min_size=1, max_size=9, unique_by=lambda server: server.id).map(
    lambda servers: Membership(tuple(sorted(servers, key=lambda server: server.id)), 77)
)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(LISTS, LISTS)
def test_laws(old: Membership, new: Membership) -> None:
    assert parse(old.shown()) == old
    assert sorted((*old.voters, *old.observers)) == list(old.ids)
    leaving = ",".join(str(id) for id in old.ids if id not in new.ids)
    joining = ",".join(str(server) for server in new.servers)
    try:
        step = old.changed(joining, leaving, "")
    except BadArguments:
        with pytest.raises(BadArguments):
            old.changed("", "", joining)
    else:
        assert step == with_version(new, 0) == old.changed("", "", joining)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.text(max_size=60), st.text(max_size=20), st.text(max_size=60))
def test_any_text_is_taken_or_refused(joining: str, leaving: str, new_members: str) -> None:
    try:
        result = change(joining, leaving, new_members)
    except BadArguments:
        return
    assert result.voters
    assert parse(result.text()) == result
