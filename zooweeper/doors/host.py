"""What the words tell of the machine and the process: versions, folders, open files.

Rules: looked up when asked, and only what is cheap; what the system does not tell is shown as unknown.
"""

import functools
import os
import platform
import resource
import socket
import sys
import tempfile

UNKNOWN = -1


@functools.cache
def environment() -> tuple[tuple[str, str], ...]:
    """The process's surroundings under ZooKeeper's names; of Java there is only what Python has as well. Neither
    arguments nor environment variables, which may hold secrets."""
    return (
        ("host.name", socket.gethostname()),
        ("java.version", "none"),
        ("java.vendor", f"none ({platform.python_implementation()} {platform.python_version()})"),
        ("java.home", sys.prefix),
        ("java.class.path", ""),
        ("java.library.path", ""),
        ("java.io.tmpdir", tempfile.gettempdir()),
        ("java.compiler", "<NA>"),
        ("os.name", platform.system()),
        ("os.arch", platform.machine()),
        ("os.version", platform.release()),
        ("user.name", _user()),
        ("user.home", os.path.expanduser("~")),  # noqa: PTH111 - Path.home fails where there is none
        ("user.dir", os.getcwd()),  # noqa: PTH109 - a string is shown
    )


def _user() -> str:
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):
        return "unknown"


def folder_bytes(folder: str, *prefixes: str) -> int:
    """The size of the files in a flat folder, or of those whose names begin so; 0 for a folder that is none."""
    total = 0
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(prefixes or "") and entry.is_file(follow_symlinks=False):
                    total += entry.stat(follow_symlinks=False).st_size
    except OSError:
        return 0
    return total


def open_files() -> tuple[int, int]:
    """How many files this process has open, and how many it may."""
    try:
        opened = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names alone
    except OSError:
        opened = UNKNOWN
    return opened, resource.getrlimit(resource.RLIMIT_NOFILE)[0]
