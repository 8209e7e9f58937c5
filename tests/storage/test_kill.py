"""A real process on a real disk, killed while it writes: what it said is durable is there."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.storage.sample import INCARNATION, batch, snapshot
from zooweeper.model.durable import Accepted
from zooweeper.model.zxid import counter_of, make
from zooweeper.storage.disk import OsDisk
from zooweeper.storage.folder import format_folder, read_identity
from zooweeper.storage.storage import Storage

SEGMENT = 16 * 1024


def write_for_ever(folder: str) -> None:
    """The process to be killed: says each counter when it is durable."""
    disk = OsDisk(folder)
    storage, recovered = Storage.open(disk, read_identity(disk), SEGMENT)
    storage.write([Accepted(1)])
    counter = counter_of(recovered.last)
    while True:
        counter += 1
        storage.write([batch(1, counter, size=200)])
        os.write(1, b"%d\n" % counter)
        if counter % 40 == 0:
            storage.write(snapshot(make(1, counter), ((1, counter),), b"%d" % counter, b"x" * 5000))


def test_killed_again_and_again(tmp_path: Path) -> None:
    disk = OsDisk(tmp_path)
    identity = format_folder(disk, "test", 1, INCARNATION, True, SEGMENT)
    disk.close()
    said = 0
    for run in range(3):
        command = [sys.executable, "-c", f"from {__name__} import write_for_ever as w; w({str(tmp_path)!r})"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])
        assert process.stdout
        for _ in range(60 + 7 * run):
            said = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().split()
        said = int(rest[-1]) if rest else said
        process.wait()
        storage, recovered = Storage.open(disk, identity, SEGMENT)
        assert counter_of(recovered.last) in (said, said + 1)
        assert list(recovered.chunks)[:1] == [b"%d" % counter_of(recovered.snapshot)]
        assert counter_of(recovered.snapshot) >= said - said % 40 - 40
        assert [logged.batch for logged in recovered.batches[-5:]] == [
            batch(1, counter_of(recovered.last) - 4 + at, size=200).batch for at in range(5)
        ]
        storage.close()
