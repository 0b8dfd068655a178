"""Ratings of single sounds: on a scale with labels, or anywhere between 0 and 100.

The sound may stand beside a reference, as in the degradation category rating of ITU-T P.800,
annex D. Points are numbered from 1. A continuous scale has its labels along the line.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import model_validator

from nst_lib.base.validation import setting
from nst_lib.survey import order
from nst_lib.survey.kinds.block import (
    Block,
    Columns,
    Given,
    Screen,
    Text,
    factor_columns,
    need_descriptions,
    need_references,
    number,
    only,
    references,
)
from nst_lib.survey.stimuli import CATCH, TRAINING, TRIAL, Stimulus, SurveyError
from nst_lib.survey.subsets import Cell

CONTINUOUS = (0.0, 100.0)
_RIGHT = "a number of the scale; empty: no limit, or not a catch trial"


class Rating(Block):
    """A block in which each screen has one sound and one question."""

    table: ClassVar[str] = "ratings"

    kind: Literal["rating"] = setting("rating", "Kind of the block.")
    wording: Text = setting(
        ...,
        "The question that participants read; {description} stands for the sound's description.",
        words="a text",
    )
    labels: tuple[Text, ...] = setting(
        ...,
        "Labels of the ratings 1, 2, ...; or labels along a continuous scale.",
        words="two to eleven texts",
        min_length=2,
        max_length=11,
    )
    continuous: bool = setting(False, "Whether ratings are numbers from 0 to 100.")
    reference: bool = setting(False, "Whether a reference is played beside the sound.")
    repeats: int = setting(2, "Number of sounds that each participant hears twice.", ge=0)
    per_listener: int | None = setting(
        None, "Number of different trials that each participant hears; null: all trials."
    )
    balanced: bool = setting(
        True,
        "Whether the parts that `per_listener` makes are balanced over pairs and conditions. "
        "Surveys that an older version built may lack this.",
    )

    @property
    def scale(self) -> tuple[float, float]:
        """Lowest and highest rating."""
        return CONTINUOUS if self.continuous else (1.0, float(len(self.labels)))

    def validate_stimuli(self, stimuli: Sequence[Stimulus]) -> None:
        """Raise SurveyError if the block cannot be made from these sounds."""
        trials = sum(one.role == TRIAL for one in stimuli)
        heard = trials if self.per_listener is None else self.per_listener
        if not 2 <= heard <= trials:
            raise SurveyError(
                f"per_listener={heard}; accepted: 2 to {trials}, the number of trials"
            )
        if self.repeats > heard:
            raise SurveyError(
                f"repeats={self.repeats}; accepted: 0 to {heard}, the number of trials that a "
                "participant hears"
            )
        judged = [one for one in stimuli if one.role in (TRIAL, TRAINING, CATCH)]
        need_descriptions(judged, self.wording)
        low, high = self.scale
        for one in judged:
            for limit in (one.lowest, one.highest):
                if limit is not None and not low <= limit <= high:
                    raise SurveyError(
                        f"item {one.item!r}: right answer {limit:g}; accepted: {low:g} to {high:g}"
                    )
        if self.reference:
            need_references(stimuli, judged, self.name)

    def rows(self, stimuli: Sequence[Stimulus]) -> int:
        """Return the number of different orders."""
        return order.rows(sum(one.role == TRIAL for one in stimuli))

    def screens(self, stimuli: Sequence[Stimulus], row: int, *, seed: int) -> list[Screen]:
        """Return the sounds in the order of a row, those of the training first."""
        trials = [one for one in stimuli if one.role == TRIAL]
        catches = [one for one in stimuli if one.role == CATCH]
        known = references(stimuli) if self.reference else {}

        def screen(one: Stimulus, presentation: int = 1, position: int = 0) -> Screen:
            wording = self.wording.replace("{description}", one.description)
            reference = known.get(one.pair)
            return Screen(one.item, (one,), reference, presentation, position, wording)

        cells = [Cell(one.pair, tuple(one.factors.values())) for one in trials]
        places = order.arrange(
            len(trials),
            row,
            seed=seed,
            heard=self.per_listener,
            cells=cells if self.balanced else None,
            repeats=self.repeats,
            catches=len(catches),
        )
        training = [screen(one) for one in stimuli if one.role == TRAINING]
        return training + [
            screen((catches if place.catch else trials)[place.index], place.presentation, position)
            for position, place in enumerate(places, start=1)
        ]

    def about(self) -> dict[str, Any]:
        """Return what the page has to know about the block."""
        return {
            "labels": list(self.labels),
            "continuous": self.continuous,
            "reference": self.reference,
        }

    def read(self, screen: Screen, answer: Mapping[str, Any]) -> dict[str, Any]:
        """Return an answer as it is stored."""
        low, high = self.scale
        rating = only(answer, "rating")
        whole = not self.continuous
        return {"rating": number(rating, low, high, whole=whole, what="rating")}

    def right(self, screen: Screen, answer: Mapping[str, Any]) -> bool | None:
        """Whether the answer to a catch trial is right; None for all other screens."""
        (one,) = screen.stimuli
        return one.accepts(answer["rating"]) if one.role == CATCH else None

    def columns(self, stimuli: Sequence[Stimulus]) -> Columns:
        """Return the columns that this kind exports, with their meaning and values."""
        trials = [one for one in stimuli if one.role == TRIAL]
        points = ", ".join(f"{n} {label}" for n, label in enumerate(self.labels, start=1))
        line = f"0 to 100; along the line: {', '.join(self.labels)}"
        return {
            "item": ("Name of the sound", "a name"),
            "rating": (
                "The rating that the listener chose",
                line if self.continuous else points,
            ),
            "question": (f"The question: {self.wording}", self.name),
            "scale": ("The lowest and the highest rating", self._scale()),
            "pair": ("The pair of recordings that the sound is made from", "a name"),
            **factor_columns(trials),
            "lowest": ("Lowest right answer to a catch trial", _RIGHT),
            "highest": ("Highest right answer to a catch trial", _RIGHT),
            "plays": ("Number of times that the sound was played before the rating", "1, 2, ..."),
        }

    def cells(self, given: Given, known: Mapping[str, Stimulus]) -> list[dict[str, Any]]:
        """Return the row of a rating in the exported table."""
        (item,) = given.items
        one = known[item]
        return [
            {
                "item": item,
                "rating": given.answer["rating"],
                "scale": self._scale(),
                "pair": one.pair or item,
                **one.factors,
                "lowest": one.lowest,
                "highest": one.highest,
                "plays": given.plays[-1],
            }
        ]

    def _scale(self) -> str:
        return ",".join(f"{limit:g}" for limit in self.scale)

    @model_validator(mode="after")
    def _labels_differ(self) -> "Rating":
        if len(set(self.labels)) < len(self.labels):
            raise ValueError(
                f"labels of block {self.name!r}: two are equal; accepted: all different"
            )
        return self
