"""A load generator for ZooKeeper ports, Session streams and etcd: `run(Load) -> Result`, and `zooweeper bench`.

Rules: what is measured is the server. One thread over epoll; requests are bytes made before the clock starts, answers
are counted by their lengths; no task, future or object per request. What the generator costs itself is measured, too.

    from zooweeper.bench import Load, Target, run

    result = run(Load(Target.parse("zk://127.0.0.1:2181"), "set", connections=30, depth=16))
"""

from zooweeper.bench.load import BenchError, Load, Progress, Result, Side, Target
from zooweeper.bench.run import run

__all__ = ["BenchError", "Load", "Progress", "Result", "Side", "Target", "run"]
