"""Unary gRPC calls by h2load: prepared frames in, requests per second and latencies out.

Rules: one process for each node, all at the same time, the clients dealt out among them: h2load speaks to one address.
A body is one gRPC message that every request sends alike, so all work on one key. HTTP/2 says 200 to a call that
failed, too, and h2load does not look at trailers; a failed call has no message, so the bytes of the answers tell:
fewer than SUCCEEDED_BYTES each, and the run is void.
"""

import re
import struct
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.compare.measured import BEYOND_S, VALUE_BYTES, Figures, Load
from bench.figures import percentile
from bench.load import Stuck
from bench.rig import cpu_seconds
from zooweeper.model.config import Address
from zooweeper.pb import client_pb2 as pb

KEY = "/bench"  # a znode of ours, and a key of etcd's
SUCCEEDED_BYTES = 5  # of an answer's gRPC frame: flag and length; a failed call has not even these


@dataclass(frozen=True, slots=True)
class Call:
    """A unary call: the path of its method, and the message."""

    path: str
    message: bytes

    @property
    def body(self) -> bytes:
        """The gRPC frame: not compressed, length, message."""
        return struct.pack("!?I", False, len(self.message)) + self.message


def field(number: int, data: bytes) -> bytes:
    """A length-delimited protobuf field of fewer than 128 bytes."""
    if not (0 < number < 16 and len(data) < 128):
        raise ValueError(f"field {number} with {len(data)} bytes does not fit one-byte tags and lengths")
    return bytes((number << 3 | 2, len(data))) + data


ETCD_KV = "/etcdserverpb.KV"
OURS = "/zooweeper.v1.Zooweeper"
VALUE = b"x" * VALUE_BYTES
CALLS = {  # by the player and the operation of a load
    ("etcd", "set"): Call(f"{ETCD_KV}/Put", field(1, KEY.encode()) + field(2, VALUE)),
    ("etcd", "linear-get"): Call(f"{ETCD_KV}/Range", field(1, KEY.encode())),  # unless it says `serializable`
    ("unary", "set"): Call(f"{OURS}/SetData", pb.SetDataRequest(path=KEY, data=VALUE).SerializeToString()),
    ("unary", "linear-get"): Call(f"{OURS}/GetData", pb.GetDataRequest(path=KEY, linear=True).SerializeToString()),
}


@dataclass(frozen=True, slots=True)
class Report:
    """What one process of h2load said."""

    per_s: float
    requests: int
    failed: int  # not answered, or redirected or refused
    body_bytes: int  # of all answers


NUMBERS = {
    "per_s": r"finished in [^,]+, ([\d.]+) req/s",
    "requests": r"requests: (\d+) total",
    "succeeded": r"(\d+) succeeded",
    "redirected": r"(\d+) 3xx",
    "body_bytes": r"\((\d+)\) data",
}


def parse(said: str) -> Report:
    """h2load's summary. Stuck when it is none.

    What is not among the 2xx need not have failed: of a call whose headers came while it warmed up and whose end came
    later h2load counts the end only. It calls 4xx and 5xx failed, and 3xx succeeded."""
    found = {name: re.search(pattern, said) for name, pattern in NUMBERS.items()}
    values = {name: float(match[1]) for name, match in found.items() if match}
    if missing := sorted(found.keys() - values.keys()):
        last = (said.strip().splitlines() or ["nothing"])[-1]
        raise Stuck(f"h2load did not say: {', '.join(missing)}; it said: {last}")
    failed = int(values["requests"] - values["succeeded"] + values["redirected"])
    return Report(values["per_s"], int(values["requests"]), failed, int(values["body_bytes"]))


def latencies(log: str) -> list[int]:
    """Microseconds of each request, from h2load's log: `start, status, duration` in each line."""
    return [int(line.rsplit("\t", 1)[1]) for line in log.splitlines() if line]


def figures(reports: Sequence[Report], microseconds: Sequence[int]) -> Figures:
    """All processes together. Stuck when calls failed."""
    requests = sum(report.requests for report in reports)
    failed = sum(report.failed for report in reports)
    if failed or not requests:
        raise Stuck(f"{failed} of {requests} calls failed")
    if sum(report.body_bytes for report in reports) < SUCCEEDED_BYTES * requests:
        raise Stuck("the answers are empty: the calls failed")
    return {
        "per_s": sum(report.per_s for report in reports),
        "p50_us": percentile(microseconds, 50),
        "p99_us": percentile(microseconds, 99),
    }


def run(
    player: str, hosts: Sequence[Address], load: Load, seconds: float, warm_up: float, pids: Sequence[int]
) -> Figures:
    """The calls of a load by its connections; `pids` are the servers'. Stuck when they fail."""
    call = CALLS[player, load.operation]
    with tempfile.TemporaryDirectory(prefix="h2load-") as temporary:
        folder = Path(temporary)
        (folder / "body").write_bytes(call.body)
        logs = [folder / f"log-{number}" for number in range(min(len(hosts), load.connections))]
        clients = [len(range(number, load.connections, len(logs))) for number in range(len(logs))]
        processes = [
            subprocess.Popen(
                command(host, call, share, load.depth, seconds, warm_up, folder / "body", log),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for host, share, log in zip(hosts, clients, logs, strict=False)
        ]
        try:
            time.sleep(warm_up)
            before = cpu_seconds(pids)
            said = [process.communicate(timeout=seconds + BEYOND_S)[0] for process in processes]
            used = cpu_seconds(pids) - before
        except subprocess.TimeoutExpired:
            raise Stuck(f"h2load did not end within {seconds + BEYOND_S:g} s") from None
        finally:
            for process in processes:
                process.kill()
                process.wait()
        reports = [parse(text) for text in said]
        found = figures(reports, [one for log in logs for one in latencies(log.read_text())])
        return found | {"servers_us": used * 1e6 / sum(report.requests for report in reports)}


def command(
    host: Address, call: Call, clients: int, depth: int, seconds: float, warm_up: float, body: Path, log: Path
) -> list[str]:
    """The words of one process of h2load."""
    return [
        *("h2load", "-c", str(clients), "-m", str(depth)),
        *("-D", f"{seconds * 1000:.0f}ms", "--warm-up-time", f"{warm_up * 1000:.0f}ms"),
        *("-H", "content-type: application/grpc", "-H", "te: trailers"),
        *("-d", str(body), "--log-file", str(log), f"http://{host}{call.path}"),
    ]
