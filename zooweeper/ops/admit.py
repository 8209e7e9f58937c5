"""What can be said against a request before it is ordered, from its bytes alone.

Rules: looks at no state. Execution does not rely on it: what it refuses would fail there, too, or be merely large.
"""

from zooweeper.codec.record import Record
from zooweeper.model.errors import Unimplemented
from zooweeper.model.limits import PATH_BYTES_MAX
from zooweeper.ops.op import Kind, Op
from zooweeper.ops.table import OPS

UNSEEN_BYTES_MAX = PATH_BYTES_MAX
UNSEEN = frozenset(
    op.code
    for op in OPS.values()
    if op.client and op.kind is Kind.WRITE and op.admit.__func__ is Op.admit.__func__  # type: ignore[attr-defined]
)
"""Writes that nothing can be said against while they have UNSEEN_BYTES_MAX at most: no field can be too large then, and
bytes that are no request fail at execution. So most writes are decoded there alone."""


def admit(code: int, body: bytes) -> Record:
    """The request, decoded; Unimplemented, MarshallingError or TooLarge for one that no node should order or answer."""
    op = OPS.get(code)
    if op is None or not op.client:
        raise Unimplemented(f"no operation {code} for clients")
    request = op.Request.decode(body)
    op.admit(request)
    return request
