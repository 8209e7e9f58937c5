"""Expiry: no session ends before its time, counted from when its leader began to lead, and from when it was heard of.

Rules: asks only where the clocks of all nodes were true until then, of those that have left since, too; a fast clock
ends sessions early, as documented. Who was heard by a node that followed the leader of that epoch had the leader know
of it `KNOWN_US` later at the latest: the report goes with the next pong, and a follower that cannot be heard for longer
is none. One report may be lost with its stream; the client's next sign of life, a third of its timeout later at most,
makes up for it.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from sim.model import Model
from sim.world import MS, Violation
from zooweeper.model.zxid import epoch_of

KNOWN_US = 2000 * MS
SILENCES = 3


class Ending(NamedTuple):
    """A session was ended by its leader."""

    at_us: int  # when that was first executed anywhere
    zxid: int
    session: int
    led_us: int  # since when that leader led
    clocks_true: bool  # of all nodes, until then


def judge_expiry(model: Model, links: Iterable[Any], nodes: Iterable[Any], endings: Iterable[Ending]) -> None:
    silence_ms = max((node.brain.config.timing.silence_ms for node in nodes), default=0)
    known_us = max(KNOWN_US, SILENCES * silence_ms * MS)
    heard: dict[int, list[tuple[int, int]]] = {}
    for link in links:
        heard.setdefault(link.session, []).extend(link.touches)
    for ending in endings:
        session = model.session(ending.session)
        if session is None or session.ended != ending.zxid or not ending.clocks_true:
            continue  # void: it had attached anew
        timeout_us = session.timeout_ms * MS
        if ending.at_us < ending.led_us + timeout_us:
            since = (ending.at_us - ending.led_us) // MS
            raise Violation("expiry", f"{session.id:x} was ended by a leader of {since} ms, has {session.timeout_ms}")
        for at_us, epoch in heard.get(session.id, ()):
            if epoch == epoch_of(ending.zxid) and ending.at_us - timeout_us * 2 // 3 < at_us <= ending.at_us - known_us:
                ago = (ending.at_us - at_us) // MS
                raise Violation("expiry", f"{session.id:x} was heard {ago} ms ago and ended, has {session.timeout_ms}")
