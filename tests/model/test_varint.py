"""Numbers as protobuf writes them.

Rules: protobuf's own encoder is the judge.
"""

import pytest
from google.protobuf.wrappers_pb2 import UInt64Value

from zooweeper.model.varint import KNOWN, varint


@pytest.mark.parametrize("number", [1, 127, 128, 300, KNOWN - 1, KNOWN, 16_383, 16_384, (1 << 32) - 1, (1 << 64) - 1])
def test_as_protobuf(number: int) -> None:
    assert b"\x08" + varint(number) == UInt64Value(value=number).SerializeToString()


def test_nought() -> None:
    assert varint(0) == b"\0"
