"""Numbers in groups of seven bits, the lowest first: lengths and keys of protobuf, and long lengths of HPACK.

Rules: no number is negative. Those of nearly all messages are made once.
"""

KNOWN = 2048


def _made(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


_KNOWN = tuple(map(_made, range(KNOWN)))


def varint(number: int) -> bytes:
    """The bytes of a number, from 0."""
    return _KNOWN[number] if number < KNOWN else _made(number)
