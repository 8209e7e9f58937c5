"""The reader of golden traces, itself under test."""

from pathlib import Path

import pytest

from tests import golden

TEXT = """# One block.
say hello to="you there"
say again
----
hello you there
again

# Another, without output.
quiet
----
"""


def run(commands: list[golden.Command]) -> list[str]:
    return [" ".join([*command.words, *command.options.values()]) for command in commands if command.name == "say"]


def test_a_file_that_is_right_passes(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_text(TEXT)
    golden.check(path, run)


def test_the_first_difference_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_text(TEXT.replace("again\n\n", "never\n\n"))
    with pytest.raises(AssertionError, match="wanted never\ngot    again"):
        golden.check(path, run)


def test_rewriting_makes_a_file_that_reads_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.txt"
    path.write_text(TEXT.replace("again\n\n", "never\n\n"))
    monkeypatch.setattr(golden, "REWRITE", True)
    golden.check(path, run)
    assert path.read_text() == TEXT


def test_an_open_quote_is_named_with_its_line() -> None:
    with pytest.raises(ValueError, match=r"f\.txt:2"):
        golden.parse('# c\nsay "x\n', "f.txt")
