"""Is there an order of these calls that explains what they returned? The search of Wing and Gong, with Lowe's cache.

Rules: knows nothing of zxids, logs or models of the service: a second opinion beside the replay. A call without an end
may have happened at any moment after its beginning, or never. Calls at one moment count as concurrent, so nothing is
reported that is not certain. The budget bounds the search: None then, for undecided.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from zooweeper.model.errors import ErrorCode

BUDGET = 200_000


class Call(NamedTuple):
    """One operation on one object."""

    begin_us: int
    end_us: int | None  # None: no answer
    what: tuple[Any, ...]
    result: Any
    who: int  # for people


class Kind(Protocol):
    """What an object is, one operation at a time. States can be hashed."""

    start: Any

    def step(self, state: Any, what: tuple[Any, ...]) -> tuple[Any, Any]:
        """(the state after, the result)."""
        ...


class Register:
    """A znode: absent, or data with a version."""

    start = None

    def step(self, state: Any, what: tuple[Any, ...]) -> tuple[Any, Any]:
        name = what[0]
        if name == "create":
            return (state, False) if state is not None else ((what[1], 0), True)
        if name == "get":
            return state, state
        if state is None:
            return None, int(ErrorCode.NO_NODE)
        _, data, version = what
        if version not in (-1, state[1]):
            return state, int(ErrorCode.BAD_VERSION)
        return (data, state[1] + 1), state[1] + 1


class Event:
    """The beginning or the end of a call, in a list from which calls are taken as they are put in order."""

    __slots__ = ("after", "before", "call", "end", "place")

    def __init__(self, call: Call | None, place: int) -> None:
        self.call = call  # of a beginning
        self.place = place
        self.end: Event | None = None
        self.before: Event | None = None
        self.after: Event | None = None


def linearizable(kind: Kind, calls: Sequence[Call], budget: int = BUDGET) -> bool | None:
    """Whether there is such an order; None when the search was given up."""
    head = chain(calls)
    done, state = 0, kind.start
    tried: set[tuple[int, Any]] = set()  # only asked, never walked
    taken: list[tuple[Event, int, Any]] = []
    event = head.after
    while head.after is not None:
        budget -= 1
        if budget < 0:
            return None
        if event is not None and event.call is not None:
            call = event.call
            after, result = kind.step(state, call.what)
            if call.end_us is None or result == call.result:
                step = (done | 1 << event.place, after)
                if step not in tried:
                    tried.add(step)
                    taken.append((event, done, state))
                    done, state = step
                    lift(event)
                    event = head.after
                    continue
            event = event.after
            continue
        if not taken:
            return False
        event, done, state = taken.pop()
        put_back(event)
        event = event.after
    return True


def chain(calls: Sequence[Call]) -> Event:
    """The events in their order behind a head; at one moment beginnings first, and ends that never came last."""
    moments: list[tuple[int, int, int, Event]] = []
    forever = max((call.begin_us for call in calls), default=0)
    forever = max(forever, max((call.end_us or 0 for call in calls), default=0)) + 1
    for place, call in enumerate(calls):
        begin, end = Event(call, place), Event(None, place)
        begin.end = end
        moments.append((call.begin_us, 0, place, begin))
        moments.append((forever if call.end_us is None else call.end_us, 1, place, end))
    moments.sort(key=lambda moment: moment[:3])
    head = last = Event(None, -1)
    for *_, event in moments:
        last.after, event.before = event, last
        last = event
    return head


def lift(event: Event) -> None:
    """Take a call out of the list."""
    for one in (event, event.end):
        assert one is not None and one.before is not None
        one.before.after = one.after
        if one.after is not None:
            one.after.before = one.before


def put_back(event: Event) -> None:
    """Undo `lift`."""
    for one in (event.end, event):
        assert one is not None and one.before is not None
        one.before.after = one
        if one.after is not None:
            one.after.before = one
