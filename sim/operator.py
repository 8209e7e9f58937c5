"""The operator's client: a session with the rights of the super user, which asks for other members.

Rules: a client like the others, so what it is told is judged like what they are told.
"""

from sim.sessions import Client
from zooweeper.model.paths import CONFIG
from zooweeper.ops.data import GetData
from zooweeper.ops.reconfig import Reconfig

UNANSWERED_MAX = 3


class Operator(Client):
    scheme = "super"

    def wish(self, joining: str, leaving: str, new_members: str, from_config: int) -> None:
        """Ask for other members, and look at those that there are, unless there is enough to wait for."""
        if len(self.pending) >= UNANSWERED_MAX:
            return
        self.identify("operator")
        self.ask(GetData, CONFIG, GetData.Request(CONFIG, True))
        self.ask(Reconfig, CONFIG, Reconfig.Request(joining or None, leaving or None, new_members or None, from_config))

    @property
    def waits(self) -> bool:
        """Something that was asked for may still come about."""
        return any(
            operation.code == Reconfig.code and operation.return_us < 0 and not operation.denied
            for operation in self.history
        )
