"""Generate what proto/ says: `python tools/genproto.py` writes, `--check` says whether all is current.

The generated files are committed, so an install needs no compiler; tests/test_generated.py runs the check.
"""

import os
import sys
import tempfile
from pathlib import Path

import grpc_tools  # type: ignore[import-untyped]
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {"zooweeper": ROOT, "grades": ROOT / "apps"}  # a folder of proto/, and where its package lies


def generate(package: str, out: Path) -> None:
    """Write the modules of one package and their types below `out`."""
    # The plugins that write the types are scripts beside the interpreter, whether or not its environment is activated.
    os.environ["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    protos = sorted((ROOT / "proto" / package).rglob("*.proto"))
    for name in ("python_out", "grpc_python_out", "mypy_out", "mypy_grpc_out"):
        include = Path(grpc_tools.__file__).parent / "_proto"
        arguments = ["protoc", f"-I{ROOT / 'proto'}", f"-I{include}", f"--{name}={out}", *map(str, protos)]
        if protoc.main(arguments) != 0:
            raise SystemExit(f"genproto: protoc failed on {name}")


def stale(package: str, home: Path) -> list[Path]:
    """The committed files of a package that are not what its source says."""
    with tempfile.TemporaryDirectory() as folder:
        generate(package, Path(folder))
        made = {p.relative_to(folder): p.read_bytes() for p in Path(folder).rglob("*.py*") if p.is_file()}
    return [home / p for p, data in made.items() if not (home / p).is_file() or (home / p).read_bytes() != data]


def main() -> int:
    if "--check" not in sys.argv:
        for package, home in PACKAGES.items():
            generate(package, home)
        return 0
    old = [path for package, home in PACKAGES.items() for path in stale(package, home)]
    for path in old:
        print(f"{path.relative_to(ROOT)} is not what proto/ says: run python tools/genproto.py", file=sys.stderr)
    return 1 if old else 0


if __name__ == "__main__":
    raise SystemExit(main())
