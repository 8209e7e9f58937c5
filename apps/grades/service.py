"""What clients and other servers can ask: the gRPC service.

A stream is a pipe: its writes enter the line (writes.py) in the order in which they come, its answers leave in the same
order, one message for each. A select is answered when the writes before it in the stream are, from a copy that has
them.

Rules: an answer is definite. What can only be told for this moment (not level, no leader, too much waiting) is never an
answer: the stream ends with UNAVAILABLE and the reason, and the client sends what is unanswered elsewhere. So nothing
that came later overtakes it. Everything a stream holds is bounded; who sends more is not read from.
"""

import asyncio
import os
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import Any, NamedTuple, TypeVar

import grpc
import grpc.aio

from grades.forward import answer_of
from grades.layout import Entry
from grades.pb import grades_pb2 as pb
from grades.pb.grades_pb2_grpc import GradesServicer
from grades.server import READ_S, Server
from grades.statements import Append, BadStatement, Delete, Put, Select, Statement, parse, text_of
from grades.store import Store
from grades.table import BadRequest, Code, Request, Result
from grades.transfer import pieces
from grades.writes import Group, Trouble

MESSAGE_STATEMENTS_MAX = 1_000
MESSAGES_MAX = 64  # of one stream, unanswered
PAGE_ROWS, PAGE_ROWS_MAX, PAGE_VALUES = 1_000, 10_000, 100_000
STEP_ROWS = 100  # read at once, so that a page of long lists ends in time
FETCHES_MAX = 2  # state transfers at the same time
OUTCOME = "grades-outcome"  # trailing metadata of a stream that ended: whether what it left unanswered may take effect

R = TypeVar("R")
T = TypeVar("T")
Pipe = asyncio.Queue[Any]  # what was taken in; then None, or the Trouble that ends it
Context = grpc.aio.ServicerContext[Any, Any]
UNKNOWN = (Code.FORGOTTEN,)


class Query(NamedTuple):
    """A select: where its answer goes, and which rows it asks for."""

    at: int
    id: int | None
    after: int | None
    limit: int
    linear: bool


class Asked:
    """One message: the answers that are known, the writes that are on their way, the selects that wait for them."""

    def __init__(self) -> None:
        self.answer = pb.ExecuteAnswer()
        self.writes: list[int] = []  # where the answers of the group go
        self.entries: list[bytes] = []
        self.queries: list[Query] = []
        self.group: Group | None = None


