"""What a follower tells with its pong: read by the leader's replica.

What is read is written again byte for byte.
"""

from collections.abc import Hashable, Sequence

from fuzz.target import Run, Target
from zooweeper.replica.liveness import pack_report, unpack_report


class Reports(Target):
    name = "reports"
    about = "reports of followers: how far, which digest, which sessions"
    refusals = (ValueError,)

    def seeds(self) -> Sequence[bytes]:
        return [pack_report(7, 1 << 63, range(count)) for count in (0, 1, 5, 300)]

    def prepare(self) -> Run:
        return self._run

    @staticmethod
    def _run(data: bytes) -> Hashable:
        executed, digest, touched = unpack_report(data)
        assert pack_report(executed, digest, touched) == data
        return len(touched)
