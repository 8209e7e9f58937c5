"""`python -m grades.serve`: one database server, in the foreground, until SIGTERM or Ctrl-C.

Rules: one line on stdout when it answers the first client; everything else goes to stderr. Whatever keeps it from
starting, or from going on, is one line there and an exit code: 2 the arguments, 3 the folder or the database, 14 the
port. Told to end, it stops to take clients, writes its checkpoint and closes its session, so that nobody has to wait
for the session's timeout.
"""

import argparse
import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

os.environ.setdefault("GRPC_VERBOSITY", "NONE")
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health
from zooweeper_client import BadHosts, BadOption, parse_hosts

from grades.client import MESSAGE_BYTES_MAX
from grades.layout import is_name
from grades.pb.grades_pb2_grpc import add_GradesServicer_to_server
from grades.server import SESSION_TIMEOUT_S, Options, Refused, Server
from grades.service import GradesService
from grades.sqlite import SqliteStore
from grades.store import Store, StoreError

DONE, USAGE, FOLDER, PORT = 0, 2, 3, 14
GRACE_S = 0.5  # for streams to get their last answers
STREAMS_MAX = 1_000
YOUNG_OBJECTS = 20_000  # more than before are looked at by the garbage collector: a batch leaves some thousand behind
SERVICE = "grades.v1.Grades"
SERVER_OPTIONS = (
    ("grpc.so_reuseport", 0),  # a port that is taken is an error
    ("grpc.max_concurrent_streams", STREAMS_MAX),
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
)

log = logging.getLogger("grades")


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m grades.serve",
        description="Runs one database server until it is told to stop.",
        epilog="example: python -m grades.serve --name db1 --hosts 127.0.0.1:5181,127.0.0.1:5182,127.0.0.1:5183 "
        "--listen 127.0.0.1:6181 --data /var/lib/grades/db1",
    )
    parser.add_argument("--name", required=True, help="of this server; it keeps its name over restarts")
    parser.add_argument("--hosts", required=True, help="of the coordination service: host:port[,host:port…]")
    parser.add_argument("--listen", required=True, metavar="HOST:PORT", help="where clients and other servers reach us")
    parser.add_argument("--data", required=True, type=Path, metavar="DIR", help="the server's folder; made if missing")
    parser.add_argument("--db", default="mydb", help="name of the database, and of its znode (default: mydb)")
    parser.add_argument("--store", choices=("sqlite", "cassandra"), default="sqlite", help="where the copy is kept")
    parser.add_argument("--cassandra", default="127.0.0.1:9042", metavar="HOST:PORT", help="with --store cassandra")
    parser.add_argument(
        "--answer",
        choices=("own", "majority"),
        default="own",
        help="answer a write when the leader's own copy has it, or those of a majority (default: own)",
    )
    parser.add_argument(
        "--session-timeout",
        type=float,
        default=SESSION_TIMEOUT_S,
        metavar="SECONDS",
        help=f"after which a dead server is noticed (default: {SESSION_TIMEOUT_S:g})",
    )
    return parser


def open_store(options: argparse.Namespace) -> Store:
    """StoreError."""
    if options.store == "sqlite":
        return SqliteStore(options.data / "data.db")
    from grades.cassandra import CassandraStore

    host, port = _host_port("--cassandra", options.cassandra)
    return CassandraStore(host, port, options.name)


def _host_port(option: str, text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not (host and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError(f"{option} {text!r}: expected HOST:PORT")
    return host, int(port)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the server; its exit code."""
    parser = make_parser()
    options = parser.parse_args(arguments)
    try:
        for name, value in (("--name", options.name), ("--db", options.db)):
            if not is_name(value):
                raise ValueError(f"{name} {value!r}: letters, digits and . _ -, at most 64")
        parse_hosts(options.hosts)
        for name, value in (("--listen", options.listen), ("--cassandra", options.cassandra)):
            _host_port(name, value)
        made = Options(
            options.name, options.hosts, options.listen, options.db, options.answer == "majority",
            options.session_timeout,
        )  # fmt: skip
    except (ValueError, BadHosts) as error:
        return _complain(str(error), USAGE)
    logging.basicConfig(format=f"%(asctime)s {options.name} %(message)s", level=logging.INFO, stream=sys.stderr)
    try:
        store = open_store(options)
    except StoreError as error:
        return _complain(str(error), FOLDER)
    try:
        with asyncio.Runner(loop_factory=_fastest_loop()) as runner:
            return runner.run(serve(made, store, options.store))
    except BadOption as error:
        return _complain(str(error), USAGE)
    except Refused as error:
        return _complain(str(error), FOLDER)


def _fastest_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


async def serve(options: Options, store: Store, kind: str) -> int:
    """Until told to stop. Refused."""
    server = Server(options, store)
    door = grpc.aio.server(options=SERVER_OPTIONS)
    service = GradesService(server, kind)
    add_GradesServicer_to_server(service, door)
    checks = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(checks, door)
    try:
        door.add_insecure_port(options.address)
    except RuntimeError:
        return _complain(f"{options.address} is taken, or not an address of this machine", PORT)
    await door.start()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 20, 100)
    living = asyncio.ensure_future(server.run())
    telling = asyncio.ensure_future(_tell(server, checks))
    loop = asyncio.get_running_loop()
    for one in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(one, living.cancel)
    try:
        await asyncio.wait([living])
        log.info("stopping")
    finally:
        telling.cancel()
        service.stop()
        await door.stop(GRACE_S)
        await server.copy.close()
    if not living.cancelled():
        living.result()
    return DONE


async def _tell(server: Server, checks: health.HealthServicer) -> None:
    """One line when it is level for the first time; its health, whenever that changes."""
    told, silent = None, True
    while True:
        server.changed.clear()
        if server.level is not told:
            told = server.level
            status = health_pb2.HealthCheckResponse.SERVING if told else health_pb2.HealthCheckResponse.NOT_SERVING
            for service in ("", SERVICE):
                await checks.set(service, status)
        if told and silent:
            print(f"{server.options.name} serves {server.options.db} on {server.options.address}", flush=True)
            silent = False
        await server.changed.wait()


def _complain(line: str, code: int) -> int:
    print(f"grades.serve: {line}", file=sys.stderr, flush=True)
    return code


if __name__ == "__main__":
    raise SystemExit(main())
