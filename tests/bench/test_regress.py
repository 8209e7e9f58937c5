"""The bench that warns: its reference, what it keeps, and when it warns."""

from pathlib import Path

from bench import regress

STORED = {"set 30x16": 10.0, "get 30x16": 4.0}


def test_the_reference_does_its_work() -> None:
    sent = b"".join(regress.HEADER.pack(3, number, 5) + b"new" for number in (7, 8))
    values = dict.fromkeys(range(regress.KEYS), b"old!")
    answer = b"".join(regress.HEADER.pack(4, number, 5) + b"old!" for number in (7, 8))
    assert regress.answers(sent, values) == answer
    assert values[7] == values[8] == b"new" and values[9] == b"old!"
    assert 0 < regress.reference_us() < 1000


def test_it_warns_of_what_became_dearer() -> None:
    lines = regress.verdicts({"set 30x16": 12.4, "get 30x16": 5.1}, STORED)
    assert "ok (1.24x)" in lines[0] and "WARNING" not in lines[0]
    assert "WARNING: dearer than stored (1.27x)" in lines[1]


def test_without_figures_nothing_is_compared() -> None:
    assert "--store" in regress.verdicts(STORED, None)[0]
    assert "not stored before" in regress.verdicts({"create 30x16": 1.0}, STORED)[0]


def test_figures_are_kept_by_version(tmp_path: Path) -> None:
    path = tmp_path / "regress.json"
    path.write_text('{"3.0": {"set 30x16": 1.0}}')
    regress.store(STORED, path)
    assert regress.load(path) == STORED and '"3.0"' in path.read_text()
    assert regress.load(tmp_path / "none") is None


def test_the_stored_figures_are_of_these_loads() -> None:
    kept = regress.load(regress.STORED)
    assert kept is None or set(kept) == {str(load) for load in regress.LOADS}
