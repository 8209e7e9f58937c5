"""The members as the nodes know them: who follows, what is shown, and what a new node is to be told."""

from zooweeper.cli.roster import COLUMNS, Roster, cells, rows
from zooweeper.cli.serve import parse_member
from zooweeper.model import zxid
from zooweeper.pb.client_pb2 import Member, StatusReply

VERSION = zxid.make(1, 7)
MEMBERS = [
    Member(id=at, grpc=f"10.0.0.{at}:5181", peer=f"10.0.0.{at}:2888", wire=f"10.0.0.{at}:2181", observer=at == 4)
    for at in (2, 1, 4, 3)
]


def reply(node: int, role: str, epoch: int = 2, phase: str = "broadcast") -> StatusReply:
    return StatusReply(id=node, role=role, epoch=epoch, phase=phase, members=MEMBERS, config_version=VERSION)


def roster(*replies: StatusReply) -> Roster:
    return Roster(replies[0], {one.id: one for one in replies})


def test_who_follows_the_newest_leader_is_in_sync() -> None:
    seen = roster(
        reply(1, "leader", epoch=1), reply(2, "leader"), reply(3, "follower", phase="discovery"), reply(4, "observer")
    )
    assert [node for node in (1, 2, 3, 4, 5) if seen.in_sync(node)] == [2, 4]
    assert not roster(reply(1, "follower")).in_sync(1), "without a leader nobody is"


def test_one_row_per_member_whether_it_answers_or_not() -> None:
    found = rows(roster(reply(1, "leader"), reply(4, "observer")))
    assert [list(row) for row in found] == [list(COLUMNS)] * 4
    assert [(row["id"], row["role"], row["votes"], row["sync"]) for row in found] == [
        (1, "leader", True, True),
        (2, "down", True, False),
        (3, "down", True, False),
        (4, "observer", False, True),
    ]
    assert cells(found[0]) == ("1", "leader", "yes", "yes", "1:7", "10.0.0.1:5181", "10.0.0.1:2888", "10.0.0.1:2181")
    assert cells(found[1])[3:5] == ("no", "-")


def test_a_new_node_is_told_the_members_as_init_takes_them() -> None:
    odd = Member(id=5, grpc="[::1]:7", peer="[::1]:8", wire="", observer=False)
    answer = StatusReply(id=5, admin="[::1]:9", members=[*MEMBERS[:1], odd, MEMBERS[2]])
    arguments = list(Roster(answer, {5: answer}).arguments({}))
    assert arguments == ["2=10.0.0.2", "4=10.0.0.4:observer", "5=[::1]:2181:7:8:9"]
    assert [parse_member(one).observer for one in arguments] == [False, True, False]
    told = list(Roster(answer, {}).arguments({4: "10.0.0.4:9"}))
    assert told == ["2=10.0.0.2", "4=10.0.0.4:2181:5181:2888:9:observer", "5=[::1]:2181:7:8:8081"]
