"""The verbs of the tree: ls get set create delete deleteall stat tree watch sync.

Rules: one async function per verb, the same alone and in the shell; they decide nothing, the client library does. Each
prints its answer in the three forms: for people, as JSON, and plain (one record per line, values byte for byte).
"""

import sys
from datetime import datetime
from typing import TYPE_CHECKING, Literal

import click

from zooweeper.cli.app import App, json_stat, json_value, path_argument, readable, verb
from zooweeper.model.errors import NoNode

if TYPE_CHECKING:
    from zooweeper_client.aio import Client

    from zooweeper.model.stat import Stat

Consistency = Literal["local", "linearizable"]
linear = click.option("--linear", is_flag=True, help="Not stale: the leader confirms with a majority first.")
TIMES = ("ctime", "mtime")
VALUE_SHOWN_MAX = 80  # characters of a value in a tree


def _consistency(wanted: bool) -> Consistency:
    return "linearizable" if wanted else "local"


def _in_the_shell(ctx: click.Context, param: click.Parameter, value: bool) -> bool:
    app = ctx.find_object(App)
    if value and not (app and app.shell):
        raise click.UsageError("an ephemeral znode would go when this command ends; use it in zooweeper shell", ctx)
    return value


def _value(given: str) -> bytes:
    """An argument, or all of stdin for `-`."""
    return sys.stdin.buffer.read() if given == "-" else given.encode("utf-8", "surrogateescape")


def say_stat(app: App, stat: "Stat") -> None:
    """One `field = value` per line; times as a clock shows them when people read."""
    for name, value in stat._asdict().items():
        shown = str(value)
        if app.output == "table" and name in TIMES:
            shown = datetime.fromtimestamp(value / 1000).isoformat(sep=" ", timespec="milliseconds")
        app.say(f"{name} = {shown}")


@verb("ls", "zooweeper ls /", "zooweeper ls -s /app", "zooweeper ls -R / -o json", stale=True)
@path_argument(here=True)
@click.option("-s", "--stat", is_flag=True, help="With version, size and number of children.")
@click.option("-R", "--recursive", is_flag=True, help="All paths below, too.")
@linear
async def ls(app: App, client: "Client", path: str, stat: bool, recursive: bool, linear: bool) -> None:
    """The children of a znode, in name order."""
    listed = client.walk if recursive else client.list
    found = listed(path, with_stat=stat, consistency=_consistency(linear))
    rows = []
    async for entry in found:
        if app.json:
            rows.append({"path": entry.path, "stat": json_stat(entry.stat)} if entry.stat else entry.path)
        elif entry.stat:
            app.say(f"{entry.path}\tv{entry.stat.version}\t{entry.stat.data_length} B\t{entry.stat.num_children}")
        else:
            app.say(entry.path)
    if app.json:
        app.say_json(rows)


@verb(
    "get",
    "zooweeper get /app/config",
    "zooweeper get /app/logo > logo.png",
    "zooweeper get -s /app -o json",
    stale=True,
)
@path_argument()
@click.option("-s", "--stat", is_flag=True, help="With the znode's stat.")
@linear
async def get(app: App, client: "Client", path: str, stat: bool, linear: bool) -> None:
    """The value of a znode: its very bytes into a pipe, readable on a terminal."""
    value, found = await client.get(path, consistency=_consistency(linear))
    if app.json:
        app.say_json({"path": path} | json_value(value) | {"stat": json_stat(found)})
        return
    app.say_bytes(value)
    if stat:
        say_stat(app, found)


@verb(
    "set", "zooweeper set /app/config on", "zooweeper set -v 3 /app/config off", "zooweeper set /app/logo - < logo.png"
)
@path_argument()
@click.argument("value")
@click.option("-v", "--version", type=int, default=-1, help="Only if this is the znode's version.")
async def set_(app: App, client: "Client", path: str, value: str, version: int) -> None:
    """Changes the value of a znode; `-` reads it from stdin. Prints the new version."""
    stat = await client.set(path, _value(value), version=version)
    if app.json:
        app.say_json({"path": path, "stat": json_stat(stat)})
    else:
        app.say(str(stat.version))


@verb("create", "zooweeper create /app hello", "zooweeper create -p /app/a/b", "zooweeper create -s /app/task- do-it")
@path_argument()
@click.argument("value", default="")
@click.option("-s", "--sequential", is_flag=True, help="The server appends a rising number.")
@click.option(
    "-e", "--ephemeral", is_flag=True, callback=_in_the_shell, help="Lives as long as this session (shell only)."
)
@click.option("-c", "--container", is_flag=True, help="Removed by the server once its last child is gone.")
@click.option("-t", "--ttl", type=click.IntRange(min=1), metavar="MS", help="Removed when unchanged for so long.")
@click.option("-p", "--parents", is_flag=True, help="Makes missing parents.")
async def create(
    app: App,
    client: "Client",
    path: str,
    value: str,
    sequential: bool,
    ephemeral: bool,
    container: bool,
    ttl: int | None,
    parents: bool,
) -> None:
    """Makes a znode and prints its path; `-` reads the value from stdin."""
    made = await client.create(
        path,
        _value(value),
        sequence=sequential,
        ephemeral=ephemeral,
        container=container,
        ttl=ttl,
        makepath=parents,
    )
    if app.json:
        app.say_json({"path": made})
    else:
        app.say(made)


