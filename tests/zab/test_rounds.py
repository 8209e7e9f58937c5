"""Questions are answered by rounds that started after them."""

from zooweeper.zab.rounds import Rounds


def test_a_question_needs_a_round_that_starts_after_it() -> None:
    rounds = Rounds()
    first = rounds.start()
    assert rounds.ask(2, 10, 100), "no round with questions is under way: start one"
    assert rounds.answered(first) == [], "that round started before the question"
    second = rounds.start()
    assert not rounds.ask(3, 11, 105), "it gathers for the next"
    assert [(one.asker, one.token, one.zxid) for one in rounds.answered(second)] == [(2, 10, 100)]
    assert rounds.waiting
    assert [one.token for one in rounds.answered(rounds.start())] == [11]
    assert not rounds.waiting
