"""Safeguards of watches, on servers."""

from sim.ablations.patch import Edit, without
from zooweeper.ops import watches
from zooweeper.replica import plain
from zooweeper.replica.clients import Clients
from zooweeper.replica.replica import Replica
from zooweeper.tree.watches import WatchTable

IN = " " * 12
EVENTS = f"{IN}if watches.watched and result.changes:\n{IN}    self._notice(zxid, result.changes)\n"
ANSWER = f"{IN}if entry.session in clients.attached or entry.code < 0:\n{IN}    clients.executed(entry, result)\n"

WATCHES = {
    "watch_after_reply": without(
        "an event comes behind the answer that shows the change",
        Edit(
            Replica._execute,
            EVENTS + ANSWER,
            ANSWER + EVENTS,
        ),
    ),
    "plain_unnoticed": without(
        "what is executed in one piece fires no watch",
        Edit(plain._set, "path in watches.data", "False"),
    ),
    "fire_twice": without(
        "a one-shot watch is not used up",
        Edit(WatchTable._match, "self._use_up(table, path, watchers)", "pass"),
    ),
    "missed_events_not_told": without(
        "who comes back is not told what has changed meanwhile",
        Edit(watches._set_watches, "event = missed(node, request.seen)", "event = None"),
    ),
    "watches_survive_install": without(
        "clients are not told that the node's state was replaced",
        Edit(Clients.installed, "self.hang_up_all(", "str("),
    ),
    "no_event_for_deletion": without(
        "who watches a znode's children does not hear of its end",
        Edit(WatchTable.trigger, "if change.kind is ChangeKind.DELETED:", "if False:"),
    ),
}
