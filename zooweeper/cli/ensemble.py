"""An ensemble of real processes on this host: made, started, killed and watched through one class.

Rules: the folder is the truth about the processes (`ensemble.json`, `node-i/{node.json,pid,log,data}`; who is a member
the nodes themselves know), so any number of programs may handle one ensemble after another; a lock file keeps two from
starting nodes at the same time. A process is signalled only after its command line shows that it is our node. The super
user's password is drawn here and kept in the file `super`. Nothing here runs in the nodes. Used by deploy.sh, the
demos, the benchmarks and the tests:

    with Ensemble.temporary(3) as ensemble:
        ensemble.start()
        ensemble.wait_healthy()
        ensemble.kill(ensemble.leader())
"""

import contextlib
import fcntl
import os
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from zooweeper.cli import ports, settings
from zooweeper.cli.process import STOP_S, Process, end
from zooweeper.cli.settings import EnsembleSettings, SettingsError
from zooweeper.cli.status import NOBODY, Asker, NodeStatus, health, row, settle
from zooweeper.doors.identify import digest_of
from zooweeper.model.config import Member
from zooweeper.storage.disk import OsDisk
from zooweeper.storage.folder import format_folder

if TYPE_CHECKING:
    from zooweeper.pb.client_pb2 import StatusReply

POLL_S = 0.01
HEALTHY_S = 30.0


class EnsembleError(Exception):
    """Something about the ensemble or its folder that the caller can put right; the text is one clear line."""


