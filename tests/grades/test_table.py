"""What a request does, and that it does it once, on a store that is nothing but dictionaries."""

import random
from collections.abc import Sequence

import pytest
from grades import table
from grades.statements import Append, Delete, Put
from grades.store import Forgotten, Remembered
from grades.table import BadRequest, Code, Request, Result, digest, execute, row_hash, row_text

from tests.conformance.store import Model, random_requests, same


class Dictionaries:
    """A store.Writer in memory."""

    def __init__(self) -> None:
        self.rows: dict[int, list[int]] = {}
        self.requests: dict[tuple[str, int], Remembered] = {}
        self.clients: dict[str, Forgotten] = {}

    def get(self, id: int) -> list[int] | None:
        return self.rows[id].copy() if id in self.rows else None

    def put(self, id: int, events: list[int]) -> None:
        self.rows[id] = events

    def delete(self, id: int) -> None:
        self.rows.pop(id, None)

    def recall(self, client: str, number: int) -> Remembered | None:
        return self.requests.get((client, number))

    def forgotten(self, client: str) -> int:
        return self.clients[client].number if client in self.clients else 0

    def remember(self, request: Remembered) -> None:
        self.requests[request.client, request.number] = request

    def forget(self, requests: int, clients: int) -> None:
        for old in [request for request in self.requests.values() if request.n <= requests]:
            del self.requests[old.client, old.number]
            number = max(old.number, self.forgotten(old.client))
            self.clients[old.client] = Forgotten(old.client, number, old.n)
        self.clients = {name: one for name, one in self.clients.items() if one.n > clients}


def run(writer: Dictionaries, requests: Sequence[Request], first: int = 1) -> list[Result]:
    return [execute(writer, n, request) for n, request in enumerate(requests, first)]


@pytest.mark.parametrize("seed", range(20))
def test_any_history_is_what_the_model_says(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "KEPT", 30)
    monkeypatch.setattr(table, "FORGET_EVERY", 7)
    monkeypatch.setattr(table, "LIST_MAX", 8)
    writer, model = Dictionaries(), Model()
    requests = random_requests(random.Random(seed), 300)
    expected = [model.execute(request) for request in requests]
    same(run(writer, requests), expected)
    assert writer.rows == model.rows
    ends = {result.code for result in expected}
    assert ends >= {Code.OK, Code.LIST_TOO_LONG, Code.FORGOTTEN}, "the history shows every end"


def test_a_request_sent_again_is_answered_with_the_first_answer() -> None:
    writer = Dictionaries()
    request = Request("a", 1, Append(1, (5,)))
    assert run(writer, [request, request, request]) == [Result(1)] * 3
    assert writer.rows == {1: [5]}
    # another client's number is another request; so is another number
    assert run(writer, [Request("b", 1, Append(1, (6,))), Request("a", 2, Append(1, (7,)))], 4) == [
        Result(4),
        Result(5),
    ]
    assert writer.rows == {1: [5, 6, 7]}


def test_requests_of_one_client_may_overtake_each_other() -> None:
    writer = Dictionaries()
    assert run(writer, [Request("a", 2, Append(1, (2,))), Request("a", 1, Append(1, (1,)))]) == [Result(1), Result(2)]
    assert writer.rows == {1: [2, 1]}


def test_what_is_remembered_and_what_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "FORGET_EVERY", 1)
    monkeypatch.setattr(table, "KEPT", 3)
    writer = Dictionaries()
    run(writer, [Request("a", number, Append(1, (number,))) for number in (1, 2, 3, 4, 5)])
    # the last entry was 5: those of 3, 4 and 5 are remembered until 6 comes, which forgets 3
    first, second = run(writer, [Request("a", 4, Append(1, (4,))), Request("a", 3, Append(1, (3,)))], 6)
    assert first == Result(4)
    assert second.code is Code.FORGOTTEN and second.n == 7 and "request 3 of a" in second.message
    assert writer.rows == {1: [1, 2, 3, 4, 5]}


def test_a_failure_is_an_answer_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "LIST_MAX", 3)
    writer = Dictionaries()
    too_long = Request("a", 2, Append(1, (3, 4)))
    answers = run(writer, [Request("a", 1, Put(1, (1, 2))), too_long, Request("a", 3, Delete(1)), too_long])
    assert answers[1] == answers[3] == Result(2, Code.LIST_TOO_LONG, "row 1 would have 4 events, at most 3")
    assert writer.rows == {}, "it would fit now, and is not done all the same"


@pytest.mark.parametrize("result", [Result(5), Result(6, Code.LIST_TOO_LONG, "row 1 would have 4 events, at most 3")])
def test_an_answer_comes_back_from_its_text(result: Result) -> None:
    assert Result.of(Remembered("a", 1, result.n, result.text())) == result


@pytest.mark.parametrize(("client", "number"), [("", 1), ("x" * 65, 1), ("a b", 1), ("a\n", 1), ("a", 0), ("a", 2**63)])
def test_an_id_that_is_none_is_refused(client: str, number: int) -> None:
    with pytest.raises(BadRequest):
        Request(client, number, Delete(1))


def test_the_digest_does_not_depend_on_the_way() -> None:
    rows = {1: [1, 2], 2: [], -(2**31): [2**31 - 1]}
    hashes = [row_hash(id, row_text(events)) for id, events in rows.items()]
    assert digest(sum(hashes)) == digest(sum(reversed(hashes)))
    assert digest(sum(hashes) - hashes[0] + hashes[0]) == digest(sum(hashes)) != digest(sum(hashes[1:]))
    assert digest(0) == "0" * 16 and len(digest(-1)) == 16
    assert row_hash(1, "[2]") != row_hash(2, "[1]") != row_hash(12, "[]")
    assert row_text((90, -85)) == "[90,-85]" and row_text([]) == "[]"
