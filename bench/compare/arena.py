"""Where it takes place: the ensembles beside each other, who plays on them, and the parts of the comparison.

Rules: whoever takes part in a part runs before anything of it is measured, and until its end. ZooKeeper is warmed up
first, with all kinds of load: a Java program that was just started is slow, and nobody wants to know how slow. A load
begins when all have come to rest: what somebody does after a load (snapshots, collections) disturbs nobody else's. A
start needs ensembles of its own, and is measured when the others are gone.
"""

import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bench.compare import h2load, matrix
from bench.compare.measured import Figures, Load, generate
from bench.compare.recovery import kill_to_next_write, start_to_first_write
from bench.compare.rivals import RIVALS, Servers, Zooweeper, missing_h2load
from bench.compare.turns import Player, Round, play
from bench.rig import cpu_seconds
from bench.say import Say
from bench.wire import Connection
from zooweeper.model.acl import OPEN
from zooweeper.model.config import FAST, Address
from zooweeper.ops.create import Create

WARM_UP_S = 0.5  # of every load
WARM_S = 20.0  # of ZooKeeper
WARM_LOADS = (Load("set", 30, 16), Load("get", 30, 16), Load("create", 30, 16), Load("mix", 30, 16))
IDLE_S = 2.0
REST_S, REST_MOST_S = 0.8, 20.0  # how long all have to be at rest, and how long that is waited for
REST_CORES = 0.2  # for all of them together, whose heartbeats go on
OURS = "port"
SESSION_MS = 10_000


@dataclass(slots=True)
class Run:
    """How it is to be measured, and what came up meanwhile."""

    say: Say
    folder: Path
    rounds: int
    seconds: float
    rivals: Sequence[str]  # those that are here
    carrier: str = FAST  # between our own nodes
    settings: dict[str, str] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)

    def play(self, what: str, matches: Sequence[matrix.Match], players: Mapping[str, Player]) -> list[Round]:
        return play(what, matches, players, self.rounds, self.say, self.failed)

    def make(self, name: str) -> Servers:
        """An ensemble in a folder of its own; it does not run yet."""
        folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.folder))
        servers: Servers = Zooweeper(folder, self.carrier) if name == OURS else RIVALS[name][0](folder)
        self.settings[name] = servers.settings
        return servers

    @contextmanager
    def running(self, names: Iterable[str]) -> Iterator[dict[str, Servers]]:
        """Ensembles that serve, by their names; they are gone with the `with` block."""
        made: dict[str, Servers] = {}
        try:
            for name in names:
                self.say.line(f"starting {name}")
                made[name] = self.make(name)
                made[name].start()
                made[name].wait()
            yield made
        finally:
            for servers in made.values():
                servers.kill()


def loads(run: Run, matches: Sequence[matrix.Match], kills: bool) -> list[Round]:
    """The matrix, and the kills of leaders after it: a server that comes back is not warm any more."""
    wanted = {side for match in [*matches, *[matrix.KILL] * kills] for side in (match.ours, match.theirs)}
    with run.running([OURS, *(name for name in run.rivals if name in wanted)]) as servers:
        run.settings["idle"] = f"idle beside the others, CPU of three nodes: {idle(servers)}"
        players = {name: rested(player, servers, run.say) for name, player in players_of(servers, run.seconds).items()}
        if "zookeeper" in players:
            for load in run.say.each("warming ZooKeeper up", WARM_LOADS, len(WARM_LOADS)):
                generate("zk", servers["zookeeper"].hosts, load, WARM_S / len(WARM_LOADS), WARM_UP_S, ())
        rounds = run.play("loads", matches, players)
        if kills:
            killers = {name: partial(killed, one) for name, one in servers.items()}
            rounds += run.play("kills of the leader", [matrix.KILL], killers)
    return rounds


def rested(player: Player, servers: Mapping[str, Servers], say: Say) -> Player:
    """The same player, who waits until all servers have come to rest. Who never does is said to disturb."""

    def play(load: Load) -> Figures:
        end = time.monotonic() + REST_MOST_S
        used = cpu_seconds(pids := [pid for one in servers.values() for pid in one.pids])
        while time.monotonic() < end:
            time.sleep(REST_S)  # the span that the processors' time is measured over: less of it is too coarse
            before, used = used, cpu_seconds(pids)
            if used - before < REST_CORES * REST_S:
                break
        else:
            say.line(f"no rest within {REST_MOST_S:.0f} s: the next figures are disturbed by what the servers still do")
        return player(load)

    return play


def idle(servers: Mapping[str, Servers]) -> str:
    """What each takes while nobody asks."""
    before = {name: cpu_seconds(one.pids) for name, one in servers.items()}
    time.sleep(IDLE_S)
    used = {name: cpu_seconds(one.pids) - before[name] for name, one in servers.items()}
    return ", ".join(f"{name} {seconds / IDLE_S:.1%}" for name, seconds in used.items())


def players_of(servers: Mapping[str, Servers], seconds: float) -> dict[str, Player]:
    """Everybody who can take a load, on the servers that are here."""
    ours = servers[OURS]
    assert isinstance(ours, Zooweeper)

    def generated(scheme: str, one: Servers, hosts: Sequence[Address]) -> Player:
        return lambda load: generate(scheme, hosts, load, seconds, WARM_UP_S, one.pids)

    def called(player: str, one: Servers, hosts: Sequence[Address]) -> Player:
        return lambda load: h2load.run(player, hosts, load, seconds, WARM_UP_S, one.pids)

    players = {OURS: generated("zk", ours, ours.hosts), "stream": generated("zw", ours, ours.grpc_hosts)}
    if "zookeeper" in servers:
        players["zookeeper"] = generated("zk", servers["zookeeper"], servers["zookeeper"].hosts)
    if "etcd" in servers:
        players["etcd"] = generated("etcd", servers["etcd"], servers["etcd"].hosts)
    if not missing_h2load():
        make_key(ours)
        players["unary"] = called("unary", ours, ours.grpc_hosts)
        if "etcd" in servers:
            players["etcd, our generator"] = players["etcd"]
            players["etcd"] = called("etcd", servers["etcd"], servers["etcd"].hosts)
    return players


def make_key(ours: Zooweeper) -> None:
    """The znode of the unary calls, known to every node."""
    for host in ours.hosts:
        connection = Connection(host, SESSION_MS)
        connection.ask(Create, Create.Request(h2load.KEY, b"", list(OPEN)))
        connection.close()


def killed(servers: Servers, load: Load) -> Figures:
    return {"s": kill_to_next_write(servers)}


def starts(run: Run) -> list[Round]:
    """Fresh ensembles, one after the other."""

    def started(name: str, load: Load) -> Figures:
        servers = run.make(name)
        try:
            return {"s": start_to_first_write(servers)}
        finally:
            servers.kill()

    players = {name: partial(started, name) for name in (OURS, *run.rivals) if name != "etcd"}
    return run.play("starts", [matrix.START], players)
