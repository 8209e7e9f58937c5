"""The four-letter words of an ensemble: what a leader shows, what followers show, and what is left of it alone."""

import re
import socket
import time

from zooweeper.cli.ensemble import Ensemble
from zooweeper.doors.words import FULL_VERSION
from zooweeper.model.config import CARRIERS


def ask(ensemble: Ensemble, node: int, word: bytes) -> str:
    """The whole answer, up to the end of the connection; a newline behind the word, as most tools send it."""
    wire = ensemble.member(node).wire
    with socket.create_connection((wire.host, wire.port), 10) as connection:
        connection.sendall(word + b"\n")
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()


def monitored(ensemble: Ensemble, node: int) -> dict[str, str]:
    return dict(line.split("\t") for line in ask(ensemble, node, b"mntr").splitlines())


def test_what_leader_and_followers_show(three: Ensemble) -> None:
    leader = three.leader()
    followers = [node for node in three.ids if node != leader]
    shown = monitored(three, leader)
    for key, value in {
        "zk_version": FULL_VERSION,
        "zk_server_state": "leader",
        "zk_peer_state": "leading - broadcast",
        "zk_quorum_size": "3",
        "zk_learners": "2",
        "zk_followers": "2",
        "zk_synced_followers": "2",
        "zk_synced_observers": "0",
        "zk_pending_syncs": "0",
    }.items():
        assert shown[key] == value, key
    assert "zk_peer_carrier" not in shown
    assert int(shown["zk_leader_uptime"]) > 0 and int(shown["zk_max_proposal_size"]) > 0
    assert re.search(r"\nMode: leader\nNode count: \d+\nProposal sizes last/min/max: \d+/\d+/\d+\n$",
                     ask(three, leader, b"srvr"))  # fmt: skip
    for node in followers:
        shown = monitored(three, node)
        assert (shown["zk_server_state"], shown["zk_peer_state"]) == ("follower", "following - broadcast")
        assert shown["zk_peer_carrier"] in CARRIERS
        assert "zk_learners" not in shown and "zk_max_proposal_size" not in shown
        assert re.search(r"\nMode: follower\nNode count: \d+\n$", ask(three, node, b"srvr"))


def test_conf_has_the_membership(three: Ensemble) -> None:
    text = ask(three, 2, b"conf")
    member = three.member(2)
    for line in (f"electionPort={member.grpc.port}", f"quorumPort={member.peer.port}", "peerType=0", "serverId=2"):
        assert f"\n{line}\n" in text
    _, membership = text.split("membership: \n")
    servers = [
        f"server.{one.id}={one.peer}:{one.grpc.port}:participant;{one.wire.host}:{one.wire.port}"
        for one in three.members
    ]
    assert membership.splitlines()[:-1] == servers
    assert re.fullmatch(r"version=[0-9a-f]+", membership.splitlines()[-1])


def test_without_a_majority(three: Ensemble) -> None:
    leader = three.leader()
    last = next(node for node in three.ids if node != leader)
    three.kill([node for node in three.ids if node != last])
    deadline = time.monotonic() + 10
    while (answer := ask(three, last, b"isro")) != "ro":
        assert answer in ("rw", "null") and time.monotonic() < deadline, answer
        time.sleep(0.02)
    assert ask(three, last, b"ruok") == "imok"
    assert ask(three, last, b"srvr").splitlines()[1] == "READ-ONLY mode; serving only read-only clients"
    assert monitored(three, last)["zk_server_state"] == "read-only"
