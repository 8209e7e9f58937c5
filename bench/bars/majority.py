"""Five nodes, of which two and then three are killed: go on, then refuse at once, read on, and resume.

Method: a writer pinned to each of the two nodes that are never killed. After two kills both must have answers again.
After the third, unary calls to a survivor: a write must be refused with NoQuorum (the time from the kill to the first
refusal, and the time one refusal takes, are shown), a read must be answered and marked stale. Then one node is
started, and the clock runs to the next acknowledged write. At the end the survivors are read and compared with what
the writers know.
"""

import asyncio
from typing import TYPE_CHECKING

import grpc
import grpc.aio

from bench.figures import Bar, clock, longest_gap, milliseconds
from bench.load import WAIT_S, Load, Stuck
from bench.rig import agreed, in_thread, running
from bench.say import Say
from zooweeper.pb.client_pb2 import GetDataReply, GetDataRequest, SetDataRequest
from zooweeper.pb.client_pb2_grpc import ZooweeperStub

if TYPE_CHECKING:
    from zooweeper.pb.client_pb2_grpc import ZooweeperAsyncStub

GOES_ON_S = 1.0
REFUSES_S = 0.1  # one call, once the node knows
RESUMES_S = 3.0  # start of a process included
LEADS_ON_S = 1.0  # a follower's reads are marked when its leader, which hears of the kills by itself, has given up
ANSWER_S = 2.0  # a write taken before the node knew has no answer while there is no majority: ask again


async def measure(say: Say) -> list[Bar]:
    with running(5) as ensemble:
        leader = await in_thread(ensemble.leader)
        first = [leader, *(node for node in ensemble.ids if node != leader)][:2]
        third, *staying = (node for node in ensemble.ids if node not in first)
        hosts = [str(ensemble.member(node).grpc) for node in staying]
        async with Load(hosts) as load:
            await load.progress()
            say.line(f"five nodes: killing {first}, the leader among them")
            begin = clock()
            await in_thread(ensemble.kill, first)
            await load.progress()
            goes_on = longest_gap(load.times, begin, clock())
            say.line(f"five nodes: killing {third}, too")
            begin = clock()
            await in_thread(ensemble.kill, third)
            refusal, one_call, stale = await refused(hosts[0], begin)
            begin = clock()
            await in_thread(ensemble.start, [third])
            await load.any_progress()
            resumes = clock() - begin
            await in_thread(ensemble.start, first)
            await in_thread(ensemble.wait_healthy)
            await load.settle()
            verdicts = await load.verdicts([str(member.grpc) for member in ensemble.members])
            await in_thread(agreed, ensemble)
    worst = next((verdict for verdict in verdicts if not verdict.good), verdicts[0])
    refuses = f"NoQuorum {milliseconds(refusal)} after the kill, then in {milliseconds(one_call)}; stale reads: {stale}"
    good = one_call <= REFUSES_S and stale
    return [
        Bar("majority: 2 of 5 killed", "goes on (<= 1 s)", f"gap {milliseconds(goes_on)}", goes_on <= GOES_ON_S),
        Bar("majority: 3 of 5 killed", "refuses at once, stale reads", refuses, good, {"refusal_s": refusal}),
        Bar("majority: one returns", "resumes (<= 3 s)", milliseconds(resumes), resumes <= RESUMES_S),
        Bar("majority: writes", "0 lost, equal digests", str(worst), worst.good),
    ]


async def refused(host: str, begin: float) -> tuple[float, float, bool]:
    """Seconds from `begin` to the first refusal, seconds the next refusal takes, and whether a read is marked stale."""
    async with grpc.aio.insecure_channel(host) as channel:
        stub: ZooweeperAsyncStub = ZooweeperStub(channel)
        while (error := await write_error(stub)) != "NoQuorum":
            if clock() > begin + WAIT_S:
                raise Stuck(f"a node without a majority does not refuse writes, but says: {error or 'done'}")
            await asyncio.sleep(0.01)
        refusal = clock() - begin
        begin = clock()
        again = await write_error(stub)
        one_call = clock() - begin
        stale, begin = False, clock()
        while not stale and clock() < begin + LEADS_ON_S:
            reply: GetDataReply = await stub.GetData(GetDataRequest(path="/"), timeout=WAIT_S)
            stale = reply.stale
        return refusal, one_call, stale and again == "NoQuorum"


async def write_error(stub: "ZooweeperAsyncStub") -> str:
    """The name of the error that a write gets, empty when it succeeds."""
    try:
        await stub.SetData(SetDataRequest(path="/", data=b""), timeout=ANSWER_S)
    except grpc.aio.AioRpcError as error:
        trailing = dict(error.trailing_metadata() or ())
        return str(trailing.get("zooweeper-error", error.code().name))
    return ""
