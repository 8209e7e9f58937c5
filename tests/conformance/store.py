"""What every store of the grade database must do: run on SQLite and on Cassandra.

A check gets `opener`, which opens, and makes if it is not there, the store of the server of a name. `Model` is the
oracle: the whole history, and rules told from it without any cleverness.
"""

import dataclasses
import random
from collections.abc import Callable, Sequence
from contextlib import closing

import pytest
from grades import table
from grades.statements import Append, Delete, Put, Write
from grades.store import PIECE_VALUES, BadCopy, Piece, Store, StoreError
from grades.table import Code, Request, Result, execute

Opener = Callable[[str], Store]
DATABASE = "0123456789abcdef"


class Model:
    """What the table and the answers must be after a history of requests."""

    def __init__(self) -> None:
        self.rows: dict[int, list[int]] = {}
        self.n = 0
        self.kept: dict[tuple[str, int], Result] = {}
        self.forgotten: dict[str, int] = {}

    def execute(self, request: Request) -> Result:
        self.n += 1
        if self.n % table.FORGET_EVERY == 0:
            for (client, number), result in list(self.kept.items()):
                if result.n <= self.n - table.KEPT:
                    del self.kept[client, number]
                    self.forgotten[client] = max(number, self.forgotten.get(client, 0))
        key = request.client, request.number
        if key in self.kept:
            return self.kept[key]
        if request.number <= self.forgotten.get(request.client, 0):
            return Result(self.n, Code.FORGOTTEN)
        self.kept[key] = Result(self.n, self.change(request.statement))
        return self.kept[key]

    def change(self, statement: Write) -> Code:
        if isinstance(statement, Delete):
            self.rows.pop(statement.id, None)
            return Code.OK
        before = self.rows.get(statement.id, []) if isinstance(statement, Append) else []
        after = [*before, *statement.events]
        if len(after) > table.LIST_MAX:
            return Code.LIST_TOO_LONG
        self.rows[statement.id] = after
        return Code.OK


def run(store: Store, requests: Sequence[Request]) -> list[Result]:
    """Execute requests in one transaction, as the next log entries."""
    first = store.applied + 1
    with store.transaction(store.applied + len(requests)) as writer:
        return [execute(writer, n, request) for n, request in enumerate(requests, first)]


def agree(store: Store, model: Model) -> None:
    """The store holds what the model does, and its rolling figures are what a count of everything gives."""
    rows = store.rows(limit=len(model.rows) + 1)
    assert rows == sorted(model.rows.items())
    assert store.applied == model.n
    assert store.count() == len(rows)
    assert store.digest == digest_of(rows)


def digest_of(rows: Sequence[tuple[int, list[int]]]) -> str:
    return table.digest(sum(table.row_hash(id, table.row_text(events)) for id, events in rows))


def same(results: Sequence[Result], expected: Sequence[Result]) -> None:
    """Equal but for the words of an error."""
    assert [(r.n, r.code) for r in results] == [(r.n, r.code) for r in expected]


def random_requests(source: random.Random, count: int) -> list[Request]:
    """Few clients, numbers that come again, few ids: all that can go wrong together, does."""
    found: list[Request] = []
    high = {"a": 0, "b": 0, "c": 0}
    for _ in range(count):
        client = source.choice("abc")
        number = high[client] + 1 if source.random() < 0.7 else source.randint(1, high[client] + 3)
        high[client] = max(high[client], number)
        id = source.choice((-(2**31), -1, 0, 1, 2, 3, 2**31 - 1))
        events = tuple(source.choice((-(2**31), 0, 85, 2**31 - 1)) for _ in range(source.randrange(4)))
        kinds: tuple[Write, ...] = (Put(id, events), Append(id, events), Append(id, events), Delete(id))
        found.append(Request(client, number, source.choice(kinds)))
    return found


def check_a_new_store_is_empty(opener: Opener) -> None:
    with closing(opener("new")) as store:
        assert (store.applied, store.database, store.count(), store.digest) == (0, "", 0, "0" * 16)
        assert store.get(1) is None and store.rows() == []


