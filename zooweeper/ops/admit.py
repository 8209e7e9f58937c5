"""What can be said against a request before it is ordered, from its bytes alone.

Rules: looks at no state. Execution does not rely on it: what it refuses would fail there, too, or be merely large.
"""

from zooweeper.codec.record import Record
from zooweeper.model.errors import Unimplemented
from zooweeper.model.limits import PATH_BYTES_MAX
from zooweeper.ops.op import Kind, Op
from zooweeper.ops.table import OPS

UNSEEN_BYTES_MAX = PATH_BYTES_MAX


def _unseen(kind: Kind) -> frozenset[int]:
    ops = (op for op in OPS.values() if op.client and op.kind is kind)
    return frozenset(op.code for op in ops if op.admit.__func__ is Op.admit.__func__)  # type: ignore[attr-defined]


UNSEEN_WRITES, UNSEEN_READS = _unseen(Kind.WRITE), _unseen(Kind.READ)
"""What nothing can be said against while it has UNSEEN_BYTES_MAX at most: no field can be too large then, and bytes
that are no request fail where they are executed or read. So most requests are decoded there alone."""


def admit(code: int, body: bytes) -> Record:
    """The request, decoded; Unimplemented, MarshallingError or TooLarge for one that no node should order or answer."""
    op = OPS.get(code)
    if op is None or not op.client:
        raise Unimplemented(f"no operation {code} for clients")
    request = op.Request.decode(body)
    op.admit(request)
    return request
