"""Every record of every opcode, request and reply, byte for byte, as conversations in tests/vectors.

Rules: `>` is what a client sends, `<` what the server answers, each in words and then in hex. The words are encoded by
a second encoder that shares nothing with the product, so words and hex check each other; then the conversation is held
with the real door and brain, and every byte must come as written. `ZOOWEEPER_REWRITE=1` writes hex and answers anew:
read the difference. `published.txt` are vectors of others: there the two encoders check each other alone.
"""

import os
import struct
from pathlib import Path

import pytest

from tests.doors import jute_by_hand as by_hand
from tests.doors.zkrig import Client, WireNode, frames
from zooweeper.codec.record import Record
from zooweeper.doors.zkconn import PLAIN
from zooweeper.ops.session import Auth, Ping, Sasl
from zooweeper.ops.table import OPS

FOLDER = Path(__file__).resolve().parents[1] / "vectors"
PUBLISHED = "published.txt"
REWRITE = os.environ.get("ZOOWEEPER_REWRITE") == "1"
CONVERSATIONS = sorted(path for path in FOLDER.glob("*.txt") if path.name != PUBLISHED)
BEGIN = 0x100_0000_00FF  # the zxid before the first of a conversation
ON_THE_WIRE = PLAIN | {Ping.code, Auth.code, Sasl.code}

Message = tuple[str, str, str]  # direction, words, hex


def read(path: Path) -> list[Message]:
    """The messages of a file: words, and the hex behind them."""
    found: list[Message] = []
    for line in path.read_text().splitlines():
        if line.startswith(("> ", "< ")):
            found.append((line[0], line[2:], ""))
        elif line.startswith("  "):
            side, words, old = found[-1]
            found[-1] = side, words, old + "".join(line.split())
    return found


def hexed(data: bytes) -> str:
    """In groups of four bytes, so many to the line."""
    groups = [data[at : at + 4].hex() for at in range(0, len(data), 4)]
    return "\n".join("  " + " ".join(groups[at : at + 12]) for at in range(0, len(groups), 12))


def fresh() -> Client:
    node = WireNode()
    node.advance(BEGIN)
    return Client(node)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda path: path.stem)
def test_the_words_say_what_the_bytes_say(path: Path) -> None:
    if REWRITE and path.name != PUBLISHED:
        rewrite(path)
    messages = read(path)
    assert messages
    for side, words, data in messages:
        assert (by_hand.asked if side == ">" else by_hand.told)(words).hex() == data, words


@pytest.mark.parametrize("path", CONVERSATIONS, ids=lambda path: path.stem)
def test_the_conversation_is_held_as_written(path: Path) -> None:
    messages = read(path)
    client = fresh()
    at = 0
    while at < len(messages):
        side, words, data = messages[at]
        assert side == ">", f"nobody asked for {words}"
        told = client.send(bytes.fromhex(data)).hex()
        at += 1
        expected = ""
        while at < len(messages) and messages[at][0] == "<":
            expected += messages[at][2]
            at += 1
        assert told == expected, words


def test_every_operation_of_the_wire_has_its_vectors() -> None:
    asked: set[int | None] = set()
    answered: set[int | None] = set()
    for path in CONVERSATIONS:
        for side, words, _ in read(path):
            name = by_hand.call(words)[0]
            (asked if side == ">" else answered).add(by_hand.CODES.get(name))
    assert asked >= ON_THE_WIRE
    assert answered >= ON_THE_WIRE


@pytest.mark.parametrize("code", sorted(ON_THE_WIRE))
def test_the_records_of_both_encoders_have_the_same_bytes(code: int) -> None:
    """What the second encoder wrote, the product reads, and writes again to the same bytes."""
    seen = 0
    for path in sorted(FOLDER.glob("*.txt")):
        messages = read(path)
        for place, (side, words, data) in enumerate(messages):
            if by_hand.CODES.get(by_hand.call(words)[0]) == code:
                refused = "err=-5" in messages[place + 1][1] if place + 1 < len(messages) else False
                record = OPS[code].Request if side == ">" else OPS[code].Result
                body = bytes.fromhex(data)[4 + (8 if side == ">" else 16) :]
                if side == "<" or not refused:
                    assert_twice(record, body, words)
                    seen += 1
    assert seen


def assert_twice(record: type[Record], body: bytes, words: str) -> None:
    """Read and written again it is the same; what may be null is the one thing that need not stay so."""
    again = record.decode(body).encode()
    assert again == body or ("=None" in words and len(again) == len(body)), words


# --- writing them


def rewrite(path: Path) -> None:
    """The same questions, and what is answered to them now."""
    client = fresh()
    lines: list[str] = []
    xids: dict[int, str] = {}
    for line in path.read_text().splitlines():
        if line.startswith(("< ", "  ")):
            continue
        lines.append(line)
        if not line.startswith("> "):
            continue
        name, values = by_hand.call(line[2:])
        xids[values.get("xid", 0)] = name
        frame = by_hand.asked(line[2:])
        lines.append(hexed(frame))
        for body in frames(client.send(frame)):
            answer = by_hand.framed(body)
            (xid,) = struct.unpack_from("!i", body)
            kind = "connect" if name == "connect" else "event" if xid == -1 else "ping" if xid == -2 else xids[xid]
            lines += ["< " + by_hand.show(answer, kind), hexed(answer)]
    path.write_text("\n".join(lines) + "\n")
