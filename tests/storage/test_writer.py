"""The disk thread: one write and one sync for all that waits, reports in order, silence after a failure."""

import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.storage.sample import INCARNATION, batch
from zooweeper.model.durable import Accepted, Record
from zooweeper.storage.disk import OsDisk
from zooweeper.storage.folder import format_folder, read_identity
from zooweeper.storage.storage import Storage
from zooweeper.storage.writer import Writer


class Gate(Storage):
    """A storage whose writes wait for permission and are counted."""

    def prepare(self) -> None:
        self.gate = threading.Semaphore(0)
        self.writes: list[int] = []
        self.fail_at = -1
        self.entered = threading.Event()

    def write(self, records: Sequence[Record]) -> None:
        self.entered.set()
        assert self.gate.acquire(timeout=20)
        if len(self.writes) == self.fail_at:
            raise OSError(5, "input/output error")
        self.writes.append(len(records))
        super().write(records)


@pytest.fixture
def folder(tmp_path: Path) -> OsDisk:
    disk = OsDisk(tmp_path)
    format_folder(disk, "test", 1, INCARNATION, True, 1 << 16)
    return disk


def gate(disk: OsDisk) -> Gate:
    storage, _ = Gate.open(disk, read_identity(disk), 1 << 16)
    assert isinstance(storage, Gate)
    storage.prepare()
    return storage


def test_what_waits_goes_together_and_reports_in_order(folder: OsDisk) -> None:
    storage = gate(folder)
    reported: list[int] = []
    failures: list[BaseException] = []
    writer: Writer[int] = Writer(storage, reported.append, failures.append)
    writer.submit([Accepted(1)], 0)
    assert storage.entered.wait(20)
    for counter in range(1, 10):
        writer.submit([batch(1, counter)], counter)
    assert reported == []
    storage.gate.release(2)
    writer.close()
    assert storage.writes == [1, 9] and reported == list(range(10)) and failures == []
    storage.close()
    _, recovered = Storage.open(folder, read_identity(folder), 1 << 16)
    assert len(recovered.batches) == 9


def test_after_a_failure_nothing_is_written_or_reported(folder: OsDisk) -> None:
    storage = gate(folder)
    storage.fail_at = 1
    reported: list[int] = []
    failures: list[BaseException] = []
    writer: Writer[int] = Writer(storage, reported.append, failures.append)
    storage.gate.release(100)
    writer.submit([Accepted(1)], 0)
    deadline = time.monotonic() + 20
    while not reported and time.monotonic() < deadline:
        time.sleep(0.001)
    writer.submit([batch(1, 1)], 1)
    writer.submit([batch(1, 2)], 2)
    writer.close()
    writer.submit([batch(1, 3)], 3)
    writer.close()
    assert reported == [0] and storage.writes == [1]
    assert [str(failure) for failure in failures] == ["[Errno 5] input/output error"]


def test_an_empty_submission_is_reported_too(folder: OsDisk) -> None:
    storage = gate(folder)
    reported: list[str] = []
    writer: Writer[str] = Writer(storage, reported.append, lambda failure: reported.append(str(failure)))
    storage.gate.release(10)
    writer.submit([], "nothing")
    writer.close()
    assert reported == ["nothing"]
    storage.close()
