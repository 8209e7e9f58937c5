"""A bank: money moves between accounts by multi; its sum never changes, and nobody ever sees another sum.

Some transfers fail on purpose at their last part; they must change nothing.
"""

from random import Random

from sim.history import History, Operation
from sim.workloads.base import Workload
from sim.world import Violation
from zooweeper.model.acl import OPEN
from zooweeper.ops.create import Create
from zooweeper.ops.data import Check, GetData, SetData
from zooweeper.ops.multi import Multi, MultiRead, Part

ACCOUNTS = tuple(f"/bank/{index}" for index in range(5))
START = 100
TOTAL = START * len(ACCOUNTS)
WRONG = 1_000_000  # a version that no account has


class Bank(Workload):
    name = "bank"

    def set_up(self) -> None:
        super().set_up()
        parts = [Part(Create.code, Create.Request(path, b"%d" % START, list(OPEN), 0)) for path in ACCOUNTS]
        self.ask(Multi, "", Multi.Request(parts))

    def act(self, chance: Random) -> None:
        transfer = None
        if chance.random() < 0.7:
            source, target = chance.sample(range(len(ACCOUNTS)), 2)
            transfer = (source, target, chance.randint(1, 60), chance.random() < 0.2)
        parts = [Part(GetData.code, GetData.Request(path, False)) for path in ACCOUNTS]
        self.ask(MultiRead, "", MultiRead.Request(parts), note=transfer, linear=chance.random() < 0.3)

    def on_answer(self, operation: Operation) -> None:
        if operation.code != MultiRead.code or not operation.ok or self.stopped or operation.note is None:
            return
        seen = [part.record for part in operation.result.parts]
        if None in seen:
            return
        source, target, amount, fails = operation.note
        moved = ((source, -amount), (target, amount))
        parts = [
            Part(SetData.code, SetData.Request(ACCOUNTS[at], self._data(seen[at], by), seen[at].stat.version))
            for at, by in moved
        ]
        if fails:
            parts.append(Part(Check.code, Check.Request(ACCOUNTS[target], WRONG)))
        self.ask(Multi, "", Multi.Request(parts), note=fails)

    def _data(self, seen: GetData.Result, by: int) -> bytes:
        return b"%d %s" % (balance(seen.data) + by, self.value())

    @classmethod
    def judge(cls, history: History) -> None:
        for operation in history.of(cls.name):
            if operation.code == MultiRead.code and operation.ok:
                seen = [part.record for part in operation.result.parts]
                if all(seen) and sum(balance(one.data) for one in seen) != TOTAL:
                    raise Violation("bank", f"the sum is not {TOTAL}: {operation}")
            elif operation.note is True and operation.ok and not operation.result.parts[-1].error:
                raise Violation("bank", f"could not be done, and was: {operation}")
        balances = dict.fromkeys(ACCOUNTS, START)
        changes = sorted(
            (zxid, path, node) for path in ACCOUNTS for zxid, node in history.model.past.get(path, ()) if node
        )
        for place, (zxid, path, node) in enumerate(changes):
            balances[path] = balance(node.data)
            last = place + 1 == len(changes) or changes[place + 1][0] != zxid
            if last and sum(balances.values()) != TOTAL:
                raise Violation("bank", f"the sum is {sum(balances.values())} after {zxid:#x}")


def balance(data: bytes | None) -> int:
    return int((data or b"0").split()[0])
