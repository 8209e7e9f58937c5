"""The client: statements go to any server, and what a server does not answer goes to the next one.

    async with Client("127.0.0.1:6181,127.0.0.1:6182,127.0.0.1:6183") as grades:
        await grades.put(123, [90, 85])
        await grades.append(123, [77])
        print(await grades.get(123))

One stream to one server carries everything, in order. When it breaks, or is silent for too long, all that is unanswered
goes in the same order, under the same request ids, to the next server; so nothing takes effect twice, and the writes of
one client take effect in the order in which it made them.

Rules: a call ends with its answer or, after its deadline, with a `GradesError` whose outcome says whether it may be
done again: NOT_APPLIED, under any id; UNKNOWN, it may have happened or may yet happen. What a server refuses for good
(a statement that is none, a list that is full) is an error, too, and never tried again.
"""

import asyncio
import os
import random
import time
import uuid
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, cast

os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # connections that come and go are no news
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

import grpc
import grpc.aio

from grades.pb import grades_pb2 as pb
from grades.pb.grades_pb2_grpc import GradesStub

if TYPE_CHECKING:
    from grades.pb.grades_pb2_grpc import GradesAsyncStub

    ExecuteCall = grpc.aio.StreamStreamCall[pb.ExecuteRequest, pb.ExecuteAnswer]

DEADLINE_S = 10.0
SILENCE_S = 3.0  # without an answer while some are due; then the next server is asked
PAUSE_S = 0.02  # before a server is tried again, doubled with each round of all servers
PAUSE_MAX_S = 0.3
LEAVE_S = 1.0  # for the server to end its side of a stream
MESSAGE_STATEMENTS = 250  # in one message
MESSAGE_BYTES = 1 << 20  # of them; a statement has 64 KiB at most
FLIGHT_STATEMENTS = 4_000  # sent and unanswered
PAGE_ROWS = 1_000
MESSAGE_BYTES_MAX = 32 << 20
CHANNEL_OPTIONS = (
    ("grpc.enable_http_proxy", 0),  # servers are never behind the proxy that the environment names
    ("grpc.use_local_subchannel_pool", 1),  # a new channel is a new connection, without the back-off of an old one
    ("grpc.enable_retries", 0),
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
)

Consistency = Literal["local", "linearizable"]
Statement = pb.Statement
T = TypeVar("T")


class Outcome(Enum):
    """What an error says about the statement."""

    NOT_APPLIED = "not applied"
    UNKNOWN = "unknown"


class GradesError(Exception):
    """`name`: what kind of error; `outcome`: whether the statement may have taken effect."""

    def __init__(self, name: str, message: str, outcome: Outcome = Outcome.NOT_APPLIED) -> None:
        super().__init__(f"{name}: {message}")
        self.name = name
        self.message = message
        self.outcome = outcome


@dataclass(frozen=True, slots=True)
class Row:
    id: int
    events: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """Of a write: `n`, the number of its log entry. Of a select: its rows; `more`: there are others behind them; `n`:
    the last log entry that the copy had applied; `stale`: others may know more."""

    n: int
    rows: tuple[Row, ...] = ()
    more: bool = False
    stale: bool = False


# --- statements


def put(id: int, events: Sequence[int]) -> Statement:
    """Make or replace a row."""
    return Statement(put=pb.Row(id=id, events=events))


def append(id: int, events: Sequence[int]) -> Statement:
    """Extend a row's list, or make the row."""
    return Statement(append=pb.Row(id=id, events=events))


def delete(id: int) -> Statement:
    return Statement(delete=id)


def text(statement: str, consistency: Consistency = "local") -> Statement:
    """A statement as CQL has it."""
    return Statement(text=statement, consistency=_consistency(consistency))


def _consistency(word: str) -> pb.Consistency.ValueType:
    if word not in ("local", "linearizable"):
        raise ValueError(f"consistency {word!r}: expected 'local' or 'linearizable'")
    return pb.LINEARIZABLE if word == "linearizable" else pb.LOCAL


class _Call:
    """Statements that travel together, and whoever waits for their answers."""

    __slots__ = ("future", "sent", "statements")

    def __init__(self, statements: Sequence[Statement], future: "asyncio.Future[Sequence[pb.Result]]") -> None:
        self.statements = statements
        self.future = future
        self.sent = False


