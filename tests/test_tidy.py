"""The habits that a program can check, checked: sizes, docstrings, numbers of operations, loose ends.

Rules: stdlib `ast` and text only; one line per violation, with file, line and what to do. A check stands here only if
it never complains about good code.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CODE = ("zooweeper", "client", "sim", "tools", "bench", "fuzz", "apps", "tests")
GENERATED = ("zooweeper/pb/", "apps/grades/pb/")
FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 70
LOOSE_ENDS = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
TRACE = re.compile(r"\btrace:([a-z0-9_/]+)")
CODE_NAMES = ("code", "opcode", "op_code")
CODES_AT_HOME = ("zooweeper/ops/", "zooweeper/model/errors.py", "tests/")


def files(*suffixes: str) -> Iterator[Path]:
    for folder in (*CODE, "docs", "proto"):
        for path in sorted((ROOT / folder).rglob("*")):
            name = path.relative_to(ROOT).as_posix()
            if path.suffix in suffixes and path.is_file() and not name.startswith(GENERATED):
                yield path


PYTHON = {path.relative_to(ROOT).as_posix(): path.read_text() for path in files(".py")}
TREES = {name: ast.parse(text, name) for name, text in PYTHON.items()}
TEXTS = {path.relative_to(ROOT).as_posix(): path.read_text() for path in files(".py", ".md", ".txt", ".proto")}


def report(violations: list[str]) -> None:
    if violations:
        pytest.fail("\n" + "\n".join(violations), pytrace=False)


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_every_module_says_its_idea() -> None:
    report(
        [
            f"{name}:1: no module docstring; first line the idea, then its rules"
            for name, tree in TREES.items()
            if tree.body and not (ast.get_docstring(tree) or "").strip()
        ]
    )


def test_files_stay_small() -> None:
    report(
        [
            f"{name}: {lines} lines, at most {FILE_LINES_MAX}; let the idea that can leave, leave"
            for name, text in PYTHON.items()
            if (lines := text.count("\n")) > FILE_LINES_MAX
        ]
    )


def test_functions_stay_small() -> None:
    violations = []
    for name, tree in TREES.items():
        for node in functions(tree):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                violations.append(f"{name}:{node.lineno}: {node.name} has {lines} lines, at most {FUNCTION_LINES_MAX}")
    report(violations)


def test_no_loose_ends() -> None:
    violations = []
    for name, text in TEXTS.items():
        for number, line in enumerate(text.splitlines(), 1):
            match = LOOSE_ENDS.search(line)
            if match:
                violations.append(f"{name}:{number}: {match.group()}; do it, or write it into docs/not-doing.md")
    report(violations)


def test_traces_that_are_named_exist() -> None:
    known = {path.stem for path in (ROOT / "tests" / "traces").rglob("*.txt")}
    violations = []
    for name, text in TEXTS.items():
        if name in ("tests/test_tidy.py", "tests/test_layers.py"):
            continue
        for number, line in enumerate(text.splitlines(), 1):
            for match in TRACE.finditer(line):
                if match.group(1).split("/")[-1] not in known:
                    violations.append(f"{name}:{number}: there is no tests/traces/**/{match.group(1)}.txt")
    report(violations)


def is_number(node: ast.expr) -> bool:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        node = node.operand
    return isinstance(node, ast.Constant) and type(node.value) is int


def is_code(node: ast.expr) -> bool:
    name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
    return name in CODE_NAMES


def test_operation_numbers_live_in_ops() -> None:
    violations = []
    for name, tree in TREES.items():
        if name.startswith(CODES_AT_HOME):
            continue
        for node in ast.walk(tree):
            compared = (
                isinstance(node, ast.Compare)
                and is_code(node.left)
                and any(is_number(side) and not is_zero(side) for side in node.comparators)
            )
            passed = isinstance(node, ast.keyword) and node.arg in CODE_NAMES and is_number(node.value)
            if compared or passed:
                line = getattr(node, "lineno", 1)
                violations.append(f"{name}:{line}: an operation's number; say its class's `code` instead")
    report(violations)


def is_zero(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value == 0


def test_private_names_are_used() -> None:
    violations = []
    for name, tree in TREES.items():
        words = re.findall(r"\b\w+\b", PYTHON[name])
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                private = node.name.startswith("_") and not node.name.endswith("__")
                if private and words.count(node.name) < 2:
                    violations.append(f"{name}:{node.lineno}: {node.name} is used nowhere in this file")
    report(violations)


def test_no_exception_is_swallowed() -> None:
    """`except Exception` (or a bare one) must end in raise, exit, or be answered; it never goes on with `pass`."""
    violations = []
    for name, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ExceptHandler):
                broad = node.type is None or (
                    isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException")
                )
                idle = all(isinstance(statement, ast.Pass | ast.Continue) for statement in node.body)
                if broad and idle:
                    violations.append(f"{name}:{node.lineno}: a broad except that goes on; name the error")
    report(violations)
