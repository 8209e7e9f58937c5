"""Header blocks: the examples of RFC 7541, what breaks the format, and bounds."""

import random

import pytest

from zooweeper.http2.hpack import LIST_BYTES_MAX, STATIC, Decoder, encode, unhuffman

REQUEST = [(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"www.example.com")]


def test_the_requests_of_the_standard_with_huffman_code() -> None:
    decoder = Decoder()  # appendix C.4: one connection, the table grows
    assert decoder.decode(bytes.fromhex("828684418cf1e3c2e5f23a6ba0ab90f4ff")) == REQUEST
    assert decoder.decode(bytes.fromhex("828684be5886a8eb10649cbf")) == [*REQUEST, (b"cache-control", b"no-cache")]
    third = decoder.decode(bytes.fromhex("828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf"))
    assert third == [(b":method", b"GET"), (b":scheme", b"https"), (b":path", b"/index.html"), REQUEST[3],
                     (b"custom-key", b"custom-value")]  # fmt: skip


def test_the_requests_of_the_standard_in_plain_text() -> None:
    decoder = Decoder()  # appendix C.3
    assert decoder.decode(b"\x82\x86\x84\x41\x0fwww.example.com") == REQUEST
    assert decoder.decode(b"\x82\x86\x84\xbe\x58\x08no-cache") == [*REQUEST, (b"cache-control", b"no-cache")]


def test_what_is_in_the_table_falls_out_at_its_bound() -> None:
    decoder = Decoder()
    assert decoder.decode(b"\x3f\x21\x40\x01a\x01b") == [(b"a", b"b")]  # a table of 64 bytes
    assert decoder.decode(b"\xbe") == [(b"a", b"b")]
    decoder.decode(b"\x40\x01c\x01d")  # 34 bytes each: the first has to go
    assert decoder.decode(b"\xbe") == [(b"c", b"d")], "and what a block means is not remembered over that"
    with pytest.raises(ValueError, match="not in the table"):
        decoder.decode(b"\xbf")
    assert decoder.decode(b"\x40\x01e\x7f\x00" + bytes(127)) == [(b"e", bytes(127))], "larger than the table"
    with pytest.raises(ValueError, match="not in the table"):
        decoder.decode(b"\xbe")


def test_what_we_encode_can_be_decoded() -> None:
    lines = [(b"grpc-status", b"0"), (b"x" * 127, b"y" * 300), (b"empty", b"")]
    assert Decoder().decode(encode(lines)) == lines


def test_codes_of_every_length() -> None:
    # RFC 7541, appendix B: the first and the last of the shortest, one in the middle, the longest.
    assert unhuffman(bytes((0b00000_010, 0b01_111111))) == b"0t"
    assert unhuffman(bytes((0b1111_1111, 0b11_000_111))) == b"\0"
    assert unhuffman(bytes.fromhex("fffffff3")) == b"\n" and unhuffman(bytes.fromhex("fffffffb")) == b"\x16"
    assert len(STATIC) == 61 and STATIC[15] == (b"accept-encoding", b"gzip, deflate") and STATIC[60][1] == b""


@pytest.mark.parametrize(
    "block",
    [b"\x80", b"\xbe", b"\xff\xff\xff\xff\xff\xff", b"\x40", b"\x40\x05ab", b"\x00\x01", b"\x3f\xe2\x1f", b"\x82\x20",
     b"\x00\x81\xff\x00", b"\x00\x82\xf8\x00\x00", b"\x00\x85\xff\xff\xff\xff\xff\x00"],
)  # fmt: skip
def test_what_breaks_the_format_is_an_error(block: bytes) -> None:
    with pytest.raises(ValueError):
        Decoder().decode(block)


def test_headers_are_bounded() -> None:
    half = b"\x00\x01a\x7f\x81\x1f" + bytes(4096)
    Decoder().decode(half)
    with pytest.raises(ValueError, match=str(LIST_BYTES_MAX)):
        Decoder().decode(half + half)
    decoder = Decoder()
    decoder.decode(b"\x40\x01a\x7f\x81\x1e" + bytes(3968))  # into the table, and then named again and again
    with pytest.raises(ValueError, match=str(LIST_BYTES_MAX)):
        decoder.decode(b"\xbe" * 1000)


def test_any_bytes_are_headers_or_an_error() -> None:
    rng = random.Random(3)
    decoded = 0
    for _ in range(3000):
        try:
            Decoder().decode(rng.randbytes(rng.randrange(40)))
            decoded += 1
        except ValueError:
            pass
    assert decoded
