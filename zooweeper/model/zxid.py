"""A zxid names one entry of the log: 24 bits of epoch, 40 bits of counter, in one int (DESIGN D4).

Rules: plain ints everywhere, so that comparing is the order of the log; only this file knows the split.
Clients see one opaque 64-bit number; people see `epoch:counter`.
"""

import re

COUNTER_BITS = 40
COUNTER_MAX = (1 << COUNTER_BITS) - 1
EPOCH_MAX = (1 << 23) - 1  # one bit less than the field: clients read a signed 64-bit number
ZXID_MAX = EPOCH_MAX << COUNTER_BITS | COUNTER_MAX
_SHOWN = re.compile("([0-9]{1,8}):([0-9]{1,13})")


def make(epoch: int, counter: int) -> int:
    """The zxid of entry `counter` of `epoch`."""
    assert 0 <= epoch <= EPOCH_MAX and 0 <= counter <= COUNTER_MAX, (epoch, counter)
    return epoch << COUNTER_BITS | counter


def epoch_of(zxid: int) -> int:
    return zxid >> COUNTER_BITS


def counter_of(zxid: int) -> int:
    return zxid & COUNTER_MAX


def follows(previous: int, zxid: int) -> bool:
    """Whether `zxid` may come right after `previous`: the next counter, or the first entry of a later epoch."""
    if zxid == previous + 1:
        return counter_of(zxid) != 0
    return counter_of(zxid) == 1 and epoch_of(zxid) > epoch_of(previous)


def show(zxid: int) -> str:
    """`2:17`, the form people read."""
    return f"{epoch_of(zxid)}:{counter_of(zxid)}"


def parse(text: str) -> int:
    """The zxid that `show` printed. ValueError for anything else."""
    found = _SHOWN.fullmatch(text)
    if found is None or int(found[1]) > EPOCH_MAX or int(found[2]) > COUNTER_MAX:
        raise ValueError(f"not a zxid: {text!r}, expected epoch:counter such as 2:17")
    return make(int(found[1]), int(found[2]))
