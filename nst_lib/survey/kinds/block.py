"""What all blocks of a listening test have in common.

A test is a list of blocks. A block is of one kind, which says what its screens are, what an answer
is, and how answers are exported. A participant answers one screen after the other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from nst_lib.base.validation import Model, setting
from nst_lib.survey.stimuli import REFERENCE, Stimulus, SurveyError

Text = Annotated[str, Field(pattern=r"\S")]
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,39}$")]
#: Meaning and values of the columns of a table, by the name of the column.
Columns = dict[str, tuple[str, str]]
#: Share of a sound that must have been played. The page uses the same number.
WHOLE = 0.9


class AnswerError(ValueError):
    """An answer is not accepted. The message says what is accepted."""


@dataclass(frozen=True)
class Screen:
    """What a participant answers at once.

    Attributes
    ----------
    name : str
        Name of the screen; with `presentation`, it is the only one in its block.
    stimuli : tuple of Stimulus
        The sounds that are judged, in the order in which they are presented.
    reference : Stimulus or None
        A sound that is played for comparison.
    presentation : int
        1 if the participant sees the screen for the first time, 2 if it is a repeat.
    position : int
        1, 2, ... in the test of this block; 0 in its training.
    wording : str
        The question that participants read.
    """

    name: str
    stimuli: tuple[Stimulus, ...] = ()
    reference: Stimulus | None = None
    presentation: int = 1
    position: int = 0
    wording: str = ""

    @property
    def sounds(self) -> tuple[Stimulus, ...]:
        """All sounds of the screen, the reference first."""
        return (*([self.reference] if self.reference else []), *self.stimuli)

    @property
    def items(self) -> list[str]:
        """The names of the sounds that are judged."""
        return [one.item for one in self.stimuli]


@dataclass(frozen=True)
class Given:
    """A stored answer, as a kind exports it.

    Attributes
    ----------
    items : list of str
        The sounds that were judged, in the order in which they were presented.
    answer : dict
        The answer, as the kind accepted it.
    plays : list of int
        How often each sound was played, the reference first.
    """

    items: list[str]
    answer: dict[str, Any]
    plays: list[int]


class Block(Model):
    """A block of one kind."""

    Error = SurveyError
    noun = "setting of a block"
    #: Name of the table that the answers are exported to.
    table: ClassVar[str]

    kind: str = setting("", "Kind of the block.")
    name: Name = setting(
        ...,
        "Name of the block: the question, in the ratings.",
        words="a name of letters, digits, - and _",
    )

    def validate_stimuli(self, stimuli: Sequence[Stimulus]) -> None:
        """Raise SurveyError if the block cannot be made from these sounds, which are its own."""

    def rows(self, stimuli: Sequence[Stimulus]) -> int:
        """Return the number of different orders."""
        return 1

    def screens(self, stimuli: Sequence[Stimulus], row: int, *, seed: int) -> list[Screen]:
        """Return the screens in the order of a row, those of the training first."""
        raise NotImplementedError

    def about(self) -> dict[str, Any]:
        """Return what the page has to know about the block."""
        return {}

    def least(self, seconds: Sequence[float]) -> float:
        """Return how long it takes at least to hear sounds of these durations, in seconds."""
        return WHOLE * sum(seconds)

    def read(self, screen: Screen, answer: Mapping[str, Any]) -> dict[str, Any]:
        """Return an answer as it is stored. Raise AnswerError if it is not accepted."""
        raise NotImplementedError

    def columns(self, stimuli: Sequence[Stimulus]) -> Columns:
        """Return the columns that this kind exports, with their meaning and values."""
        raise NotImplementedError

    def cells(self, given: Given, known: Mapping[str, Stimulus]) -> list[dict[str, Any]]:
        """Return the rows of an answer in the exported table. `known` has the sounds by name."""
        raise NotImplementedError

    def right(self, screen: Screen, answer: Mapping[str, Any]) -> bool | None:
        """Whether the answer to a catch trial is right; None for all other screens."""
        return None


def only(answer: Mapping[str, Any], name: str) -> Any:
    """Return the value of the only field that an answer has."""
    if [*answer] != [name]:
        raise AnswerError(f"wrong answer; accepted: an object with the field {name} and no others")
    return answer[name]


def number(value: Any, low: float, high: float, *, whole: bool, what: str) -> float:
    """Return a number within a range, rounded to one decimal; or raise AnswerError."""
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    fits = numeric and low <= value <= high and (not whole or value == round(value))
    if not fits:
        kind = "a whole number" if whole else "a number"
        raise AnswerError(f"wrong {what}; accepted: {kind} from {low:g} to {high:g}")
    return round(value) if whole else round(float(value), 1)


def references(stimuli: Sequence[Stimulus]) -> dict[str, Stimulus]:
    """Return the reference of each pair of recordings."""
    return {one.pair: one for one in stimuli if one.role == REFERENCE}


def need_descriptions(judged: Sequence[Stimulus], wording: str) -> None:
    """Raise SurveyError if a question shows the description of a sound that has none."""
    if "{description}" not in wording:
        return
    for one in judged:
        if not one.description:
            raise SurveyError(
                f"item {one.item!r} has no description; give each sound one, because the question "
                f"is {wording!r}"
            )


def need_references(stimuli: Sequence[Stimulus], judged: Sequence[Stimulus], name: str) -> None:
    """Raise SurveyError if a sound that is judged has no reference."""
    known = references(stimuli)
    for one in judged:
        if one.pair not in known:
            raise SurveyError(
                f"block {name!r}: item {one.item!r} has no reference; add a row with the role "
                f"reference and the pair {one.pair!r}"
            )


@lru_cache(maxsize=10000)
def shares(rows: int, parts: int, *, seed: tuple[int, ...]) -> list[int]:
    """Return a number from 0 to `parts` - 1 for each row, as equally often as possible."""
    found: list[int] = (np.random.default_rng(seed).permutation(rows) * parts // rows).tolist()
    return found


def factor_columns(stimuli: Sequence[Stimulus], prefix: str = "") -> Columns:
    """Return the columns of the factors, each with its levels."""
    found: Columns = {}
    for name in stimuli[0].factors if stimuli else ():
        levels = dict.fromkeys(one.factors[name] for one in stimuli if one.factors[name])
        found[prefix + name] = (
            "Factor of the experiment",
            f"{', '.join(levels)}; empty: a sound that is in no condition",
        )
    return found
