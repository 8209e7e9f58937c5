"""The search for an order, tried on histories of which it is known whether there is one."""

from itertools import permutations
from random import Random

from sim.checks.wgl import Call, Register, linearizable

VALUES = (b"a", b"b", b"c")


def valid(chance: Random, calls: int) -> list[Call]:
    """Calls that took effect at a moment between their beginning and their end; some were never answered, and some of
    those never took effect."""
    kind, state, made = Register(), Register.start, []
    for moment in range(calls):
        at_us = 100 * moment + 50
        what = chance.choice(
            (
                ("create", b""),
                ("get",),
                ("get",),
                ("set", chance.choice(VALUES), -1),
                ("set", chance.choice(VALUES), chance.randrange(3)),
            )
        )
        answered = chance.random() > 0.1
        if answered or chance.random() < 0.5:
            state, result = kind.step(state, what)
        else:
            result = None
        begin_us = at_us - chance.randrange(1, 400)
        end_us = at_us + chance.randrange(1, 400)
        made.append(Call(begin_us, end_us if answered else None, what, result if answered else None, moment))
    chance.shuffle(made)
    return made


def by_trying(calls: list[Call]) -> bool:
    """Every order of every set that has all answered calls."""
    kind = Register()
    maybe = [call for call in calls if call.end_us is None]
    sure = [call for call in calls if call.end_us is not None]
    for chosen in range(1 << len(maybe)):
        some = sure + [call for place, call in enumerate(maybe) if chosen >> place & 1]
        for order in permutations(some):
            if in_time(order) and explains(kind, order):
                return True
    return False


def in_time(order: tuple[Call, ...]) -> bool:
    return not any(
        later.end_us is not None and later.end_us < sooner.begin_us
        for place, sooner in enumerate(order)
        for later in order[place + 1 :]
    )


def explains(kind: Register, order: tuple[Call, ...]) -> bool:
    state = kind.start
    for call in order:
        state, result = kind.step(state, call.what)
        if call.end_us is not None and result != call.result:
            return False
    return True


def test_histories_that_have_an_order_are_accepted() -> None:
    chance = Random(1)
    for _ in range(1000):
        assert linearizable(Register(), valid(chance, chance.randint(1, 40))) is True


def test_changed_histories_are_judged_as_by_trying_every_order() -> None:
    chance, verdicts = Random(2), []
    for _ in range(1000):
        calls = valid(chance, chance.randint(2, 6))
        place = chance.randrange(len(calls))
        other = chance.choice(calls)
        calls[place] = chance.choice(
            (
                calls[place]._replace(result=other.result),
                calls[place]._replace(begin_us=other.begin_us + 300, end_us=other.begin_us + 400),
                calls[place]._replace(what=("get",), result=(chance.choice(VALUES), chance.randrange(3))),
            )
        )
        verdicts.append(linearizable(Register(), calls))
        assert verdicts[-1] is by_trying(calls), calls
    assert 200 < sum(verdict is True for verdict in verdicts) < 800


def test_a_search_without_end_is_given_up() -> None:
    calls = [Call(0, None, ("set", b"%d" % number, -1), None, number) for number in range(40)]
    calls += [Call(0, 10, ("create", b""), True, 0), Call(20, 30, ("get",), (b"nobody wrote that", 20), 0)]
    assert linearizable(Register(), calls, budget=5000) is None
