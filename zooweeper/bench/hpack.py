"""Headers as a client of gRPC says them (RFC 7541): from its second use on, a line is a byte or two.

Rules: a block depends on those before it, so it must be sent, and in the order in which blocks are made. The table is
never full: a client says a handful of lines.
"""

from zooweeper.http2.hpack import LINE_OVERHEAD, STATIC, TABLE_BYTES_MAX, Headers, encode

INDEXED, KEPT = 0x80, 0x40  # a line of a table; a line for the table


class Encoder:
    """One connection's outgoing headers."""

    def __init__(self) -> None:
        self._table: dict[tuple[bytes, bytes], int] = {}  # to how many were there before it
        self._bytes = 0

    def encode(self, headers: Headers) -> bytes:
        block = bytearray()
        for line in headers:
            if line in STATIC:
                block.append(INDEXED | STATIC.index(line) + 1)
            elif line in self._table:
                place = len(STATIC) + len(self._table) - self._table[line]
                assert place < 0x7F, "a handful of lines"
                block.append(INDEXED | place)
            else:
                self._table[line] = len(self._table)
                self._bytes += len(line[0]) + len(line[1]) + LINE_OVERHEAD
                assert self._bytes <= TABLE_BYTES_MAX, "a handful of lines"
                block += bytes((KEPT,)) + encode([line])[1:]
        return bytes(block)

    @property
    def size(self) -> int:
        """Lines in the table; two blocks of one size, made of the same headers, are equal."""
        return len(self._table)
