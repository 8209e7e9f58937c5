"""A replica that answers plain reads twice: at once, and as it is asked; the answers must be the same.

Rules: whoever drives it steps events as always and sees no difference, nor does the trace. What a door would have
written at once has to be what the Ask is answered with, before anything else is delivered.
"""

from random import Random

from sim.world import Violation, World
from zooweeper.model.config import Config
from zooweeper.model.durable import Recovered
from zooweeper.ops.table import PLAIN_READS
from zooweeper.replica.events import Ask, Event
from zooweeper.replica.outbox import Answer
from zooweeper.replica.replica import Replica

AT_ONCE = "a read was answered at once"


class TwiceReplica(Replica):
    """Raises Violation when they are not."""

    def __init__(self, config: Config, recovered: Recovered, rng: Random, world: World) -> None:
        super().__init__(config, recovered, rng)
        self._world = world

    def step(self, event: Event) -> None:
        if not isinstance(event, Ask) or event.code not in PLAIN_READS or event.linear:
            super().step(event)
            return
        session = self.clients.session(event.connection)
        told = self.read(event.connection, session, event.code, event.body)
        super().step(event)
        if told is not None:
            self._world.mark(AT_ONCE)
            zxid, body = told
            stale = not self.zab.serving
            if self.outbox.deliver != [Answer(event.connection, event.xid, zxid, 0, body, stale)]:
                raise Violation("a read at once", f"{told} instead of {self.outbox.deliver}")
