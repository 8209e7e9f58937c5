"""What can be said against a request before it is ordered, from its bytes alone.

Rules: looks at no state. Execution does not rely on it: what it refuses would fail there, too, or be merely large.
"""

from zooweeper.codec.record import Record
from zooweeper.model.errors import Unimplemented
from zooweeper.ops.table import OPS


def admit(code: int, body: bytes) -> Record:
    """The request, decoded; Unimplemented, MarshallingError or TooLarge for one that no node should order or answer."""
    op = OPS.get(code)
    if op is None or not op.client:
        raise Unimplemented(f"no operation {code} for clients")
    request = op.Request.decode(body)
    op.admit(request)
    return request
