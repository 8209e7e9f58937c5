"""Connect strings, options, retries: what people write and what comes of it."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zooweeper_client.options import BadHosts, BadOption, make_options, parse_hosts
from zooweeper_client.retry import NO_RETRY, RetryPolicy

from zooweeper.model.config import Address
from zooweeper.model.errors import BadVersion, ConnectionLoss, NoQuorum, ThrottledOp


@pytest.mark.parametrize(
    ("text", "addresses", "chroot"),
    [
        ("h1", ["h1:5181"], ""),
        ("h1:1,h2:2", ["h1:1", "h2:2"], ""),
        (" h1:1 , h2 ", ["h1:1", "h2:5181"], ""),
        ("h1:1,h2:2/app/x", ["h1:1", "h2:2"], "/app/x"),
        ("h1/", ["h1:5181"], ""),
        ("zw://h1,h2:6000/app", ["h1:5181", "h2:6000"], "/app"),
        ("[::1]", ["[::1]:5181"], ""),
        ("[fe80::1]:99,h2", ["[fe80::1]:99", "h2:5181"], ""),
        ("h1,", ["h1:5181"], ""),
    ],
)
def test_good_connect_strings(text: str, addresses: list[str], chroot: str) -> None:
    found, root = parse_hosts(text)
    assert [str(one) for one in found] == addresses
    assert root == chroot


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no host"),
        (" , ", "no host"),
        ("/app", "no host"),
        ("h1:", "port"),
        ("h1:x", "port"),
        ("h1:0", "port"),
        ("h1:65536", "port"),
        ("h1:٣", "port"),
        (":5181", "not a host"),
        ("h 1", "not a host"),
        ("::1", "brackets"),
        ("a\n::", "brackets"),
        ("[::1", "[address]:port"),
        ("[::1]5", "[address]:port"),
        ("h1/a//b", "not a path"),
        ("h1/a/../b", "not a path"),
        ("h1/a/", "not a path"),
        ("zk://h1", "gRPC"),
        ("http://h1", "unknown protocol"),
        ("zw://h1?tls=true", "not supported"),
        (",".join(["h"] * 65), "more than 64"),
    ],
)
def test_bad_connect_strings_say_what_is_wrong(text: str, says: str) -> None:
    with pytest.raises(BadHosts) as raised:
        parse_hosts(text)
    assert says in str(raised.value) and "\n" not in str(raised.value)


@given(st.text(max_size=40))
def test_any_text_is_hosts_or_a_clear_error(text: str) -> None:
    try:
        addresses, chroot = parse_hosts(text)
    except BadHosts:
        return
    assert addresses and all(isinstance(one, Address) and one.host and 0 < one.port < 65536 for one in addresses)
    assert not chroot or (chroot.startswith("/") and not chroot.endswith("/"))


def test_options_are_checked_and_hide_secrets() -> None:
    options = make_options("h", timeout=2.5, auth=(("digest", b"u:topsecret"),), client_id=(5, b"hidden"))
    assert options.timeout_ms == 2500 and options.session == 5
    assert "topsecret" not in repr(options) and "hidden" not in repr(options)
    for wrong in (0.0, -1.0, 0.4, 61.0):
        with pytest.raises(BadOption):
            make_options("h", timeout=wrong)
    with pytest.raises(BadOption):
        make_options("h", timeout=5, client_id=(5, b""))


def test_retries_wait_longer_and_longer_with_full_jitter() -> None:
    policy = RetryPolicy(base=0.05, cap=2)
    rng = Random(1)
    for attempt in range(40):
        ceiling = min(2000, 50 * 2**attempt)
        delays = [policy.delay_ms(attempt, rng) for _ in range(200)]
        assert 1 <= min(delays) < ceiling / 4 + 2
        assert max(delays) <= ceiling


def test_only_what_was_not_applied_and_may_pass_is_tried_again() -> None:
    policy = RetryPolicy()
    assert policy.again(NoQuorum()) and policy.again(ThrottledOp())
    assert not policy.again(BadVersion()) and not policy.again(ConnectionLoss())
    assert not NO_RETRY.again(NoQuorum())
    with pytest.raises(ValueError, match="deadline"):
        RetryPolicy(deadline=0)