class GradesService(GradesServicer):
    """The API of one server."""

    def __init__(self, server: Server, store: str) -> None:
        self._server = server
        self._store = store
        self._client = f"{server.options.name}-{uuid.uuid4().hex[:12]}"  # for writes without a request id
        self._number = 0
        self._fetches = asyncio.Semaphore(FETCHES_MAX)
        self._pipes: dict[Pipe, None] = {}  # the open ones

    def stop(self) -> None:
        """Every stream ends when it has answered what it can."""
        for pipe in self._pipes:
            pipe.put_nowait(Trouble("the server stops", unknown=False))

    # --- clients

    async def Execute(
        self, requests: AsyncIterator[pb.ExecuteRequest], context: Context
    ) -> AsyncIterator[pb.ExecuteAnswer]:
        shown = 0  # the newest entry that an answer of this stream came from
        try:
            async with aclosing(self._ahead(requests, lambda request: self._ask(request.statements))) as messages:
                async for one in messages:
                    shown = await self._answer(one, shown)
                    yield one.answer
        except Trouble as trouble:
            await _end(context, trouble)

    async def Do(self, request: pb.Statement, context: Context) -> pb.Result:
        try:
            one = self._ask([request])
            await self._answer(one, 0)
        except Trouble as trouble:
            await _end(context, trouble)
        return one.answer.results[0]

    def _ask(self, statements: Sequence[pb.Statement]) -> Asked:
        """Take the statements in: writes join the line now, in order. Trouble."""
        if not self._server.level:
            raise Trouble(f"{self._server.options.name} is {self._server.state}; {self._server.trouble}", False)
        if len(statements) > MESSAGE_STATEMENTS_MAX:
            raise Trouble(f"a message has at most {MESSAGE_STATEMENTS_MAX} statements", False)
        one = Asked()
        for at, statement in enumerate(statements):
            result = one.answer.results.add()
            try:
                self._sort(one, at, statement)
            except (BadStatement, BadRequest) as error:
                result.error.name = type(error).__name__
                result.error.message = str(error)
        if one.entries:
            one.group = Group(one.entries)
            self._server.writes.submit(one.group)
        return one

    def _sort(self, one: Asked, at: int, asked: pb.Statement) -> None:
        kind = asked.WhichOneof("kind")
        if kind == "list":
            after = asked.list.after if asked.list.HasField("after") else None
            limit = min(asked.list.limit or PAGE_ROWS, PAGE_ROWS_MAX)
            one.queries.append(Query(at, None, after, limit, asked.consistency == pb.LINEARIZABLE))
            return
        if kind is None:
            raise BadStatement("no statement")
        statement = KINDS[kind](asked)
        if isinstance(statement, Select):
            one.queries.append(Query(at, statement.id, None, PAGE_ROWS, asked.consistency == pb.LINEARIZABLE))
            return
        client, number = asked.client, asked.number
        if not client:
            self._number += 1
            client, number = self._client, self._number
        Request(client, number, statement)  # BadRequest, before it is in the log
        one.entries.append(Entry(client, number, text_of(statement)).encode())
        one.writes.append(at)

    async def _answer(self, one: Asked, shown: int) -> int:
        """Wait for what the message asked; up to which entry the client has been shown results. Trouble."""
        if one.group is not None:
            for at, result in zip(one.writes, await one.group.done, strict=True):
                shown = max(shown, result.n)
                fill(one.answer.results[at], result)
        if one.queries:
            await self._select(one, shown)
        return shown

    async def _select(self, one: Asked, shown: int) -> None:
        server = self._server
        if any(query.linear for query in one.queries):
            shown = max(shown, await server.point())
        try:
            async with asyncio.timeout(READ_S):
                await server.copy.reach(shown)
        except TimeoutError:
            raise Trouble(f"this copy is at {server.copy.applied} and does not reach {shown}", False) from None
        n, stale = server.copy.applied, server.stale
        found = await server.copy.read(lambda store: [page(store, query) for query in one.queries])
        for query, (rows, more) in zip(one.queries, found, strict=True):
            result = one.answer.results[query.at]
            for id, events in rows:
                result.rows.add(id=id, events=events)
            result.more, result.n, result.stale = more, n, stale

    # --- servers

    async def Forward(
        self, requests: AsyncIterator[pb.ForwardRequest], context: Context
    ) -> AsyncIterator[pb.ForwardAnswer]:
        try:
            async with aclosing(self._ahead(requests, self._forwarded)) as groups:
                async for group in groups:
                    yield answer_of(await group.done)
        except Trouble as trouble:
            await _end(context, trouble)

    def _forwarded(self, request: pb.ForwardRequest) -> Group | None:
        """Another server's writes join the line, if we lead. Trouble."""
        leadership = self._server.leadership
        if leadership is None or not leadership.serving:
            raise Trouble(f"{self._server.options.name} does not lead", unknown=False)
        leadership.has_applied(request.server, request.applied)
        if not request.entries:
            return None
        group = Group(request.entries, forwarded=True)
        self._server.writes.submit(group)
        return group

    async def Fetch(self, request: pb.FetchRequest, context: Context) -> AsyncIterator[pb.Piece]:
        server = self._server
        if not server.level or request.database != server.copy.store.database:
            await context.abort(grpc.StatusCode.UNAVAILABLE, f"{server.options.name} is {server.state}")
        if self._fetches.locked():
            await context.abort(grpc.StatusCode.UNAVAILABLE, f"{server.options.name} serves {FETCHES_MAX} others")
        async with self._fetches, aclosing(pieces(server.copy, request.after)) as found:
            async for piece in found:
                yield piece

    # --- both

    async def _ahead(self, requests: AsyncIterator[R], take: Callable[[R], T | None]) -> AsyncGenerator[T, None]:
        """What `take` makes of each request as soon as it comes, in order. With the first Trouble all ends: nothing
        may enter the line behind what was refused."""
        made: Pipe = asyncio.Queue()
        room = asyncio.Semaphore(MESSAGES_MAX)

        async def read() -> None:
            try:
                async for request in requests:
                    one = take(request)
                    if one is not None:
                        await room.acquire()
                        made.put_nowait(one)
            except Trouble as trouble:
                made.put_nowait(trouble)
            finally:
                made.put_nowait(None)

        self._pipes[made] = None
        reading = asyncio.ensure_future(read())
        try:
            while (one := await made.get()) is not None:
                if isinstance(one, Trouble):
                    raise one
                yield one
                room.release()
            await reading
        finally:
            reading.cancel()
            del self._pipes[made]

    # --- everybody

    async def Status(self, request: pb.StatusRequest, context: Context) -> pb.StatusReply:
        server = self._server
        seen, roster, leadership, follower = server.copy.seen, server.roster, server.leadership, server.follower
        reply = pb.StatusReply(
            name=server.options.name,
            address=server.options.address,
            state=server.state,
            leader=server.leader,
            applied=seen.applied,
            last=seen.applied,
            checkpoint=server.checkpoint,
            rows=seen.rows,
            digest=seen.digest,
            pid=os.getpid(),
            store=self._store,
            database=server.copy.store.database,
            trouble=server.trouble,
        )
        if leadership is not None and leadership.serving:
            reply.token, reply.last, reply.log_size = leadership.token, leadership.appender.last, leadership.size
        elif follower is not None:
            head, _, reply.log_size = follower.seen
            reply.token, reply.last = head.token, max(head.last, seen.applied)
        servers = roster.servers if roster is not None else {}
        checkpoints = leadership.checkpoints if leadership is not None else {}
        for name in sorted({*servers, *checkpoints}):
            address = servers[name].address if name in servers else ""
            reply.servers.add(name=name, address=address, checkpoint=checkpoints.get(name, 0))
        return reply


