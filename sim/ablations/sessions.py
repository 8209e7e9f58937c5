"""Safeguards of sessions: who may have one, where it is, when it ends and what ends with it."""

from sim.ablations.patch import Edit, without
from zooweeper.ops import session
from zooweeper.ops.session import ExpireSession
from zooweeper.replica.clients import Clients
from zooweeper.replica.leadership import Leadership
from zooweeper.replica.liveness import Deadlines
from zooweeper.replica.replica import Replica
from zooweeper.tree.sessions import SessionTable

SESSIONS = {
    "ephemeral_survives_close": without(
        "a session ends, and its ephemerals stay",
        Edit(session._end, "in state.tree.owned(session.id)", "in ()"),
    ),
    "expire_local_only": without(
        "the leader ends a session by itself, without an entry",
        Edit(
            Leadership._expire,
            "gathering.add(1, pack_request(0, 0, 0, ExpireSession.code, body))",
            "replica.state.sessions.close(sessions[id])",
        ),
    ),
    "expiry_against_attach": without(
        "a session is ended although it has attached anew since that was decided",
        Edit(ExpireSession.execute, "session.attach != request.attach", "False"),
    ),
    "old_deadlines": without(
        "a new leader does not give everybody the full timeout",
        Edit(Deadlines.__init__, "self._since_ms = now_ms", "self._since_ms = 0"),
        Edit(Deadlines.restart, "self._since_ms = self._look_ms = now_ms", "self._look_ms = now_ms"),
    ),
    "no_touch_forward": without(
        "followers do not tell the leader whom they have heard",
        Edit(Replica._report, "self.state.digest(), self._reported)", "self.state.digest(), ())"),
    ),
    "never_expire": without(
        "nobody's time is ever over",
        Edit(Deadlines.expired, "if now_ms > end", "if False"),
    ),
    "attach_without_password": without(
        "who knows a session's number may have it",
        Edit(SessionTable.attach, "or not compare_digest(session.secret, secret)", ""),
    ),
    "silent_new_session": without(
        "who comes back to a session that has ended gets another one",
        Edit(
            SessionTable.attach,
            "if session is None or",
            "if session is None:\n        return self.open(entry, secret, timeout_ms, results, address)\n    if",
        ),
    ),
    "session_moved_check_off": without(
        "what was sent through an earlier attachment is executed",
        Edit(SessionTable.expect, "entry.attach != session.attach", "False"),
    ),
    "drop_pending_open_on_leader_change": without(
        "what waits for a leader is not sent to the next one",
        Edit(Replica._route, "self._gathering.add(1, request, ticket)", "pass"),
    ),
    "open_twice": without(
        "an opening that stands in the log twice opens two sessions",
        Edit(SessionTable.open, "if known is not None:", "if False:"),
    ),
    "end_without_word": without(
        "a client is not told that its session has ended",
        Edit(Clients._ended, "self._hang_up(connection, SessionExpired())", "pass"),
    ),
}
