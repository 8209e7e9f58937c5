"""The fuzzer finds what it is there to find: with a check taken out of the product, each time.

Rules: an ablation removes one check and names the target that must notice; the seed is fixed, the number of inputs is
bounded. What is found is shrunk, replays, and is gone when the check is back.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from struct import Struct

import pytest
from grades import statements

from fuzz.__main__ import main
from fuzz.harness import Fuzzer, TooMuch, replay, weigh
from fuzz.mutator import INPUT_BYTES_MAX, Mutator
from fuzz.table import TARGETS
from zooweeper.cli import settings, zoocfg
from zooweeper.codec import jute, record
from zooweeper.doors import zkconn
from zooweeper.model.errors import AuthFailed
from zooweeper.ops import op, watches
from zooweeper.ops.data import GetAcl
from zooweeper.replica import leadership, liveness
from zooweeper.storage import records, recovery
from zooweeper.transport import wire
from zooweeper.tree.snapshot import SnapshotBuilder
from zooweeper.zab.learner import Learner

ROOT = Path(__file__).resolve().parents[2]
Patch = Callable[[pytest.MonkeyPatch], None]


def no_length_of_bytes(patch: pytest.MonkeyPatch) -> None:
    """A text or buffer may be longer than what is left of its record."""
    read, request = jute.Bytes.read, GetAcl.Request

    def unchecked(self: jute.Bytes, to: str, source: jute.Source) -> None:
        read(self, to, source)
        (check,) = [line for line in source.lines if line.endswith("if end > size: raise short()")]
        source.lines.remove(check)

    written = ("__init__", "_write", "_read", "encode", "decode", "_fields", "_bytes_min")
    kept = {name: request.__dict__[name] for name in written}
    with pytest.MonkeyPatch.context() as inner:
        inner.setattr(jute.Bytes, "read", unchecked)
        record._compile(request, request._fields, {})
    ablated = {name: request.__dict__[name] for name in written}
    for name in written:
        type.__setattr__(request, name, kept[name])
        patch.setattr(request, name, ablated[name])


def no_structure_of_batches(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(wire, "check_requests", lambda data, count: None)


def no_doubt_in_learners(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Learner, "may_say", lambda self, message, last, round: True)


def no_length_of_reports(patch: pytest.MonkeyPatch) -> None:
    def unpack_report(data: bytes) -> tuple[int, int, tuple[int, ...]]:
        executed, digest, count = liveness._REPORT.unpack_from(data)
        return executed, digest, Struct(f"!{count}q").unpack_from(data, liveness._REPORT.size)

    patch.setattr("fuzz.targets.reports.unpack_report", unpack_report)
    patch.setattr(leadership, "unpack_report", unpack_report)


def room_for_what_is_announced(patch: pytest.MonkeyPatch) -> None:
    def unpack_report(data: bytes) -> tuple[int, int, tuple[int, ...]]:
        if len(data) >= liveness._REPORT.size:
            bytearray(min(liveness._REPORT.unpack_from(data)[2], 1 << 26))
        return liveness.unpack_report(data)

    patch.setattr("fuzz.targets.reports.unpack_report", unpack_report)


def no_checksum_of_records(patch: pytest.MonkeyPatch) -> None:
    def find_record(data: bytes, at: int, mark: int) -> records.Found | None:
        start = at + records.RECORD.size
        if len(data) < start:
            return None
        found, crc, previous, length, back, kind, index, zxid = records.RECORD.unpack_from(data, at)
        if found != mark or len(data) < start + length:
            return None
        return records.Found(at, start + length, crc, previous, back, kind, index, zxid, data[start : start + length])

    patch.setattr(recovery, "find_record", find_record)


def no_length_of_sheets(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(records, "_unpack", lambda struct, data, at=0: struct.unpack_from(data, at))


def no_digest_of_snapshots(patch: pytest.MonkeyPatch) -> None:
    """A node is believed whose path does not begin at the root."""
    take = SnapshotBuilder._take_nodes

    def _take_nodes(self: SnapshotBuilder, body: bytes) -> None:
        take(self, body)
        self._state.tree._total += 1

    patch.setattr(SnapshotBuilder, "_take_nodes", _take_nodes)


def no_paths_of_watches(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(watches, "validate", lambda path: None)


def no_doubt_in_handshakes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(zkconn, "MarshallingError", AuthFailed)


def no_word_for_our_own_errors(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(zkconn, "ON_WIRE", {})
    patch.setattr(op, "PATH_BYTES_MAX", 3)


def any_digit(patch: pytest.MonkeyPatch) -> None:
    for reader in (settings, zoocfg):
        patch.setattr(reader, "number", lambda text: int(text) if text.isdigit() else -1)


def any_number_of_digits(patch: pytest.MonkeyPatch) -> None:
    """What begins as a number is one."""
    patch.setattr(statements, "INTEGER", re.compile("-?[0-9]+"))


ABLATIONS: tuple[tuple[Patch, str, int], ...] = (
    (no_length_of_bytes, "requests", 3000),
    (no_structure_of_batches, "peers", 2500),
    (no_doubt_in_learners, "peers", 2500),
    (no_length_of_reports, "reports", 500),
    (room_for_what_is_announced, "reports", 500),
    (no_checksum_of_records, "folders", 300),
    (no_length_of_sheets, "sheets", 1000),
    (no_digest_of_snapshots, "images", 500),
    (no_paths_of_watches, "entries", 2000),
    (any_digit, "settings", 10_000),
    (any_number_of_digits, "grades", 5000),
    (no_doubt_in_handshakes, "wire", 1000),
    (no_word_for_our_own_errors, "wire", 1000),
)
"""A check taken out, the target that must notice, and after how many inputs at most."""


@pytest.mark.parametrize(("ablate", "name", "most"), ABLATIONS, ids=[row[0].__name__ for row in ABLATIONS])
def test_a_check_taken_out_is_found(ablate: Patch, name: str, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        ablate(patch)
        finding = Fuzzer(TARGETS[name], 3).run(most)
        assert finding is not None, f"{most} inputs of {name} did not notice"
        assert len(finding.shrunk) <= len(finding.found)
        assert replay(TARGETS[name], finding.shrunk), "the shrunk input is not wrong"
        assert f"python -m fuzz {name} --replay {finding.shrunk.hex() or '-'}" in str(finding)
    assert replay(TARGETS[name], finding.shrunk) == ""


def test_the_command_says_what_it_found(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    no_length_of_reports(monkeypatch)
    assert main(["reports", "--inputs", "500", "--seed", "3"]) == 1
    told = capsys.readouterr()
    assert "Traceback" in told.out and "1 findings" in told.out and "FOUND" in told.err
    (line,) = [line for line in told.out.splitlines() if line.startswith("replay: python -m fuzz ")]
    assert main(line.removeprefix("replay: python -m fuzz ").split()) == 1
    monkeypatch.undo()
    assert main(line.removeprefix("replay: python -m fuzz ").split()) == 0


@pytest.mark.parametrize(
    "arguments", [["nothing"], ["reports", "--replay", "xyz"], ["--replay", "00"], ["reports", "--jobs", "0"]]
)
def test_a_command_line_that_cannot_be(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2 and "Traceback" not in capsys.readouterr().err


def test_the_same_seed_makes_the_same_inputs_in_any_process() -> None:
    told = []
    for hash_seed, jobs in (("1", "1"), ("2", "2")):
        run = subprocess.run(
            [sys.executable, "-m", "fuzz", "requests", "images", "--inputs", "200", "--seed", "5", "--jobs", jobs],
            cwd=ROOT,
            env=os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": f"{ROOT}:{ROOT / 'client'}:{ROOT / 'apps'}"},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        told.append(sorted(line.rpartition("checksum")[2] for line in run.stderr.splitlines() if "checksum" in line))
    assert told[0] == told[1] and len(told[0]) == 2


def test_what_an_input_costs_is_seen() -> None:
    target = TARGETS["reports"]
    weigh(target, bytes(100))

    class Greedy(type(target)):  # type: ignore[misc]
        bytes_max = -(1 << 20)

    with pytest.raises(TooMuch):
        weigh(Greedy(), bytes(100))


def test_inputs_are_bounded_and_deterministic() -> None:
    from random import Random

    rows = []
    for _ in range(2):
        mutator = Mutator(Random(7), (b"word",))
        data, made = b"\0\0\0\4data" * 9, []
        for _ in range(2000):
            data = mutator.mutate(data, (b"other",)) or b"\0"
            made.append(data)
        rows.append(made)
    assert rows[0] == rows[1]
    assert all(len(data) <= INPUT_BYTES_MAX for data in rows[0])
