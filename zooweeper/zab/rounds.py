"""Rounds of pings, and the questions they answer: does a quorum still follow us? (zab-protocol 19.1)

Rules: a question needs a round that starts after it; an answer is never used for two rounds. One round with questions
at a time: what is asked meanwhile gathers for the next.
"""

from typing import NamedTuple


class Question(NamedTuple):
    """A read that must not be stale."""

    round: int  # the first that started after it
    asker: int
    token: int
    zxid: int  # committed when it was asked


class Rounds:
    """The rounds of one leader."""

    __slots__ = ("_questions", "current")

    def __init__(self) -> None:
        self.current = 0
        self._questions: list[Question] = []

    def start(self) -> int:
        """The number of a new round."""
        self.current += 1
        return self.current

    def ask(self, asker: int, token: int, zxid: int) -> bool:
        """Take a question; True when a round should start at once, for none with questions is under way."""
        under_way = any(question.round == self.current for question in self._questions)
        self._questions.append(Question(self.current + 1, asker, token, zxid))
        return not under_way

    def answered(self, confirmed: int) -> list[Question]:
        """The questions that are answered now that a quorum has answered round `confirmed`."""
        answered = [question for question in self._questions if question.round <= confirmed]
        self._questions = [question for question in self._questions if question.round > confirmed]
        return answered

    def __len__(self) -> int:
        """How many questions wait."""
        return len(self._questions)

    @property
    def waiting(self) -> bool:
        """There are questions."""
        return bool(self._questions)
