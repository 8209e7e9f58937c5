"""Sessions: who was told that its session has ended was told the truth, and who was not has it still.

Rules: from the log alone. That a session is never replaced by another without a word is checked as it happens, by the
clients; that it does not end while its client is in touch, by them, too, once nothing is broken any more.
"""

from sim.history import History
from sim.world import Violation
from zooweeper.ops.session import CloseSession


def judge_sessions(history: History) -> None:
    model = history.model
    for client in history.clients:
        for id in client.expired:
            session = model.session(id)
            if session is None or not session.ended:
                raise Violation("sessions", f"client {client.id} was told that {id:x} has ended, which it has not")
    for operation in history.operations:
        if operation.code == CloseSession.code and operation.ok:
            session = model.session(operation.session)
            if session is None or session.ended != operation.zxid or session.expired:
                raise Violation("sessions", f"not closed by {operation}")
    for path, node in model.nodes.items():
        if node.owner > 0 and node.owner not in model.sessions:
            raise Violation("sessions", f"{path} is left of session {node.owner:x}")
