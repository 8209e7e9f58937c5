"""What an ablation is made of: lines of the product's own functions, and what stands there instead.

Rules: an edit swaps the code of a function in place, so that whoever holds the function (a table, an import by name, a
closure) has it too, and it costs nothing at run time. It names the words that go; when they are not there exactly once,
the product has changed and the ablation must be looked at: AssertionError.
"""

import inspect
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from types import CodeType
from typing import Any


@dataclass(frozen=True, slots=True)
class Edit:
    """In `function`, `was` becomes `becomes`."""

    function: Any
    was: str
    becomes: str


@dataclass(frozen=True, slots=True)
class Ablation:
    """One safeguard, and how it is switched off."""

    off: str  # what does not happen any more, in one line
    edits: tuple[Edit, ...]
    nemeses: tuple[str, ...] = ()  # what it takes to see it within hundreds of seeds; none: the ordinary draw does
    workloads: tuple[str, ...] = ()


def without(off: str, *edits: Edit, nemeses: tuple[str, ...] = (), workloads: tuple[str, ...] = ()) -> Ablation:
    """An ablation."""
    return Ablation(off, edits, nemeses, workloads)


@cache
def rewritten(edit: Edit) -> CodeType:
    """The code of the function with the other words in it."""
    function = edit.function
    source = textwrap.dedent(inspect.getsource(function))
    assert source.count(edit.was) == 1, f"{function.__qualname__} has {source.count(edit.was)} times {edit.was!r}"
    source = source.replace(edit.was, edit.becomes)
    if free := function.__code__.co_freevars:  # a closure is one again only inside of something that has these names
        source = f"def around({', '.join(free)}):\n{textwrap.indent(source, '    ')}"
    within = compile(source, f"<{function.__qualname__}, ablated>", "exec", dont_inherit=True)
    return next(code for code in codes_in(within) if code.co_name == function.__name__)


def codes_in(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from codes_in(constant)


def rewritten_all(ablation: Ablation) -> list[CodeType]:
    """The code of its edits. AssertionError when one does not fit the product any more."""
    return [rewritten(edit) for edit in ablation.edits]


@contextmanager
def patched(ablation: Ablation) -> Iterator[None]:
    """With these edits made."""
    before = [(edit.function, edit.function.__code__) for edit in ablation.edits]
    codes = rewritten_all(ablation)
    try:
        for edit, code in zip(ablation.edits, codes, strict=True):
            edit.function.__code__ = code
        yield
    finally:
        for function, code in reversed(before):
            function.__code__ = code
