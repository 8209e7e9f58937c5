"""Progress for people, on stderr; figures go to stdout and nowhere else."""

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

T = TypeVar("T")


class Say:
    """Shows what is being measured; plain lines where stderr is no terminal."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)

    def line(self, text: str) -> None:
        self._console.print(text, highlight=False)

    def each(self, what: str, items: Iterable[T], total: int) -> Iterator[T]:
        """`items`, with a progress bar while they are taken."""
        if not sys.stderr.isatty():
            self.line(f"{what} ({total})")
            yield from items
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self._console, transient=True) as progress:
            yield from progress.track(items, total=total, description=what)
