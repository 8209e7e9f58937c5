"""Wrong invocations and unreachable servers: one line on stderr, the right exit code, no trace."""

from pathlib import Path

import pytest

from zooweeper.cli import deploy, main
from zooweeper.cli.data import drawn
from zooweeper.cli.exits import CODES, NEXT_STEPS
from zooweeper.model.errors import ZkError

NOBODY = "127.0.0.1:19"  # nothing listens on the discard port


@pytest.mark.parametrize(
    ("line", "code", "told"),
    [
        ("gte /x", 2, 'no such command "gte"; did you mean "get"?'),
        ("get", 2, "Missing argument 'PATH'; see zooweeper get --help"),
        ("get x", 2, 'not a path: "x"; paths start with /'),
        ("get /x --colour", 2, "No such option"),
        ("get /x -o xml", 2, "'xml' is not one of"),
        ("get /x --timeout 5x", 2, "not a length of time: '5x'"),
        ("get /x --hosts h:port", 2, "port 'port'"),
        ("status --hosts ::", 2, "brackets"),
        ("set /x 1 --version one", 2, "'one' is not a valid integer"),
        ("create -e /x --hosts 127.0.0.1:19", 2, "use it in zooweeper shell"),
        ("get /x --hosts 127.0.0.1:19 --timeout 300ms", 69, "./deploy.sh status"),
        ("status --hosts 127.0.0.1:19", 69, "no server answers at 127.0.0.1:19"),
        ("status --wait healthy --timeout 200ms --hosts 127.0.0.1:19", 75, "not healthy within 0.2 s"),
        ("dump /nowhere", 2, "no folder /nowhere"),
        ("serve --dir /nowhere", 3, "no node.json in /nowhere"),
        ("demo scores /nowhere", 2, "cannot read /nowhere"),
        ("shell --run-once ls --hosts 127.0.0.1:19 --timeout 300ms", 69, "NotConnected"),
        ("init --dir /nowhere/n --id 1 --cluster c --member 2=h", 2, "--id 1 is not one of the members"),
    ],
)
def test_one_line_and_the_code(capfd: pytest.CaptureFixture[str], line: str, code: int, told: str) -> None:
    assert main.run(line.split()) == code
    out, err = capfd.readouterr()
    assert told in err and err.count("\n") == 1, err
    assert "Traceback" not in err + out


def test_credentials_come_from_the_environment_alone(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOOWEEPER_AUTH", "hunter2")
    assert main.run(["get", "/x", "--hosts", NOBODY]) == 2
    err = capfd.readouterr().err
    assert "ZOOWEEPER_AUTH is not scheme:user:password" in err and "hunter2" not in err


def test_every_command_has_help_with_an_example(capfd: pytest.CaptureFixture[str]) -> None:
    for name in main.COMMANDS:
        assert main.run([name, "--help"]) == 0
        out = capfd.readouterr().out
        assert "example" in out or name == "demo", name


def test_tables_of_errors_name_real_errors() -> None:
    assert all(issubclass(cls, ZkError) for cls in [*CODES, *NEXT_STEPS])


@pytest.mark.parametrize(
    ("line", "code", "told"),
    [
        ("", 2, "required: what"),
        ("0", 1, "1 to 255 nodes, not 0"),
        ("256", 1, "1 to 255 nodes, not 256"),
        ("3 --base-port 65000", 1, "outside 1..65535"),
        ("statsu", 2, 'no such command "statsu"; did you mean "status"?'),
        ("status", 1, "no ensemble in"),
        ("3 --base-port x", 2, "invalid int value"),
    ],
)
def test_deploy_complains_in_one_line(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, line: str, code: int, told: str
) -> None:
    try:
        got = deploy.main([*line.split(), "--dir", str(tmp_path / "e")])
    except SystemExit as exit:
        got = int(str(exit.code))
    err = capfd.readouterr().err
    assert got == code and told in err and err.count("\n") == 1, err
    assert not (tmp_path / "e").exists()


def test_deploy_refuses_a_folder_with_other_things_in_it(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("dear")
    assert deploy.main(["3", "--dir", str(tmp_path)]) == 1
    assert "is not empty and holds no ensemble" in capfd.readouterr().err
    assert (tmp_path / "letter").read_text() == "dear"


def test_trees_are_drawn() -> None:
    found = [("a", b"1\n2"), ("a/b", None), ("a/b/c", b"\x00\xff"), ("a/d", b""), ("e", b"2")]
    assert drawn(found) == ["├── a = 1\\n2", "│   ├── b", "│   │   └── c = 0x00ff", "│   └── d", "└── e = 2"]
