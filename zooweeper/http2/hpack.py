"""Header compression of HTTP/2 (RFC 7541): the whole of decoding, and as much of encoding as our few answers need.

Rules: pure. What breaks the format is a ValueError, and ends the connection, for both sides' tables must agree. Header
blocks and tables are bounded. What we say ourselves uses no table of the connection and no Huffman code: it is short,
and made once.
"""

from bisect import bisect_right
from collections import deque

from zooweeper.model.varint import varint

Headers = list[tuple[bytes, bytes]]

TABLE_BYTES_MAX = 4096  # what a client may take for granted; we never offer another size
LIST_BYTES_MAX = 8192  # decoded, with the overhead of each line
LINE_OVERHEAD = 32
KNOWN_MAX = 64  # blocks whose meaning is remembered

_STATIC = (
    ":authority :method=GET :method=POST :path=/ :path=/index.html :scheme=http :scheme=https :status=200 :status=204 "
    ":status=206 :status=304 :status=400 :status=404 :status=500 accept-charset accept-encoding=gzip,_deflate "
    "accept-language accept-ranges accept access-control-allow-origin age allow authorization cache-control "
    "content-disposition content-encoding content-language content-length content-location content-range content-type "
    "cookie date etag expect expires from host if-match if-modified-since if-none-match if-range if-unmodified-since "
    "last-modified link location max-forwards proxy-authenticate proxy-authorization range referer refresh retry-after "
    "server set-cookie strict-transport-security transfer-encoding user-agent vary via www-authenticate"
)  # a space within a value is written _
STATIC = tuple(
    (name.encode(), value.replace("_", " ").encode())
    for name, _, value in (line.partition("=") for line in _STATIC.split())
)

# The code is canonical: how many symbols have codes of each length, and the symbols in the order of their codes.
HUFFMAN_COUNTS = {5: 10, 6: 26, 7: 32, 8: 6, 10: 5, 11: 3, 12: 2, 13: 6, 14: 2, 15: 3, 19: 3, 20: 8, 21: 13, 22: 26,
                  23: 29, 24: 12, 25: 4, 26: 15, 27: 19, 28: 29, 30: 3}  # fmt: skip
HUFFMAN_SYMBOLS = bytes.fromhex(
    "303132616365696f737420252d2e2f333435363738393d415f62646667686c6d6e7072753a42434445464748494a4b4c4d4e"
    "4f5051525354555657596a6b71767778797a262a2c3b585a212228293f272b7c233e0024405b5d7e5e7d3c607b5cc3d08082"
    "83a2b8c2e0e299a1a7acb0b1b3d1d8d9e3e5e68184858688929a9ca0a3a4a9aaadb2b5b9babbbdbec4c6e4e8e90187898a8b"
    "8c8d8f93959697989b9d9ea5a6a8aeafb4b6b7bcbfc5e7ef098e9091949fabced7e1ecedc7cfeaebc0c1c8c9cacdd2d5dadb"
    "eef0f2f3ffcbccd3d4d6dddedff1f4f5f6f7f8fafbfcfdfe020304050607080b0c0e0f1011121314151718191a1b1c1d1e1f"
    "7fdcf90a0d16"
)
CODE_BITS_MAX = 30


def _huffman() -> tuple[list[int], list[int]]:
    """For each symbol, in the order of the codes: its code as the first of 30 bits, and its length."""
    starts, lengths, start = [], [], 0
    for length, count in HUFFMAN_COUNTS.items():
        for _ in range(count):
            starts.append(start)
            lengths.append(length)
            start += 1 << (CODE_BITS_MAX - length)
    return starts, lengths


_STARTS, _LENGTHS = _huffman()
_EOS = (1 << CODE_BITS_MAX) - 1
_STARTS.append(_EOS)


