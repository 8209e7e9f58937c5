"""Several writes as one: all of them or none.

Rules: collects parts; one request carries them. kazoo's verbs, but a failed commit raises the error of the part that
failed, so that nobody overlooks it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, Self

from zooweeper.codec.record import Record
from zooweeper.model.acl import Acl
from zooweeper.ops.op import Op
from zooweeper_client.calls import Call, Calls

Part = tuple[type[Op], Record]


class Parts:
    """The verbs of a transaction, for both faces; each returns the transaction, so that they can be chained."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self.parts: list[Part] = []
        self.committed = False
        self.results: list[Any] = []  # after the commit

    def create(
        self,
        path: str,
        value: bytes = b"",
        acl: Sequence[Acl] | None = None,
        ephemeral: bool = False,
        sequence: bool = False,
    ) -> Self:
        return self._add(self._calls.create_part(path, value, acl, ephemeral, sequence))

    def delete(self, path: str, version: int = -1) -> Self:
        return self._add(self._calls.delete_part(path, version))

    def set(self, path: str, value: bytes, version: int = -1) -> Self:
        return self._add(self._calls.set_part(path, value, version))

    set_data = set

    def check(self, path: str, version: int = -1) -> Self:
        """Nothing of the transaction happens unless the znode has this version."""
        return self._add(self._calls.check_part(path, version))

    def _add(self, part: Part) -> Self:
        if self.committed:
            raise ValueError("the transaction was committed already")
        self.parts.append(part)
        return self

    def call(self) -> Call[list[Any]]:
        """The request; the transaction is used up."""
        if self.committed:
            raise ValueError("the transaction was committed already")
        self.committed = True
        return self._calls.multi(self.parts)


class Transaction(Parts):
    """`async with client.transaction() as t:` commits at the end of the block, unless the block raised.

    >>> async with client.transaction() as t:    # doctest: +SKIP
    ...     t.check("/config", version=3)
    ...     t.set("/config/a", b"1").set("/config/b", b"2")
    >>> t.results                                # doctest: +SKIP
    """

    def __init__(self, calls: Calls, ask: Callable[[Call[list[Any]]], Awaitable[list[Any]]]) -> None:
        super().__init__(calls)
        self._ask = ask

    async def commit(self) -> list[Any]:
        """The results in order: the path of a create, the Stat of a set, None of delete and check. Raises the error of
        the first part that failed; nothing was done then."""
        self.results = await self._ask(self.call())
        return self.results

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None and not self.committed:
            await self.commit()