class Ensemble:
    """The nodes in one folder."""

    def __init__(self, folder: Path, known: EnsembleSettings) -> None:
        self.folder = folder
        self.cluster = known.cluster
        self.members = known.members
        self._processes: dict[int, Process] = {}
        self._temporary = False

    # ---- making and finding

    @classmethod
    def create(cls, folder: Path | str, nodes: int, base_port: int | None = None, observers: int = 0) -> "Ensemble":
        """Makes the folders of a new ensemble, all or nothing: voters, and behind them observers. The folder must not
        exist, or be empty."""
        folder = Path(folder).absolute()
        if nodes < 1 or observers < 0 or nodes + observers > settings.NODES_MAX:
            raise EnsembleError(f"an ensemble has 1 to {settings.NODES_MAX} nodes, not {nodes + observers}")
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise EnsembleError(f"{folder} is not empty and holds no ensemble; choose another --dir")
        cluster = secrets.token_hex(8)
        members = tuple(
            replace(settings.member_at(node, base_port), observer=node > nodes)
            for node in range(1, nodes + observers + 1)
        )
        _check_ports(members)  # before there is a folder: another --base-port would not fit it
        known = EnsembleSettings(cluster, members)
        beside = folder.with_name(f"{folder.name}.new-{cluster}")
        try:
            beside.mkdir(mode=0o700, parents=True)
            _draw_password(beside)
            for member in members:
                _make_node(beside, member.id, known, voting=True)
            settings.write_ensemble(beside, known)
            beside.rename(folder)
        except OSError as error:
            raise EnsembleError(f"cannot make {folder}: {error.strerror}") from None
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        return cls(folder, known)

    @classmethod
    def open(cls, folder: Path | str) -> "Ensemble":
        """The ensemble in a folder. EnsembleError when there is none."""
        folder = Path(folder).absolute()
        try:
            return cls(folder, settings.read_ensemble(folder))
        except SettingsError as error:
            raise EnsembleError(str(error)) from None

    @classmethod
    def temporary(cls, nodes: int, base_port: int | None = None, observers: int = 0) -> "Ensemble":
        """An ensemble on free ports in a new temporary folder; leaving its `with` block kills and removes it."""
        folder = Path(tempfile.mkdtemp(prefix="zooweeper-"))
        base_port = ports.free_base_port(nodes + observers) if base_port is None else base_port
        ensemble = cls.create(folder, nodes, base_port, observers)
        ensemble._temporary = True
        return ensemble

    def __enter__(self) -> "Ensemble":
        return self

    def __exit__(self, *_: object) -> None:
        if self._temporary:
            self.wipe()

    # ---- what there is

    @property
    def ids(self) -> tuple[int, ...]:
        return tuple(member.id for member in self.members)

    @property
    def hosts(self) -> str:
        """The connect string of all members, for clients."""
        return ",".join(str(member.grpc) for member in self.members)

    def member(self, node: int) -> Member:
        for member in self.members:
            if member.id == node:
                return member
        raise EnsembleError(f"there is no node {node}; this ensemble has {', '.join(map(str, self.ids))}")

    def node_folder(self, node: int) -> Path:
        return self.folder / f"node-{self.member(node).id}"

    def log_path(self, node: int) -> Path:
        return self._process(node).log

    def pid(self, node: int) -> int | None:
        """The process of a node, or None when it does not run."""
        return self._process(node).pid()

    def running(self) -> tuple[int, ...]:
        return tuple(node for node in self.ids if self.pid(node) is not None)

    def log_tail(self, node: int, lines: int = 1) -> str:
        """The last lines a node wrote; empty when there are none."""
        return self._process(node).log_tail(lines)

    # ---- doing

    def start(self, nodes: Iterable[int] | None = None) -> tuple[int, ...]:
        """Starts those of `nodes` (default: all) that do not run; returns which. Does not wait until they serve."""
        with locked(self.folder):
            down = [node for node in (self.ids if nodes is None else nodes) if self.pid(node) is None]
            _check_ports(self.member(node) for node in down)
            for node in down:
                self._spawn(node)
            return tuple(down)

    def stop(self, nodes: Iterable[int] | None = None, timeout_s: float = STOP_S) -> tuple[int, ...]:
        """SIGTERM, then waits until they are gone; whoever stays is killed. Returns who ran."""
        return self._end(nodes, signal.SIGTERM, timeout_s)

    def kill(self, nodes: int | Iterable[int] | None = None) -> tuple[int, ...]:
        """SIGKILL to all of `nodes` at once (default: every node), then waits until they are gone."""
        return self._end((nodes,) if isinstance(nodes, int) else nodes, signal.SIGKILL, STOP_S)

    def restart(self, node: int) -> None:
        """Stops a node, if it runs, and starts it."""
        self.stop((node,))
        self.start((node,))

    def pause(self, node: int) -> None:
        self._signal(node, signal.SIGSTOP)

    def resume(self, node: int) -> None:
        self._signal(node, signal.SIGCONT)

    def rejoin(self, node: int) -> None:
        """Gives a node whose folder was lost a new, empty one: it comes back without a vote and synchronizes first."""
        folder = self.node_folder(node)
        if self.pid(node) is not None:
            raise EnsembleError(f"node {node} runs; stop it first")
        if (folder / settings.DATA_FOLDER).exists():
            raise EnsembleError(f"{folder / settings.DATA_FOLDER} exists; move it away first")
        _make_node(self.folder, node, EnsembleSettings(self.cluster, self.members), voting=False)

    def join(self, observer: bool = False) -> Member:
        """Makes the folder of one more node, which has the next id. It may be started at once; it takes part when the
        ensemble has it as a member."""
        with locked(self.folder):
            member = settings.next_member(self.members, observer)
            known = EnsembleSettings(self.cluster, (*self.members, member))
            _make_node(self.folder, member.id, known, voting=False)
            self._remember(known)
        return member

    def leave(self, node: int) -> Path:
        """Sets the folder of a node that is no member any more aside, and returns where. It must not run."""
        with locked(self.folder):
            if self.pid(node) is not None:
                raise EnsembleError(f"node {node} still runs")
            aside = self.node_folder(node).with_name(f"removed-{node}-{secrets.token_hex(4)}")
            self.node_folder(node).rename(aside)
            del self._processes[node]
            self._remember(EnsembleSettings(self.cluster, tuple(one for one in self.members if one.id != node)))
        return aside

    def _remember(self, known: EnsembleSettings) -> None:
        settings.write_ensemble(self.folder, known)
        self.members = known.members

    def wipe(self) -> None:
        """Kills all nodes and removes the folder with everything in it."""
        self.kill()
        shutil.rmtree(self.folder)

    # ---- watching

    def status(self, timeout_s: float = 1.0) -> list[NodeStatus]:
        """One row per node of this folder; those that do not answer are `down`."""
        asked = [member for member in self.members if self.pid(member.id) is not None]
        replies: list[StatusReply | None] = []
        if asked:
            with Asker([str(member.grpc) for member in asked]) as asker:
                replies = asker.ask(timeout_s)
        answers = {member.id: reply for member, reply in zip(asked, replies, strict=True)}
        rows = [row(answers.get(member.id), str(member.grpc), member) for member in self.members]
        return settle(rows, replies)

    def leader(self, timeout_s: float = HEALTHY_S) -> int:
        """The id of the leader that a majority follows; waits for one."""
        deadline = time.monotonic() + timeout_s
        while True:
            found = health(self.status()).leader
            if found is not None and found.id is not None:
                return found.id
            if time.monotonic() > deadline:
                raise EnsembleError(f"no leader within {timeout_s:g} s; see {self.folder}/node-*/log")
            time.sleep(POLL_S)

    def wait_healthy(self, timeout_s: float = HEALTHY_S, nodes: Sequence[int] | None = None) -> list[NodeStatus]:
        """Waits until `nodes` (default: all) follow one leader, and returns their rows; who is no member does not
        matter. EnsembleError when a process fails meanwhile (with the last line of its log), or when time is up."""
        members: list[NodeStatus] = []
        for rows in self._looks(self.ids if nodes is None else nodes, timeout_s):
            members = [one for one in rows if one.standing != NOBODY]
            if members and all(one.serving for one in members) and len({one.epoch for one in members}) == 1:
                return rows
        late = ", ".join(f"{one.id} is {one.role}" for one in members if not one.serving)
        raise EnsembleError(f"not healthy within {timeout_s:g} s: {late}; see {self.folder}/node-*/log")

    def wait_up(self, node: int, timeout_s: float = HEALTHY_S) -> None:
        """Waits until a node answers, whether it is a member or not. EnsembleError as above."""
        if not any(one.up for (one,) in self._looks((node,), timeout_s)):
            raise EnsembleError(f"node {node} did not answer within {timeout_s:g} s; see {self.log_path(node)}")

    def _looks(self, nodes: Sequence[int], timeout_s: float) -> Iterator[list[NodeStatus]]:
        """The rows of these nodes, again and again until time is up. EnsembleError when a process fails."""
        wanted = [self.member(node) for node in nodes]
        deadline = time.monotonic() + timeout_s
        with Asker([str(member.grpc) for member in wanted]) as asker:
            while True:
                replies = asker.ask(max(0.05, min(1.0, deadline - time.monotonic())))
                rows = [row(reply, str(member.grpc), member) for reply, member in zip(replies, wanted, strict=True)]
                rows = settle(rows, replies)
                yield rows
                for one, member in zip(rows, wanted, strict=True):
                    if not one.up and self.pid(member.id) is None and not self._process(member.id).left():
                        raise EnsembleError(f"node {member.id} has ended: {self.log_tail(member.id) or 'no log'}")
                if time.monotonic() > deadline:
                    return
                time.sleep(POLL_S)  # who is asked is another process, which cannot call us

    # ---- inside

    def _process(self, node: int) -> Process:
        if node not in self._processes:
            self._processes[node] = Process(self.node_folder(node))
        return self._processes[node]

    def _spawn(self, node: int) -> None:
        folder = self.node_folder(node)
        if not folder.is_dir():
            raise EnsembleError(f"{folder} is missing; if it is lost for good: ./deploy.sh rejoin {node}")
        self._process(node).spawn([sys.executable, "-m", "zooweeper.cli.serve", "--dir", str(folder)])

    def _signal(self, node: int, number: signal.Signals) -> None:
        if not self._process(node).signal(number):
            raise EnsembleError(f"node {node} does not run")

    def _end(self, nodes: Iterable[int] | None, number: signal.Signals, timeout_s: float) -> tuple[int, ...]:
        chosen = {self._process(node): node for node in (self.ids if nodes is None else nodes)}
        return tuple(chosen[one] for one in end(chosen, number, timeout_s))


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Alone among the programs that start something in this folder. EnsembleError when nothing can be written there."""
    try:
        file = (folder / "lock").open("w")
    except OSError as error:
        raise EnsembleError(f"cannot write in {folder}: {error.strerror}") from None
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _draw_password(folder: Path) -> None:
    """A new password of the super user, for nobody but the owner of the folder."""
    descriptor = os.open(folder / settings.SUPER_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(f"super:{secrets.token_urlsafe(24)}\n")


def _make_node(folder: Path, node: int, known: EnsembleSettings, voting: bool) -> None:
    """The folder of one node, below that of the ensemble."""
    node_folder = folder / f"node-{node}"
    node_folder.mkdir(mode=0o700, exist_ok=True)
    more = {}
    if (folder / settings.SUPER_FILE).exists():  # an ensemble of an earlier version has none
        more["super_digest"] = digest_of("super", settings.read_credential(folder / settings.SUPER_FILE).encode())
    settings.write_node(node_folder, node, known, **more)
    format_node(node_folder, known.cluster, node, voting)


def format_node(node_folder: Path, cluster: str, node: int, voting: bool) -> None:
    """Makes the data folder of a node. Only once in its life: a node that forgot its promises must not vote."""
    data = node_folder / settings.DATA_FOLDER
    data.mkdir(mode=0o700)
    with contextlib.closing(OsDisk(data)) as disk:
        format_folder(disk, cluster, node, secrets.token_bytes(16), voting=voting)


def _check_ports(members: Iterable[Member]) -> None:
    """EnsembleError that names the first port that is taken."""
    conflicts = ports.taken(members)
    if conflicts:
        node, door, address = conflicts[0]
        who = ports.holder(address.port) or "another program"
        more = f" ({len(conflicts) - 1} more ports are taken, too)" if len(conflicts) > 1 else ""
        raise EnsembleError(
            f"port {address} ({door} of node {node}) is taken by {who}{more}; stop it or choose --base-port"
        )
