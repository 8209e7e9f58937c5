"""Turns: every round asks each player for each load, one after the other, and ratios are made within a round.

Rules: who is measured once in a round is compared with all others of that load. A player that fails is left out of
that round, with its reason, and the others go on; a match is judged by the rounds that have both sides.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from bench.compare.matrix import Match
from bench.compare.measured import Figures, Load
from bench.compare.ratios import Bar, Row
from bench.load import Stuck
from bench.say import Say

Player = Callable[[Load], Figures]
Turn = tuple[str, Load]
Round = dict[Turn, Figures]


def turns_of(matches: Iterable[Match], players: Mapping[str, object]) -> list[Turn]:
    """Who has to be measured under which load, each once: ours first, then whom it is compared with."""
    sides = ((name, match.load) for match in playable(matches, players) for name in (match.ours, match.theirs))
    return list(dict.fromkeys(sides))


def playable(matches: Iterable[Match], players: Mapping[str, object]) -> list[Match]:
    """Those matches that have both players here."""
    return [match for match in matches if match.ours in players and match.theirs in players]


def play(
    what: str, matches: Sequence[Match], players: Mapping[str, Player], rounds: int, say: Say, reasons: list[str]
) -> list[Round]:
    """All rounds; what failed is added to `reasons`."""
    turns = turns_of(matches, players)
    played: list[Round] = [{} for _ in range(rounds)]
    everything = [(number, turn) for number in range(rounds) for turn in turns]
    for number, (name, load) in say.each(what, everything, len(everything)):
        try:
            played[number][name, load] = players[name](load)
        except Stuck as error:
            reasons.append(f"round {number + 1}, {name}, {load}: {error}")
    return played


def rows_of(matches: Iterable[Match], rounds: Sequence[Round]) -> list[Row]:
    """The comparison, in the order of the matches; a match that no round has both sides of is not in it."""
    rows: list[Row] = []
    for match in matches:
        ours, theirs = (match.ours, match.load), (match.theirs, match.load)
        complete = [one for one in rounds if ours in one and theirs in one]
        if not complete:
            continue
        bars: dict[str, Bar | None] = {bar.figure: bar for bar in match.bars}
        bars |= dict.fromkeys(match.shown)
        rows += [
            Row(
                str(match.load),
                match.ours,
                match.theirs,
                figure,
                tuple(one[ours][figure] for one in complete),
                tuple(one[theirs][figure] for one in complete),
                bar,
            )
            for figure, bar in bars.items()
        ]
    return rows
