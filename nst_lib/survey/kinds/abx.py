"""ABX: listeners say whether the third sound, X, is the first one, A, or the second one, B.

After W. A. Munson and M. B. Gardner, Standardizing auditory tests (1950). X has one right answer,
so the test measures whether listeners hear a difference, and not which sound they like.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from nst_lib.base.validation import setting
from nst_lib.survey import order
from nst_lib.survey.kinds.block import AnswerError, Columns, Given, Screen, only, shares
from nst_lib.survey.kinds.comparisons import Comparisons, both, name
from nst_lib.survey.stimuli import TRAINING, Stimulus

WORDS = ("a", "b")


class ABX(Comparisons):
    """A block in which each screen asks which of two sounds a third one is."""

    table: ClassVar[str] = "abx"

    kind: Literal["abx"] = setting("abx", "Kind of the block.")
    repeats: int = setting(2, "Number of times that each comparison comes.", ge=1)

    def rows(self, stimuli: Sequence[Stimulus]) -> int:
        """Return the number of different orders."""
        return order.rows(self.repeats * len(self.comparisons(stimuli)))

    def screens(self, stimuli: Sequence[Stimulus], row: int, *, seed: int) -> list[Screen]:
        """Return the comparisons in the order of a row, those of the training first.

        Over all rows, each comparison has each of its sounds as A, and as X, equally often.
        """
        compared, rows = self.comparisons(stimuli), self.rows(stimuli)
        chosen = order.row(len(compared), row, seed=seed)[: self.per_listener]
        training = [one for one in stimuli if one.role == TRAINING]
        found = [
            Screen(name(a, b), (a, b, b))
            for a, b in zip(training[::2], training[1::2], strict=False)
        ]
        times: Counter[int] = Counter()
        places = order.row(self.repeats * len(chosen), row, seed=seed)
        for position, place in enumerate(places, start=1):
            which = chosen[place % len(chosen)]
            times[which] += 1
            corner = shares(rows, 4, seed=(seed, which, times[which]))[row % rows]
            a, b = compared[which][::-1] if corner & 1 else compared[which]
            x = (a, b)[corner >> 1]
            found.append(Screen(name(a, b), (a, b, x), None, times[which], position))
        return found

    def read(self, screen: Screen, answer: Mapping[str, Any]) -> dict[str, Any]:
        """Return an answer as it is stored."""
        chosen = only(answer, "chosen")
        if isinstance(chosen, bool) or chosen not in (0, 1):
            raise AnswerError("wrong chosen; accepted: 0 or 1")
        return {"chosen": int(chosen)}

    def columns(self, stimuli: Sequence[Stimulus]) -> Columns:
        """Return the columns that this kind exports, with their meaning and values."""
        return {
            "question": ("The question: which of the two sounds is X?", self.name),
            "pair": ("The pair of recordings that both sounds are made from", "a name"),
            "a": ("Name of the sound A", "a name"),
            "b": ("Name of the sound B", "a name"),
            "x": ("The sound that X was: the right answer", "a, b"),
            "chosen": ("The answer of the listener", "a, b"),
            **both(stimuli, WORDS),
            "plays": ("How often the sounds were played before the answer, added up", "3, 4, ..."),
        }

    def cells(self, given: Given, known: Mapping[str, Stimulus]) -> list[dict[str, Any]]:
        """Return the row of an answer in the exported table."""
        a, b, x = given.items
        return [
            {
                "pair": known[a].pair,
                "a": a,
                "b": b,
                "x": WORDS[[a, b].index(x)],
                "chosen": WORDS[given.answer["chosen"]],
                **{
                    f"{word}_{factor}": level
                    for word, item in zip(WORDS, (a, b), strict=True)
                    for factor, level in known[item].factors.items()
                },
                "plays": sum(given.plays),
            }
        ]
