"""The one disk thread: takes everything that waits, makes it durable with one sync, reports.

Rules: the only thread that touches the storage once it runs. Submissions are carried out and reported in their order;
while one sync runs the next ones gather, so a slow disk means larger writes, not longer queues. The first failure is
the last thing it does: `failed` once, and nothing is written or reported after it.
"""

from collections.abc import Callable, Sequence
from queue import SimpleQueue
from threading import Thread
from typing import Generic, TypeVar

from zooweeper.model.durable import Record
from zooweeper.storage.storage import Storage

Token = TypeVar("Token")


class Writer(Generic[Token]):
    """`report` and `failed` are called on the disk thread. The bytes that wait are bounded by who submits."""

    def __init__(
        self, storage: Storage, report: Callable[[Token], None], failed: Callable[[BaseException], None]
    ) -> None:
        self._storage = storage
        self._report = report
        self._failed = failed
        self._queue: SimpleQueue[tuple[Sequence[Record], Token] | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name="disk", daemon=True)
        self._thread.start()

    def submit(self, records: Sequence[Record], token: Token) -> None:
        """Write these, after all that was submitted before; `report(token)` when they are durable. The sequence must
        not be changed any more."""
        self._queue.put((records, token))

    def close(self) -> None:
        """Return when all that was submitted is written and reported (or the disk has failed)."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        try:
            while self._turn():
                pass
        except BaseException as error:  # whatever it is, this node can keep no promise any more
            self._failed(error)

    def _turn(self) -> bool:
        """One write. False when closed."""
        queue = self._queue
        waiting = [queue.get()]
        while not queue.empty():
            waiting.append(queue.get())
        records: list[Record] = []
        tokens: list[Token] = []
        for submission in waiting:
            if submission is not None:
                records += submission[0]
                tokens.append(submission[1])
        if tokens:
            self._storage.write(records)
        for token in tokens:
            self._report(token)
        return waiting[-1] is not None
