"""What is generated and committed is what its source says."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_the_protobuf_modules_are_current() -> None:
    check = subprocess.run([sys.executable, "tools/genproto.py", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert check.returncode == 0, check.stderr
