"""`zooweeper member`: who belongs to the ensemble; nodes are added and removed while it runs.

Rules: the ensemble decides, this asks. Every change names the membership it was made for, so of two operators one is
told to look again. A new node comes as an observer, catches up without slowing anybody, and gets its vote only then;
after an interruption the same command goes on where it stopped. What would leave no majority is refused before it is
asked. The super user's password comes from a file or the environment, never from the command line.
"""

import asyncio
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zooweeper.cli import text
from zooweeper.cli.app import DEFAULT_FOLDER, App, common, example, find_app, seconds, verb
from zooweeper.cli.exits import DENIED, DONE, RETRY, USAGE, Failure
from zooweeper.cli.roster import COLUMNS, cells, look, rows, serves
from zooweeper.cli.serve import parse_member
from zooweeper.cli.settings import SUPER_FILE, SettingsError, number, read_credential
from zooweeper.cli.status import Asker, majority
from zooweeper.model.errors import BadVersion, NewConfigNoQuorum, NoAuth
from zooweeper.model.members import Membership, Server, of_settings, parse
from zooweeper.model.zxid import show

if TYPE_CHECKING:
    from zooweeper_client.aio import Client

    from zooweeper.pb.client_pb2 import StatusReply

ASK_S = 1.0
POLL_S = 0.2
CATCH_UP_S = 300.0
PARTING_S = 3.0  # in which a removed node should have noticed
WHO = (
    "who changes members has to be the super user: --credential FILE, with super:password in it (of ./deploy.sh: super)"
)


# ---- list


def _list(hosts: str | None, output: str | None, timeout: float | None) -> int:
    """One row per member: its role, whether it votes, whether it follows the leader, the version of the membership that
    it knows, its addresses."""
    app = find_app(hosts, output, timeout)
    found = rows(look(app.addresses()))
    if app.json:
        app.say_json(found)
    elif app.output == "plain":
        for row in found:
            app.say("\t".join(cells(row)))
    else:
        head, *lines = text.table(COLUMNS, map(cells, found))
        app.say(text.paint(head, "bold", sys.stdout))
        for line in lines:
            app.say(line)
    return DONE


# ---- what add and remove share


async def _prove(app: App, client: "Client", credential: str | None) -> None:
    """Become the super user, as far as a credential is at hand. AuthFailed."""
    default = Path(DEFAULT_FOLDER) / SUPER_FILE
    if credential is None and not os.environ.get("ZOOWEEPER_AUTH") and app.members() and default.exists():
        credential = str(default)
    if credential is not None:
        try:
            await client.add_auth("digest", read_credential(Path(credential)))
        except SettingsError as error:
            raise Failure(str(error), USAGE) from None


async def _membership(client: "Client") -> Membership:
    data, _ = await client.get_config(consistency="linearizable")
    return parse(data.decode())


async def _change(client: "Client", now: Membership, joining: str = "", leaving: str = "") -> Membership:
    """One change of the membership `now`. Failure in words of what to do."""
    try:
        data, _ = await client.reconfig(joining, leaving, from_config=now.version)
    except NoAuth:
        raise Failure(f"NoAuth: {WHO}", DENIED) from None
    except BadVersion:
        raise Failure("somebody else changed the members meanwhile; run it again", RETRY) from None
    return parse(data.decode())


def _find(now: Membership, node: int) -> Server | None:
    return next((server for server in now.servers if server.id == node), None)


def _say(app: App, node: int, what: str, now: Membership) -> None:
    if app.json:
        voters, observers = list(now.voters), list(now.observers)
        app.say_json({"id": node, "done": what, "config": now.version, "voters": voters, "observers": observers})
        return
    watching = f", observers {' '.join(map(str, now.observers))}" if now.observers else ""
    app.say(f"node {node} {what}; voters {' '.join(map(str, now.voters))}{watching}; membership {show(now.version)}")


@contextmanager
def _progress(app: App) -> Iterator[Callable[[str], None]]:
    """Tells how far it is: on a terminal in one line that changes, else a line for each change."""
    if sys.stderr.isatty():
        from rich.console import Console

        with Console(stderr=True).status("") as line:
            yield line.update
        return
    told = [""]

    def tell(what: str) -> None:
        if what != told[0]:
            told[0] = what
            app.note(what)

    yield tell


# ---- add


async def _add(app: App, client: "Client", member: str, observer: bool, wait: float, credential: str | None) -> None:
    """Adds a node to the ensemble, gives an observer its vote (or, with --observer, takes it), or changes addresses.

    The node comes as an observer, and gets its vote when it has caught up. Of a node that is a member already the id is
    enough. Start the node before or meanwhile: this waits for it, and says how.
    """
    await _prove(app, client, credential)
    now = await _membership(client)
    wanted = _wanted(member, observer, now)
    known = _find(now, wanted.id)
    if known == wanted:
        _say(app, wanted.id, "is an observer already" if wanted.observer else "votes already", now)
        return
    if wanted.observer or (known is not None and not known.observer):
        now = await _change(client, now, joining=str(wanted))
        _say(app, wanted.id, "is an observer" if wanted.observer else "has its new addresses", now)
        if known is None and await _answer(str(wanted.grpc)) is None:
            await _help(app, wanted, member)
        return
    watching = replace(wanted, observer=True)
    if known != watching:
        now = await _change(client, now, joining=str(watching))
        app.note(f"node {wanted.id} is an observer, and gets its vote when it has caught up")
    deadline = time.monotonic() + wait
    with _progress(app) as tell:
        await _caught_up(app, watching, member, now.version, deadline, tell)
        now = await _promoted(client, wanted, now, deadline)
    _say(app, wanted.id, "votes", now)


