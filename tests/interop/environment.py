"""Environments for other people's programs, under `.interop/` of the project, made once.

Rules: a stamp names what was installed, so the next call costs nothing; a lock keeps two from making one at a time. An
environment that cannot be made is one line of reason (`NoEnvironment`), for the test that is skipped then.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
HOME = ROOT / ".interop"
INSTALL_S = 600


class NoEnvironment(Exception):
    """Why there is none; the text is one line."""


@contextmanager
def locked(name: str) -> Iterator[Path]:
    """The folder `.interop/NAME`, for this process alone. It need not exist yet."""
    HOME.mkdir(exist_ok=True)
    with (HOME / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield HOME / name


def python_with(name: str, packages: Sequence[str], constraints: Path) -> Path:
    """The interpreter of an environment that has these packages, in the versions of a constraints file."""
    wanted = hashlib.sha256(constraints.read_bytes() + repr((sys.version, list(packages))).encode()).hexdigest()
    with locked(name) as folder:
        python, stamp = folder / "bin" / "python", folder / "installed"
        if python.exists() and stamp.exists() and stamp.read_text() == wanted:
            return python
        shutil.rmtree(folder, ignore_errors=True)
        print(f"making .interop/{name} (once)", file=sys.stderr)
        run([sys.executable, "-m", "venv", str(folder)])
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "-q", "-c", str(constraints)]
        run([*pip, *packages])
        stamp.write_text(wanted)
        return python


def run(command: Sequence[str]) -> None:
    """A step of making an environment. NoEnvironment with the last line it said."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_S, env=environment, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoEnvironment(f"{command[0]}: {error}") from None
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()[-1]
        raise NoEnvironment(f"{' '.join(command[:4])}… failed: {said}")
