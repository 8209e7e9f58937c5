"""Which paths are paths, and how they come apart."""

import pytest

from zooweeper.model import paths
from zooweeper.model.errors import BadArguments

GOOD = ["/", "/a", "/a/b", "/a b", "/ä/ö", "/日本", "/...", "/a..b", "/.a", "/a/..b", "/~", "/\u00a0", "/" + "x" * 4000]
BAD = ["", "a", "a/b", "/a/", "//", "//a", "/a//b", "/.", "/..", "/a/.", "/a/..", "/a/./b", "/a/../b", "/./a"]
BAD += [f"/a{chr(code)}b" for code in (0, 1, 0x1F, 0x7F, 0x9F, 0xD800, 0xDFFF, 0xE000, 0xF8FF, 0xFFF0, 0xFFFF, 0x1F600)]


@pytest.mark.parametrize("path", GOOD)
def test_good_paths(path: str) -> None:
    paths.validate(path)


@pytest.mark.parametrize("path", BAD, ids=ascii)
def test_bad_paths(path: str) -> None:
    with pytest.raises(BadArguments) as caught:
        paths.validate(path)
    assert caught.value.path.isprintable()


@pytest.mark.parametrize("code", [0x20, 0x7E, 0xA0, 0xD7FF, 0xF900, 0xFFEF])
def test_edges_of_the_forbidden_ranges(code: int) -> None:
    paths.validate(f"/a{chr(code)}b")


def test_taking_apart() -> None:
    assert [paths.parent(path) for path in ("/", "/a", "/a/b", "/a/b/c")] == ["/", "/", "/a", "/a/b"]
    assert paths.split("/a/b") == ("/a", "b")
    assert paths.split("/a") == ("/", "a")
    assert paths.join("/", "a") == "/a"
    assert paths.join("/a", "b") == "/a/b"
