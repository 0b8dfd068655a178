"""MUSHRA pages: several sounds of one pair of recordings, rated from 0 to 100 beside a reference.

After Recommendation ITU-R BS.1534-3. The reference is hidden among the sounds, and so are anchors:
the reference without its high frequencies. A page has at most twelve sounds.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from nst_lib.base.validation import setting
from nst_lib.survey import order
from nst_lib.survey.kinds.block import (
    WHOLE,
    AnswerError,
    Block,
    Columns,
    Given,
    Screen,
    Text,
    factor_columns,
    need_references,
    number,
    only,
    references,
)
from nst_lib.survey.stimuli import ANCHOR, TRIAL, Stimulus, SurveyError

#: The largest number of sounds on a page, with the hidden reference and the anchors.
MOST = 12
LOW, HIGH = 0, 100


class Mushra(Block):
    """A block in which each screen has all sounds of one pair of recordings."""

    table: ClassVar[str] = "mushra"

    kind: Literal["mushra"] = setting("mushra", "Kind of the block.")
    wording: Text = setting(..., "The question that participants read.", words="a text")
    labels: tuple[Text, ...] = setting(
        ...,
        "Labels of the five parts of the scale, the lowest first.",
        words="five texts",
        min_length=5,
        max_length=5,
    )

    def validate_stimuli(self, stimuli: Sequence[Stimulus]) -> None:
        """Raise SurveyError if the block cannot be made from these sounds."""
        need_references(stimuli, [one for one in stimuli if one.role == TRIAL], self.name)
        for pair, page in _pages(stimuli).items():
            if len(page) > MOST:
                raise SurveyError(
                    f"block {self.name!r}: pair {pair!r} has {len(page)} sounds with the hidden "
                    f"reference and the anchors; accepted: up to {MOST} (BS.1534). Choose fewer "
                    "conditions"
                )

    def rows(self, stimuli: Sequence[Stimulus]) -> int:
        """Return the number of different orders."""
        return order.rows(len(_pages(stimuli)))

    def screens(self, stimuli: Sequence[Stimulus], row: int, *, seed: int) -> list[Screen]:
        """Return the pages in the order of a row; the sounds of each page are shuffled."""
        pages, known = _pages(stimuli), references(stimuli)
        names = [*pages]
        found = []
        for position, which in enumerate(order.row(len(names), row, seed=seed), start=1):
            page = pages[names[which]]
            shuffled = np.random.default_rng([seed, which, row]).permutation(len(page))
            sounds = tuple(page[k] for k in shuffled)
            reference = known[names[which]]
            found.append(Screen(names[which], sounds, reference, 1, position, self.wording))
        return found

    def about(self) -> dict[str, Any]:
        """Return what the page has to know about the block."""
        return {"labels": list(self.labels)}

    def least(self, seconds: Sequence[float]) -> float:
        """Return the least time for a page in seconds: listeners switch between its sounds."""
        return WHOLE * max(seconds)

    def read(self, screen: Screen, answer: Mapping[str, Any]) -> dict[str, Any]:
        """Return an answer as it is stored."""
        scores = only(answer, "scores")
        count = len(screen.stimuli)
        if not isinstance(scores, list) or len(scores) != count:
            raise AnswerError(f"wrong scores; accepted: {count} numbers from {LOW} to {HIGH}")
        return {"scores": [number(s, LOW, HIGH, whole=False, what="scores") for s in scores]}

    def columns(self, stimuli: Sequence[Stimulus]) -> Columns:
        """Return the columns that this kind exports, with their meaning and values."""
        trials = [one for one in stimuli if one.role == TRIAL]
        return {
            "item": ("Name of the sound", "a name"),
            "rating": (
                "The rating that the listener chose",
                f"{LOW} to {HIGH}; in five parts: {', '.join(self.labels)}",
            ),
            "question": (f"The question: {self.wording}", self.name),
            "scale": ("The lowest and the highest rating", f"{LOW},{HIGH}"),
            "pair": ("The pair of recordings of the page", "a name"),
            "role": ("What the sound is", "trial, reference (hidden), anchor"),
            **factor_columns(trials),
            "plays": ("How often the sound was played on this page", "1, 2, ..."),
        }

    def cells(self, given: Given, known: Mapping[str, Stimulus]) -> list[dict[str, Any]]:
        """Return the rows of a page in the exported table."""
        return [
            {
                "item": item,
                "rating": score,
                "scale": f"{LOW},{HIGH}",
                "pair": known[item].pair,
                "role": known[item].role,
                **known[item].factors,
                "plays": plays,
            }
            for item, score, plays in zip(
                given.items, given.answer["scores"], given.plays[1:], strict=True
            )
        ]


def _pages(stimuli: Sequence[Stimulus]) -> dict[str, list[Stimulus]]:
    """Return the sounds of each page: conditions, hidden reference and anchors."""
    known = references(stimuli)
    pages: dict[str, list[Stimulus]] = {}
    for role in (TRIAL, ANCHOR):
        for one in stimuli:
            if one.role == role and (role == TRIAL or one.pair in pages):
                pages.setdefault(one.pair, []).append(one)
    for pair, page in pages.items():
        page += [known[pair]] if pair in known else []
    return pages
