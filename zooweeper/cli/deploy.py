"""What `./deploy.sh` does once there is an environment: an ensemble on this host, started and looked after.

Rules: start the processes first, and do everything else while they start; the time to the first write is measured.
Every command may be given twice. Answers on stdout, complaints as one line on stderr.
"""

import argparse
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from zooweeper.cli import ports, status, text
from zooweeper.cli.ensemble import Ensemble, EnsembleError
from zooweeper.cli.settings import PORTS, SUPER_FILE, SettingsError, number
from zooweeper.cli.status import Asker, Health, NodeStatus, health

if TYPE_CHECKING:
    from grades.fleet import Fleet

EXAMPLES = """\
examples:
  ./deploy.sh 3                        three nodes on 127.0.0.1, ports 2181.., 5181.., 2888.., 8081..
  ./deploy.sh 5 --dir /tmp/five --base-port 21000
  ./deploy.sh 3 --observers 2          and two more that follow and have no vote
  ./deploy.sh status                   who leads, who follows, do the replicas agree
  ./deploy.sh kill leader              kill -9; shows how long the others need
  ./deploy.sh start                    starts what is down
  ./deploy.sh restart 2
  ./deploy.sh logs 2
  ./deploy.sh add                      one more node, while it runs; --observer: without a vote
  ./deploy.sh remove 4                 one less
  ./deploy.sh stop                     all nodes, data stays
  ./deploy.sh wipe                     all nodes and all data
  ./deploy.sh 3 --grades 3             and the replicated grade database: db1 to db3 (docs/grades.md)
  ./deploy.sh kill db2                 stop, start, restart, kill and logs know them by name
  ./deploy.sh kill grades-leader       shows how long the other database servers need
"""
ELECTION_S = 10.0
LOG_LINES = 20


