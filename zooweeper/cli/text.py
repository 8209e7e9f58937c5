"""Plain tables and colours for terminals.

Rules: no library, so that a command that prints three lines starts at once. Colour only where the stream is a
terminal and NO_COLOR is unset (FORCE_COLOR insists); text never depends on colour alone.
"""

import difflib
import os
from collections.abc import Iterable, Sequence
from typing import TextIO

COLOURS = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


def coloured(stream: TextIO) -> bool:
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or stream.isatty()


def paint(text: str, colour: str, stream: TextIO) -> str:
    return f"\x1b[{COLOURS[colour]}m{text}\x1b[0m" if coloured(stream) else text


def table(head: Sequence[str], rows: Iterable[Sequence[str]], indent: str = " ") -> list[str]:
    """Left-aligned columns, two blanks apart."""
    lines = [tuple(head), *(tuple(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return [
        indent + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean "status"?`, or nothing."""
    close = difflib.get_close_matches(word, list(known), 1)
    return f'; did you mean "{close[0]}"?' if close else ""
