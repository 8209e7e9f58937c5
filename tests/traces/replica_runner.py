"""Runs the scripts of tests/traces/replica: whole brains, with clients; otherwise as zab_runner.py.

Rules: clients are names (`c1`); their running numbers count by themselves unless a script says `number=`. After every
step nodes at the same zxid must have the same digest. Chance is seeded with the node's id and life.
"""

import random
from typing import Any

from sim.members import ids_words, members, parse_ids, server
from sim.words import words
from tests.golden import Command
from tests.traces.zab_runner import TIMING, Node, ZabRunner
from zooweeper.model.acl import OPEN
from zooweeper.model.config import Config
from zooweeper.model.durable import Logged
from zooweeper.model.entry import Batch
from zooweeper.model.errors import ErrorCode
from zooweeper.model.events import EventType
from zooweeper.model.members import parse as parse_members
from zooweeper.model.zxid import parse, show
from zooweeper.ops.create import EPHEMERAL, SEQUENTIAL, Create
from zooweeper.ops.data import GetData, SetData, WatchRequest
from zooweeper.ops.delete import Delete
from zooweeper.ops.op import Kind
from zooweeper.ops.read import Exists
from zooweeper.ops.reconfig import Founding, Members, Reconfig
from zooweeper.ops.session import AddIdentity, CloseSession, Sync
from zooweeper.ops.table import OPS
from zooweeper.replica.events import Ask, Clock, Connect, Disconnect, Heard
from zooweeper.replica.outbox import Alive, Answer, Hangup, Notice, Outbox, Refused, Welcome, receivers
from zooweeper.replica.replica import Replica

SESSION_TIMEOUT_MS = 4000


class Brain(Node):
    """A node that runs a replica instead of zab alone."""

    def start(self) -> None:
        self.lives += 1
        config = Config(self.id, "trace", members(self.settings.voters, self.settings.observers), "", TIMING)
        self.peer = Replica(config, self.store.recover(), random.Random(self.id * 100 + self.lives))
        self.jobs.clear()


