"""Paired preference: which of two sounds of the same pair of recordings is better, or neither."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from nst_lib.base.validation import setting
from nst_lib.survey import order
from nst_lib.survey.kinds.block import (
    AnswerError,
    Columns,
    Given,
    Screen,
    Text,
    need_descriptions,
    need_references,
    only,
    references,
    shares,
)
from nst_lib.survey.kinds.comparisons import Comparisons, Two, both, name
from nst_lib.survey.stimuli import CATCH, TRAINING, TRIAL, Stimulus, SurveyError

#: Words for the answers 0, 1 and null in the exported table.
FIRST, SECOND, TIE = "first", "second", "tie"


class Pair(Comparisons):
    """A block in which each screen asks which of two sounds is preferred.

    A catch trial compares two catch stimuli: the one with the higher right ratings is right.
    """

    table: ClassVar[str] = "preferences"

    kind: Literal["pair"] = setting("pair", "Kind of the block.")
    wording: Text = setting(
        ...,
        "The question that participants read; {description} stands for the sounds' description.",
        words="a text",
    )
    ties: bool = setting(True, "Whether participants may have no preference.")
    reference: bool = setting(False, "Whether a reference is played before the two sounds.")
    repeats: int = setting(
        0, "Number of comparisons that each participant hears twice, in both orders.", ge=0
    )

    def validate_stimuli(self, stimuli: Sequence[Stimulus]) -> None:
        """Raise SurveyError if the block cannot be made from these sounds."""
        super().validate_stimuli(stimuli)
        heard = self.per_listener or len(self.comparisons(stimuli))
        if self.repeats > heard:
            raise SurveyError(
                f"repeats={self.repeats}; accepted: 0 to {heard}, the number of comparisons that a "
                "participant hears"
            )
        trials = [one for one in stimuli if one.role == TRIAL]
        need_descriptions(trials, self.wording)
        if self.reference:
            need_references(stimuli, trials, self.name)

    def screens(self, stimuli: Sequence[Stimulus], row: int, *, seed: int) -> list[Screen]:
        """Return the comparisons in the order of a row, those of the training first."""
        compared, catches = self.comparisons(stimuli), _catches(stimuli)
        training = [one for one in stimuli if one.role == TRAINING]
        known = references(stimuli) if self.reference else {}
        rows = self.rows(stimuli)

        def screen(two: Two, swap: bool, presentation: int = 1, position: int = 0) -> Screen:
            a, b = two[::-1] if swap else two
            wording = self.wording.replace("{description}", a.description)
            return Screen(name(a, b), (a, b), known.get(a.pair), presentation, position, wording)

        places = order.arrange(
            len(compared),
            row,
            seed=seed,
            heard=self.per_listener,
            cells=self.cells_of(compared),
            repeats=self.repeats,
            catches=len(catches),
        )
        found = [screen(two, False) for two in zip(training[::2], training[1::2], strict=False)]
        for position, place in enumerate(places, start=1):
            which = len(compared) + place.index if place.catch else place.index
            swap = shares(rows, 2, seed=(seed, which))[row % rows] != place.presentation - 1
            two = (catches if place.catch else compared)[place.index]
            found.append(screen(two, bool(swap), place.presentation, position))
        return found

    def about(self) -> dict[str, Any]:
        """Return what the page has to know about the block."""
        return {"ties": self.ties, "reference": self.reference}

    def read(self, screen: Screen, answer: Mapping[str, Any]) -> dict[str, Any]:
        """Return an answer as it is stored."""
        chosen = only(answer, "preferred")
        accepted = (0, 1, None) if self.ties else (0, 1)
        if isinstance(chosen, bool) or chosen not in accepted:
            words = "0, 1 or null" if self.ties else "0 or 1"
            raise AnswerError(f"wrong preferred; accepted: {words}")
        return {"preferred": chosen if chosen is None else int(chosen)}

    def right(self, screen: Screen, answer: Mapping[str, Any]) -> bool | None:
        """Whether the answer to a catch trial is right; None for all other screens."""
        right = _right(screen.stimuli)
        return None if right is None else answer["preferred"] == right

    def columns(self, stimuli: Sequence[Stimulus]) -> Columns:
        """Return the columns that this kind exports, with their meaning and values."""
        return {
            "question": (f"The question: {self.wording}", self.name),
            "pair": ("The pair of recordings that both sounds are made from", "a name"),
            FIRST: ("Name of the sound that was first", "a name"),
            SECOND: ("Name of the sound that was second", "a name"),
            "preferred": ("The sound that the listener preferred", f"{FIRST}, {SECOND}, {TIE}"),
            "right": ("The right answer to a catch trial", f"{FIRST}, {SECOND}; empty: none"),
            **both(stimuli, (FIRST, SECOND)),
            "plays": ("How often the sounds were played before the answer, added up", "2, 3, ..."),
        }

    def cells(self, given: Given, known: Mapping[str, Stimulus]) -> list[dict[str, Any]]:
        """Return the row of an answer in the exported table."""
        two = [known[item] for item in given.items]
        chosen, right = given.answer["preferred"], _right(two)
        words = (FIRST, SECOND)
        return [
            {
                "pair": two[0].pair,
                **dict(zip(words, given.items, strict=True)),
                "preferred": TIE if chosen is None else words[chosen],
                "right": "" if right is None else words[right],
                **{
                    f"{word}_{factor}": level
                    for word, one in zip(words, two, strict=True)
                    for factor, level in one.factors.items()
                },
                "plays": sum(given.plays[-2:]),
            }
        ]


def _catches(stimuli: Sequence[Stimulus]) -> list[Two]:
    """Return the catch trials: a sound that is good in any case, and one that is not."""
    good = [one for one in stimuli if one.role == CATCH and one.lowest is not None]
    poor = [one for one in stimuli if one.role == CATCH and one.lowest is None]
    return list(zip(good, poor, strict=False))


def _right(two: Sequence[Stimulus]) -> int | None:
    """Return the index of the right answer to a catch trial; None if it is no catch trial."""
    if any(one.role != CATCH for one in two):
        return None
    return 0 if two[0].lowest is not None else 1
