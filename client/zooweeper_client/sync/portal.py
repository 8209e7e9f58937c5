"""One background loop for all blocking clients of a process, and the way to it.

Rules: one daemon thread, made when first needed. A call from its own thread would wait for itself and is refused;
so is a client that was made before a fork, for its thread and its sockets are the parent's.
"""

import asyncio
import atexit
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

EXIT_SECONDS = 2.0  # to let connections go when the process ends


class Forked(RuntimeError):
    """The client was made before this process was forked."""


class Portal:
    """The thread and its loop."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="zooweeper-client", daemon=True)
        self._thread.start()
        atexit.register(self._exit)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do it on the loop and wait. Interrupted (Ctrl-C), the work is cancelled."""
        if self.pid != os.getpid():
            work.close()
            raise Forked(
                "this client was made before the process forked, which its connections do not survive; "
                "start the child with multiprocessing's 'spawn', or make the first client after the fork"
            )
        if threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError("a blocking call on the client's own thread would wait for itself")
        future = asyncio.run_coroutine_threadsafe(work, self.loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def _exit(self) -> None:
        """Stop the loop before the interpreter goes away under it."""
        if self.pid != os.getpid() or not self._thread.is_alive():
            return

        async def stop() -> None:
            tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks, timeout=EXIT_SECONDS)
            self.loop.stop()

        asyncio.run_coroutine_threadsafe(stop(), self.loop)
        self._thread.join(EXIT_SECONDS + 1)


_lock = threading.Lock()
_portal: Portal | None = None


def portal() -> Portal:
    """The process's portal."""
    global _portal
    with _lock:
        if _portal is None or _portal.pid != os.getpid():
            _portal = Portal()
        return _portal


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()  # the parent's may have been held by a thread that does not exist here


os.register_at_fork(after_in_child=_after_fork)
