"""`zooweeper serve` runs one node; `zooweeper init` makes its folder.

Rules: imports only what a node needs, for every node of an ensemble pays for it at its start (click comes with the
commands below, not with `python -m zooweeper.cli.serve`, by which ensembles start their nodes).
"""

import os
import re
import sys
from collections.abc import Iterable, Sequence
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
    read_credential,
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
    """`--dir DIR`, the node's folder with its settings, or `--config FILE`, a zoo.cfg; and nothing else."""
    ways = {"--dir": run, "--config": run_zoo_cfg}
    if len(arguments) != 2 or arguments[0] not in ways:
        print("zooweeper serve: expected --dir DIR or --config FILE; see zooweeper serve --help", file=sys.stderr)
        return USAGE
    return ways[arguments[0]](Path(arguments[1]))


def run(folder: Path) -> int:
    """Runs the node in a folder until it is told to stop; returns its exit code."""
    try:
        config = read_node(folder.absolute())
    except SettingsError as error:
        print(f"zooweeper serve: {error}; make the folder with zooweeper init, or ./deploy.sh", file=sys.stderr)
        return BAD_FOLDER
    from zooweeper.cli.node import run_node

    return run_node(config)


def run_zoo_cfg(path: Path) -> int:
    """Runs the node that a ZooKeeper configuration file describes; makes its data folder at its first start."""
    from zooweeper.cli.zoocfg import FLAGS, read_zoo_cfg
    from zooweeper.cli.zoofolder import prepare_folder
    from zooweeper.storage.folder import FolderError

    try:
        found = read_zoo_cfg(path, os.environ.get(FLAGS, ""))
        _complain(found.warnings)
        _complain(prepare_folder(found))
    except SettingsError as error:
        _complain([str(error)])
        return USAGE
    except (FolderError, OSError) as error:
        _complain([str(error)])
        return BAD_FOLDER
    from zooweeper.cli.node import run_node

    return run_node(found.config)


def _complain(lines: Iterable[str]) -> None:
    for line in lines:
        print(f"zooweeper serve: {line}", file=sys.stderr, flush=True)


def make_folder(
    folder: Path, node: int, cluster: str, members: Sequence[Member], rejoin: bool, credential: Path | None = None
) -> None:
    """The folder of one node, with its settings and an empty data folder. `credential`: the file of the super user's
    `user:password`. SettingsError when it cannot be."""
    from zooweeper.cli.ensemble import format_node
    from zooweeper.doors.identify import digest_of

    if node not in [member.id for member in members]:
        raise SettingsError(f"--id {node} is not one of the members")
    if (folder / DATA_FOLDER).exists():
        raise SettingsError(f"{folder / DATA_FOLDER} exists already; a node is made once")
    more = {}
    if credential is not None:
        given = read_credential(credential)
        more["super_digest"] = digest_of(given.partition(":")[0], given.encode())
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_node(folder, node, EnsembleSettings(cluster, tuple(members)), **more)
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
    return _serve_command() if name == "command" else _init_command()


def _serve_command() -> "click.Command":
    import click

    from zooweeper.cli.app import example
    from zooweeper.cli.exits import Failure

    def serve(folder: str | None, config: str | None) -> int:
        """Runs a node in the foreground, until SIGTERM or Ctrl-C: the one in a folder, or the one that a ZooKeeper
        configuration file describes."""
        if folder is not None and config is None:
            return run(Path(folder))
        if config is not None and folder is None:
            return run_zoo_cfg(Path(config))
        raise Failure("expected --dir DIR or --config FILE", USAGE)

    return click.Command(
        "serve",
        callback=serve,
        help=serve.__doc__,
        params=[
            click.Option(["--dir", "folder"], metavar="DIR", help="The node's folder."),
            click.Option(["--config"], metavar="FILE", help="A zoo.cfg (docs/zoo-cfg.md)."),
        ],
        epilog=example("zooweeper serve --dir /var/lib/zooweeper", "zooweeper serve --config /etc/zoo.cfg"),
    )


def _init_command() -> "click.Command":
    import click

    from zooweeper.cli.app import example
    from zooweeper.cli.exits import Failure

    def init(
        folder: str, node: int, cluster: str, members: tuple[str, ...], rejoin: bool, credential: str | None
    ) -> None:
        """Makes the folder of one node of an ensemble over several hosts. (./deploy.sh does it on one host.)

        With --rejoin the node comes into an ensemble that runs, as a new member (zooweeper member add says how) or
        because it lost its folder: it has no vote until it has synchronized.
        """
        try:
            given = Path(credential) if credential is not None else None
            make_folder(Path(folder), node, cluster, [parse_member(one) for one in members], rejoin, given)
        except SettingsError as error:
            raise Failure(str(error), USAGE) from None
        print(f"next: zooweeper serve --dir {folder}")

    return click.Command(
        "init",
        callback=init,
        help=init.__doc__,
        params=[
            click.Option(["--dir", "folder"], required=True, metavar="DIR", help="The node's folder."),
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
            click.Option(
                ["--super", "credential"],
                type=click.Path(dir_okay=False),
                metavar="FILE",
                help="super:password, of who may change members; only the digest is kept.",
            ),
        ],
        epilog=example(
            "zooweeper init --dir /var/lib/zooweeper --id 1 --cluster shop \\",
            "    --member 1=10.0.0.1 --member 2=10.0.0.2 --member 3=10.0.0.3 --super ~/.zooweeper-super",
        ),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
