"""Comparisons of two sounds that are made from the same pair of recordings.

All conditions of a pair are compared with each other. Over all rows, each sound of a comparison is
first equally often.
"""

import itertools
from collections.abc import Sequence

from nst_lib.base.validation import setting
from nst_lib.survey import order
from nst_lib.survey.kinds.block import Block, Columns, factor_columns
from nst_lib.survey.stimuli import TRIAL, Stimulus, SurveyError
from nst_lib.survey.subsets import Cell

Two = tuple[Stimulus, Stimulus]


class Comparisons(Block):
    """A block whose screens compare two sounds."""

    per_listener: int | None = setting(
        None, "Number of different comparisons for each participant; null: all comparisons."
    )

    def comparisons(self, stimuli: Sequence[Stimulus]) -> list[Two]:
        """Return all comparisons."""
        trials = [one for one in stimuli if one.role == TRIAL]
        return [
            (a, b)
            for pair in dict.fromkeys(one.pair for one in trials)
            for a, b in itertools.combinations([one for one in trials if one.pair == pair], 2)
        ]

    def validate_stimuli(self, stimuli: Sequence[Stimulus]) -> None:
        """Raise SurveyError if the block cannot be made from these sounds."""
        count = len(self.comparisons(stimuli))
        if count < 1:
            raise SurveyError(
                f"block {self.name!r}: no two trials are made from the same pair; give two or more "
                "trials the same name in the column 'pair'"
            )
        heard = count if self.per_listener is None else self.per_listener
        if not 1 <= heard <= count:
            raise SurveyError(
                f"per_listener={heard}; accepted: 1 to {count}, the number of comparisons"
            )

    def rows(self, stimuli: Sequence[Stimulus]) -> int:
        """Return the number of different orders."""
        return order.rows(len(self.comparisons(stimuli)))

    def cells_of(self, compared: Sequence[Two]) -> list[Cell]:
        """Return pair and conditions of each comparison, for balanced parts."""
        return [
            Cell(a.pair, (tuple(a.factors.values()), tuple(b.factors.values())))
            for a, b in compared
        ]


def name(a: Stimulus, b: Stimulus) -> str:
    """Return the name of a comparison, in whichever order the two sounds are played."""
    return " ~ ".join(sorted((a.item, b.item)))


def both(stimuli: Sequence[Stimulus], prefixes: tuple[str, str]) -> Columns:
    """Return the columns of the factors of both sounds."""
    trials = [one for one in stimuli if one.role == TRIAL]
    return {
        key: (f"{meaning}, of the sound in the column {prefix}", values)
        for prefix in prefixes
        for key, (meaning, values) in factor_columns(trials, f"{prefix}_").items()
    }
