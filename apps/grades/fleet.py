"""The database servers beside an ensemble on this host: made, started, killed and watched through one class.

Rules: as for the nodes (zooweeper.cli.ensemble): the folder is the truth (`grades/fleet.json`, and `pid`, `log.txt` and
`data.db` in `grades/db1`, below that of the ensemble), so any number of programs may handle one fleet after another.
Nothing here runs in the servers. Used by deploy.sh, the demo, the bars and the tests:

    with Ensemble.temporary(3) as ensemble, Fleet.create(ensemble, 3) as fleet:
        ensemble.start()
        fleet.start()
        fleet.wait_level()
        fleet.kill(fleet.leader())
"""

import signal
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from grades import status
from grades.status import Asker, ServerStatus
from zooweeper.cli import ports, settings
from zooweeper.cli.ensemble import Ensemble, EnsembleError, locked
from zooweeper.cli.process import STOP_S, Process, end
from zooweeper.model.config import Address

FOLDER = "grades"
FLEET_FILE = "fleet.json"
FROM_WIRE = 4000  # from a node's ZooKeeper port to the port of the database server of the same number
SERVERS_MAX = 9
WAIT_S = 30.0
POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Server:
    """One database server, as `fleet.json` describes it."""

    name: str
    address: Address


class Fleet:
    """The database servers in the folder of an ensemble."""

    def __init__(self, ensemble: Ensemble, servers: Sequence[Server], options: Sequence[str]) -> None:
        self.ensemble = ensemble
        self.folder = ensemble.folder / FOLDER
        self.options = tuple(options)
        self._servers = {server.name: server for server in servers}
        self._processes = {server.name: Process(self.folder / server.name, "log.txt") for server in servers}

    # ---- making and finding

    @classmethod
    def create(
        cls,
        ensemble: Ensemble,
        servers: int,
        options: Sequence[str] = (),
        first_port: int | None = None,
        addresses: Sequence[Address] = (),
    ) -> "Fleet":
        """Makes the folders of db1, db2, ... `options`: more words for every `python -m grades.serve`. `addresses`:
        where each listens, if not on this host's ports from `first_port` on."""
        if not 1 <= servers <= SERVERS_MAX:
            raise EnsembleError(f"there are 1 to {SERVERS_MAX} database servers, not {servers}")
        folder = ensemble.folder / FOLDER
        if cls.beside(ensemble):
            raise EnsembleError(f"{folder} holds database servers already")
        first_port = first_port or min(member.wire.port - member.id for member in ensemble.members) + 1 + FROM_WIRE
        addresses = addresses or [Address("127.0.0.1", first_port + i) for i in range(servers)]
        if max(address.port for address in addresses) > 65535:
            raise EnsembleError(
                f"port {max(address.port for address in addresses)} of a database server is above 65535"
            )
        known = [Server(f"db{i}", address) for i, address in enumerate(addresses, 1)]
        for server in known:
            (folder / server.name).mkdir(mode=0o700, parents=True, exist_ok=True)
        rows = [{"name": server.name, "address": str(server.address)} for server in known]
        settings.write_json(folder / FLEET_FILE, {"servers": rows, "options": list(options)})
        return cls(ensemble, known, options)

    @staticmethod
    def beside(ensemble: Ensemble) -> bool:
        """Whether there are database servers in the folder of an ensemble."""
        return (ensemble.folder / FOLDER / FLEET_FILE).exists()

    @classmethod
    def open(cls, ensemble: Ensemble) -> "Fleet":
        """The servers beside an ensemble. EnsembleError when there are none."""
        path = ensemble.folder / FOLDER / FLEET_FILE
        if not cls.beside(ensemble):
            raise EnsembleError(f"no database servers in {ensemble.folder}; make some with ./deploy.sh 3 --grades 3")
        try:
            value = settings.read_json(path)
            servers = [Server(row["name"], settings.parse_address(row["address"])) for row in value["servers"]]
            return cls(ensemble, servers, [str(word) for word in value["options"]])
        except settings.SettingsError as error:
            raise EnsembleError(str(error)) from None
        except (KeyError, TypeError, AttributeError):
            raise EnsembleError(f"{path} is damaged") from None

    def __enter__(self) -> "Fleet":
        return self

    def __exit__(self, *_: object) -> None:
        """They end with their `with` block; the folder goes with that of the ensemble."""
        self.kill()

    # ---- what there is

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._servers)

    @property
    def hosts(self) -> str:
        """The connect string of all servers, for clients."""
        return ",".join(self.addresses.values())

    @property
    def addresses(self) -> dict[str, str]:
        return {name: str(server.address) for name, server in self._servers.items()}

    @property
    def ports(self) -> tuple[int, ...]:
        return tuple(server.address.port for server in self._servers.values())

    def pid(self, name: str) -> int | None:
        return self._of(name).pid()

    def running(self) -> tuple[str, ...]:
        return tuple(name for name in self.names if self.pid(name) is not None)

    def log_path(self, name: str) -> Path:
        return self._of(name).log

    def log_tail(self, name: str, lines: int = 1) -> str:
        return self._of(name).log_tail(lines)

    # ---- doing

    def start(self, names: Iterable[str] | None = None) -> tuple[str, ...]:
        """Starts those that do not run; returns which. Does not wait until they are level."""
        with locked(self.folder):
            down = [name for name in (self.names if names is None else names) if self.pid(name) is None]
            for name in down:
                self._check_port(name)
                self._processes[name].spawn(self._command(self._servers[name]))
            return tuple(down)

    def stop(self, names: Iterable[str] | None = None, timeout_s: float = STOP_S) -> tuple[str, ...]:
        """SIGTERM, then waits until they are gone; whoever stays is killed. Returns who ran."""
        return self._end(names, signal.SIGTERM, timeout_s)

    def kill(self, names: str | Iterable[str] | None = None) -> tuple[str, ...]:
        """SIGKILL to all of `names` at once (default: everybody), then waits until they are gone."""
        return self._end((names,) if isinstance(names, str) else names, signal.SIGKILL, STOP_S)

    def restart(self, name: str) -> None:
        self.stop((name,))
        self.start((name,))

    def pause(self, name: str) -> None:
        self._signal(name, signal.SIGSTOP)

    def resume(self, name: str) -> None:
        self._signal(name, signal.SIGCONT)

    # ---- watching

    def status(self, timeout_s: float = 1.0) -> list[ServerStatus]:
        """One row per server; those that do not answer are `down`."""
        with Asker(self.addresses) as asker:
            return asker.ask(timeout_s)

    def wait(
        self, wanted: Callable[[list[ServerStatus]], bool], what: str, names: Iterable[str] | None, timeout_s: float
    ) -> list[ServerStatus]:
        """Polls until the rows of `names` (default: all) are as wanted, and returns them. EnsembleError, with the rows
        or the last line of its log, when time is up or one of the processes has ended."""
        chosen = self.names if names is None else tuple(names)
        deadline = time.monotonic() + timeout_s
        with Asker({name: self.addresses[name] for name in chosen}) as asker:
            while True:
                rows = asker.ask(max(0.05, min(1.0, deadline - time.monotonic())))
                if wanted(rows):
                    return rows
                for name in chosen:
                    if self.pid(name) is None:
                        raise EnsembleError(f"{name} has ended: {self.log_tail(name) or 'no log'}")
                if time.monotonic() > deadline:
                    shown = ", ".join(f"{one.name} {one.state} at {one.applied} of {one.last}" for one in rows)
                    raise EnsembleError(f"not {what} within {timeout_s:g} s: {shown}; see {self.folder}/db*/log.txt")
                time.sleep(POLL_S)

    def wait_level(self, names: Iterable[str] | None = None, timeout_s: float = WAIT_S) -> list[ServerStatus]:
        """Until `names` are level and one of all servers leads."""
        return self.wait(
            lambda rows: all(one.level and one.leader for one in rows), "level under a leader", names, timeout_s
        )

    def wait_equal(self, timeout_s: float = WAIT_S) -> list[ServerStatus]:
        """Until all servers have applied the same number; nothing may be written meanwhile. EnsembleError when they do
        not get there, or their tables differ."""

        def there(rows: list[ServerStatus]) -> bool:
            return all(one.level for one in rows) and len({n for one in rows for n in (one.applied, one.last)}) == 1

        rows = self.wait(there, "at one number", None, timeout_s)
        if not status.equal(rows):
            raise EnsembleError(f"copies differ: {[(one.name, one.applied, one.digest) for one in rows]}")
        return rows

    def leader(self, timeout_s: float = WAIT_S) -> str:
        """The name of the leader; waits for one."""
        running = self.running()
        rows = self.wait(lambda rows: status.leader_of(rows) is not None, "led", running or None, timeout_s)
        name = status.leader_of(rows)
        assert name is not None
        return name

    # ---- inside

    def _of(self, name: str) -> Process:
        if name not in self._processes:
            raise EnsembleError(f"there is no database server {name}; there are {', '.join(self.names)}")
        return self._processes[name]

    def _command(self, server: Server) -> list[str]:
        words = [sys.executable, "-m", "grades.serve", "--name", server.name, "--hosts", self.ensemble.hosts]
        return [*words, "--listen", str(server.address), "--data", str(self.folder / server.name), *self.options]

    def _check_port(self, name: str) -> None:
        address = self._servers[name].address
        if not ports.can_bind(address):
            who = ports.holder(address.port) or "another program"
            raise EnsembleError(f"port {address} of {name} is taken by {who}; stop it or choose --base-port")

    def _signal(self, name: str, number: signal.Signals) -> None:
        if not self._of(name).signal(number):
            raise EnsembleError(f"{name} does not run")

    def _end(self, names: Iterable[str] | None, number: signal.Signals, timeout_s: float) -> tuple[str, ...]:
        chosen = {self._of(name): name for name in (self.names if names is None else names)}
        return tuple(chosen[one] for one in end(chosen, number, timeout_s))