def unhuffman(data: bytes) -> bytes:
    """The text of a Huffman-coded one. ValueError."""
    left = 8 * len(data)
    bits = int.from_bytes(data) << CODE_BITS_MAX | _EOS  # padded with ones, as senders do
    out = bytearray()
    while left > 0:
        window = bits >> left & _EOS
        place = bisect_right(_STARTS, window) - 1
        if place == len(_LENGTHS):
            break
        length = _LENGTHS[place]
        if length > left:
            break
        out.append(HUFFMAN_SYMBOLS[place])
        left -= length
    if left > 7 or bits >> CODE_BITS_MAX & (1 << left) - 1 != (1 << left) - 1:
        raise ValueError("Huffman code that ends badly")
    return bytes(out)


class Decoder:
    """One connection's incoming headers."""

    def __init__(self) -> None:
        self._table: deque[tuple[bytes, bytes]] = deque()  # newest first
        self._bytes = 0
        self._bytes_max = TABLE_BYTES_MAX
        self._known: dict[bytes, Headers] = {}  # blocks that say the same each time, while the table stays as it is

    def decode(self, block: bytes) -> Headers:
        """The header lines of a block. ValueError: the connection cannot go on."""
        known = self._known.get(block)
        if known is not None:
            return known
        headers: Headers = []
        at, size, moved = 0, 0, False
        while at < len(block):
            first = block[at]
            if first & 0x80:
                place, at = _number(block, at, 7)
                line = self._line(place)
            elif first & 0xE0 == 0x20:
                bound, at = _number(block, at, 5)
                if headers or bound > TABLE_BYTES_MAX:
                    raise ValueError("a table of that size, or in that place")
                self._bytes_max = bound
                self._shrink()
                moved = True
                continue
            else:
                kept = first & 0x40
                place, at = _number(block, at, 6 if kept else 4)
                if place:
                    name = self._line(place)[0]
                else:
                    name, at = _text(block, at)
                value, at = _text(block, at)
                line = (name, value)
                if kept:
                    self._insert(line)
                    moved = True
            size += len(line[0]) + len(line[1]) + LINE_OVERHEAD
            if size > LIST_BYTES_MAX:
                raise ValueError(f"headers of more than {LIST_BYTES_MAX} bytes")
            headers.append(line)
        if moved:
            self._known.clear()
        elif len(self._known) < KNOWN_MAX:
            self._known[block] = headers
        return headers

    def _line(self, place: int) -> tuple[bytes, bytes]:
        """By its index, from 1: the static table, then the dynamic one."""
        if 1 <= place <= len(STATIC):
            return STATIC[place - 1]
        place -= len(STATIC) + 1
        if not 0 <= place < len(self._table):
            raise ValueError("a header that is not in the table")
        return self._table[place]

    def _insert(self, line: tuple[bytes, bytes]) -> None:
        self._table.appendleft(line)
        self._bytes += len(line[0]) + len(line[1]) + LINE_OVERHEAD
        self._shrink()

    def _shrink(self) -> None:
        while self._bytes > self._bytes_max:
            name, value = self._table.pop()
            self._bytes -= len(name) + len(value) + LINE_OVERHEAD


def encode(headers: Headers) -> bytes:
    """A block of literals that no table keeps; names in lower case."""
    parts: list[bytes] = []
    for name, value in headers:
        parts += (b"\x00", _length(len(name)), name, _length(len(value)), value)
    return b"".join(parts)


def _length(number: int) -> bytes:
    """With a prefix of 7 bits, the one before it clear."""
    return bytes((number,)) if number < 0x7F else b"\x7f" + varint(number - 0x7F)


def _number(block: bytes, at: int, bits: int) -> tuple[int, int]:
    """A number with a prefix of so many bits, and where it ends."""
    most = (1 << bits) - 1
    number = block[at] & most
    at += 1
    if number < most:
        return number, at
    for shift in range(0, 28, 7):
        if at >= len(block):
            raise ValueError("a number that does not end")
        byte = block[at]
        at += 1
        number += (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
    raise ValueError("a number beyond every bound")


def _text(block: bytes, at: int) -> tuple[bytes, int]:
    if at >= len(block):
        raise ValueError("a header without its text")
    coded = block[at] & 0x80
    length, at = _number(block, at, 7)
    end = at + length
    if end > len(block):
        raise ValueError("a text that does not end")
    text = block[at:end]
    return (unhuffman(text) if coded else text), end