class Parser(argparse.ArgumentParser):
    """Usage errors in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"deploy.sh: {message}; see ./deploy.sh --help\n")


def main(argv: Sequence[str] | None = None) -> int:
    parser = Parser(
        prog="./deploy.sh",
        description="Starts an ensemble of N nodes on this host and looks after it.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", help=f"N, or one of: {', '.join(COMMANDS)}")
    parser.add_argument("node", nargs="?", help="a node's id, or a database server's name; for kill also: leader")
    parser.add_argument("--dir", default=".zooweeper", help="folder of the data (default: .zooweeper here)")
    parser.add_argument("--base-port", type=int, help="wire P.., gRPC P+1000.., peers P+2000.., admin P+3000..")
    parser.add_argument("--observers", type=int, default=0, help="so many more nodes without a vote")
    parser.add_argument("--observer", action="store_true", help="of add: the node gets no vote")
    parser.add_argument("--grades", type=int, metavar="M", help="and M servers of the replicated grade database")
    parser.add_argument("--cassandra", metavar="HOST:PORT", help="with --grades: where they keep their copies")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table", help="of status")
    given = parser.parse_args(argv)
    try:
        if number(given.what) >= 0:
            if given.cassandra is not None and given.grades is None:
                parser.error("--cassandra is where database servers keep their copies; say how many: --grades 3")
            folder, nodes = Path(given.dir), number(given.what)
            return deploy(folder, nodes, given.base_port, given.observers, given.grades, given.cassandra)
        command = COMMANDS.get(given.what)
        if command is None:
            parser.error(f'no such command "{given.what}"{text.did_you_mean(given.what, COMMANDS)}')
        ensemble = open_ensemble(Path(given.dir))
        if given.node is not None and number(given.node) < 0 and given.node != "leader":
            from grades import deploying

            return deploying.command(ensemble, given.what, given.node)
        return command(ensemble, given)
    except (EnsembleError, SettingsError) as error:
        print(f"deploy.sh: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def open_ensemble(folder: Path) -> Ensemble:
    if not (folder / "ensemble.json").exists():
        raise EnsembleError(f"no ensemble in {folder.absolute()}; make one with ./deploy.sh 3")
    return Ensemble.open(folder)


def deploy(
    folder: Path,
    nodes: int,
    base_port: int | None,
    observers: int = 0,
    grades: int | None = None,
    cassandra: str | None = None,
) -> int:
    """Makes the ensemble if there is none, starts what is down, waits until all serve. `grades`: and so many servers
    of the grade database, `cassandra`: where they keep their copies, if not in files."""
    began = time.monotonic()
    if (folder / "ensemble.json").exists():
        ensemble = Ensemble.open(folder)
        if len(ensemble.members) != nodes + observers:
            raise EnsembleError(
                f"the ensemble in {folder} has {len(ensemble.members)} nodes, not {nodes + observers}; "
                "wipe it first (./deploy.sh wipe) or choose another --dir"
            )
        first = ensemble.members[0].wire.port
        if base_port is not None and first != base_port:
            raise EnsembleError(f"the ensemble in {folder} has base port {first}, not {base_port}; wipe it first")
    else:
        ensemble = Ensemble.create(folder, nodes, base_port, observers)
    chosen = [getattr(member, door).port for member in ensemble.members for door, _ in PORTS]
    started: tuple[object, ...] = ensemble.start()
    if grades is not None:
        from grades import deploying

        fleet = deploying.prepare(ensemble, grades, cassandra)
        chosen += fleet.ports
        started += fleet.start()
    if warning := ports.drawn(chosen):
        print(f"deploy.sh: {warning}", file=sys.stderr)
    verdict = show(ensemble.wait_healthy())
    if grades is not None:
        deploying.show(fleet.wait_level())
    took = time.monotonic() - began
    print(f"ready in {took:.1f} s" if started else "it runs already", end="; data in ")
    print(f"{ensemble.folder}")
    wires = ",".join(str(member.wire) for member in ensemble.members)
    print("next: .venv/bin/zooweeper create /hello world   .venv/bin/zooweeper shell   ./deploy.sh kill leader", end="")
    print(f"   a ZooKeeper client at {wires}")
    return 0 if verdict.quorum else 75


def show(rows: Sequence[NodeStatus]) -> Health:
    """One line per node, and the verdict."""
    head, *lines = text.table(status.COLUMNS, status.cells(rows))
    print(text.paint(head, "bold", sys.stdout))
    for line, one in zip(lines, rows, strict=True):
        print(text.paint(line, "red", sys.stdout) if not one.up else line)
    verdict = health(rows)
    good = verdict.quorum and not verdict.diverged
    print(text.paint(str(verdict), "green" if good else "red", sys.stdout))
    return verdict


def _fleet(ensemble: Ensemble, given: argparse.Namespace) -> "Fleet | None":
    """The database servers, where there are some and the command concerns everything."""
    if given.node is not None or not (ensemble.folder / "grades").exists():
        return None
    from grades.fleet import Fleet

    return Fleet.open(ensemble)


def _status(ensemble: Ensemble, given: argparse.Namespace) -> int:
    rows = ensemble.status()
    if given.output == "json":
        print(status.as_json(rows))
        verdict = health(rows)
    else:
        verdict = show(rows)
        fleet = _fleet(ensemble, given)
        if fleet:
            from grades import deploying

            deploying.show(fleet.status())
    return 0 if verdict.quorum and not verdict.diverged else 75


def _stop(ensemble: Ensemble, given: argparse.Namespace) -> int:
    fleet = _fleet(ensemble, given)
    servers = fleet.stop() if fleet else ()  # first: they leave by the nodes
    _say("stopped", ensemble.stop(_nodes(ensemble, given)), "nothing ran", servers)
    return 0


def _start(ensemble: Ensemble, given: argparse.Namespace) -> int:
    started = ensemble.start(_nodes(ensemble, given))
    fleet = _fleet(ensemble, given)
    _say("started", started, "nothing was down", fleet.start() if fleet else ())
    _wait_and_show(ensemble, fleet)
    return 0


def _restart(ensemble: Ensemble, given: argparse.Namespace) -> int:
    for node in _nodes(ensemble, given) or ensemble.ids:
        ensemble.restart(node)
        ensemble.wait_healthy(nodes=ensemble.running())
        _say("restarted", (node,), "")
    fleet = _fleet(ensemble, given)
    if fleet:
        from grades import deploying

        for name in fleet.names:
            deploying.renew(fleet, name)
    _wait_and_show(ensemble, fleet)
    return 0


def _kill(ensemble: Ensemble, given: argparse.Namespace) -> int:
    before = ensemble.status()
    if given.node in (None, "leader"):
        leader = health(before).leader
        if leader is None or leader.id is None:
            raise EnsembleError("no node leads just now; name one by its id")
        node = leader.id
    else:
        node = _one(ensemble, given)
    victim = next(one for one in before if one.id == node)
    rest = [member for member in ensemble.members if member.id != node]
    voters = health(before).members
    with Asker([str(member.grpc) for member in rest]) as asker:
        asker.ask()  # so that the channels are there before the clock starts
        killed = time.monotonic()
        at = datetime.now().strftime("%H:%M:%S.%f")[:-3]
        if not ensemble.kill(node):
            raise EnsembleError(f"node {node} does not run")
        print(f"node {node} ({victim.role}, epoch {victim.epoch}, pid {victim.pid}) killed with SIGKILL at {at}")
        if victim.role != "leader" or not rest:
            return 0
        while time.monotonic() - killed < ELECTION_S:
            replies = asker.ask()
            rows = status.settle([status.row(reply, "") for reply in replies], replies)
            for one in rows:
                if one.role == "leader" and one.serving and (one.epoch or 0) > (victim.epoch or 0):
                    took = (time.monotonic() - killed) * 1000
                    print(f"node {one.id} leads epoch {one.epoch} after {took:.0f} ms; next: ./deploy.sh start")
                    return 0
            if sum(one.up and one.standing == status.VOTER for one in rows) < status.majority(voters):
                break
    print("no majority is left, so nobody leads; bring nodes back: ./deploy.sh start")
    return 0


def _wipe(ensemble: Ensemble, given: argparse.Namespace) -> int:
    _refuse_node(given)
    fleet = _fleet(ensemble, given)
    if fleet:
        fleet.kill()
    ensemble.wipe()
    print(f"removed {ensemble.folder}")
    return 0


def _logs(ensemble: Ensemble, given: argparse.Namespace) -> int:
    for node in _nodes(ensemble, given) or ensemble.ids:
        print(text.paint(f"--- node {node}: {ensemble.log_path(node)}", "dim", sys.stdout))
        print(ensemble.log_tail(node, LOG_LINES))
    fleet = _fleet(ensemble, given)
    if fleet:
        from grades import deploying

        for name in fleet.names:
            deploying.logs(fleet, name)
    return 0


def _rejoin(ensemble: Ensemble, given: argparse.Namespace) -> int:
    node = _one(ensemble, given)
    ensemble.rejoin(node)
    ensemble.start((node,))
    _say("rejoined, without a vote until it has synchronized:", (node,), "")
    _wait_and_show(ensemble)
    return 0


def _add(ensemble: Ensemble, given: argparse.Namespace) -> int:
    _refuse_node(given)
    if not health(ensemble.status()).quorum:
        raise EnsembleError("nodes come by agreement, and no majority is there to agree; ./deploy.sh start first")
    before = ensemble.hosts
    one = ensemble.join(given.observer)
    try:
        ensemble.start((one.id,))
        ensemble.wait_up(one.id)
    except EnsembleError:
        ensemble.stop((one.id,))
        shutil.rmtree(ensemble.leave(one.id))  # it has never been more than a name
        raise
    place = ":".join(str(getattr(one, door).port) for door, _ in PORTS)
    words = ["add", f"{one.id}={one.peer.host}:{place}", *(["--observer"] if given.observer else [])]
    code = _member(ensemble, before, words)
    return code or _status(ensemble, given)


def _remove(ensemble: Ensemble, given: argparse.Namespace) -> int:
    node = _one(ensemble, given)
    rows = ensemble.status()
    foreign = health(rows).quorum and any(one.id == node and one.standing == status.NOBODY for one in rows)
    code = 0 if foreign else _member(ensemble, ensemble.hosts, ["remove", str(node)])
    if not code:
        ensemble.stop((node,))  # if it has not left by itself
        print(f"its folder is {ensemble.leave(node)}")
        return _status(ensemble, given)
    return code


def _member(ensemble: Ensemble, hosts: str, words: list[str]) -> int:
    """`zooweeper member`, as the super user of this ensemble; its exit code."""
    from zooweeper.cli.main import run

    return run(["member", *words, "--hosts", hosts, "--credential", str(ensemble.folder / SUPER_FILE)])


COMMANDS: dict[str, Callable[[Ensemble, argparse.Namespace], int]] = {
    "status": _status,
    "stop": _stop,
    "start": _start,
    "restart": _restart,
    "kill": _kill,
    "wipe": _wipe,
    "logs": _logs,
    "rejoin": _rejoin,
    "add": _add,
    "remove": _remove,
}


def _one(ensemble: Ensemble, given: argparse.Namespace) -> int:
    if given.node is None or number(given.node) < 0:
        raise EnsembleError(f"{given.what} needs a node's id, one of {', '.join(map(str, ensemble.ids))}")
    return ensemble.member(number(given.node)).id


def _nodes(ensemble: Ensemble, given: argparse.Namespace) -> tuple[int, ...] | None:
    return None if given.node is None else (_one(ensemble, given),)


def _refuse_node(given: argparse.Namespace) -> None:
    if given.node is not None:
        raise EnsembleError(f"{given.what} concerns the whole ensemble and takes no id")


def _wait_and_show(ensemble: Ensemble, servers: "Fleet | None" = None) -> None:
    running = ensemble.running()
    voters = [member.id for member in ensemble.members if not member.observer]
    quorum = sum(node in running for node in voters) >= status.majority(len(voters))
    if quorum:
        ensemble.wait_healthy(nodes=running)
    show(ensemble.status())
    if servers:
        from grades import deploying

        deploying.show(servers.wait_level() if quorum else servers.status())


def _say(what: str, nodes: Sequence[int], nothing: str, servers: Sequence[str] = ()) -> None:
    names = [*(f"node {node}" for node in nodes), *servers]
    print(f"{what} {' '.join(names)}" if names else nothing)


if __name__ == "__main__":
    sys.exit(main())
