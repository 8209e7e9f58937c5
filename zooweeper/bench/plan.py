"""Which requests a load is: the znodes it needs, and the ring that each connection asks.

Rules: pure; equal loads give equal rings. A connection has a znode of its own unless the load names a number of keys;
then each request takes one of them at random, and every share of writes is met exactly in each ring.
"""

import random
from collections.abc import Iterator

from zooweeper.bench.line import RING_MAX, Ask
from zooweeper.bench.load import Load

RING_BYTES = 64 << 20  # of all rings, so that large values do not need all memory
RING_REQUESTS = 1024  # in a ring of many keys
MIXED_MIN = 100  # in a ring of reads and writes: so that a percent is a request
FRAME_BYTES = 64  # of a request besides its value, about
SETUP_REQUESTS = 512  # of a connection, at a time


def keys_of(load: Load) -> int:
    return load.keys or load.connections


def path_of(load: Load, key: int) -> str:
    return f"{load.root}/k{key}"


def value_of(load: Load) -> bytes:
    return b"x" * load.value_bytes


def ring(load: Load, line: int) -> list[Ask]:
    """The requests of one connection, to be asked over and over."""
    value = value_of(load)
    own = path_of(load, line % keys_of(load))
    if load.operation == "create":
        return [Ask("create", f"{own}/n-", value)]
    if load.operation == "churn":
        paths = [f"{own}/e{line}-{number}" for number in range(max(1, load.depth))]
        return [Ask(kind, path, value) for path in paths for kind in ("ephemeral", "delete")]
    if load.operation != "mix" and not load.keys and not load.paths:
        return [Ask(load.operation, own, value)]
    rng = random.Random(line)
    fits = RING_BYTES // load.connections // (FRAME_BYTES + load.value_bytes)
    size = max(1, min(RING_REQUESTS, fits))
    if load.operation == "mix":
        size = max(MIXED_MIN, size // MIXED_MIN * MIXED_MIN)
        kinds = ["set"] * (size * load.writes // 100)
        kinds += ["get"] * (size - len(kinds))
        rng.shuffle(kinds)
    else:
        kinds = [load.operation] * size
    if load.paths:
        return [Ask(kind, rng.choice(load.paths), value) for kind in kinds]
    return [Ask(kind, path_of(load, rng.randrange(load.keys)) if load.keys else own, value) for kind in kinds]


def parents(load: Load) -> list[Ask]:
    """The znodes above all keys."""
    words = load.root.split("/")
    return [Ask("make", "/".join(words[:end])) for end in range(2, len(words) + 1)]


def slices(load: Load) -> Iterator[list[list[Ask]]]:
    """The keys, in portions of some for each connection."""
    value = value_of(load)
    total, portion = keys_of(load), SETUP_REQUESTS * load.connections
    for begin in range(0, total, portion):
        mine: list[list[Ask]] = [[] for _ in range(load.connections)]
        for key in range(begin, min(total, begin + portion)):
            mine[key % load.connections].append(Ask("make", path_of(load, key), value))
        yield mine


assert RING_REQUESTS < RING_MAX
