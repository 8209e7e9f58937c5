"""The names of znodes: what a path may be, and how it comes apart.

Rules: a path is absolute, has no empty, `.` or `..` component and no character that a terminal or a UTF-16 program
could stumble over; the root is `/`. Everything else is legal. Trees, watches and ACL checks take paths for validated.
"""

import re

from zooweeper.model.errors import BadArguments

ROOT = "/"
CONFIG = "/zookeeper/config"  # its data is the membership
RESERVED = frozenset(("/", "/zookeeper", "/zookeeper/quota", CONFIG))  # cannot be deleted

# Control characters, surrogates, private use, specials, and all beyond 16 bits (two surrogates to a UTF-16 program).
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\uf8ff\ufff0-\uffff\U00010000-\U0010ffff]")
_PLAIN = re.compile("(/[0-9A-Za-z_-][0-9A-Za-z_.-]*)+")  # as most are
_DOTTED = re.compile(r"/\.{0,2}(/|\Z)")  # an empty, `.` or `..` component, the last one included


def validate(path: str) -> None:
    """BadArguments if `path` cannot name a znode."""
    if path == ROOT or _PLAIN.fullmatch(path):
        return
    if not path.startswith("/"):
        raise BadArguments("a path starts with /", printable(path))
    if path.endswith("/"):
        raise BadArguments("a path does not end with /", printable(path))
    if _DOTTED.search(path):
        raise BadArguments("a path has no empty, . or .. component", printable(path))
    if _FORBIDDEN.search(path):
        raise BadArguments("a path has no control, private-use or supplementary characters", printable(path))


def parent(path: str) -> str:
    """The path above; of a top-level path, and of the root, the root."""
    return path[: path.rindex("/")] or ROOT


def split(path: str) -> tuple[str, str]:
    """(parent, name)."""
    above, _, name = path.rpartition("/")
    return above or ROOT, name


def join(above: str, name: str) -> str:
    """The path of child `name` of `above`."""
    return f"/{name}" if above == ROOT else f"{above}/{name}"


def printable(path: str) -> str:
    """The path for a person's eyes: as it is, or escaped where it holds what no terminal or text field takes."""
    return path if not _FORBIDDEN.search(path) else ascii(path)[1:-1]
