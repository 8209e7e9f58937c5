"""What a demo shows: a live screen on a terminal, plain lines elsewhere.

Rules: it only shows; it decides and measures nothing. rich is imported where a terminal wants it.
"""

import sys
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from zooweeper.cli import text
from zooweeper.cli.havoc import Pulse
from zooweeper.cli.status import NodeStatus
from zooweeper.model.zxid import show

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

LINES_KEPT = 10
PLAIN_EVERY_S = 5.0


class Stage:
    """Where a demo goes on; used as a context manager while it runs."""

    def __init__(self) -> None:
        self._live: Live | None = None
        self._lines: deque[str] = deque(maxlen=LINES_KEPT)
        self._began = time.monotonic()
        self._printed = 0.0
        self._before = (time.monotonic(), 0)

    def __enter__(self) -> Self:
        if sys.stdout.isatty():
            from rich.live import Live

            self._live = Live(refresh_per_second=8)
            self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.__exit__(kind, error, trace)
            self._live = None

    def tell(self, line: str) -> None:
        """Something happened."""
        stamped = f"{time.monotonic() - self._began:6.2f} s  {line}"
        self._lines.append(stamped)
        if self._live is None:
            print(stamped, flush=True)

    def events(self) -> "RenderableType":
        """What happened last, as a part of a picture."""
        from rich.text import Text

        return Text("\n" + "\n".join(self._lines), style="dim")

    def rate(self, done: int) -> float:
        """So much a second since it was last asked; a count that begins anew begins at 0."""
        now, (then, before) = time.monotonic(), self._before
        self._before = (now, done)
        return (done - before if done >= before else done) / max(now - then, 1e-3)

    def update(self, picture: "Callable[[], RenderableType]", line: Callable[[], str]) -> None:
        """The state of things, some times a second: a picture on a terminal, a line now and then elsewhere."""
        if self._live is not None:
            self._live.update(picture())
        elif time.monotonic() - self._printed >= PLAIN_EVERY_S:
            self._printed = time.monotonic()
            self.tell(line())

    def summary(self, rows: list[tuple[str, str]]) -> None:
        """The closing table."""
        print()
        for line in text.table(("what", "result"), rows):
            print(line)


class Screen(Stage):
    """Of a demo that kills leaders."""

    def __init__(self) -> None:
        super().__init__()
        self._total: int | None = None

    def expect(self, total: int) -> None:
        """So many writes are the whole of the work."""
        self._total = total

    def show(self, rows: list[NodeStatus], pulse: Pulse) -> None:
        rate = self.rate(pulse.acknowledged)
        self.update(lambda: self._picture(rows, pulse, rate), lambda: self._line(pulse, rate))

    def _line(self, pulse: Pulse, rate: float) -> str:
        of = f" of {self._total}" if self._total else ""
        lost = f", acknowledged writes lost: {pulse.lost}" if pulse.read_back else ""
        return f"{pulse.acknowledged}{of} writes acknowledged, {rate:.0f}/s, {len(pulse.kills)} leaders killed{lost}"

    def _picture(self, rows: list[NodeStatus], pulse: Pulse, rate: float) -> "RenderableType":
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, padding=(0, 2))
        for head in ("node", "role", "epoch", "zxid", "executed", "digest"):
            table.add_column(head, style="bold" if head == "node" else "")
        styles = {"leader": "bold green", "follower": "cyan", "down": "bold red"}
        for row in rows:
            zxid, applied = (show(one) if one is not None else "-" for one in (row.zxid, row.applied))
            role = Text(row.role.upper() if row.role == "leader" else row.role, styles.get(row.role, "yellow"))
            table.add_row(str(row.id), role, str(row.epoch or "-"), zxid, applied, row.digest or "-")
        elections = max((row.epoch or 0 for row in rows), default=0)
        line = Text(
            f"\n{pulse.acknowledged} writes acknowledged   {rate:.0f}/s   {len(pulse.kills)} leaders killed   "
            f"{elections} elections   longest gap {max(pulse.gaps_ms, default=0.0):.0f} ms"
        )
        parts: list[RenderableType] = [table, line]
        if pulse.read_back:
            verdict = f"acknowledged writes lost: {pulse.lost}   (of {pulse.read_back} read back so far)"
            parts.append(Text(verdict, "bold red" if pulse.lost else "bold green"))
        if self._total:
            parts.append(ProgressBar(total=self._total, completed=pulse.acknowledged, width=60))
        parts.append(self.events())
        return Group(*parts)
