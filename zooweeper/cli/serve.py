"""`zooweeper serve` runs one node; `zooweeper init` makes its folder.

Rules: imports only what a node needs, for every node of an ensemble pays for it at its start (click comes with the
commands below, not with `python -m zooweeper.cli.serve`, by which ensembles start their nodes).
"""

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from zooweeper.cli.settings import (
    DATA_FOLDER,
    NODES_MAX,
    PORTS,
    EnsembleSettings,
    SettingsError,
    make_member,
    number,
    parse_address,
    read_node,
    write_node,
)
from zooweeper.model.config import Member

if TYPE_CHECKING:
    import click

BAD_FOLDER, USAGE = 3, 2
MEMBER_SYNTAX = "ID=HOST[:WIRE:GRPC:PEER:ADMIN][:observer]"
_MEMBER = re.compile(
    r"(?P<id>[0-9]+)=(?P<host>\[[^][]+\]|[^][:]+)(?::(?P<ports>[0-9]+:[0-9]+:[0-9]+:[0-9]+))?(?P<observer>:observer)?"
)


def main(arguments: Sequence[str]) -> int:
    """`--dir DIR`, and nothing else: the node's settings are in its folder."""
    if len(arguments) != 2 or arguments[0] != "--dir":
        print("zooweeper serve: expected --dir DIR; see zooweeper serve --help", file=sys.stderr)
        return USAGE
    return run(Path(arguments[1]))


def run(folder: Path) -> int:
    """Runs the node in a folder until it is told to stop; returns its exit code."""
    try:
        config = read_node(folder.absolute())
    except SettingsError as error:
        print(f"zooweeper serve: {error}; make the folder with zooweeper init, or ./deploy.sh", file=sys.stderr)
        return BAD_FOLDER
    from zooweeper.cli.node import run_node

    return run_node(config)


def make_folder(folder: Path, node: int, cluster: str, members: Sequence[Member], rejoin: bool) -> None:
    """The folder of one node, with its settings and an empty data folder. SettingsError when it cannot be."""
    from zooweeper.cli.ensemble import format_node

    if node not in [member.id for member in members]:
        raise SettingsError(f"--id {node} is not one of the members")
    if (folder / DATA_FOLDER).exists():
        raise SettingsError(f"{folder / DATA_FOLDER} exists already; a node is made once")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_node(folder, node, EnsembleSettings(cluster, tuple(members)))
    format_node(folder, cluster, node, voting=not rejoin)


def parse_member(text: str) -> Member:
    """`1=host`, with the default ports, or `1=host:wire:grpc:peer:admin`; then `:observer` for one without vote."""
    found = _MEMBER.fullmatch(text)
    if found is None or not 1 <= number(found["id"]) <= NODES_MAX:
        raise SettingsError(f"not a member: {text!r}, expected {MEMBER_SYNTAX}")
    ports = found["ports"].split(":") if found["ports"] else [str(port) for _, port in PORTS]
    doors = {door: parse_address(f"{found['host']}:{ports[at]}") for at, (door, _) in enumerate(PORTS)}
    return make_member(number(found["id"]), doors, observer=found["observer"] is not None)


def __getattr__(name: str) -> "click.Command":
    """The two commands, made when the command line asks for them."""
    if name not in ("command", "init"):
        raise AttributeError(name)
    import click

    from zooweeper.cli.app import example
    from zooweeper.cli.exits import Failure

    def serve(folder: str) -> int:
        """Runs the node in a folder, in the foreground, until SIGTERM or Ctrl-C."""
        return run(Path(folder))

    def init(folder: str, node: int, cluster: str, members: tuple[str, ...], rejoin: bool) -> None:
        """Makes the folder of one node of an ensemble over several hosts. (./deploy.sh does it on one host.)

        With --rejoin the node comes into an ensemble that runs, as a new member (zooweeper member add says how) or
        because it lost its folder: it has no vote until it has synchronized.
        """
        try:
            make_folder(Path(folder), node, cluster, [parse_member(one) for one in members], rejoin)
        except SettingsError as error:
            raise Failure(str(error), USAGE) from None
        print(f"next: zooweeper serve --dir {folder}")

    directory = click.Option(["--dir", "folder"], required=True, metavar="DIR", help="The node's folder.")
    if name == "command":
        return click.Command(
            "serve",
            callback=serve,
            help=serve.__doc__,
            params=[directory],
            epilog=example("zooweeper serve --dir /var/lib/zooweeper"),
        )
    return click.Command(
        "init",
        callback=init,
        help=init.__doc__,
        params=[
            directory,
            click.Option(["--id", "node"], type=click.IntRange(1, 255), required=True, help="This node, 1 to 255."),
            click.Option(["--cluster"], required=True, help="The ensemble's name, equal on all nodes."),
            click.Option(
                ["--member", "members"],
                multiple=True,
                required=True,
                metavar=MEMBER_SYNTAX,
                help="Every member, this one as well.",
            ),
            click.Option(
                ["--rejoin"], is_flag=True, help="The ensemble runs: the node is new in it, or lost its folder."
            ),
        ],
        epilog=example(
            "zooweeper init --dir /var/lib/zooweeper --id 1 --cluster shop \\",
            "    --member 1=10.0.0.1 --member 2=10.0.0.2 --member 3=10.0.0.3",
        ),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
