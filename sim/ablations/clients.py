"""Safeguards of the client library: running numbers, the order of requests, watches over reconnects."""

from zooweeper_client.core import ClientCore
from zooweeper_client.watches import Watches

from sim.ablations.patch import Edit, without

CLIENTS = {
    "drop_watch_on_reattach": without(
        "watches are not set again after a reconnect",
        Edit(ClientCore._on_welcomed, "in self._watches.rearm()", "in ()"),
    ),
    "rearm_from_welcome": without(
        "a welcome counts as having seen the events before it",
        Edit(ClientCore._on_welcomed, "rearm_request(self._events_seen,", "rearm_request(event.zxid,"),
    ),
    "client_sends_again": without(
        "a client sends again what the welcome says was executed, with a new number",
        Edit(ClientCore._on_welcomed, "request.unknown and request.number <= event.number", "False"),
    ),
    "client_reuses_numbers": without(
        "a client goes on with its own count of numbers",
        Edit(ClientCore._on_welcomed, "self._number = event.number + 1", "pass"),
    ),
    "client_trusts_the_void": without(
        "a client takes everything that it had sent for executed",
        Edit(ClientCore._on_welcomed, "request.unknown and request.number <= event.number", "request.unknown"),
    ),
    "one_shot_watch_stays": without(
        "a client keeps a one-shot watch that has fired",
        Edit(Watches.fire, "self._tables[kind].pop(path, None)", "self._tables[kind].get(path)"),
    ),
}
