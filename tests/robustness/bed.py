"""An ensemble to be ill-treated: real nodes behind proxies, each with a shim and, where root allows, a disk of its own.

Rules: the nodes are made and started by what ./deploy.sh uses; all that differs is their settings file, which names
proxies as the routes to each peer with a lower id. Everything is gone after the `with` block, whatever happened in it.
All methods block; whoever has a loop calls them on a thread.
"""

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType

from tests.robustness import abilities
from tests.robustness.disks import LoopDisk
from tests.robustness.proxy import Proxies
from tests.robustness.shim import Shim, compile_shim
from zooweeper.cli import settings
from zooweeper.cli.ensemble import Ensemble, EnsembleError
from zooweeper.cli.status import Asker, Health, NodeStatus, health, row
from zooweeper.model.config import FAST, Address

Condition = Callable[[Sequence[NodeStatus]], bool]

ASK_S = 0.4
POLL_S = 0.05
LANE_STEP = (
    400  # from a node's peer port to that of its lanes: as tests/conftest.py deals out ports, to the same process
)


class Bed:
    """The ensemble and all that can be done to it."""

    def __init__(self, nodes: int, seed: int = 0, disks: bool = False, carrier: str = FAST) -> None:
        """`disks`: each node on a disk of its own; abilities.missing(DISKS) must be empty. `carrier`: of the broadcast
        between the nodes."""
        self.ensemble = Ensemble.temporary(nodes)
        self.carrier = carrier
        self._stack = contextlib.ExitStack()
        self._stack.callback(self.ensemble.wipe)
        self.disks: dict[int, LoopDisk] = {}
        self.shims: dict[int, Shim] = {}
        with contextlib.ExitStack() as undo:
            undo.push(self._stack.__exit__)
            self._furnish(seed, disks, carrier)
            undo.pop_all()

    def _furnish(self, seed: int, disks: bool, carrier: str) -> None:
        ensemble = self.ensemble
        peers = {member.id: member.peer for member in ensemble.members}
        lanes = {id: Address(peer.host, peer.port + LANE_STEP) for id, peer in peers.items()}
        self.proxies = proxies = Proxies(peers, seed, lanes)
        self._stack.callback(self.proxies.close)
        self._stack.callback(ensemble.kill)  # before its disks go
        for node in ensemble.ids:
            folder = ensemble.node_folder(node)
            lower = range(1, node)
            settings.change_node(
                folder,
                peer_carrier=carrier,
                lane_port=lanes[node].port,
                routes={str(peer): f"127.0.0.1:{proxies.port(node, peer)}" for peer in lower},
                lane_routes={str(peer): f"127.0.0.1:{proxies.lane_port(node, peer)}" for peer in lower},
            )
            if disks:
                self._give_disk(node, folder)
        if not abilities.missing(abilities.SHIM):
            library = compile_shim(ensemble.folder)
            for node in ensemble.ids:
                self.shims[node] = Shim(library, ensemble.folder / f"faults-{node}")
                self._stack.callback(self.shims[node].close)
        self._asker = Asker([str(member.grpc) for member in ensemble.members])
        self._stack.callback(self._asker.close)

    def _give_disk(self, node: int, folder: Path) -> None:
        disk = LoopDisk(self.ensemble.folder / f"disk-{node}.img", folder / "disk")
        self.disks[node] = disk
        self._stack.callback(disk.remove)
        self._stack.callback(self.ensemble.kill, node)
        data = folder / settings.DATA_FOLDER
        shutil.copytree(data, disk.mount_point / settings.DATA_FOLDER)
        shutil.rmtree(data)
        data.symlink_to(disk.mount_point / settings.DATA_FOLDER)
        os.sync()

    def __enter__(self) -> "Bed":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    # --- the nodes

    @property
    def ids(self) -> tuple[int, ...]:
        return self.ensemble.ids

    @property
    def hosts(self) -> list[str]:
        """One connect string per node."""
        return [str(member.grpc) for member in self.ensemble.members]

    def data_folder(self, node: int) -> Path:
        return self.ensemble.node_folder(node) / settings.DATA_FOLDER

    def start(self, nodes: Iterable[int] | None = None) -> None:
        """Starts those that do not run."""
        for node in self.ids if nodes is None else nodes:
            shim = self.shims.get(node)
            with _environment(shim.environment if shim else {}):
                self.ensemble.start((node,))

    def process_state(self, node: int) -> str:
        """The letter of the system for what its process does: R, S, T; empty without one."""
        pid = self.ensemble.pid(node)
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] if pid else ""
        except OSError:
            return ""

    def log_since(self, node: int, position: int = 0) -> str:
        """What the node wrote into its log from that position on."""
        with self.ensemble.log_path(node).open("rb") as file:
            file.seek(position)
            return file.read().decode(errors="replace")

    def log_size(self, node: int) -> int:
        try:
            return self.ensemble.log_path(node).stat().st_size
        except FileNotFoundError:
            return 0

    def keep(self, folder: Path) -> None:
        """Copies the logs and the data of all nodes."""
        for node in self.ids:
            kept = folder / f"node-{node}"
            shutil.copytree(self.data_folder(node), kept / settings.DATA_FOLDER, dirs_exist_ok=True)
            shutil.copy(self.ensemble.log_path(node), kept / "log")

    # --- what they say

    def rows(self) -> list[NodeStatus]:
        """One row per node, now."""
        members = self.ensemble.members
        replies = self._asker.ask(ASK_S)
        return [row(reply, str(member.grpc), member) for reply, member in zip(replies, members, strict=True)]

    def health(self) -> Health:
        return health(self.rows())

    def wait_complete(self, timeout_s: float = 60.0) -> list[NodeStatus]:
        """Until all nodes follow one leader. EnsembleError."""
        return self._wait(lambda rows: health(rows).complete, "complete", timeout_s)

    def wait_agreed(self, timeout_s: float = 60.0) -> list[NodeStatus]:
        """Until all nodes have executed the same, to the same digest; nothing may be written meanwhile. EnsembleError
        when they do not get there, or differ."""

        def agreed(rows: Sequence[NodeStatus]) -> bool:
            return health(rows).complete and len({place for one in rows for place in (one.zxid, one.applied)}) == 1

        rows = self._wait(agreed, "at one place", timeout_s)
        if len({one.digest for one in rows}) != 1:
            raise EnsembleError(f"digests differ: {[(one.id, one.applied, one.digest) for one in rows]}")
        return rows

    def _wait(self, wanted: Condition, what: str, timeout_s: float) -> list[NodeStatus]:
        deadline = time.monotonic() + timeout_s
        while True:
            rows = self.rows()
            if wanted(rows):
                return rows
            if time.monotonic() > deadline:
                shown = [(one.id, one.role, one.phase, one.epoch, one.zxid, one.applied) for one in rows]
                raise EnsembleError(f"not {what} within {timeout_s:g} s: {shown}")
            time.sleep(POLL_S)


@contextlib.contextmanager
def _environment(more: dict[str, str]) -> Iterator[None]:
    """What processes that are started now will see in addition."""
    before = dict(os.environ)
    os.environ.update(more)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