class Client:
    """One client of the database; its writes are numbered under its name.

    `servers`: `host:port[,host:port…]`; one of them, by chance, is the first. `name`: of a client that goes on with its
    numbers, `number` being the last it used; others need none. `deadline`: seconds for each call.
    """

    def __init__(
        self, servers: str | Sequence[str], *, name: str = "", number: int = 0, deadline: float = DEADLINE_S
    ) -> None:
        listed = servers.split(",") if isinstance(servers, str) else servers
        self._servers = [server.strip() for server in listed if server.strip()]
        if not self._servers:
            raise ValueError("no server: expected host:port[,host:port…]")
        self.name = name or uuid.uuid4().hex[:16]
        self.number = number
        self._deadline = deadline
        self._next = random.randrange(len(self._servers))
        self._queue: deque[_Call] = deque()  # not sent
        self._flight: deque[_Call] = deque()  # sent, in the order of their answers
        self._flying = 0  # statements in flight
        self._more = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._heard = False  # the server of this stream has answered
        self._leaving = False
        self._trouble = "no server was asked yet"
        self.server = ""  # that serves us, or did last

    # --- life

    async def start(self) -> Self:
        if self._task is None:
            self._leaving = False
            self._task = asyncio.get_running_loop().create_task(self._run())
        return self

    async def close(self) -> None:
        """What waits for an answer ends with outcome UNKNOWN. The stream ends with the server's end of it, if that
        comes soon: what is cancelled ends some time later inside of gRPC, which then complains on stderr of a loop that
        has been closed."""
        task, self._task = self._task, None
        for call in (*self._flight, *self._queue):
            if not call.future.done():
                call.future.set_exception(self._too_late(call, "the client is closed"))
        if task is None:
            return
        self._leaving = True
        self._more.set()
        try:
            await asyncio.wait([task], timeout=LEAVE_S if self._heard else 0)
        finally:
            task.cancel()
        await asyncio.wait([task])
        self._queue.clear()
        self._flight.clear()
        self._flying = 0

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # --- verbs

    async def put(self, id: int, events: Sequence[int]) -> Answer:
        """Make or replace a row."""
        return await self.execute(put(id, events))

    async def append(self, id: int, events: Sequence[int]) -> Answer:
        """Extend a row's list, or make the row."""
        return await self.execute(append(id, events))

    async def delete(self, id: int) -> Answer:
        return await self.execute(delete(id))

    async def get(self, id: int, *, consistency: Consistency = "local") -> tuple[int, ...] | None:
        """The events of a row, None if there is none."""
        rows = (await self.execute(Statement(get=id, consistency=_consistency(consistency)))).rows
        return rows[0].events if rows else None

    async def rows(self, *, page: int = PAGE_ROWS, consistency: Consistency = "local") -> AsyncIterator[Row]:
        """All rows by id, in pages. Rows written meanwhile are shown or not; all others are shown once."""
        span, more = pb.Range(limit=page), True
        while more:
            found = await self.execute(Statement(list=span, consistency=_consistency(consistency)))
            for row in found.rows:
                yield row
            more = found.more
            span = pb.Range(after=found.rows[-1].id if found.rows else None, limit=page)

    async def execute(self, statement: Statement | str, *, deadline: float | None = None) -> Answer:
        """One statement's answer. GradesError."""
        (answer,) = await self.execute_many([statement], deadline=deadline)
        if isinstance(answer, GradesError):
            raise answer
        return answer

    async def execute_many(
        self, statements: Iterable[Statement | str], *, deadline: float | None = None
    ) -> list[Answer | GradesError]:
        """The answers in order; where a statement failed, its error stands in its place. They are sent without waiting
        for each other, and writes take effect in this order. Raises GradesError if an answer does not come in time."""
        calls = self._submit([self._numbered(one) for one in statements])
        waiting = [call.future for call in calls]
        try:
            async with asyncio.timeout(deadline or self._deadline):
                for future in waiting:
                    await asyncio.wait([future])
        except TimeoutError:
            late = next(call for call in calls if not call.future.done())
            raise self._too_late(late, f"no answer in time; {self._trouble}") from None
        finally:
            for future in waiting:
                future.cancel()
        return [answer_of(result) for call in calls for result in call.future.result()]

    async def status(self, server: str = "", *, deadline: float = 2.0) -> pb.StatusReply:
        """What a server says of itself; the one that serves us, if none is given. GradesError."""
        address = server or self.server or self._servers[self._next]
        async with grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS) as channel:
            stub: GradesAsyncStub = GradesStub(channel)
            try:
                return await stub.Status(pb.StatusRequest(), timeout=deadline)
            except grpc.aio.AioRpcError as error:
                raise GradesError("NotConnected", f"{address}: {reason(error)}") from None

    def _numbered(self, statement: Statement | str) -> Statement:
        made = Statement()
        if isinstance(statement, str):
            made.text = statement
        else:
            made.CopyFrom(statement)  # the caller may use it twice
        self.number += 1
        made.client, made.number = self.name, self.number
        return made

    def _submit(self, statements: Sequence[Statement]) -> list[_Call]:
        if self._task is None:
            raise RuntimeError("the client was not started")
        loop = asyncio.get_running_loop()
        calls = [_Call(part, loop.create_future()) for part in parts(statements)]
        self._queue.extend(calls)
        self._more.set()
        return calls

    @staticmethod
    def _too_late(call: _Call, message: str) -> GradesError:
        return GradesError("NoAnswer", message, Outcome.UNKNOWN if call.sent else Outcome.NOT_APPLIED)

    # --- the stream

    async def _run(self) -> None:
        """One stream after the other, as long as the client lives."""
        tries = 0
        while True:
            await self._more.wait()  # nobody asks: nobody is bothered
            if self._leaving:
                return
            self.server = self._servers[self._next]
            answered = await self._talk(self.server)
            tries = 0 if answered else tries + 1
            self._next = (self._next + 1) % len(self._servers)
            self._queue.extendleft(call for call in reversed(self._flight) if not call.future.done())
            self._flight.clear()
            self._flying = 0
            if self._queue:
                self._more.set()
            rounds = tries // len(self._servers)
            if rounds:
                await asyncio.sleep(min(PAUSE_MAX_S, PAUSE_S * 2 ** (rounds - 1)) * (0.5 + random.random() / 2))

    async def _talk(self, server: str) -> bool:
        """Until the stream breaks; whether anything was answered."""
        async with grpc.aio.insecure_channel(server, options=CHANNEL_OPTIONS) as channel:
            stub: GradesAsyncStub = GradesStub(channel)
            call = cast("ExecuteCall", cast(Any, stub.Execute)())
            writer = asyncio.get_running_loop().create_task(self._write(channel, call))
            self._heard = False
            try:
                while True:
                    answer = await self._read(call)
                    if not isinstance(answer, pb.ExecuteAnswer):
                        self._trouble = f"{server}: {await call.details() or (await call.code()).name}"
                        break
                    self._heard = True
                    self._settle(answer.results)
            except TimeoutError:
                self._trouble = f"{server}: no answer"
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError) as error:
                self._trouble = f"{server}: {reason(error)}"
            finally:
                writer.cancel()
                await asyncio.wait([writer])
                call.cancel()
            return self._heard

    async def _read(self, call: "ExecuteCall") -> Any:
        """The next answer. TimeoutError when some are due and none comes."""
        reading = asyncio.ensure_future(call.read())
        reading.add_done_callback(retrieve)
        try:
            while True:
                since, first = time.monotonic(), self._flight[0] if self._flight else None
                done, _ = await asyncio.wait([reading], timeout=SILENCE_S)
                if done:
                    return reading.result()
                if first is not None and self._flight[0] is first and time.monotonic() - since >= SILENCE_S:
                    raise TimeoutError
        finally:
            reading.cancel()

    async def _write(self, channel: grpc.aio.Channel, call: "ExecuteCall") -> None:
        """Until the stream ends; why it ended is for the reader to find out."""
        await channel.channel_ready()  # what never left is not applied
        try:
            while True:
                await self._more.wait()
                if self._leaving:
                    await call.done_writing()
                    return
                message, count = pb.ExecuteRequest(), 0
                while self._queue and self._flying < FLIGHT_STATEMENTS:
                    if count and count + len(self._queue[0].statements) > MESSAGE_STATEMENTS:
                        break
                    one = self._queue.popleft()
                    if one.future.done():  # nobody waits any more
                        continue
                    message.statements.extend(one.statements)
                    one.sent = True
                    self._flight.append(one)
                    self._flying += len(one.statements)
                    count += len(one.statements)
                if count:
                    await call.write(message)
                else:
                    self._more.clear()
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            return

    def _settle(self, results: Sequence[pb.Result]) -> None:
        at = 0
        while at < len(results):
            if not self._flight:
                raise asyncio.InvalidStateError("an answer that nobody asked for")
            call = self._flight.popleft()
            mine = results[at : at + len(call.statements)]
            at += len(mine)
            self._flying -= len(mine)
            if not call.future.done():
                call.future.set_result(mine)
        if self._queue:
            self._more.set()


