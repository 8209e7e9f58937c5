"""Golden traces: a script above, everything observable below, one situation per file.

Rules: a file is blocks, parted by empty lines. A block is comment lines (`# ...`, the specification), command lines,
`----`, and the output the commands must give. `ZOOWEEPER_REWRITE=1` writes the output that was got into the files;
read the difference before you accept it. A command is `name argument key=value key="two words"`; the runner is given
one block's commands at a time and returns lines.
"""

import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

REWRITE = os.environ.get("ZOOWEEPER_REWRITE") == "1"
RULE = "----"


@dataclass
class Command:
    """One command line, split."""

    name: str
    words: list[str]
    options: dict[str, str]
    text: str  # the line itself, for messages

    def number(self, key: str, default: int) -> int:
        return int(self.options.get(key, default))


@dataclass
class Block:
    line: int  # of its first line in the file
    comments: list[str] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    output: list[str] = field(default_factory=list)

    def show(self, output: list[str]) -> str:
        return "\n".join([*self.comments, *(command.text for command in self.commands), RULE, *output]) + "\n"


Run = Callable[[list[Command]], list[str]]


def parse_command(text: str) -> Command:
    """`name word key=value`; a quoted part keeps its blanks. ValueError for open quotes."""
    name, *parts = shlex.split(text)
    options = dict(part.split("=", 1) for part in parts if "=" in part)
    return Command(name, [part for part in parts if "=" not in part], options, text)


def parse(text: str, name: str = "") -> list[Block]:
    """The blocks of a golden file. ValueError names the line that belongs nowhere."""
    blocks: list[Block] = []
    block: Block | None = None
    below = False
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            block, below = None, False
            continue
        if block is None:
            block = Block(number)
            blocks.append(block)
        if below:
            block.output.append(line)
        elif line == RULE:
            below = True
        elif line.startswith("#"):
            block.comments.append(line)
        else:
            try:
                block.commands.append(parse_command(line))
            except ValueError as error:
                raise ValueError(f"{name}:{number}: {error}: {line}") from error
    return blocks


def check(path: Path, run: Run) -> None:
    """Runs a golden file; raises AssertionError with the file, the line and both texts at the first block that gives
    another output. With REWRITE the file is written anew instead."""
    shown: list[str] = []
    for block in parse(path.read_text(), path.name):
        output = run(block.commands) if block.commands else []
        if any(not line.strip() for line in output):
            raise AssertionError(f"{path.name}:{block.line}: a line of output is empty, the file could not be read")
        if REWRITE:
            shown.append(block.show(output) if block.commands else "\n".join(block.comments) + "\n")
            continue
        if output != block.output:
            at = f"{path.parent.name}/{path.name}:{block.line}"
            commands = "\n".join(command.text for command in block.commands)
            raise AssertionError(f"{at}\n{commands}\n---- got\n" + "\n".join(output) + f"\n{difference(block, output)}")
    if REWRITE:
        path.write_text("\n".join(shown))


def difference(block: Block, output: list[str]) -> str:
    """The first line that differs."""
    for wanted, got in zip([*block.output, "(nothing)"], [*output, "(nothing)"], strict=False):
        if wanted != got:
            return f"---- first difference\nwanted {wanted}\ngot    {got}"
    return "---- no difference"
