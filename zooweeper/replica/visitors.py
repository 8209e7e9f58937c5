"""Who reads without a session of the state: a session of nobody's, with the rights of whom the visitor proves to be.

Rules: it is on one node, in no entry and in no snapshot; it lasts as long as the connection.
"""

from zooweeper.model import limits
from zooweeper.model.acl import Id
from zooweeper.model.errors import ThrottledOp
from zooweeper.model.session import Session
from zooweeper.replica.events import Connect


def visitor_of(event: Connect, known: Session | None) -> Session:
    """The visitor of this connection; `known`: the session of the state that it has named, and may name."""
    visitor = Session(known.id if known is not None else 0, b"", limits.VISIT_TIMEOUT_MS, 0, 0, 0)
    if known is not None:
        visitor.identities = known.identities
    elif event.address:
        visitor.identities = (Id("ip", event.address),)
    return visitor


def identify(visitor: Session, identity: Id) -> None:
    """A visitor has proved to be somebody. ThrottledOp beyond the limit of a session."""
    if identity not in visitor.identities:
        if len(visitor.identities) >= limits.IDENTITIES_MAX:
            raise ThrottledOp("too many identities")
        visitor.identities = (*visitor.identities, identity)
