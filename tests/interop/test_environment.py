"""What is made for other people's programs: once, and with a reason if it cannot be."""

import sys
from pathlib import Path

import pytest

from tests.interop import environment
from tests.interop.kazoo_suite import Result, counted

REPORT = """<testsuites><testsuite time="2.5">
<testcase classname="kazoo.tests.test_a.TestA" name="test_good"/>
<testcase classname="kazoo.tests.test_a.TestA" name="test_left_out"><skipped/></testcase>
<testcase classname="kazoo.tests.test_a.TestA" name="test_bad"><failure/><error/></testcase>
<testcase classname="kazoo.tests.test_a.TestA" name="test_worse"><error/></testcase>
</testsuite></testsuites>"""


def test_what_cannot_be_made_tells_why() -> None:
    with pytest.raises(environment.NoEnvironment, match="failed: no way"):
        environment.run([sys.executable, "-c", "import sys; print('one'); sys.exit('two\\nno way')"])
    with pytest.raises(environment.NoEnvironment, match="nothing-like-it"):
        environment.run(["nothing-like-it"])


def test_an_environment_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "HOME", tmp_path / "home")
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("")
    made = []

    def run(command: list[str]) -> None:
        made.append(command[2])
        python = tmp_path / "home" / "some" / "bin" / "python"
        python.parent.mkdir(parents=True, exist_ok=True)
        python.touch()

    monkeypatch.setattr(environment, "run", run)
    python = environment.python_with("some", ("a", "b"), constraints)
    assert python == environment.python_with("some", ("a", "b"), constraints)
    assert made == ["venv", "pip"]
    constraints.write_text("a==2\n")
    environment.python_with("some", ("a", "b"), constraints)
    assert made == ["venv", "pip"] * 2


def test_what_was_counted(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text(REPORT)
    assert counted(report) == Result(1, 1, 2, ("test_a.TestA.test_bad", "test_a.TestA.test_worse"), 2.5)
