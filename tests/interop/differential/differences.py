"""Where we answer otherwise than ZooKeeper, on purpose; each with its reason and a narrow test of what it covers.

Rules: the same rows stand in docs/zookeeper-port.md under "Differences, on purpose". A row looks at the step and at
both answers, and explains exactly one thing; what it does not explain is a failure. `parts` says that the two trees
differ from there on, so that the script cannot go on.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tests.interop.differential.play import Answer
from tests.interop.differential.steps import Step


@dataclass(frozen=True)
class Row:
    name: str
    reason: str
    explains: Callable[[Step, Answer, Answer], bool]
    parts: bool = False


ROWS: tuple[Row, ...] = ()
