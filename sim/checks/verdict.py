"""The verdict: everything that is asked at the end of a run, in one call.

Rules: observes, never steers. The first broken promise is raised; the order is from what explains most to what explains
least, so that a lost write is called a lost write and not a missing event.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sim.checks.expiry import Ending, judge_expiry
from sim.checks.replay import judge_replay
from sim.checks.sessions import judge_sessions
from sim.checks.watches import judge_watches
from sim.history import History
from sim.model import EVERYBODY, Model
from sim.workloads import WORKLOADS
from sim.world import Violation
from zooweeper.model.entry import Batch


def judge(
    world: Any,
    batches: Iterable[Batch],
    drivers: Sequence[Any],
    nodes: Sequence[Any],
    endings: Sequence[Ending] = (),
) -> int:
    """How many writes were acknowledged; Violation if any promise was broken. `nodes` are those whose state can be
    looked at, none for real processes; `endings` are the expiries that somebody has seen the time of."""
    model = Model()
    model.run(batches)
    history = History(model, [driver.client for driver in drivers])
    acknowledged = judge_replay(history)
    judge_sessions(history)
    judge_watches(history)
    judge_expiry(model, (link for client in history.clients for link in client.links), nodes, endings)
    names = dict.fromkeys(name for driver in drivers for name in driver.workloads)
    for name in names:
        WORKLOADS[name].judge(history)
    for node in nodes:
        compare(node, model)
    for ending in endings:
        session = model.session(ending.session)
        if session is not None and not 0 < session.ended <= ending.zxid:
            world.mark("an expiry came too late: its session had attached anew")
    if model.repeats:
        world.mark("an entry stood in the log twice")
    return acknowledged


def compare(node: Any, model: Model) -> None:
    """The tree and the sessions of a node are the model's."""
    state = node.brain.state
    nodes = dict(state.tree.walk())
    if nodes.keys() != model.nodes.keys():
        different = sorted(nodes.keys() ^ model.nodes.keys())
        raise Violation("state", f"node {node.id} and the model differ in {different}")
    for path, expected in model.nodes.items():
        znode = nodes[path]
        rows = EVERYBODY if znode.acl == EVERYBODY else tuple((row.perms, tuple(row.id)) for row in znode.acl)
        if (znode.data or b"", znode.stat(), rows) != (expected.data, expected.stat(), expected.rows):
            raise Violation("state", f"node {node.id} has {znode.stat()} {znode.data!r} at {path}, model {expected}")
    if sorted(state.sessions) != sorted(model.sessions):
        raise Violation("sessions", f"node {node.id}: {sorted(state.sessions)}, {sorted(model.sessions)}")
    for id, session in model.sessions.items():
        found = state.sessions[id]
        mine = (found.number, found.attach, tuple(tuple(one) for one in found.identities))
        if mine != (session.number, session.attach, session.names[-1]):
            raise Violation("sessions", f"node {node.id} has {found}, the model {session.number} {session.names[-1]}")
    if state.recompute_digest() != state.digest():
        raise Violation("digest", f"node {node.id}: the incremental digest is not the state's")