class Client:
    """One client: its session, and where it is connected."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.session = 0
        self.secret = b""
        self.number = 0
        self.xid = 0
        self.seen = 0
        self.node = 0
        self.connection = 0


class ReplicaRunner(ZabRunner):
    """One script's world, with clients."""

    def __init__(self) -> None:
        super().__init__()
        self.clients: dict[str, Client] = {}
        self.connections = 0

    # --- the script's commands

    def do_cluster(self, command: Command) -> None:
        """nodes=N [observers=N] [spare=N] [hide="..."]: N voters, and the others of zab_runner.py; started, connected,
        with a leader; nothing is printed but who leads."""
        super().do_cluster(command)
        self.hidden = tuple(command.options.get("hide", "Vote Ping Pong").split())
        self.nodes = {id: Brain(id, node.settings, node.store.voting) for id, node in self.nodes.items()}
        self.do_start(Command("start", [str(id) for id, node in self.nodes.items() if node.store.voting], {}, ""))
        self.do_connect(Command("connect", ["all"], {}, ""))
        self.do_elect(Command("elect", [], {}, ""))

    def do_open(self, command: Command) -> None:
        """CLIENT… at=NODE: a new session; settles quietly until it is there."""
        for name in command.words:
            self.clients[name] = Client(name)
            self._connect(self.clients[name], command.number("at", 1))
            lines, self.lines = self.lines, []
            self.do_settle(Command("settle", [], {}, ""))
            self.lines = lines + [line for line in self.lines if " welcome " in line]

    def do_attach(self, command: Command) -> None:
        """CLIENT at=NODE: the session goes on there; what was on the old connection is lost."""
        self._connect(self.clients[command.words[0]], command.number("at", 1))

    def do_gone(self, command: Command) -> None:
        """CLIENT: its connection ends, and the node learns it."""
        client = self.clients[command.words[0]]
        self.step(self.nodes[client.node], Disconnect(client.connection))

    def do_heard(self, command: Command) -> None:
        """CLIENT…: it pings."""
        for name in command.words:
            self.step(self.nodes[self.clients[name].node], Heard(self.clients[name].connection))

    def do_request(self, command: Command) -> None:
        """CLIENT OPERATION PATH [DATA] [version=N] [number=N] [watch=yes] [linear=yes] [flags=ephemeral|sequential]; or
        CLIENT superuser; or CLIENT reconfig, see there."""
        client, name = self.clients[command.words[0]], command.words[1]
        path = command.words[2] if len(command.words) > 2 else "/"
        data = command.words[3].encode() if len(command.words) > 3 else b""
        flags = {"ephemeral": EPHEMERAL, "sequential": SEQUENTIAL, "": 0}[command.options.get("flags", "")]
        watch = "watch" in command.options
        version = command.number("version", -1)
        op, request = {
            "create": (Create, Create.Request(path, data, list(OPEN), flags)),
            "setData": (SetData, SetData.Request(path, data, version)),
            "delete": (Delete, Delete.Request(path, version)),
            "getData": (GetData, WatchRequest(path, watch)),
            "exists": (Exists, WatchRequest(path, watch)),
            "sync": (Sync, Sync.Request(path)),
            "close": (CloseSession, CloseSession.Request()),
            "superuser": (AddIdentity, AddIdentity.Request("super", "")),
            "reconfig": (Reconfig, reconfig(command)),
        }[name]
        number = 0
        if op.kind in (Kind.WRITE, Kind.SESSION):
            client.number = number = command.number("number", client.number + 1)
        client.xid += 1
        ask = Ask(client.connection, client.xid, op.code, request.encode(), number, "linear" in command.options)
        self.step(self.nodes[client.node], ask)

    # --- how it works

    def _connect(self, client: Client, node: int) -> None:
        self.connections += 1
        client.connection, client.node = self.connections, node
        client.xid = 0
        self.step(
            self.nodes[node],
            Connect(client.connection, client.session, client.secret, SESSION_TIMEOUT_MS, client.seen, 10, ""),
        )

    def step(self, node: Node, event: Any) -> None:
        """As the runtime does: the time first."""
        assert node.peer is not None, f"node {node.id} is down"
        node.peer.step(Clock(self.now_ms, self.now_ms))
        super().step(node, event)

    def take(self, node: Node, before: str) -> None:
        outboxes = [node.peer.take()]
        while outboxes[-1].more:
            outboxes.append(node.peer.take())
        after = self.state(node)
        if after != before:
            self.lines.append(after)
        for outbox in outboxes:
            self._carry_out(node, outbox)
        self._digests()

    def _carry_out(self, node: Node, outbox: Outbox) -> None:
        for record in outbox.disk:
            text = entries(record.batch) if isinstance(record, Logged) else words(record)
            self.lines.append(f"{node.id} disk {text}")
        for to, message in outbox.now:
            self.send(node, to, message)
        for delivery in outbox.deliver:
            for connection in receivers(delivery):
                self.lines.append(f"{node.id} {self._delivery(delivery, connection)}")
        if outbox.disk or (outbox.after and node.jobs):
            node.jobs.append((outbox.disk, outbox.after))
        else:
            for to, message in outbox.after:
                self.send(node, to, message)
        if outbox.removed:
            self.lines.append(f"{node.id} ends: it was removed")
            self.do_crash(Command("crash", [str(node.id)], {}, ""))
            return
        if outbox.stop:
            self.lines.append(f"{node.id} stops: {outbox.stop}")

    def _delivery(self, delivery: Any, connection: int) -> str:
        client = next((one for one in self.clients.values() if one.connection == connection), None)
        name = client.name if client is not None else "nobody"
        match delivery:
            case Welcome():
                if client is not None:
                    client.session, client.secret, client.number = delivery.session, delivery.secret, delivery.number
                return f"welcome {name} number={delivery.number} zxid={show(delivery.zxid)}"
            case Answer():
                outcome = "ok" if not delivery.error else ErrorCode(delivery.error).name
                stale = " stale" if delivery.stale else ""
                why = f" ({delivery.detail})" if delivery.error == ErrorCode.NEW_CONFIG_NO_QUORUM else ""
                return f"answer {name} xid={delivery.xid} {outcome} zxid={show(delivery.zxid)}{stale}{why}"
            case Notice():
                return f"event {name} {EventType(delivery.type).name} {delivery.path} zxid={show(delivery.zxid)}"
            case Alive():
                return f"alive {name}"
            case Refused() | Hangup():
                return f"{type(delivery).__name__.lower()} {name} {delivery.error.name}"
        raise AssertionError(delivery)

    def _digests(self) -> None:
        """Nodes at the same zxid are equal."""
        seen: dict[int, tuple[int, int]] = {}
        for node in self.nodes.values():
            if node.peer is not None:
                state = node.peer.state
                digest, other = seen.setdefault(state.zxid, (state.digest(), node.id))
                assert digest == state.digest(), f"{other} and {node.id} differ at {show(state.zxid)}"

    def state(self, node: Node) -> str:
        if node.peer is None:
            return f"{node.id} down"
        status = node.peer.status()
        leader = f"({status.leader})" if status.leader not in (0, node.id) else ""
        return (
            f"{node.id} {status.role}{leader} {status.phase} e{status.epoch} log={show(status.zxid)} "
            f"executed={show(status.applied)} sessions={status.sessions}"
        )


def reconfig(command: Command) -> Reconfig.Request:
    """[voters=4,5] [observers=6] [leaving=1] [all=1,2/3] [from=ZXID]."""
    joining = [str(server(int(id))) for id in command.options.get("voters", "").split(",") if id]
    joining += [str(server(int(id), True)) for id in command.options.get("observers", "").split(",") if id]
    complete = parse_ids(command.options["all"]).text() if "all" in command.options else None
    version = parse(command.options["from"]) if "from" in command.options else -1
    return Reconfig.Request(",".join(joining) or None, command.options.get("leaving"), complete, version)


def entries(batch: Batch) -> str:
    """`2:1 setData /a, 2:2 create /b`."""
    parts = []
    for entry in batch.entries():
        op = OPS[entry.code]
        if entry.code in (Members.code, Founding.code):
            text = Members.Request.decode(entry.body).members
            parts.append(f"{show(entry.zxid)} {op.name} {ids_words(parse_members(text)) if text else 'refused'}")
            continue
        path = getattr(op.Request.decode(entry.body), "path", "")
        parts.append(f"{show(entry.zxid)} {op.name} {path}".rstrip())
    return ", ".join(parts)
