"""Reads that a connection of the ZooKeeper port answers as they come: the same bytes as ever, and only when nothing is
before them."""

import struct

from tests.doors.jute_by_hand import asked
from tests.doors.test_zkconn import CREATE, GET, SET, connected
from tests.doors.zkrig import WALL_MS, Client, WireNode, frame
from zooweeper.doors.figures import LATE_MAX
from zooweeper.doors.zkport import SLICE

EXISTS = "exists(xid={}, path='{}', watch={})"


def general(client: Client, data: bytes) -> bytes:
    """As everything that is not answered at once."""
    client.connection.received(data, WALL_MS)
    return client.settle()


def test_a_lone_read_is_answered_at_once_and_as_ever() -> None:
    node = WireNode()
    client = connected(node)
    client.ask(asked(CREATE.format(1, "/a", 0))[4:])
    for xid, text in enumerate((GET.format(2, "/a", False), EXISTS.format(3, "/a", False)), 2):
        stepped = len(node.asked)
        told = client.connection.at_once(asked(text), WALL_MS + xid)
        assert told is not None and len(node.asked) == stepped and client.settle() == b""
        row = client.connection.row()
        assert (row.last_xid, row.last_response_ms, row.queued) == (xid, WALL_MS + xid, 0)
        assert told == general(client, asked(text))


def test_what_is_not_a_lone_plain_read_is_received() -> None:
    node = WireNode()
    client = connected(node)
    read, write = asked(GET.format(2, "/", False)), asked(SET.format(3, "/"))
    at_once = client.connection.at_once
    others = (
        b"",
        read[:-1],
        read[:11],
        read + b"\0" * 3,
        read + b"\0",
        write,
        asked(GET.format(2, "/", True)),
        frame(b""),
    )
    assert [at_once(one, WALL_MS) for one in others] == [None] * len(others)
    assert at_once(read, WALL_MS) is not None
    client.connection.congested = True
    assert at_once(read, WALL_MS) is None
    client.connection.congested = False

    client.connection.received(read[:5], WALL_MS)
    assert at_once(read, WALL_MS) is None, "the rest of another frame"
    assert general(client, read[5:])
    client.connection.received(write, WALL_MS)
    assert at_once(read, WALL_MS) is None, "an answer is under way"
    assert client.settle()
    client.connection.received(frame(struct.pack("!ii", -2, 11)), WALL_MS)
    node.settle()
    assert at_once(read, WALL_MS) is None, "a ping is answered, and not written"
    assert client.settle() and at_once(read, WALL_MS) is not None
    client.connection.end()
    assert at_once(read, WALL_MS) is None
    fresh = Client(node)
    assert fresh.connection.at_once(read, WALL_MS) is None


def test_reads_that_came_together_are_answered_together_and_as_ever() -> None:
    node = WireNode()
    client = connected(node)
    client.ask(asked(CREATE.format(1, "/a", 0))[4:])
    kinds = (GET.format(2, "/a", False), EXISTS.format(3, "/a", False), GET.format(4, "/", False))
    many = b"".join(asked(kinds[index % 3]) for index in range(SLICE))
    for reads in (many[: len(asked(kinds[0])) + len(asked(kinds[1]))], many):
        stepped = len(node.asked)
        told = client.connection.at_once(reads, WALL_MS)
        assert told is not None and len(node.asked) == stepped
        assert told == general(client, reads)
    row = client.connection.row()
    assert (row.received, row.sent) == (2 + 2 * (2 + SLICE), 2 + 2 * (2 + SLICE))


def test_reads_that_came_with_something_else_are_received() -> None:
    client = connected(WireNode())
    read = asked(GET.format(2, "/", False))
    for other in (asked(SET.format(3, "/")), asked(GET.format(3, "/none", False)), asked(GET.format(3, "/", True)),
                  read[:-1], read[:11], read[:2], frame(b""), frame(read[4:11]), struct.pack("!iii", -1, 3, 4),
                  struct.pack("!iii", 1 << 30, 3, 4)):  # fmt: skip
        for data in (other + read, read + other, read + other + read):
            assert client.connection.at_once(data, WALL_MS) is None, data
    assert client.connection.at_once(read * SLICE, WALL_MS) is not None
    assert client.connection.at_once(read * (SLICE + 1), WALL_MS) is None


def test_a_visitors_read_is_received() -> None:
    client = Client(WireNode(members=3))
    client.hello(flag=b"\1")
    assert client.connection.visiting
    assert client.connection.at_once(asked(GET.format(2, "/", False)), WALL_MS) is None


def test_what_was_answered_at_once_is_counted_when_somebody_looks_and_when_it_is_much() -> None:
    node = WireNode()
    client = connected(node)
    traffic, read = node.port.traffic, asked(GET.format(2, "/", False))
    for _ in range(LATE_MAX + 3):
        told = client.send(read)
    assert (traffic.received, traffic.sent) == (LATE_MAX + 1, LATE_MAX + 1)
    row = client.connection.row()
    assert (row.received, row.sent, row.latency.count) == (LATE_MAX + 4, LATE_MAX + 4, LATE_MAX + 3)
    assert (traffic.response_bytes.last, traffic.latency.most) == (len(told) - 4, 0)
    client.send(read)
    client.connection.end()
    assert traffic.received == LATE_MAX + 5, "whoever leaves is counted, too"
