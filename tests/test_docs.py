"""Documents cannot rot: links resolve, tables are the code's, and every example is run.

Rules: an example's output is compared with the document, where numbers may be others, `…` stands for anything and
either role for the other. `ZOOWEEPER_REWRITE=1` writes the lists that are made from the tree.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from grades.fleet import FROM_WIRE, Fleet

from zooweeper.cli import ports
from zooweeper.cli.ensemble import Ensemble
from zooweeper.doors.zkconn import PLAIN
from zooweeper.model import limits
from zooweeper.ops.data import Check
from zooweeper.ops.session import Auth, Ping, Sasl
from zooweeper.ops.table import OPS

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "data").glob("*.md")])
EXAMPLES = (
    "README.md",
    "docs/bench.md",
    "docs/grades.md",
    "docs/members.md",
    "docs/zookeeper-port.md",
)  # whose fenced blocks are run
PORT = ROOT / "docs" / "zookeeper-port.md"
REWRITE = os.environ.get("ZOOWEEPER_REWRITE") == "1"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_resolve(document: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text()):
        assert (document.parent / target).exists(), f"{document.relative_to(ROOT)}: {target}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_named_files_exist(document: Path) -> None:
    for name in re.findall(
        r"`((?:zooweeper|apps|tests|tools|sim|bench|proto|docs)/[\w/.-]+\.\w+)", document.read_text()
    ):
        assert (ROOT / name).exists(), f"{document.relative_to(ROOT)}: {name}"


def test_the_table_of_limits_is_the_code() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([\d,]+) \|", (ROOT / "docs/limits.md").read_text(), re.MULTILINE)
    documented = {name: int(value.replace(",", "")) for name, value in rows}
    actual = {name: value for name, value in vars(limits).items() if name.isupper() and name != "MIB"}
    assert documented == actual


def test_the_table_of_opcodes_is_the_code() -> None:
    documented: dict[int, str] = {}
    rows = re.findall(r"^\| (-?\d[^|]*)\| ([^|]+)\| \| ([-\d, ]*)\| ([^|]*)\|$", PORT.read_text(), re.MULTILINE)
    for codes, names in (half for row in rows for half in (row[:2], row[2:])):
        named = [re.split(r"[:,] ", name)[0].strip() for name in names.split(", ")]
        documented |= {int(code): name for code, name in zip(codes.split(","), named, strict=False) if code.strip()}
    own = (Ping, Auth, Sasl, Check)  # the door's business, and what only a multi may hold
    assert documented == {op.code: op.name for op in OPS.values() if op.code in PLAIN or op in own}


def test_the_list_of_decisions_is_complete() -> None:
    folder = ROOT / "docs" / "decisions"
    pages = sorted(path for path in folder.glob("*.md") if path.name != "README.md")
    rows = [f"- [{path.read_text().splitlines()[0].removeprefix('# ')}]({path.name})" for path in pages]
    index = folder / "README.md"
    head = index.read_text().partition("\n- ")[0].rstrip()
    if REWRITE:
        index.write_text(head + "\n\n" + "\n".join(rows) + "\n")
    assert index.read_text() == head + "\n\n" + "\n".join(rows) + "\n", "run with ZOOWEEPER_REWRITE=1"


# ---- examples

Step = tuple[str, list[str]]


def blocks(document: Path) -> Iterator[tuple[str, str]]:
    """(language, text) of the fenced blocks, in order."""
    for match in re.finditer(r"^```(\w+)\n(.*?)^```$", document.read_text(), re.MULTILINE | re.DOTALL):
        yield match[1], match[2]


def steps(text: str) -> Iterator[Step]:
    """Commands of a console block, each with the lines it is to print."""
    parts = re.split(r"^\$ ", text, flags=re.MULTILINE)
    assert not parts[0].strip(), "a console block starts with $"
    for part in parts[1:]:
        command, _, told = part.partition("\n")
        yield command, told.rstrip().splitlines()


def pattern(line: str) -> str:
    """What a line may look like in another run."""
    out = re.escape(re.sub(r"\s+", " ", line.strip())).replace("…", ".*")
    out = re.sub(r"(?<![\w/])[0-9a-f]{16}\b|\d+", r"[0-9a-f]+", out)
    out = re.sub(r"(?<=\\ )(fast|\\-)(?=\\ )", "(fast|grpc|-)", out)  # what the broadcast reaches a node by
    return re.sub(r"LEADER|\bleader\b|follower", "(LEADER|leader|follower)", out)


def expectation(lines: list[str]) -> str:
    return r"\n".join(r"(.*\n)*?.*" if line.strip() == "…" else pattern(line) for line in lines) + r"\n?"


class Place:
    """A folder of its own, where the commands of the documents are run against an ensemble on odd ports."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.base_port = ports.free_base_port(4)
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "NO_COLOR": "1",
            "LANG": "C.UTF-8",
        }

    def run(self, command: str) -> str:
        data = self.folder / ".zooweeper"
        command = re.sub(r"^\./deploy.sh (\d+)", rf"./deploy.sh \1 --base-port {self.base_port}", command)
        command = command.replace("./deploy.sh", f"{ROOT}/deploy.sh --dir {data}")
        for first, step in ((2181, 0), (5181, 1000), (2181 + FROM_WIRE, FROM_WIRE)):  # of the first three of each kind
            for node in range(3):
                command = command.replace(f"127.0.0.1:{first + node}", f"127.0.0.1:{self.base_port + step + node}")
        command = re.sub(r"^(\.venv/bin/)?(zooweeper|grades)", rf"{ROOT}/.venv/bin/\2", command)
        command = command.replace(" data/", f" {ROOT}/data/")
        done = subprocess.run(
            command,
            shell=True,
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60,
            check=False,
        )
        return done.stdout.decode()

    def python(self, text: str) -> None:
        ensemble = Ensemble.open(self.folder / ".zooweeper")
        hosts = Fleet.open(ensemble).hosts if Fleet.beside(ensemble) else ensemble.hosts
        text = re.sub(r"127\.0\.0\.1:\d+(,127\.0\.0\.1:\d+)*", hosts, text)
        text = text.replace("2181", str(self.base_port))
        words = [sys.executable, "-c", text]
        subprocess.run(words, check=True, timeout=60, stdout=subprocess.DEVNULL, cwd=self.folder)


@pytest.mark.parametrize("document", EXAMPLES)
def test_the_examples(document: str, tmp_path: Path) -> None:
    place = Place(tmp_path)
    try:
        for language, text in blocks(ROOT / document):
            if language == "python":
                place.python(text)
            for command, told in steps(text) if language == "console" else ():
                got = place.run(command)
                shown = re.sub(r"[ \t]+", " ", "\n".join(line.strip() for line in got.splitlines()))
                assert re.fullmatch(expectation(told), shown), f"$ {command}\n{got}"
    finally:
        if (tmp_path / ".zooweeper" / "ensemble.json").exists():
            ensemble = Ensemble.open(tmp_path / ".zooweeper")
            if Fleet.beside(ensemble):
                Fleet.open(ensemble).kill()
            ensemble.wipe()
