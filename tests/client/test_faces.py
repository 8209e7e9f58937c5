"""The conformance checks on both faces of the client, over real gRPC to a real node in this process."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from zooweeper_client import Client, aio

from tests.conformance.client import CHECKS, SUPER
from tests.doors.rig import Rig
from zooweeper.doors.identify import digest_of


class Threaded:
    """A blocking object in asyncio's clothes: each of its calls runs in a thread."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        if not callable(value) or isinstance(value, type):
            return value
        if name in ("transaction", "create_part"):
            return lambda *args: Threaded(value(*args))
        if name in ("list", "walk"):
            return lambda *args, **options: _each(lambda: value(*args, **options))
        if name in ("set", "check", "delete", "create") and hasattr(self._inner, "parts"):
            return lambda *args, **options: (value(*args, **options), self)[1]
        if name == "watch":
            return lambda *args, **options: Threaded(self._inner.watch(*args, **options))
        return lambda *args, **options: asyncio.to_thread(value, *args, **options)

    async def __aenter__(self) -> "Threaded":
        await asyncio.to_thread(self._inner.__enter__)
        return self

    async def __aexit__(self, *how: Any) -> None:
        await asyncio.to_thread(self._inner.__exit__, *how)

    async def __anext__(self) -> Any:
        return await asyncio.to_thread(self._inner.next, 5)

    def __aiter__(self) -> "Threaded":
        return self


async def _each(make: Callable[[], Any]) -> AsyncIterator[Any]:
    for one in await asyncio.to_thread(lambda: list(make())):
        yield one


@asynccontextmanager
async def asyncio_face(address: str, chroot: str = "", **options: Any) -> AsyncIterator[Any]:
    async with aio.Client(address + chroot, **options) as client:
        yield client


@asynccontextmanager
async def blocking_face(address: str, chroot: str = "", **options: Any) -> AsyncIterator[Any]:
    async with Threaded(await asyncio.to_thread(Client, address + chroot, **options)) as client:
        yield client


@pytest.mark.parametrize("face", [asyncio_face, blocking_face])
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: str(check.__name__))
def test_face(check: Callable[[Any], Awaitable[None]], face: Any) -> None:
    async def main() -> None:
        async with Rig(super_digest=digest_of("super", SUPER.encode())) as rig:
            async with asyncio.timeout(20):
                await check(lambda **options: face(rig.address, **options))

    asyncio.run(main())
