"""What the generator says in headers, read by the decoder of our gRPC port."""

from zooweeper.bench.hpack import Encoder
from zooweeper.http2.hpack import Decoder, Headers

CALL: Headers = [(b":method", b"POST"), (b":path", b"/a"), (b"te", b"trailers")]


def test_what_was_said_once_is_a_byte() -> None:
    encoder, decoder = Encoder(), Decoder()
    first, second = encoder.encode(CALL), encoder.encode(CALL)
    assert decoder.decode(first) == CALL
    assert second == bytes((0x83, 0x80 | 63, 0x80 | 62)), "the latest stands first"
    assert decoder.decode(second) == CALL


def test_what_is_new_moves_the_rest_up() -> None:
    encoder, decoder = Encoder(), Decoder()
    other: Headers = [(b":path", b"/b"), (b"x-long", b"v" * 200)]
    for headers in (CALL, other, CALL, other, [*other, *CALL]):
        assert decoder.decode(encoder.encode(headers)) == headers
    assert encoder.size == 4
