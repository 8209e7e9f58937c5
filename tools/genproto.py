"""Generate zooweeper/pb from proto/: `python tools/genproto.py` writes, `--check` says whether all is current.

The generated files are committed, so an install needs no compiler; tests/test_generated.py runs the check.
"""

import os
import sys
import tempfile
from pathlib import Path

import grpc_tools  # type: ignore[import-untyped]
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTOS = sorted((ROOT / "proto").rglob("*.proto"))


def generate(out: Path) -> None:
    """Write the modules and their types below `out`."""
    # The plugins that write the types are scripts beside the interpreter, whether or not its environment is activated.
    os.environ["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    for name in ("python_out", "grpc_python_out", "mypy_out", "mypy_grpc_out"):
        include = Path(grpc_tools.__file__).parent / "_proto"
        arguments = ["protoc", f"-I{ROOT / 'proto'}", f"-I{include}", f"--{name}={out}", *map(str, PROTOS)]
        if protoc.main(arguments) != 0:
            raise SystemExit(f"genproto: protoc failed on {name}")


def main() -> int:
    if "--check" not in sys.argv:
        generate(ROOT)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        made = {p.relative_to(folder): p.read_bytes() for p in Path(folder).rglob("*.py*") if p.is_file()}
        stale = [str(p) for p, data in made.items() if not (ROOT / p).is_file() or (ROOT / p).read_bytes() != data]
    for path in stale:
        print(f"{path} is not what proto/ says: run python tools/genproto.py", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