def parts(statements: Sequence[Statement]) -> Iterator[Sequence[Statement]]:
    """The statements in order, in as few parts as the limits of a message allow."""
    since = size = 0
    for at, statement in enumerate(statements):
        more = statement.ByteSize()
        if at > since and (at - since >= MESSAGE_STATEMENTS or size + more > MESSAGE_BYTES):
            yield statements[since:at]
            since, size = at, 0
        size += more
    if since < len(statements):
        yield statements[since:]


def answer_of(result: pb.Result) -> Answer | GradesError:
    if result.HasField("error"):
        error = result.error
        outcome = Outcome.UNKNOWN if error.outcome == pb.UNKNOWN else Outcome.NOT_APPLIED
        return GradesError(error.name, error.message, outcome)
    if not result.rows:
        return Answer(result.n, stale=result.stale)
    return Answer(result.n, tuple(Row(row.id, tuple(row.events)) for row in result.rows), result.more, result.stale)


def retrieve(done: "asyncio.Future[Any]") -> None:
    """For what may fail when nobody waits for it any more: that is no news."""
    if not done.cancelled():
        done.exception()


def reason(error: Exception) -> str:
    """One short line of gRPC's long ones."""
    details = (error.details() or "") if isinstance(error, grpc.aio.AioRpcError) else str(error)
    if "connect" in details:
        return details.rpartition(": ")[2].lower() or "cannot connect"
    return details.partition("\n")[0][:200] or "the stream broke"


