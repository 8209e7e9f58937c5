"""The switchboard of shim.c: one small shared file for each node, in which faults are switched on and counted.

Rules: the layout is the struct in shim.c, eight 64-bit numbers. A node must be started with `environment` to be under
the shim; who writes to the file reaches it at once, whatever it is doing.
"""

import mmap
import shutil
import subprocess
from pathlib import Path
from struct import calcsize, pack_into, unpack_from

SOURCE = Path(__file__).with_name("shim.c")
SWITCHES = ("clock_offset_ns", "sync_errno", "sync_delay_us", "sync_lies")
COUNTERS = ("shifted", "failed", "delayed", "lied")
FIELDS = SWITCHES + COUNTERS
NUMBER = "=q"
COMPILE_S = 60


class CannotCompile(Exception):
    """The shim cannot be made here; the text says why."""


def compile_shim(folder: Path) -> Path:
    """The shared library, in `folder`. CannotCompile."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise CannotCompile("no C compiler: cc")
    library = folder / "shim.so"
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE), "-ldl"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=COMPILE_S)
    if done.returncode:
        raise CannotCompile(f"{compiler}: {(done.stderr or 'failed').splitlines()[0]}")
    return library


class Shim:
    """The switches and counters of one node."""

    def __init__(self, library: Path, path: Path) -> None:
        """Makes the file at `path`, everything off."""
        self.library = library
        self.path = path
        path.write_bytes(bytes(calcsize(NUMBER) * len(FIELDS)))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)

    @property
    def environment(self) -> dict[str, str]:
        """What a process must be started with."""
        return {"LD_PRELOAD": str(self.library), "ZOOWEEPER_FAULTS": str(self.path)}

    def set(self, switch: str, value: int) -> None:
        assert switch in SWITCHES, switch
        pack_into(NUMBER, self._map, FIELDS.index(switch) * calcsize(NUMBER), value)

    def get(self, field: str) -> int:
        (value,) = unpack_from(NUMBER, self._map, FIELDS.index(field) * calcsize(NUMBER))
        return int(value)

    def clear(self) -> None:
        """All switches off; the counters stay."""
        for switch in SWITCHES:
            self.set(switch, 0)

    def close(self) -> None:
        self._map.close()
        self.path.unlink()
