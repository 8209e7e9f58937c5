"""Headers, by the examples of RFC 7541 and in both directions."""

import pytest

from zooweeper.bench.hpack import CODES, Encoder, decode, huffman_text
from zooweeper.bench.load import BenchError

EXAMPLES = {  # C.6.1, C.4.1, C.2.2, and what a gRPC server ends a call with
    "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 "
    "8f0b 97c8 e9ae 82ae 43d3": {
        ":status": "302",
        "cache-control": "private",
        "date": "Mon, 21 Oct 2013 20:13:21 GMT",
        "location": "https://www.example.com",
    },
    "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff": {
        ":method": "GET",
        ":scheme": "http",
        ":path": "/",
        ":authority": "www.example.com",
    },
    "040c 2f73 616d 706c 652f 7061 7468": {":path": "/sample/path"},
    "20 88": {":status": "200"},
}


@pytest.mark.parametrize("block", EXAMPLES)
def test_the_examples_of_the_rfc(block: str) -> None:
    assert decode(bytes.fromhex(block)) == EXAMPLES[block]


@pytest.mark.parametrize("block", ["", "88" * 3])
def test_blocks_without_news(block: str) -> None:
    assert decode(bytes.fromhex(block)) in ({}, {":status": "200"})


@pytest.mark.parametrize("block", ["be", "ff", "00", "0003 6162", "3fffffffffffff", "0081ff0130"])
def test_what_is_no_block(block: str) -> None:
    with pytest.raises(BenchError, match="cannot be read"):
        decode(bytes.fromhex(block))


def test_the_code_is_a_prefix_code() -> None:
    codes = [f"{code:0{length}b}" for length, code in CODES]
    assert len(set(codes)) == len(codes) == 95
    assert not any(one != other and other.startswith(one) for one in codes for other in codes)
    assert huffman_text(bytes.fromhex("a8eb10649cbf")) == "no-cache"


def test_what_was_said_once_is_a_byte() -> None:
    encoder = Encoder()
    headers = ((":method", "POST"), (":path", "/a"), ("te", "trailers"))
    first, second = encoder.encode(headers), encoder.encode(headers)
    assert decode(first) == dict(headers)
    assert second == bytes((0x83, 0x80 | 63, 0x80 | 62)), "the latest stands first"
    encoder.encode(((":path", "/b"),))
    assert encoder.encode(headers) == bytes((0x83, 0x80 | 64, 0x80 | 63)), "and moves up"