class Blocking:
    """The same for programs without a loop: `with Blocking("127.0.0.1:6181") as grades: grades.put(123, [90])`.
    To be used by one thread."""

    def __init__(self, servers: str | Sequence[str], *, name: str = "", deadline: float = DEADLINE_S) -> None:
        self._runner = asyncio.Runner()
        self._made = (servers, name, deadline)
        self._client: Client | None = None

    def __enter__(self) -> Self:
        async def start() -> Client:
            servers, name, deadline = self._made
            return await Client(servers, name=name, deadline=deadline).start()

        self._client = self._runner.run(start())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._runner.run(self.client.close())
        self._runner.close()

    @property
    def client(self) -> Client:
        if self._client is None:
            raise RuntimeError("use it in a with statement")
        return self._client

    def put(self, id: int, events: Sequence[int]) -> Answer:
        return self._runner.run(self.client.put(id, events))

    def append(self, id: int, events: Sequence[int]) -> Answer:
        return self._runner.run(self.client.append(id, events))

    def delete(self, id: int) -> Answer:
        return self._runner.run(self.client.delete(id))

    def get(self, id: int, *, consistency: Consistency = "local") -> tuple[int, ...] | None:
        return self._runner.run(self.client.get(id, consistency=consistency))

    def rows(self, *, consistency: Consistency = "local") -> list[Row]:
        """All rows by id."""

        async def collect() -> list[Row]:
            return [row async for row in self.client.rows(consistency=consistency)]

        return self._runner.run(collect())

    def execute(self, statement: Statement | str, *, deadline: float | None = None) -> Answer:
        return self._runner.run(self.client.execute(statement, deadline=deadline))

    def execute_many(
        self, statements: Iterable[Statement | str], *, deadline: float | None = None
    ) -> list[Answer | GradesError]:
        return self._runner.run(self.client.execute_many(statements, deadline=deadline))

    def status(self, server: str = "") -> pb.StatusReply:
        return self._runner.run(self.client.status(server))