def _wanted(member: str, observer: bool, now: Membership) -> Server:
    """The server as it shall be. Failure."""
    known = _find(now, number(member))
    if known is not None:
        return replace(known, observer=observer)
    try:
        given = of_settings([parse_member(member)]).servers[0]
    except (SettingsError, ValueError) as error:
        raise Failure(str(error), USAGE) from None
    return replace(given, observer=observer or given.observer)


async def _caught_up(
    app: App, server: Server, member: str, version: int, deadline: float, tell: Callable[[str], None]
) -> None:
    """Waits until the node serves, and has executed the change that made it a member."""
    helped = False
    while True:
        reply = await _answer(str(server.grpc))
        if reply and reply.id == server.id and serves(reply) and reply.config_version >= version:
            return
        if not reply and not helped:
            helped = True
            await _help(app, server, member)
        state = _state(server, reply)
        tell(state)
        if time.monotonic() > deadline:
            raise Failure(f"{state}; it stays an observer, run this again when it is there", RETRY)
        await asyncio.sleep(POLL_S)


async def _answer(address: str) -> "StatusReply | None":
    with Asker([address]) as asker:
        return (await asyncio.to_thread(asker.ask, ASK_S))[0]


async def _help(app: App, server: Server, member: str) -> None:
    """Tells the lines to copy on the new node's host. `member`: as it was given, for the members have no admin port."""
    roster = await asyncio.to_thread(look, app.addresses())
    given = {server.id: str(parse_member(member).admin)} if "=" in member else {}
    members = " ".join(f"--member {one}" for one in roster.arguments(given))
    what = f"--dir DIR --id {server.id} --cluster {roster.knows.cluster} --rejoin {members} --super FILE"
    app.note(f"on the host of node {server.id}, if it has not been started yet:")
    app.note(f"  zooweeper init {what}")
    app.note("  zooweeper serve --dir DIR")


def _state(server: Server, reply: "StatusReply | None") -> str:
    if reply is None:
        return f"node {server.id} does not answer at {server.grpc}"
    if reply.id != server.id:
        return f"node {reply.id}, not node {server.id}, answers at {server.grpc}"
    return f"node {server.id} is {reply.role}, {reply.phase}, has executed up to {show(reply.applied)}"


async def _promoted(client: "Client", wanted: Server, now: Membership, deadline: float) -> Membership:
    """Gives a node its vote, as soon as the leader agrees that it has caught up."""
    while True:
        try:
            return await _change(client, now, joining=str(wanted))
        except NewConfigNoQuorum:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(POLL_S)


# ---- remove


async def _remove(app: App, client: "Client", node: int, credential: str | None) -> None:
    """Takes a node out of the ensemble; it stops by itself. The leader may be removed, too: another node leads then.

    Refused when the nodes that remain would have no majority among them.
    """
    await _prove(app, client, credential)
    now = await _membership(client)
    if _find(now, node) is None:
        raise Failure(f"node {node} is no member; zooweeper member list shows who is")
    remain = [voter for voter in now.voters if voter != node]
    if not remain:
        raise Failure(f"node {node} is the last voter; an ensemble needs one")
    roster = await asyncio.to_thread(look, app.addresses())
    there = [voter for voter in remain if roster.in_sync(voter)]
    if len(there) < majority(len(remain)):
        raise Failure(
            f"without node {node}, {len(there)} of {len(remain)} voters would be there, {majority(len(remain))} are "
            "needed; start the others first",
            RETRY,
        )
    now = await _change(client, now, leaving=str(node))
    _say(app, node, "is removed", now)
    address = next((one.grpc for one in roster.knows.members if one.id == node), "")
    if node in roster.replies and not await _gone(address):
        app.note(f"node {node} still answers at {address}; stop it, and its folder may go")


async def _gone(address: str) -> bool:
    deadline = time.monotonic() + PARTING_S
    while await _answer(address) is not None:
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(POLL_S)
    return True


# ---- commands

_credential = click.Option(
    ["--credential"],
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Holds super:password, readable by its owner alone; default: that of ./deploy.sh in this directory.",
)

add = verb(
    "add", "zooweeper member add 4=10.0.0.4", "zooweeper member add 5=10.0.0.5 --observer", "zooweeper member add 5"
)(_add)
add.params[:0] = [
    click.Argument(["member"], metavar="ID[=HOST[:WIRE:GRPC:PEER:ADMIN]]"),
    click.Option(["--observer"], is_flag=True, help="It follows and serves reads, and has no vote."),
    click.Option(
        ["--wait"],
        callback=seconds,
        default=f"{CATCH_UP_S:g}",
        metavar="TIME",
        help=f"How long to wait for the node to catch up; default {CATCH_UP_S:g}s.",
    ),
    _credential,
]
remove = verb("remove", "zooweeper member remove 4", "zooweeper member remove 4 --credential ~/.zooweeper-super")(
    _remove
)
remove.params[:0] = [click.Argument(["node"], type=click.IntRange(1, 255), metavar="ID"), _credential]

listing = common(
    click.Command(
        "list",
        callback=_list,
        help=_list.__doc__,
        epilog=example("zooweeper member list", "zooweeper member list -o json"),
    )
)
member = click.Group(
    "member",
    commands={"list": listing, "add": add, "remove": remove},
    help="Who belongs to the ensemble. Nodes come and go while it runs.",
    epilog=example("zooweeper member list", "zooweeper member add 4=10.0.0.4", "zooweeper member remove 2"),
)
