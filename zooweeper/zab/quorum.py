"""Majority: any two of them share a member.

Rules: counts only ids that are voters; whoever else answers is not counted (ZK-2959).
"""

from collections.abc import Iterable, Mapping


def is_quorum(voters: tuple[int, ...], ids: Iterable[int]) -> bool:
    """Whether more than half of `voters` are among `ids`."""
    present = dict.fromkeys(ids)
    return 2 * sum(voter in present for voter in voters) > len(voters)


def committed(voters: tuple[int, ...], durable: Mapping[int, int]) -> int:
    """The highest zxid that a quorum has on disk; `durable` maps a voter to the last zxid on its disk.

    Sorted downward, the element at position n // 2 is reached by n // 2 + 1 voters.
    """
    reached = sorted((durable.get(voter, 0) for voter in voters), reverse=True)
    return reached[len(voters) // 2]
