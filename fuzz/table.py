"""All targets, by name.

Rules: one row each; a decoder that reads what others wrote and stands here not is a gap.
"""

from fuzz.target import Target
from fuzz.targets.peers import Peers
from fuzz.targets.records import Requests, Results

TARGETS: dict[str, Target] = {target.name: target for target in (Requests(), Results(), Peers())}