def check_statements(opener: Opener) -> None:
    with closing(opener("statements")) as store:
        steps: tuple[tuple[Write, list[int] | None], ...] = (
            (Append(123, (90,)), [90]),
            (Append(123, (85, 70)), [90, 85, 70]),
            (Put(123, (1,)), [1]),
            (Append(123, ()), [1]),
            (Delete(123), None),
            (Delete(123), None),
            (Put(123, ()), []),
            (Append(124, ()), []),
            (Append(123, (-(2**31), 2**31 - 1)), [-(2**31), 2**31 - 1]),
        )
        for number, (statement, expected) in enumerate(steps, 1):
            id = statement.id
            assert run(store, [Request("a", number, statement)]) == [Result(number)]
            assert store.get(id) == expected
        model = Model()
        model.rows, model.n = {123: [-(2**31), 2**31 - 1], 124: []}, len(steps)
        agree(store, model)
        # all in one transaction, which sees its own writes
        run(store, [Request("b", number, statement) for number, (statement, _) in enumerate(steps, 1)])
        model.n *= 2
        agree(store, model)


def check_a_list_has_an_end(opener: Opener) -> None:
    full = tuple(range(table.LIST_MAX))
    with closing(opener("full")) as store:
        results = run(
            store,
            [
                Request("a", 1, Put(1, full)),
                Request("a", 2, Append(1, (0,))),
                Request("a", 3, Put(2, (*full, 0))),
                Request("a", 4, Append(1, ())),
            ],
        )
        assert [result.code for result in results] == [Code.OK, Code.LIST_TOO_LONG, Code.LIST_TOO_LONG, Code.OK]
        assert store.rows() == [(1, list(full))]
        assert run(store, [Request("a", 2, Append(1, (0,)))]) == [results[1]], "a failure is remembered, too"


def check_rows_come_in_pages(opener: Opener) -> None:
    ids = [*range(-30, 30, 3), -(2**31), 2**31 - 1]
    with closing(opener("pages")) as store:
        run(store, [Request("a", number, Put(id, (id,))) for number, id in enumerate(ids, 1)])
        found: list[tuple[int, list[int]]] = []
        while page := store.rows(after=found[-1][0] if found else None, limit=7):
            assert len(page) <= 7
            found += page
        assert found == [(id, [id]) for id in sorted(ids)]


def check_a_transaction_is_whole_or_nothing(opener: Opener) -> None:
    with closing(opener("whole")) as store:
        run(store, [Request("a", 1, Put(1, (1,)))])
        before = store.digest
        with pytest.raises(KeyError, match="in the middle"), store.transaction(4) as writer:
            execute(writer, 2, Request("a", 2, Put(1, (2,))))
            execute(writer, 3, Request("a", 3, Put(2, (2,))))
            raise KeyError("in the middle")
        assert (store.applied, store.digest, store.rows()) == (1, before, [(1, [1])])
        # the numbers were not used up, and the writer left nothing behind
        assert run(store, [Request("a", 2, Append(1, (3,)))]) == [Result(2)]
        assert store.rows() == [(1, [1, 3])] and store.applied == 2


def check_it_is_there_again(opener: Opener) -> None:
    model = Model()
    requests = random_requests(random.Random(1), 60)
    for part in range(0, 60, 20):
        with closing(opener("again")) as store:
            agree(store, model)
            expected = [model.execute(request) for request in requests[part : part + 20]]
            same(run(store, requests[part : part + 20]), expected)
            store.sync()
    with closing(opener("again")) as store:
        agree(store, model)


def check_a_request_takes_effect_once(opener: Opener) -> None:
    with closing(opener("once")) as store:
        first = run(store, [Request("a", 1, Append(1, (5,))), Request("b", 1, Append(1, (6,)))])
        assert run(store, [Request("a", 1, Append(1, (5,)))]) == [first[0]]
        twice = run(store, [Request("a", 2, Append(1, (7,))), Request("a", 2, Append(1, (7,)))])
        assert twice == [Result(4), Result(4)]
        assert store.get(1) == [5, 6, 7] and store.applied == 5


