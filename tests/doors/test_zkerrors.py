"""No client of ZooKeeper hears a code that it cannot know."""

import pytest

from zooweeper.doors.zkerrors import CLOSE, ON_WIRE
from zooweeper.model.errors import ErrorCode

KNOWN = {  # to kazoo, and to other clients as well; -4 and -7 are their own, -118 ends a connection
    0, -1, -2, -3, -5, -6, -8, -12, -13, -14, -101, -102, -103, -108, -110, -111, -112, -114, -115, -119, -121, -123,
    -124, -125, -127,
}  # fmt: skip


@pytest.mark.parametrize("code", ErrorCode)
def test_every_code_is_known_or_ends_the_connection(code: ErrorCode) -> None:
    told = ON_WIRE.get(code, code)
    assert told == CLOSE or told in KNOWN


def test_close_is_no_code_and_success_stays_success() -> None:
    assert CLOSE not in {int(code) for code in ErrorCode}
    assert ErrorCode.OK not in ON_WIRE
