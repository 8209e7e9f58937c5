"""One node, put together and run: folder, brain, disk thread, peers, doors; and taken apart when it is told to stop.

Rules: the only place that knows all parts. Whatever keeps a node from starting is one clear line and an exit code
(ZooKeeper's): 3 the folder cannot be used, 14 the peer port is taken, 1 anything else.
"""

import asyncio
import os
import random
import resource
import secrets
import signal
import sys
import time
from collections.abc import Callable
from logging import getLogger
from pathlib import Path

from zooweeper import __version__
from zooweeper.doors.sasl import UsersError
from zooweeper.doors.server import GrpcDoor
from zooweeper.doors.server import PortTaken as GrpcPortTaken
from zooweeper.doors.tls import TlsError
from zooweeper.doors.zkwire import PortTaken as WirePortTaken
from zooweeper.doors.zkwire import WireDoor
from zooweeper.model.config import Config
from zooweeper.model.durable import Recovered
from zooweeper.model.errors import DataInconsistency
from zooweeper.model.limits import CONNECTIONS_MAX
from zooweeper.model.zxid import show
from zooweeper.replica.events import HandOff
from zooweeper.replica.replica import Replica
from zooweeper.runtime import clock, collector, logs
from zooweeper.runtime.loop import Node
from zooweeper.storage.disk import OsDisk
from zooweeper.storage.folder import Damaged, FolderError, begin_repair, read_identity
from zooweeper.storage.records import Identity
from zooweeper.storage.storage import Storage
from zooweeper.storage.writer import Writer
from zooweeper.transport.peers import Peers
from zooweeper.transport.peers import PortTaken as PeerPortTaken

FILES_WANTED = 2 * CONNECTIONS_MAX  # where the system sets no bound; each client is an open file
EXIT_UNEXPECTED, EXIT_USAGE, EXIT_FOLDER, EXIT_PEER_PORT = 1, 2, 3, 14
HAND_OFF_MS = 1000  # how long a leader that stops waits for another one
PARTING_MS = 300  # how long a removed node stays for its last answers and messages to leave

log = getLogger("zooweeper.node")


class CannotStart(Exception):
    """Why the node does not run: one line, and the exit code."""

    def __init__(self, reason: str, code: int) -> None:
        super().__init__(reason)
        self.code = code


class RunningNode:
    """All parts of one node in this process."""

    def __init__(self, config: Config, fatal: Callable[[int], None]) -> None:
        """Opens the folder, repairing it if it is damaged, and recovers. CannotStart."""
        started = time.monotonic()
        self.config = config
        self._storage, recovered, brain, incarnation = _open(config)
        brain.step(clock.tick())
        self.node = Node(config.id, brain, config.timing.tick_ms, fatal)
        self._writer = Writer(self._storage, self.node.report, self.node.disk_failed)
        self._peers = Peers(config, incarnation, secrets.token_bytes(16), self.node)
        self._door = GrpcDoor(self.node, config, __version__)
        self._wire = WireDoor(self.node, config, __version__)
        log.info("recovered last=%s epoch=%d vote=%s ms=%d", show(recovered.last), recovered.current,
                 recovered.voting, (time.monotonic() - started) * 1000)  # fmt: skip

    async def start(self) -> None:
        """Meet the peers, open the doors. CannotStart."""
        self.node.start(self._writer, self._peers)
        try:
            await self._peers.start()
            await self._door.start()
            await self._wire.start()
        except PeerPortTaken as error:
            raise CannotStart(f"the peer port {error} is taken; stop what uses it", EXIT_PEER_PORT) from None
        except GrpcPortTaken as error:
            raise CannotStart(f"the gRPC port {error} is taken; stop what uses it", EXIT_UNEXPECTED) from None
        except WirePortTaken as error:
            raise CannotStart(f"the ZooKeeper port {error} is taken; stop what uses it", EXIT_UNEXPECTED) from None
        except (TlsError, UsersError) as error:
            raise CannotStart(str(error), EXIT_USAGE) from None
        me = self.config.me
        log.info("serving wire=%s grpc=%s peers=%s pid=%d", me.wire, me.grpc, me.peer, os.getpid())

    async def hand_off(self) -> None:
        """Stop leading, if there is anybody else to lead."""
        if self.node.removed:  # whoever leads now does so without us
            await asyncio.sleep(PARTING_MS / 1000)
            return
        status = self.node.status()
        if status.role == "leader" and status.quorum and len(status.members.voters) > 1:
            self.node.step(HandOff())
            deadline = time.monotonic() + HAND_OFF_MS / 1000
            while self.node.status().role == "leader" and time.monotonic() < deadline:
                await asyncio.sleep(0.01)

    async def close(self) -> None:
        """Close the doors, leave the peers, finish writing."""
        await self._wire.close()
        await self._door.close()
        self.node.stop()
        await self._peers.close()
        self._writer.close()
        self._storage.close()


