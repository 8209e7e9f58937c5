"""The commands of docs/track-record.md are there: each names tests that exist."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
COMMAND = re.compile(r"`pytest ([^`]+)`")


def test_every_command_finds_its_tests() -> None:
    commands = COMMAND.findall((ROOT / "docs" / "track-record.md").read_text())
    assert len(commands) > 20
    places = sorted({place for command in commands for place in command.partition(" -k ")[0].split()})
    collect = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-o", "addopts=", *places]
    ids = subprocess.run(collect, cwd=ROOT, capture_output=True, text=True, check=True, timeout=100).stdout.split("\n")
    for command in commands:
        named, _, word = command.partition(" -k ")
        found = [id for id in ids for place in named.split() if id.startswith(place) and word in id]
        assert found, f"`pytest {command}` finds nothing"
