"""Headers of HTTP/2 (RFC 7541), as much as a gRPC client needs.

Rules: what we send is indexed from its second use on, as any client does. What we read must not be: `http2.py` allows
servers no table, so every block stands by itself.
"""

from zooweeper.bench.load import BenchError

Headers = tuple[tuple[str, str], ...]

STATIC = """
:authority :method|GET :method|POST :path|/ :path|/index.html :scheme|http :scheme|https :status|200 :status|204
:status|206 :status|304 :status|400 :status|404 :status|500 accept-charset accept-encoding|gzip,deflate accept-language
accept-ranges accept access-control-allow-origin age allow authorization cache-control content-disposition
content-encoding content-language content-length content-location content-range content-type cookie date etag expect
expires from host if-match if-modified-since if-none-match if-range if-unmodified-since last-modified link location
max-forwards proxy-authenticate proxy-authorization range referer refresh retry-after server set-cookie
strict-transport-security transfer-encoding user-agent vary via www-authenticate
""".split()  # noqa: SIM905 - a table of words
assert len(STATIC) == 61, "name, or name|value, from 1 on"

SYMBOLS = (  # characters of the Huffman code by the length of their codes; the code is canonical
    (5, "012aceiost"),
    (6, " %-./3456789=A_bdfghlmnpru"),
    (7, ":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz"),
    (8, "&*,;XZ"),
    (10, '!"()?'),
    (11, "'+|"),
    (12, "#>"),
    (13, "\0$@[]~"),
    (14, "^}"),
    (15, "<`{"),
)


def huffman_codes() -> dict[tuple[int, int], str]:
    """(length, code) to character."""
    codes: dict[tuple[int, int], str] = {}
    code = before = 0
    for length, characters in SYMBOLS:
        code <<= length - before
        before = length
        for character in characters:
            codes[length, code] = character
            code += 1
    return codes


CODES = huffman_codes()


class Encoder:
    """The headers of requests."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], int] = {}  # to how many were known before it
        self._blocks: dict[Headers, bytes] = {}  # as long as nothing else becomes known

    def encode(self, headers: Headers) -> bytes:
        """A header block; it must be sent, and in the order in which blocks are made."""
        made = self._blocks.get(headers)
        if made is not None:
            return made
        before = len(self._known)
        block = bytearray()
        for name, value in headers:
            if f"{name}|{value}" in STATIC:
                block.append(0x80 | STATIC.index(f"{name}|{value}") + 1)
            elif (name, value) in self._known:
                block.append(0x80 | len(STATIC) + len(self._known) - self._known[name, value])
            else:
                self._known[name, value] = len(self._known)
                block += b"\x40" + _plain(name) + _plain(value)
        if len(self._known) > before:
            self._blocks.clear()
        else:
            self._blocks[headers] = bytes(block)
        return bytes(block)


def _plain(text: str) -> bytes:
    data = text.encode()
    assert len(data) < 127, "our own headers are short"
    return bytes((len(data),)) + data


def decode(block: bytes) -> dict[str, str]:
    """The headers of a block, the last of each name. BenchError for one that makes no sense."""
    headers: dict[str, str] = {}
    try:
        at = 0
        while at < len(block):
            first = block[at]
            if first & 0x80:
                index, at = _number(block, at, 7)
                name, _, value = STATIC[index - 1].partition("|")
            elif first & 0xE0 == 0x20:  # the size of a table that is not used
                _, at = _number(block, at, 5)
                continue
            else:
                index, at = _number(block, at, 6 if first & 0x40 else 4)
                if index:
                    name = STATIC[index - 1].partition("|")[0]
                else:
                    name, at = _text(block, at)
                value, at = _text(block, at)
            headers[name] = value
    except (IndexError, KeyError):
        raise BenchError("the server's headers cannot be read") from None
    return headers


def _number(block: bytes, at: int, bits: int) -> tuple[int, int]:
    most = (1 << bits) - 1
    number = block[at] & most
    at += 1
    if number < most:
        return number, at
    for shift in range(0, 28, 7):
        number += (block[at] & 0x7F) << shift
        at += 1
        if not block[at - 1] & 0x80:
            return number, at
    raise IndexError("too large")


def _text(block: bytes, at: int) -> tuple[str, int]:
    huffman = block[at] & 0x80
    length, at = _number(block, at, 7)
    data = block[at : at + length]
    if len(data) < length:
        raise IndexError("short")
    return (huffman_text(data) if huffman else data.decode("latin-1")), at + length


def huffman_text(data: bytes) -> str:
    """The characters of a Huffman-coded string; KeyError for characters that no gRPC server says."""
    text = []
    length = code = 0
    for byte in data:
        for shift in range(7, -1, -1):
            code = code << 1 | byte >> shift & 1
            length += 1
            character = CODES.get((length, code))
            if character is not None:
                text.append(character)
                length = code = 0
    if length > 7 or code != (1 << length) - 1:  # the padding is ones
        raise KeyError(code)
    return "".join(text)
