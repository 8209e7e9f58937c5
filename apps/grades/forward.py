"""A follower's way to the leader: one stream that carries its writes there and their answers back.

Whatever is not answered when the stream ends (the leader is gone, or does not lead any more) goes back to the front of
the line and to the next leader, in the same order and under the same request ids. So it takes effect once, even if the
old leader had appended it.

Rules: at most `FLIGHT` writes on the way. Each message is answered by one message, in order. A leader that does not
answer for `SILENCE_S` while writes are on their way is left; it may still lead, then the same stream is opened again.
"""

import asyncio
from logging import getLogger
from typing import TYPE_CHECKING, Any, cast

import grpc
import grpc.aio

from grades.client import CHANNEL_OPTIONS, reason, retrieve
from grades.layout import BATCH_BYTES_MAX, Leader
from grades.pb import grades_pb2 as pb
from grades.pb.grades_pb2_grpc import GradesStub
from grades.roster import Roster
from grades.table import Code, Result
from grades.writes import Writes

if TYPE_CHECKING:
    from grades.copy import Copy
    from grades.pb.grades_pb2_grpc import GradesAsyncStub

    ForwardCall = grpc.aio.StreamStreamCall[pb.ForwardRequest, pb.ForwardAnswer]

FLIGHT = 4_000
MESSAGE_ENTRIES = 200
SILENCE_S = 3.0
PAUSE_S = 0.02  # before the next try

log = getLogger("grades")


class Forwarder:
    """Runs while this server follows."""

    def __init__(self, name: str, writes: Writes, copy: "Copy", report: bool) -> None:
        """`report`: tell the leader how far our copy is, as soon as it is (answers that wait for a majority)."""
        self._name = name
        self._writes = writes
        self._copy = copy
        self._report = report
        self._flying = 0
        self._landed = asyncio.Event()

    async def run(self, roster: Roster) -> None:
        """Until cancelled."""
        told = ""
        while True:
            leader = roster.leader
            if leader is None or leader.name == self._name:
                await roster.change()
                continue
            trouble = await self._talk_while(leader, roster)
            self._writes.give_back(trouble)
            if told != f"{leader.name}: {trouble}":
                told = f"{leader.name}: {trouble}"
                log.info("no way to the leader %s", told)
            await asyncio.sleep(PAUSE_S)

    async def _talk_while(self, leader: Leader, roster: Roster) -> str:
        """Until the stream ends, or another one leads; the reason."""
        talking = asyncio.ensure_future(self._talk(leader.address))
        changing = asyncio.ensure_future(roster.change())
        try:
            while roster.leader == leader and not talking.done():
                await asyncio.wait([talking, changing], return_when=asyncio.FIRST_COMPLETED)
                if changing.done():
                    changing = asyncio.ensure_future(roster.change())
            return talking.result() if talking.done() else "it leads no more"
        finally:
            changing.cancel()
            talking.cancel()
            await asyncio.wait([talking, changing])

    async def _talk(self, address: str) -> str:
        """Until the stream ends, for the reason that is returned."""
        self._flying = 0
        async with grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS) as channel:
            stub: GradesAsyncStub = GradesStub(channel)
            call = cast("ForwardCall", cast(Any, stub.Forward)())
            loop = asyncio.get_running_loop()
            writers = [loop.create_task(self._write(channel, call))]
            if self._report:
                writers.append(loop.create_task(self._tell(channel, call)))
            try:
                return await self._read(call)
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError) as error:
                return reason(error)
            finally:
                for writer in writers:
                    writer.cancel()
                await asyncio.wait(writers)
                call.cancel()

    async def _read(self, call: "ForwardCall") -> str:
        while True:
            reading = asyncio.ensure_future(call.read())
            reading.add_done_callback(retrieve)
            try:
                while not reading.done():
                    before = self._flying
                    await asyncio.wait([reading], timeout=SILENCE_S)
                    if not reading.done() and before:
                        return "it does not answer"
                answer = reading.result()
            finally:
                reading.cancel()
            if not isinstance(answer, pb.ForwardAnswer):
                return await call.details() or (await call.code()).name
            results = results_of(answer)
            if len(results) > self._flying:
                return "it answers what nobody asked"
            self._flying -= len(results)
            self._landed.set()
            self._writes.settle(results)

    async def _write(self, channel: grpc.aio.Channel, call: "ForwardCall") -> None:
        """Until the call ends; why it ended is for the reader to find out."""
        await channel.channel_ready()
        try:
            while True:
                await self._writes.some()
                while self._flying >= FLIGHT:
                    self._landed.clear()
                    await self._landed.wait()
                entries = self._writes.take(MESSAGE_ENTRIES, BATCH_BYTES_MAX)
                if entries:
                    self._flying += len(entries)
                    await call.write(pb.ForwardRequest(server=self._name, applied=self._copy.applied, entries=entries))
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            return

    async def _tell(self, channel: grpc.aio.Channel, call: "ForwardCall") -> None:
        await channel.channel_ready()
        try:
            while True:
                applied = self._copy.applied
                await call.write(pb.ForwardRequest(server=self._name, applied=applied))
                await self._copy.reach(applied + 1)
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            return


def results_of(answer: pb.ForwardAnswer) -> list[Result]:
    results = [Result(n) for n in answer.n]
    for failed in answer.failed:
        results[failed.index] = Result(answer.n[failed.index], Code(failed.code), failed.message)
    return results


def answer_of(results: list[Result]) -> pb.ForwardAnswer:
    answer = pb.ForwardAnswer(n=[result.n for result in results])
    for index, result in enumerate(results):
        if result.code is not Code.OK:
            answer.failed.add(index=index, code=result.code, message=result.message)
    return answer
