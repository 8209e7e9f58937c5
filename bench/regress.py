"""Has an operation become dearer? CPU of the servers for a few loads, in units of a loop of plain Python.

Method: the reference does what a door does, without knowing of it: frames off a socket, a header unpacked, a
dictionary asked and changed, an answer packed, one send for many. Its CPU per frame says how fast this machine is just
now; the CPU per operation of three nodes is divided by it, and the quotient compared with that in
`bench/regress.json`. Reference and loads take turns, and of each the least counts: disturbance only makes dearer.

Rules: a warning and never a failure, for a machine with other work shows other quotients. Figures are kept by the
version of Python: the loop and the servers do not gain alike from a new one. Where there are none, nothing is compared.
"""

import json
import platform
import socket
import struct
import time
from pathlib import Path

from bench.compare.measured import Load, generate
from bench.rig import pids, running
from bench.say import Say

STORED = Path(__file__).with_name("regress.json")
LOADS = (Load("set", 30, 16), Load("get", 30, 16))
ROUNDS = 3
SECONDS, WARM_UP_S = 0.7, 0.2
DEARER = 1.25
FRAMES, BURST = 300_000, 30  # of the reference: in all, and with one send
VALUE = bytes(100)
KEYS = 1000
HEADER = struct.Struct("!iqi")

Quotients = dict[str, float]
"""Of each load: CPU of an operation by CPU of a frame of the reference."""


def reference_us() -> float:
    """CPU microseconds of a frame of the reference."""
    values = dict.fromkeys(range(KEYS), VALUE)
    near, far = socket.socketpair()
    size = BURST * (HEADER.size + len(VALUE))
    begin = time.process_time()
    with near, far:
        for first in range(0, FRAMES, BURST):
            sent = [HEADER.pack(len(VALUE), number, 5) + VALUE for number in range(first, first + BURST)]
            near.sendall(b"".join(sent))
            far.sendall(answers(far.recv(size, socket.MSG_WAITALL), values))
            near.recv(size, socket.MSG_WAITALL)
    return (time.process_time() - begin) / FRAMES * 1e6


def answers(data: bytes, values: dict[int, bytes]) -> bytes:
    """Every frame's value takes the place of the one under its number, which is the answer."""
    found, at = [], 0
    while at < len(data):
        length, number, code = HEADER.unpack_from(data, at)
        begin = at + HEADER.size
        at = begin + length
        old = values[number % KEYS]
        values[number % KEYS] = data[begin:at]
        found.append(HEADER.pack(len(old), number, code) + old)
    return b"".join(found)


def measure(say: Say, rounds: int = ROUNDS) -> Quotients:
    """The quotients of this machine, now. Stuck when a load fails."""
    frames: list[float] = []
    loads: dict[str, list[float]] = {str(one): [] for one in LOADS}
    with running(3) as ensemble:
        hosts = [member.wire for member in ensemble.members]
        for _ in say.each("CPU of an operation", range(rounds), rounds):
            frames.append(reference_us())
            for one in LOADS:
                figures = generate("zk", hosts, one, SECONDS, WARM_UP_S, pids(ensemble))
                loads[str(one)].append(figures["servers_us"])
    return {name: round(min(measured) / min(frames), 3) for name, measured in loads.items()}


def version() -> str:
    """Under which figures are kept: `3.11`."""
    return ".".join(platform.python_version_tuple()[:2])


def store(quotients: Quotients, path: Path = STORED) -> None:
    """Keeps them, and those of other versions as they are."""
    kept = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(dict(sorted((kept | {version(): quotients}).items())), indent=2) + "\n")


def load(path: Path = STORED) -> Quotients | None:
    """Those of this version of Python; None where there are none."""
    kept: dict[str, Quotients] = json.loads(path.read_text()) if path.exists() else {}
    return kept.get(version())


def verdicts(quotients: Quotients, stored: Quotients | None) -> list[str]:
    """A line for each load, a warning where it has become dearer."""
    if stored is None:
        return [
            f"no figures are stored for Python {version()}; python -m bench regress --store keeps these: {quotients}"
        ]
    lines = []
    for name, quotient in quotients.items():
        if name not in stored:
            lines.append(f"{name}: {quotient:.2f}, not stored before")
            continue
        times = quotient / stored[name]
        word = "WARNING: dearer than stored" if times > DEARER else "ok"
        lines.append(
            f"{name}: {quotient:.2f} reference frames per operation, stored {stored[name]:.2f}: {word} ({times:.2f}x)"
        )
    return lines


def regress(say: Say, keep: bool) -> None:
    """Measures and says; keeps the figures when asked to."""
    quotients = measure(say)
    if keep:
        store(quotients)
    print("\n".join(verdicts(quotients, load())))
