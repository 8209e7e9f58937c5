"""One process with a folder of its own on this host: started, found again by any program, signalled, ended.

Rules: the folder is the truth: its file `pid` names the process, which is signalled only after its command line shows
this folder. What it writes goes into its log, which is set aside at a start when it has grown long. Nothing here waits
until a process serves, and nothing here runs in it.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

LOG_BYTES_MAX = 16 << 20  # at a start a longer log becomes log.1
TAIL_BYTES = 65_536
POLL_S = 0.002
STOP_S = 10.0  # who has not left after SIGTERM by then is killed


class Process:
    """What runs, or does not run, in a folder."""

    def __init__(self, folder: Path, log: str = "log") -> None:
        self.folder = folder
        self.log = folder / log
        self._child: subprocess.Popen[bytes] | None = None

    def pid(self) -> int | None:
        """None when it does not run."""
        try:
            pid = int((self.folder / "pid").read_text())
        except (OSError, ValueError):
            return None
        if self._child is not None and self._child.pid == pid:
            return pid if self._child.poll() is None else None  # and a dead child does not linger as a zombie
        return pid if _runs_in(pid, self.folder) else None

    def spawn(self, words: Sequence[str]) -> None:
        """Starts it; the caller has made sure that it does not run. `words`: the command line, with the folder."""
        assert str(self.folder) in words, "nobody would find it again"
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES_MAX:
            self.log.replace(self.log.with_name(f"{self.log.name}.1"))
        with self.log.open("ab") as out:
            self._child = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,  # Ctrl-C in this terminal is not for it
            )
        path = self.folder / "pid"
        path.with_name("pid.new").write_text(f"{self._child.pid}\n")
        path.with_name("pid.new").replace(path)

    def signal(self, number: signal.Signals) -> bool:
        """Whether there was somebody to get it."""
        pid = self.pid()
        if pid is None:
            return False
        with contextlib.suppress(ProcessLookupError):  # it ended by itself in between
            os.kill(pid, number)
        return True

    def left(self) -> bool:
        """Whether it was started here and has ended by itself without a fault."""
        return self._child is not None and self._child.poll() == 0

    def log_tail(self, lines: int = 1) -> str:
        """The last lines it wrote; empty when there are none."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES))
                text = file.read().decode(errors="replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-lines:])


def end(processes: Iterable[Process], number: signal.Signals, timeout_s: float = STOP_S) -> list[Process]:
    """Signals all of them at once, then waits until they are gone; who stays is killed. Returns who ran."""
    ended = [one for one in processes if one.signal(number)]
    deadline = time.monotonic() + timeout_s
    for one in ended:
        while one.pid() is not None:
            if time.monotonic() > deadline:
                one.signal(signal.SIGKILL)
            time.sleep(POLL_S)
    return ended


def _runs_in(pid: int, folder: Path) -> bool:
    """Whether the process is the one of this folder, and no other that got its number."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except FileNotFoundError:
        if Path("/proc/self").exists():
            return False
        shown = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, check=False)
        return b"python" in shown.stdout.lower() and os.fsencode(folder) in shown.stdout
    return os.fsencode(folder) in words