def check_what_is_forgotten_is_refused(opener: Opener) -> None:
    """With a short memory a few hundred requests show it, however they are gathered in transactions."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table, "KEPT", 50)
        patch.setattr(table, "FORGET_EVERY", 10)
        requests = random_requests(random.Random(2), 400)
        model = Model()
        expected = [model.execute(request) for request in requests]
        assert sum(result.code is Code.FORGOTTEN for result in expected) > 20, "the history does not show it"
        for name, size in (("forget1", 1), ("forget7", 7), ("forget100", 100)):
            with closing(opener(name)) as store:
                found = [r for at in range(0, 400, size) for r in run(store, requests[at : at + size])]
                same(found, expected)
                agree(store, model)


def check_silent_clients_are_forgotten(opener: Opener) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table, "KEPT", 10)
        patch.setattr(table, "KEPT_CLIENTS", 30)
        patch.setattr(table, "FORGET_EVERY", 10)
        with closing(opener("silent")) as store:
            run(store, [Request("once", 1, Append(1, (1,)))])
            run(store, [Request("often", number, Append(2, (1,))) for number in range(1, 26)])
            assert run(store, [Request("once", 1, Append(1, (1,)))])[0].code is Code.FORGOTTEN
            run(store, [Request("often", number, Append(2, (1,))) for number in range(26, 60)])
            clients = [client for piece in store.dump() for client in piece.clients]
            assert [client.client for client in clients] == ["often"]


def check_a_copy_travels(opener: Opener) -> None:
    requests = random_requests(random.Random(3), 500)
    requests[100:100] = [Request("long", n + 1, Put(n + 10, tuple(range(3000)))) for n in range(30)]
    with pytest.MonkeyPatch.context() as patch, closing(opener("from")) as store, closing(opener("to")) as other:
        patch.setattr(table, "KEPT", 200)
        patch.setattr(table, "FORGET_EVERY", 10)
        store.join(DATABASE)
        model = Model()
        for at in range(0, 400, 50):
            same(run(store, requests[at : at + 50]), [model.execute(r) for r in requests[at : at + 50]])
        run(other, [Request("stale", 1, Put(999, (1,)))])  # and is gone after the transfer
        pieces = list(store.dump())
        for piece in pieces:
            assert sum(1 + len(events) for _, events in piece.rows) <= PIECE_VALUES + table.LIST_MAX + 1
            assert len(piece.requests) + len(piece.clients) <= PIECE_VALUES
        assert len(pieces) > 8 and pieces[0].applied == 400 and pieces[-1].last
        other.load(iter(pieces))
        agree(other, model)
        assert (other.database, other.digest) == (DATABASE, store.digest)
        # it goes on as the first one does, with the same memory
        rest = [*requests[400:], *requests[300:400], *requests[:100]]
        expected = [model.execute(request) for request in rest]
        same(run(store, rest), expected)
        same(run(other, rest), expected)
        agree(other, model)
    with closing(opener("to")) as other:
        agree(other, model)


def check_a_copy_is_of_one_moment(opener: Opener) -> None:
    with closing(opener("moment")) as store, closing(opener("later")) as other:
        store.join(DATABASE)
        run(store, [Request("a", n, Put(n, tuple(range(2000)))) for n in range(1, 31)])
        model = Model()
        model.rows, model.n = dict(store.rows()), store.applied
        dump = store.dump()
        pieces = [next(dump), next(dump)]
        run(store, [Request("a", 31, Delete(30)), Request("a", 32, Put(0, (1,))), Request("a", 33, Append(29, (1,)))])
        other.load([*pieces, *dump])
        agree(other, model)


def check_half_a_copy_is_refused(opener: Opener) -> None:
    with closing(opener("whole")) as store, closing(opener("half")) as other:
        store.join(DATABASE)
        run(store, [Request("a", n, Put(n, (n,) * 3000)) for n in range(1, 11)])
        pieces = list(store.dump())
        other.join(DATABASE)
        run(other, [Request("a", 1, Put(1, (7,)))])
        lies = [
            [],
            pieces[:-1],
            pieces[1:],
            [pieces[0], *pieces[2:]],
            [pieces[0], pieces[1], *pieces[1:]],
            [dataclasses.replace(pieces[0], database="another"), *pieces[1:]],
            [dataclasses.replace(pieces[0], applied=0), *pieces[1:]],
            [pieces[0], Piece(rows=((1, (1,)),)), Piece(last=True)],
        ]
        for lie in lies:
            with pytest.raises(BadCopy):
                other.load(iter(lie))
            assert (other.applied, other.rows(), other.count()) == (1, [(1, [7])], 1)
        other.load(iter(pieces))
        assert other.digest == store.digest and other.rows() == store.rows()


def check_a_store_is_of_one_database(opener: Opener) -> None:
    with closing(opener("joined")) as store:
        store.join(DATABASE)
        store.join(DATABASE)
    with closing(opener("joined")) as store:
        assert store.database == DATABASE
        with pytest.raises(StoreError):
            store.join("another")
        assert store.database == DATABASE


CHECKS: tuple[Callable[[Opener], None], ...] = (
    check_a_new_store_is_empty,
    check_statements,
    check_a_list_has_an_end,
    check_rows_come_in_pages,
    check_a_transaction_is_whole_or_nothing,
    check_it_is_there_again,
    check_a_request_takes_effect_once,
    check_what_is_forgotten_is_refused,
    check_silent_clients_are_forgotten,
    check_a_copy_travels,
    check_a_copy_is_of_one_moment,
    check_half_a_copy_is_refused,
    check_a_store_is_of_one_database,
)
