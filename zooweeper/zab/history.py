"""The log as zab sees it: where it ends, what is committed, its epochs, and the recent batches.

Rules: whole batches only; it is cut at a batch's edge, never below what is committed. What is here was handed to the
disk in the same order; whether it is durable is known by acknowledgements only. Old committed batches leave the window
when it outgrows its bounds; the epoch table always covers the whole history (zab-protocol 8.4).
"""

from bisect import bisect_left, bisect_right

from zooweeper.model import limits
from zooweeper.model.durable import Epochs
from zooweeper.model.entry import Batch
from zooweeper.model.zxid import counter_of, epoch_of, follows, make, show

TRIM_SLACK = 1 / 16


def _end(batch: Batch) -> int:
    return batch.last


class History:
    """Batches after `base`, contiguous up to `last`; committed up to `committed`."""

    __slots__ = ("_bytes", "_entries", "base", "batches", "committed", "epochs", "last")

    def __init__(self, base: int, epochs: Epochs, batches: list[Batch], committed: int) -> None:
        self.base = base
        self.batches = batches
        self.last = batches[-1].last if batches else base
        self.epochs = list(epochs)[-limits.EPOCHS_KEPT :]
        self.committed = min(committed, self.last)
        self._bytes = sum(len(batch.data) for batch in batches)
        self._entries = sum(batch.count for batch in batches)
        assert not epochs or make(*epochs[-1]) == self.last, (epochs, show(self.last))

    @property
    def penultimate(self) -> int:
        """Where the batch before the last one ends."""
        return self.batches[-2].last if len(self.batches) > 1 else self.base

    def append(self, batch: Batch) -> None:
        """Put `batch` at the end; it must follow `last`."""
        assert follows(self.last, batch.first) and batch.first <= batch.last, (show(self.last), str(batch))
        self.batches.append(batch)
        self.last = batch.last
        self._bytes += len(batch.data)
        self._entries += batch.count
        self._mark_epoch(batch.last)

    def _mark_epoch(self, last: int) -> None:
        epoch = epoch_of(last)
        if self.epochs and self.epochs[-1][0] == epoch:
            self.epochs[-1] = (epoch, counter_of(last))
        else:
            self.epochs.append((epoch, counter_of(last)))
            del self.epochs[: -limits.EPOCHS_KEPT]

    def commit(self, zxid: int) -> list[Batch]:
        """The batches that end at `zxid` or before are committed; returns those that are so newly. (A peer may name any
        zxid: a batch is committed as a whole or not at all.)"""
        assert self.committed < zxid <= self.last, (show(self.committed), show(zxid), show(self.last))
        if zxid == self.last and self.penultimate == self.committed:  # as it is with one batch in flight
            self.committed = zxid
            return [self.batches[-1]]
        start = bisect_right(self.batches, self.committed, key=_end)
        end = bisect_right(self.batches, zxid, key=_end)
        if start < end:
            self.committed = self.batches[end - 1].last
        return self.batches[start:end]

    def ends_at(self, zxid: int) -> bool:
        """Whether a batch of the window ends there, or the window begins behind it: it can be cut, or gone on from."""
        at = bisect_left(self.batches, zxid, key=_end)
        return zxid == self.base or (at < len(self.batches) and self.batches[at].last == zxid)

    def after(self, zxid: int) -> list[Batch]:
        """The batches after `zxid`, which must be in the window and the edge of a batch."""
        return self.batches[self._after(zxid) :]

    def _after(self, zxid: int) -> int:
        index = bisect_left(self.batches, zxid, key=_end) if zxid > self.base else -1
        assert zxid >= self.base, (show(zxid), show(self.base))
        assert index == -1 or self.batches[index].last == zxid, f"{show(zxid)} is not the edge of a batch"
        return index + 1

    def cut(self, zxid: int) -> None:
        """Drop the batches after `zxid` (TRUNC). Nothing committed is ever cut."""
        assert self.committed <= zxid <= self.last, (show(self.committed), show(zxid), show(self.last))
        for batch in self.batches[self._after(zxid) :]:
            self._bytes -= len(batch.data)
            self._entries -= batch.count
        del self.batches[self._after(zxid) :]
        self.last = zxid
        self.epochs = list(upto(tuple(self.epochs), zxid))

    def reset(self, zxid: int, epochs: Epochs) -> None:
        """A snapshot at `zxid` replaces everything."""
        self.base = self.last = self.committed = zxid
        self.batches = []
        self._bytes = self._entries = 0
        self.epochs = list(epochs)[-limits.EPOCHS_KEPT :]

    def common(self, epochs: Epochs) -> int:
        """The last zxid shared with a history that has the epoch table `epochs`: the same zxid means the same prefix,
        since one leader made it, in order, upon one initial history. 0: nothing in common is known."""
        mine = dict(self.epochs)
        for epoch, counter in reversed(epochs):
            if epoch in mine:
                return make(epoch, min(counter, mine[epoch]))
        return 0

    @property
    def oversized(self) -> bool:
        """The window is several times larger than it should be."""
        return self._bytes > 4 * limits.WINDOW_BYTES_MAX or self._entries > 4 * limits.WINDOW_ENTRIES_MAX

    def trim(self, keep: int) -> None:
        """Let old batches go: committed ones up to `keep`, when the window is well beyond its bounds (many at once, for
        each time all that stay move up)."""
        slack = 1 + TRIM_SLACK
        if self._bytes <= slack * limits.WINDOW_BYTES_MAX and self._entries <= slack * limits.WINDOW_ENTRIES_MAX:
            return
        keep = min(keep, self.committed)
        count = 0
        while (self._bytes > limits.WINDOW_BYTES_MAX or self._entries > limits.WINDOW_ENTRIES_MAX) and self.batches[
            count
        ].last <= keep:
            self._bytes -= len(self.batches[count].data)
            self._entries -= self.batches[count].count
            self.base = self.batches[count].last
            count += 1
            if count == len(self.batches):
                break
        del self.batches[:count]


def upto(epochs: Epochs, zxid: int) -> Epochs:
    """The epoch table of the same history, ended at `zxid`."""
    kept = [(epoch, counter) for epoch, counter in epochs if make(epoch, counter) <= zxid]
    if zxid and (not kept or make(*kept[-1]) < zxid):
        kept.append((epoch_of(zxid), counter_of(zxid)))
    return tuple(kept)