def _open(config: Config) -> tuple[Storage, Recovered, Replica, bytes]:
    """The folder's storage, what was in it, the brain that begins with it, and the folder's incarnation. A damaged
    folder begins anew, without vote. CannotStart."""
    disk = OsDisk(Path(config.data_dir))
    try:
        identity = read_identity(disk, config.cluster, config.id)
        try:
            return *_recover(config, disk, identity), identity.incarnation
        except Damaged as error:
            log.error("damaged reason=%r; the files are set aside, the node comes back without vote", str(error))
            identity = begin_repair(disk, identity, secrets.token_bytes(16))
            return *_recover(config, disk, identity), identity.incarnation
    except FolderError as error:
        raise CannotStart(str(error), EXIT_FOLDER) from None
    except OSError as error:
        raise CannotStart(f"{config.data_dir}: {error.strerror}", EXIT_FOLDER) from None


def _recover(config: Config, disk: OsDisk, identity: Identity) -> tuple[Storage, Recovered, Replica]:
    """Damaged when what is on disk is not what was written."""
    storage, recovered = Storage.open(disk, identity)
    try:
        return storage, recovered, Replica(config, recovered, random.Random(secrets.randbits(64)))
    except (ValueError, DataInconsistency) as error:
        raise Damaged(f"{config.data_dir}: the newest snapshot is damaged: {error}") from error


def _exit(code: int) -> None:
    """At once: what is on disk decides at the next start, and nothing of this process may touch it any more."""
    sys.stderr.flush()
    os._exit(code)


async def serve(config: Config, ready: Callable[[], None] = lambda: None) -> int:
    """Run one node until SIGTERM or SIGINT; its exit code. `ready` is called when the doors are open."""
    told = asyncio.Event()  # to stop, by a signal or by the ensemble
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, told.set)
    running: RunningNode | None = None
    collector.sleep()
    try:
        running = RunningNode(config, _exit)
        collector.tame()
        running.node.on_removed = told.set
        await running.start()
    except CannotStart as error:
        log.error("cannot start: %s", error)
        if running is not None:
            await running.close()  # or the disk thread would report to a loop that is gone
        return error.code
    ready()
    await told.wait()
    log.info("stopping")
    await running.hand_off()
    await running.close()
    log.info("stopped")
    return 0


def _allow_files() -> None:
    """Open files, each client being one: as many as the system lets this process have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_WANTED if hard == resource.RLIM_INFINITY else hard
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (ValueError, OSError) as error:
            log.warning("files %d open at most: %s", soft, error)


def run_node(config: Config) -> int:
    """`serve` on the fastest loop there is, with the node's log on stderr."""
    logs.configure(config.id)
    _allow_files()
    if not __debug__:
        log.error("cannot start: run it without -O and PYTHONOPTIMIZE, its assertions guard the data")
        return EXIT_USAGE
    try:
        import uvloop

        loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = uvloop.new_event_loop
    except ImportError:
        loop_factory = None
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(serve(config))
