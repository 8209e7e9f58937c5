"""Scores in a CSV file: whose, which, and on what line.

Rules: the order is that of the file. What cannot be read is one clear line.
"""

import csv
from pathlib import Path
from typing import NamedTuple

FILE_BYTES_MAX = 64 << 20


class FileError(Exception):
    """A file is not what it should be; the text says where."""


class Score(NamedTuple):
    id: int
    event: int
    line: int


def read_scores(path: Path, columns: str = "school,score_milli") -> list[Score]:
    """Every line of a CSV file with a header; `columns` names the two that count. FileError."""
    id, _, event = columns.partition(",")
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise FileError(f"{path} is larger than {FILE_BYTES_MAX >> 20} MiB")
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise FileError(f"{path} is not a text file") from None
    rows = csv.DictReader(lines)
    try:
        missing = [name for name in (id, event) if name not in (rows.fieldnames or ())]
        if missing:
            raise FileError(f"{path} has no column {' and no column '.join(missing)}; choose with --columns ID,EVENT")
        return [Score(int(row[id]), int(row[event]), rows.line_num) for row in rows]
    except (TypeError, ValueError):
        raise FileError(f"{path}, line {rows.line_num}: {id} and {event} must be whole numbers") from None
    except csv.Error as error:
        raise FileError(f"{path}, line {rows.line_num}: {error}") from None