@verb("delete", "zooweeper delete /app/config", "zooweeper delete -v 3 /app/config")
@path_argument()
@click.option("-v", "--version", type=int, default=-1, help="Only if this is the znode's version.")
async def delete(app: App, client: "Client", path: str, version: int) -> None:
    """Removes a znode without children."""
    await client.delete(path, version=version)
    if app.json:
        app.say_json({"path": path})


@verb("deleteall", "zooweeper deleteall /app")
@path_argument()
async def deleteall(app: App, client: "Client", path: str) -> None:
    """Removes a znode and everything below it, all or nothing."""
    await client.delete(path, recursive=True)
    if app.json:
        app.say_json({"path": path})


@verb("stat", "zooweeper stat /app", stale=True)
@path_argument(here=True)
@linear
async def stat(app: App, client: "Client", path: str, linear: bool) -> None:
    """What is known about a znode: versions, times, sizes, owner."""
    found = await client.exists(path, consistency=_consistency(linear))
    if found is None:
        raise NoNode(path=path)
    if app.json:
        app.say_json({"path": path, "stat": json_stat(found)})
    else:
        say_stat(app, found)


@verb("tree", "zooweeper tree /", "zooweeper tree -L 2 -d /app", stale=True)
@path_argument(here=True)
@click.option("-L", "--depth", type=click.IntRange(min=1), default=1000, help="How many levels.", show_default=False)
@click.option("-d", "--data", is_flag=True, help="With values.")
async def tree(app: App, client: "Client", path: str, depth: int, data: bool) -> None:
    """A znode and all below it, drawn as a tree."""
    found: list[tuple[str, bytes | None]] = []
    prefix = len(path.rstrip("/")) + 1
    async for entry in client.walk(path, with_data=data):
        relative = entry.path[prefix:]
        if relative and relative.count("/") < depth:
            found.append((relative, entry.data))
    if app.json:
        above = path.rstrip("/")
        app.say_json([{"path": f"{above}/{one}"} | (json_value(value or b"") if data else {}) for one, value in found])
        return
    app.say(path)
    for line in drawn(found):
        app.say(line)


def drawn(found: list[tuple[str, bytes | None]]) -> list[str]:
    """The branches: paths in depth-first order as lines of a tree, with their values where there are any."""
    last: set[str] = set()
    seen: set[str] = set()
    for path, _ in reversed(found):
        parent = path.rpartition("/")[0]
        if parent not in seen:
            seen.add(parent)
            last.add(path)
    lines = []
    for path, value in found:
        parts = path.split("/")
        above = ["/".join(parts[:depth]) for depth in range(1, len(parts))]
        line = "".join("    " if one in last else "│   " for one in above)
        line += ("└── " if path in last else "├── ") + parts[-1]
        lines.append(f"{line} = {_short(value)}" if value else line)
    return lines


def _short(value: bytes) -> str:
    """One line of a value."""
    text = readable(value).replace("\n", "\\n").replace("\t", "\\t")
    return text if len(text) <= VALUE_SHOWN_MAX else f"{text[:VALUE_SHOWN_MAX]}… ({len(value)} B)"


@verb("watch", "zooweeper watch /app", "zooweeper watch -r / -o json", "zooweeper watch --count 1 /app/config")
@path_argument()
@click.option("-r", "--recursive", is_flag=True, help="All below it, too.")
@click.option("-n", "--count", type=click.IntRange(min=1), help="End after so many events.")
async def watch(app: App, client: "Client", path: str, recursive: bool, count: int | None) -> None:
    """Prints what happens to a znode, one event per line, until Ctrl-C."""
    seen = 0
    async with client.watch(path, recursive=recursive) as events:
        if not app.shell:
            app.note(f"watching {path}; Ctrl-C ends")
        async for event in events:
            name = event.type.name.lower()
            if app.json:
                app.say_json({"type": name, "path": event.path})
            else:
                app.say(f"{name}\t{event.path}")
            sys.stdout.flush()
            seen += 1
            if seen == count:
                return


@verb("sync", "zooweeper sync")
@path_argument(here=True)
async def sync(app: App, client: "Client", path: str) -> None:
    """Waits until the node we talk to has seen everything that was written before."""
    await client.sync(path)
    if app.json:
        app.say_json({"path": path})