async def _end(context: Context, trouble: Trouble) -> None:
    outcome = "unknown" if trouble.unknown else "not applied"
    await context.abort(grpc.StatusCode.UNAVAILABLE, str(trouble), trailing_metadata=((OUTCOME, outcome),))


# --- between the wire and the table

KINDS: dict[str, Callable[[pb.Statement], Statement]] = {
    "text": lambda asked: parse(asked.text),
    "put": lambda asked: Put(asked.put.id, tuple(asked.put.events)),
    "append": lambda asked: Append(asked.append.id, tuple(asked.append.events)),
    "delete": lambda asked: Delete(asked.delete),
    "get": lambda asked: Select(asked.get),
}


def fill(answer: pb.Result, result: Result) -> None:
    """What a write is answered with."""
    answer.n = result.n
    if result.code is not Code.OK:
        answer.error.name = result.code
        answer.error.message = result.message
        answer.error.outcome = pb.UNKNOWN if result.code in UNKNOWN else pb.NOT_APPLIED


def page(store: Store, query: Query) -> tuple[list[tuple[int, list[int]]], bool]:
    """The rows that a select asks for, and whether there are others behind them."""
    if query.id is not None:
        events = store.get(query.id)
        return ([] if events is None else [(query.id, events)]), False
    found: list[tuple[int, list[int]]] = []
    after, values = query.after, 0
    while len(found) < query.limit and values < PAGE_VALUES:
        wanted = min(STEP_ROWS, query.limit - len(found))
        some = store.rows(after, wanted)
        found += some
        if len(some) < wanted:
            return found, False
        after = some[-1][0]
        values += sum(1 + len(events) for _, events in some)
    return found, bool(found) and bool(store.rows(after, 1))
