"""Who may import whom, and what the pure floors may touch: the floors of ARCHITECTURE as a test.

Rules: `ALLOWED` is the whole law; an exception is a row with its reason, not a branch in the code. Imports under
`if TYPE_CHECKING` are only words and do not count. One line per violation: file:line, what, and why not.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# A package (or a single module, which then overrides its package) and the modules of ours that it may import,
# prefixes of dotted names. Its own package is always allowed.
ALLOWED: dict[str, tuple[str, ...]] = {
    "zooweeper": (),
    "zooweeper.model": (),
    "zooweeper.pb": (),
    "zooweeper.codec": ("zooweeper.model",),
    "zooweeper.ops": ("zooweeper.model", "zooweeper.codec"),
    "zooweeper.tree": ("zooweeper.model", "zooweeper.codec", "zooweeper.ops.op"),
    "zooweeper.tree.tree": ("zooweeper.model", "zooweeper.codec", "zooweeper.ops.op", "zooweeper.ops.delete"),
    "zooweeper.zab": ("zooweeper.model",),
    "zooweeper.replica": (
        "zooweeper.model",
        "zooweeper.codec",
        "zooweeper.ops",
        "zooweeper.tree",
        "zooweeper.zab",
    ),
    "zooweeper.storage": ("zooweeper.model", "zooweeper.codec"),
    "zooweeper.transport": ("zooweeper.model", "zooweeper.zab.messages", "zooweeper.pb"),
    "zooweeper.http2": ("zooweeper.model",),
    "zooweeper.runtime": (
        "zooweeper.model",
        "zooweeper.ops.table",
        "zooweeper.zab",
        "zooweeper.replica",
        "zooweeper.storage",
        "zooweeper.transport",
    ),
    "zooweeper.doors": (
        "zooweeper.model",
        "zooweeper.http2",
        "zooweeper.codec",
        "zooweeper.ops",
        "zooweeper.pb",
        "zooweeper.replica.events",
        "zooweeper.replica.inspect",
        "zooweeper.replica.outbox",
        "zooweeper.replica.status",
        "zooweeper.runtime.gateway",
    ),
    "zooweeper.bench": (
        "zooweeper.model",
        "zooweeper.codec",
        "zooweeper.ops",
        "zooweeper.pb",
        "zooweeper.http2.hpack",
    ),
    "zooweeper.cli": ("zooweeper", "zooweeper_client"),
    # the database servers are started beside the nodes and have a demo; both are imported only when asked for
    "zooweeper.cli.deploy": ("zooweeper", "zooweeper_client", "grades.fleet", "grades.deploying"),
    "zooweeper.cli.demo": ("zooweeper", "zooweeper_client", "grades.demo"),
    "zooweeper_client": ("zooweeper.model", "zooweeper.codec", "zooweeper.ops"),
    "zooweeper_client.aio": ("zooweeper.model", "zooweeper.codec", "zooweeper.ops", "zooweeper_client"),
    "zooweeper_client.aio.link_grpc": ("zooweeper.model", "zooweeper.pb", "zooweeper_client"),
    "zooweeper_client.aio.status": ("zooweeper.model", "zooweeper.pb", "zooweeper_client"),
    "zooweeper_client.sync": ("zooweeper.model", "zooweeper_client"),
    "grades": ("zooweeper_client",),
    "grades.pb": (),
    "grades.fleet": ("zooweeper_client", "zooweeper.cli", "zooweeper.model.config"),  # an ensemble on this host
    "grades.deploying": ("zooweeper_client", "zooweeper.cli"),
    "grades.demo": ("zooweeper_client", "zooweeper.cli"),
    "sim": (
        "zooweeper.model",
        "zooweeper.codec",
        "zooweeper.ops",
        "zooweeper.tree",
        "zooweeper.zab",
        "zooweeper.replica",
        "zooweeper.storage",
        "zooweeper.transport.lanes",
        "zooweeper.transport.wire",
        "zooweeper_client",
    ),
}

# Below the purity line: nothing of the world. Of the client, the core and what it is made of.
PURE = (
    "zooweeper.model",
    "zooweeper.codec",
    "zooweeper.ops",
    "zooweeper.tree",
    "zooweeper.zab",
    "zooweeper.replica",
    "zooweeper.http2",
    "grades.statements",
    "grades.table",
    "grades.layout",
)
PURE_CLIENT = ("core", "states", "messages", "watches", "options", "retry", "exceptions", "acls", "calls")
WORLD = frozenset(
    (
        "asyncio",
        "threading",
        "socket",
        "ssl",
        "select",
        "selectors",
        "time",
        "datetime",
        "random",
        "os",
        "io",
        "pathlib",
        "subprocess",
        "secrets",
        "uuid",
        "logging",
        "signal",
        "grpc",
        "google",
        "multiprocessing",
        "concurrent",
        "tempfile",
        "shutil",
        "sys",
    )
)
WORLDLY_CALLS = frozenset(("open", "print", "input", "hash", "id", "exec", "eval", "breakpoint"))
MAY_CALL = (("zooweeper.codec.record", "exec"),)  # writes each record class's methods once, as dataclasses does
ONLY_IN_LINKS = "grpc"  # of the client: everything else must run without it
LINKS = ("zooweeper_client.aio.link_grpc", "zooweeper_client.aio.status")
SIM_WITHOUT = frozenset(("asyncio", "threading", "socket", "grpc", "google", "time", "uuid", "secrets"))
SIM_WORLDLY = (  # the tools around the world: wall time, processes, printing
    "sim.__main__",
    "sim.ablations.__main__",
    "sim.ablations.hunt",
    "sim.coverage",
    "sim.enumeration.__main__",
    "sim.swarm",
)


def sources() -> dict[str, Path]:
    """Every module of ours by its dotted name; generated code excepted."""
    found: dict[str, Path] = {}
    for base, package in (
        (ROOT, "zooweeper"),
        (ROOT / "client", "zooweeper_client"),
        (ROOT / "apps", "grades"),
        (ROOT, "sim"),
    ):
        for path in sorted((base / package).rglob("*.py")):
            parts = path.relative_to(base).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            if not name.startswith(("zooweeper.pb", "grades.pb")):
                found[name] = path
    return found


SOURCES = sources()
TREES = {name: ast.parse(path.read_text(), str(path)) for name, path in SOURCES.items()}


def where(name: str, node: ast.AST) -> str:
    return f"{SOURCES[name].relative_to(ROOT)}:{getattr(node, 'lineno', 1)}"


def within(name: str, prefixes: tuple[str, ...] | frozenset[str]) -> bool:
    return any(name == prefix or name.startswith(prefix + ".") for prefix in prefixes)


def is_pure(name: str) -> bool:
    if name.startswith("zooweeper_client."):
        return name.removeprefix("zooweeper_client.").split(".")[0] in PURE_CLIENT
    return within(name, PURE)


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def imports(name: str, everywhere: bool = True) -> Iterator[tuple[ast.AST, str]]:
    """(statement, dotted name of the imported module) of one module; without `everywhere` only those on top."""
    package = name if SOURCES[name].name == "__init__.py" else name.rpartition(".")[0]
    waiting: list[ast.AST] = list(TREES[name].body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            for alias in node.names:
                # `from package import module` imports the module, `from module import name` only the module
                yield node, f"{base}.{alias.name}" if f"{base}.{alias.name}" in SOURCES else base
        if is_type_checking(node):
            continue
        if everywhere or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            waiting.extend(ast.iter_child_nodes(node))


def is_ours(name: str) -> bool:
    return name.split(".")[0] in ("zooweeper", "zooweeper_client", "grades", "sim", "tests", "bench")


def law(name: str) -> tuple[str, tuple[str, ...]]:
    """The most special row of ALLOWED for a module."""
    row = max((key for key in ALLOWED if within(name, (key,))), key=len)
    return row, ALLOWED[row]


def report(violations: list[str]) -> None:
    if violations:
        pytest.fail("\n" + "\n".join(violations), pytrace=False)


def test_imports_go_downward() -> None:
    violations = []
    for name in SOURCES:
        row, allowed = law(name)
        package = ".".join(name.split(".")[:2]) if name.startswith("zooweeper.") else name.split(".")[0]
        for node, imported in imports(name):
            if not is_ours(imported) or within(imported, (package, row)):
                continue
            if not within(imported, allowed):
                violations.append(f"{where(name, node)}: {row} may not import {imported}")
    report(violations)


def test_pure_floors_import_nothing_of_the_world() -> None:
    violations = []
    for name in SOURCES:
        if is_pure(name):
            for node, imported in imports(name):
                if imported.split(".")[0] in WORLD:
                    violations.append(f"{where(name, node)}: {imported} below the purity line; make it an argument")
    report(violations)


def test_pure_floors_call_nothing_of_the_world() -> None:
    violations = []
    for name, tree in TREES.items():
        for node in ast.walk(tree):
            if (
                is_pure(name)
                and isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in WORLDLY_CALLS
                and (name, node.func.id) not in MAY_CALL
            ):
                violations.append(f"{where(name, node)}: {node.func.id}() below the purity line")
    report(violations)


def test_grpc_is_known_to_the_links_of_the_client_alone() -> None:
    violations = []
    for name in SOURCES:
        if name.startswith("zooweeper_client") and name not in LINKS:
            for node, imported in imports(name):
                if imported.split(".")[0] in (ONLY_IN_LINKS, "google") or within(imported, ("zooweeper.pb",)):
                    violations.append(f"{where(name, node)}: {imported} outside the links {', '.join(LINKS)}")
    report(violations)


def test_the_simulated_world_has_no_other_time_or_thread() -> None:
    violations = []
    for name in SOURCES:
        if within(name, ("sim",)) and name not in SIM_WORLDLY:
            for node, imported in imports(name):
                if imported.split(".")[0] in SIM_WITHOUT:
                    violations.append(f"{where(name, node)}: {imported} in the simulated world")
    report(violations)


def test_no_import_goes_in_a_circle() -> None:
    edges = {
        name: sorted({imported for _, imported in imports(name, everywhere=False) if imported in SOURCES} - {name})
        for name in SOURCES
    }
    done: dict[str, bool] = {}  # False: on the path being walked

    def walk(name: str, path: list[str]) -> list[str] | None:
        if name in done:
            return None if done[name] else [*path[path.index(name) :], name]
        done[name] = False
        for below in edges[name]:
            circle = walk(below, [*path, name])
            if circle:
                return circle
        done[name] = True
        return None

    for name in sorted(edges):
        circle = walk(name, [])
        assert circle is None, "imports go in a circle: " + " -> ".join(circle or [])


# --- sets have no order that two processes share


SET_MAKERS = ("set", "frozenset")
SET_METHODS = ("union", "intersection", "difference", "symmetric_difference")
ORDERED_TAKERS = ("list", "tuple", "iter", "enumerate", "zip", "map", "filter", "reversed", "deque")


class SetOrder(ast.NodeVisitor):
    """Finds places where the order of a set becomes visible. Knows only what one module shows: literals,
    constructors, and names and attributes that are annotated or assigned as sets."""

    def __init__(self, tree: ast.Module) -> None:
        self.found: list[ast.AST] = []
        self.attributes = {
            node.target.attr if isinstance(node.target, ast.Attribute) else getattr(node.target, "id", "")
            for scope in ast.walk(tree)
            if isinstance(scope, ast.ClassDef)
            for node in ast.walk(scope)
            if isinstance(node, ast.AnnAssign) and self.is_set_type(node.annotation)
        }
        self.names: list[set[str]] = [set()]
        self.visit(tree)

    @staticmethod
    def is_set_type(node: ast.expr | None) -> bool:
        if isinstance(node, ast.Subscript):
            node = node.value
        return isinstance(node, ast.Name) and node.id in (*SET_MAKERS, "AbstractSet")

    def is_set(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Set | ast.SetComp):
            return True
        if isinstance(node, ast.Name):
            return any(node.id in names for names in self.names)
        if isinstance(node, ast.Attribute):
            return node.attr in self.attributes
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr | ast.BitAnd | ast.Sub | ast.BitXor):
            return any(self.is_set(side) or self.is_keys(side) for side in (node.left, node.right))
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                return node.func.id in SET_MAKERS
            return isinstance(node.func, ast.Attribute) and node.func.attr in SET_METHODS
        return False

    @staticmethod
    def is_keys(node: ast.expr) -> bool:
        return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "keys"

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        arguments = [*node.args.args, *node.args.kwonlyargs, *node.args.posonlyargs]
        self.names.append({argument.arg for argument in arguments if self.is_set_type(argument.annotation)})
        self.generic_visit(node)
        self.names.pop()

    def visit_Assign(self, node: ast.Assign) -> None:
        self.generic_visit(node)
        if self.is_set(node.value):
            self.names[-1] |= {target.id for target in node.targets if isinstance(target, ast.Name)}

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.generic_visit(node)
        if isinstance(node.target, ast.Name) and self.is_set_type(node.annotation):
            self.names[-1].add(node.target.id)

    def visit_For(self, node: ast.For) -> None:
        self.look(node.iter)
        self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        self.look(node.iter)
        self.generic_visit(node)

    def visit_SetComp(self, node: ast.SetComp) -> None:
        # a set made of a set shows no order
        for generator in node.generators:
            self.generic_visit(generator)
        self.visit(node.elt)

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> None:
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        ordered = isinstance(node.func, ast.Name) and node.func.id in ORDERED_TAKERS
        joined = isinstance(node.func, ast.Attribute) and node.func.attr in ("join", "extend")
        if ordered or joined:
            for argument in node.args:
                self.look(argument)
        if isinstance(node.func, ast.Attribute) and node.func.attr == "pop" and not node.args:
            self.look(node.func.value)
        blind = isinstance(node.func, ast.Name) and node.func.id in ("sorted", "any", "all", "min", "max", "len", "sum")
        if blind and node.args and isinstance(node.args[0], ast.GeneratorExp):
            for generator in node.args[0].generators:
                self.generic_visit(generator)
            return
        self.generic_visit(node)

    def look(self, node: ast.expr) -> None:
        if self.is_set(node):
            self.found.append(node)


def test_pure_floors_never_show_the_order_of_a_set() -> None:
    violations = []
    for name, tree in TREES.items():
        if is_pure(name) or within(name, ("sim", "zooweeper.storage")):
            for node in SetOrder(tree).found:
                violations.append(f"{where(name, node)}: order of a set; use a dict or sorted()")
    report(violations)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("for x in {1, 2}: pass", 1),
        ("s = set()\nfor x in s: pass", 1),
        ("s = set()\nfor x in sorted(s): pass", 0),
        ("def f(s: set[int]): return list(s)", 1),
        ("class A:\n  s: set[int]\n  def f(self): return [x for x in self.s]", 1),
        ("class A:\n  s: set[int]\n  def f(self): return any(x for x in self.s)", 0),
        ("d = {}\nfor x in d.keys() - {1}: pass", 1),
        ("d = {}\nfor x in d: pass", 0),
        ("s = {1}\ns.pop()", 1),
    ],
)
def test_the_set_finder_finds(text: str, count: int) -> None:
    assert len(SetOrder(ast.parse(text)).found) == count
