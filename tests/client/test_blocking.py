"""What only the blocking face has: threads, callbacks that may block, forks, Ctrl-C."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from zooweeper_client import Client, ClientState, status
from zooweeper_client.exceptions import NotReadOnly, OperationTimeout
from zooweeper_client.sync.portal import portal

from tests.doors.rig import Rig


@pytest.fixture
def address() -> Iterator[str]:
    """A node on a loop of its own, in a thread."""
    ready: list[Any] = []
    began = threading.Event()

    async def main() -> None:
        stop = asyncio.Event()
        async with Rig() as rig:
            ready.extend((rig.address, stop, asyncio.get_running_loop()))
            began.set()
            await stop.wait()

    server = threading.Thread(target=lambda: asyncio.run(main()))
    server.start()
    assert began.wait(20)
    yield ready[0]
    ready[2].call_soon_threadsafe(ready[1].set)
    server.join(20)


def test_many_threads_share_a_client(address: str) -> None:
    with Client(address) as zk:
        zk.create("/n")

        def work(name: int) -> None:
            for at in range(20):
                zk.create(f"/n/{name}-{at}")

        threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(zk.get_children("/n")) == 160
        assert status(address).sessions >= 1


def test_callbacks_may_block_and_may_call_the_client(address: str) -> None:
    seen: list[bytes] = []
    done = threading.Event()
    with Client(address) as zk:
        zk.create("/a", b"0")

        def again(event: Any) -> None:
            time.sleep(0.01)
            seen.append(zk.get("/a", watch=again)[0])
            if seen[-1] == b"5":
                done.set()

        zk.get("/a", watch=again)
        for at in range(6):
            zk.set("/a", b"%d" % at)
            time.sleep(0.02)
        assert done.wait(5)
        assert seen == sorted(seen)
    states: list[ClientState] = []
    zk = Client(address)
    zk.add_listener(states.append)
    zk.start()
    zk.close()
    deadline = time.monotonic() + 5
    while len(states) < 2 and time.monotonic() < deadline:
        time.sleep(0.005)
    assert states == [ClientState.CONNECTED, ClientState.LOST]


def test_an_error_in_a_callback_is_shown_and_the_next_one_runs(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", shown.append)
    heard = threading.Event()
    with Client(address) as zk:
        zk.create("/a")
        zk.get("/a", watch=lambda event: 1 // 0)
        zk.get("/a", watch=lambda event: heard.set())
        zk.set("/a", b"")
        assert heard.wait(5)
    assert [args.exc_type for args in shown] == [ZeroDivisionError]


def test_a_watch_waits_as_long_as_it_is_told_and_ends_with_the_client(address: str) -> None:
    zk = Client(address).start()
    watch = zk.watch("/a").start()
    with pytest.raises(OperationTimeout):
        watch.next(timeout=0.05)
    ended: list[Any] = []
    reader = threading.Thread(target=lambda: ended.extend(watch))
    reader.start()
    zk.close()
    reader.join(5)
    assert not reader.is_alive() and ended == []


def test_a_call_on_the_clients_own_thread_is_refused(address: str) -> None:
    with Client(address) as zk:

        async def inside() -> None:
            zk.get("/")

        with pytest.raises(RuntimeError, match="wait for itself"):
            portal().run(inside())


SCRIPTS = {
    "fork": """
zk = Client(address).start()
pid = os.fork()
if pid == 0:
    try:
        zk.get("/")
    except RuntimeError as error:
        print("child:", "before the process forked" in str(error), flush=True)
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
print("parent:", zk.get("/")[0])
""",
    "interrupt": """
with Client(address) as zk:
    threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    try:
        next(zk.watch("/"))
    except KeyboardInterrupt:
        print("interrupted:", zk.get("/")[0])
""",
    "left open": """
zk = Client(address).start()
zk.watch("/").start()
print("open:", zk.connected)
""",
}


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("fork", ["child: True", "parent: b''"]),
        ("interrupt", ["interrupted: b''"]),
        ("left open", ["open: True"]),
    ],
)
def test_processes_end_well(address: str, script: str, says: list[str]) -> None:
    code = (
        f"import os, signal, threading\nfrom zooweeper_client import Client\naddress = {address!r}\n{SCRIPTS[script]}"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "PYTHONWARNINGS": "ignore::DeprecationWarning"},
        check=False,
    )
    assert (done.returncode, done.stdout.splitlines(), done.stderr) == (0, says, "")


def test_a_read_only_client_has_no_session_and_writes_nothing(address: str) -> None:
    with Client(address) as zk:
        zk.create("/read", b"1")
        sessions = status(address).sessions
        with Client(address, read_only=True) as visitor:
            assert visitor.get("/read")[0] == b"1"
            assert visitor.get("/read", consistency="linearizable")[0] == b"1"
            with pytest.raises(NotReadOnly):
                visitor.set("/read", b"2")
            assert status(address).sessions == sessions
        assert zk.get("/read")[0] == b"1"
