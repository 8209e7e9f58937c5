"""The scores demo: its file, its encoding, its race, without servers.

Rules: bad files are one clear line.
"""

from pathlib import Path

import pytest

from zooweeper.cli import scores
from zooweeper.cli.exits import Failure

REAL = Path(__file__).parents[2] / "data" / "math_achievement.csv"


def test_the_real_file_has_all_scores_in_order() -> None:
    schools = scores.read_scores(REAL)
    assert len(schools) == 160
    assert sum(map(len, schools.values())) == 7185
    assert schools["1224"][:4] == [5876, 19708, 20349, 8781]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"", "no column school and no column score_milli"),
        (b"student,school\n1,2\n", "no column score_milli"),
        (b"school,score_milli\n", "holds no scores"),
        (b"school,score_milli\n1224,high\n", "line 2: school and score_milli must be whole numbers"),
        (b"school,score_milli\n1224\n", "line 2"),
        (b"\xff\xfe\x00", "not a text file"),
    ],
)
def test_bad_files_are_one_line(tmp_path: Path, content: bytes, line: str) -> None:
    path = tmp_path / "scores.csv"
    path.write_bytes(content)
    with pytest.raises(Failure) as caught:
        scores.read_scores(path)
    assert line in str(caught.value) and "\n" not in str(caught.value)


def test_no_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(Failure, match=r"cannot read .*: No such file"):
        scores.read_scores(tmp_path / "none.csv")
    with pytest.raises(Failure, match=r"cannot read .*: Is a directory"):
        scores.read_scores(tmp_path)


def test_lists_survive_their_encoding() -> None:
    for one in ([], [0], [5876, -1, 20349]):
        assert scores.decode(scores.encode(one)) == one
