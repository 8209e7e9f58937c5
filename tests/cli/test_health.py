"""The verdict over the nodes' answers, and how they are shown."""

import dataclasses
import json

import pytest

from zooweeper.cli import status, text
from zooweeper.cli.status import NodeStatus, health
from zooweeper.model import zxid
from zooweeper.pb.client_pb2 import Member, StatusReply


def node(id: int, role: str, epoch: int = 1, applied: int = 5, digest: str = "aa") -> NodeStatus:
    if role == "down":
        return status.row(None, f"127.0.0.1:{5180 + id}")
    at = zxid.make(epoch, applied)
    return NodeStatus(
        id, role, epoch, at, at, f"127.0.0.1:{5180 + id}", "w", "a", 100 + id, 0, digest, phase="broadcast"
    )


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        (["leader", "follower", "follower"], "QUORUM OK 3/3, tolerates 1 failure"),
        (["leader", "follower", "down"], "QUORUM OK 2/3, tolerates 0 failures"),
        (["leader", "follower", "looking"], "QUORUM OK 2/3, tolerates 0 failures"),
        (["leader", "down", "down"], "NO QUORUM 1/3, 1 more needed"),
        (["looking", "looking", "down"], "NO QUORUM 2/3, electing"),
        (["down", "down", "down"], "NO QUORUM 0/3, 2 more needed"),
        (["leader"], "QUORUM OK 1/1, tolerates 0 failures"),
        (["leader", "follower", "follower", "follower", "down"], "QUORUM OK 4/5, tolerates 1 failure"),
    ],
)
def test_the_verdict(rows: list[str], line: str) -> None:
    assert str(health([node(at, role) for at, role in enumerate(rows, 1)])) == line


@pytest.mark.parametrize(
    ("rows", "watchers", "line"),
    [
        (["leader", "follower", "down"], ["observer", "down"], "QUORUM OK 2/3, tolerates 0 failures, observers 1/2"),
        (["leader", "down", "down"], ["observer", "observer"], "NO QUORUM 1/3, 1 more needed"),
        (["leader"], ["observer"], "QUORUM OK 1/1, tolerates 0 failures, observers 1/1"),
        (["looking", "down", "down"], ["looking", "looking"], "NO QUORUM 1/3, 1 more needed"),
    ],
)
def test_observers_do_not_count(rows: list[str], watchers: list[str], line: str) -> None:
    nodes = [node(at, role) for at, role in enumerate(rows, 1)]
    others = [
        dataclasses.replace(node(at, role), standing=status.OBSERVER) for at, role in enumerate(watchers, 1 + len(rows))
    ]
    verdict = health([*nodes, *others])
    assert str(verdict) == line
    assert verdict.complete == (line.endswith("observers 1/1"))


def test_who_is_a_member_the_newest_membership_says() -> None:
    def reply(id: int, version: int, **members: bool) -> StatusReply:
        return StatusReply(
            id=id,
            role="follower",
            config_version=version,
            members=[Member(id=int(one.strip("n")), observer=observer) for one, observer in members.items()],
        )

    replies = [reply(1, 5, n1=False, n2=False, n3=False), reply(2, 9, n1=False, n2=False, n4=True), None]
    rows = [status.row(one, "a") for one in replies[:2]] + [status.row(None, "a", Member(id=id)) for id in (3, 4)]
    settled = status.settle(rows, replies)
    assert [one.standing for one in settled] == [status.VOTER, status.VOTER, status.NOBODY, status.OBSERVER]
    assert health(settled).members == 2 and health(settled).observers == 1
    assert status.row(reply(5, 0, n1=False), "a").standing == status.NOBODY


def test_a_deposed_leader_is_not_the_leader() -> None:
    verdict = health([node(1, "leader", epoch=1), node(2, "leader", epoch=2), node(3, "follower", epoch=2)])
    assert verdict.leader is not None and verdict.leader.id == 2
    assert verdict.serving == 2 and not verdict.complete


def test_a_node_that_still_synchronizes_does_not_count() -> None:
    behind = dataclasses.replace(node(3, "follower"), phase="synchronization")
    assert str(health([node(1, "leader"), node(2, "down"), behind])) == "NO QUORUM 1/3, 1 more needed"
    assert str(health([node(1, "leader"), node(2, "follower"), behind])) == "QUORUM OK 2/3, tolerates 0 failures"


def test_digests_are_compared_at_equal_zxid_alone() -> None:
    behind = [node(1, "leader"), node(2, "follower", applied=4, digest="bb"), node(3, "follower")]
    assert not health(behind).diverged
    different = [node(1, "leader"), node(2, "follower", digest="bb"), node(3, "follower")]
    assert health(different).diverged and not health(different).complete
    assert "DIGESTS DIFFER" in str(health(different))


def test_json_has_exactly_these_keys() -> None:
    found = json.loads(status.as_json([node(1, "leader"), node(2, "down")]))
    keys = ["id", "role", "epoch", "zxid", "applied", "grpc", "wire", "admin", "pid", "sessions", "digest", "carrier"]
    assert [list(row) for row in found] == [keys, keys]
    assert found[1]["role"] == "down" and found[1]["epoch"] is None


def test_tables_show_zxids_as_people_read_them() -> None:
    lines = text.table(status.COLUMNS, status.cells([node(1, "leader"), node(2, "down")]))
    assert lines[1].split()[:5] == ["1", "LEADER", "1", "1:5", "1:5"]
    assert lines[2].split()[:5] == ["-", "down", "-", "-", "-"]


@pytest.mark.parametrize("carrier", ["fast", "grpc", ""])
def test_what_carries_the_broadcast_to_a_node_is_shown_as_it_says(carrier: str) -> None:
    one = status.row(StatusReply(id=2, role="follower", carrier=carrier), "127.0.0.1:5182")
    assert json.loads(status.as_json([one]))[0]["carrier"] == (carrier or None)
    assert dict(zip(status.COLUMNS, status.cells([one])[0], strict=True))["carrier"] == (carrier or "-")
