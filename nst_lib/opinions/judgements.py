"""Analyse a listening test in which listeners chose between two sounds.

Each question is analysed with all listeners, and without the listeners whom the rules leave out.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nst_lib.opinions.abx import Abx
from nst_lib.opinions.analysis import ALL, SCREENED, plain, questions, too_many
from nst_lib.opinions.choices import ABX, Choices
from nst_lib.opinions.preferences import Preferences
from nst_lib.opinions.screening import Rules
from nst_lib.opinions.tables import RatingsError


@dataclass(frozen=True)
class Judgements:
    """Analyses of all questions.

    Attributes
    ----------
    choices : Choices
        Choices of all questions.
    factors : tuple of str
        Factors of the experiment; none: each item is a condition.
    rules : Rules
        Screening rules.
    excluded : dict of str to dict of str to str
        Question -> listener whom the rules leave out -> reason.
    analyses : dict of str to dict of str to Preferences or Abx
        Question -> variant (`ALL`, `SCREENED`) -> analysis. `SCREENED` is there if the rules leave
        out some listeners, but not all.
    missing : dict of str to dict of str to str
        Question -> variant that is not analysed -> reason.
    """

    choices: Choices
    factors: tuple[str, ...]
    rules: Rules
    excluded: dict[str, dict[str, str]]
    analyses: dict[str, dict[str, Preferences | Abx]]
    missing: dict[str, dict[str, str]]

    def warning(self, question: str) -> str:
        """Return a warning if the rules leave out many listeners; empty if they do not."""
        there = len(self.choices.of(question).listeners)
        return too_many(len(self.excluded[question]), there)

    def to_json(self, callback: Callable[[int, int], object] | None = None) -> str:
        """Return all results as JSON.

        Parameters
        ----------
        callback : callable or None
            Called after each analysis with the number of finished analyses and their total.
        """
        head = {
            "source": self.choices.source,
            "kind": self.choices.kind,
            "notes": list(self.choices.notes),
            "simulated": self.choices.simulated,
            "factors": list(self.factors),
            "rules": dict(self.rules),
        }
        found = {**plain(head), "questions": questions(self, callback)}
        return json.dumps(found, indent=2, ensure_ascii=False)


def analyse(
    choices: Choices,
    factors: Sequence[str] = (),
    *,
    rules: Rules | None = None,
    n_boot: int = 10000,
    seed: int = 0,
) -> Judgements:
    """Set up the analyses of choices. Each result is computed when it is first used.

    Parameters
    ----------
    choices : Choices
        Checked choices.
    factors : sequence of str
        Factors that make a condition; none: each item is a condition.
    rules : Rules or None
        Screening rules; None means the default rules. Of them, only `max_missed` and `listeners`
        apply to choices.
    n_boot : int >= 0
        Number of draws of the bootstrap (preferences).
    seed : int
        Seed of the bootstrap and of simulated answers.

    Raises
    ------
    RatingsError
        If a factor is missing or differs within an item, if the rules name a listener who is not
        there, or if conditions were never compared with each other.
    """
    factors = tuple(dict.fromkeys(factors))
    rules = rules or Rules()
    rules.validate_listeners(choices)
    choices.validate_factors(factors)
    excluded, analyses = {}, {}
    missing: dict[str, dict[str, str]] = {}
    for question in choices.questions:
        asked = choices.of(question)
        if asked.opinions.empty:
            raise RatingsError(f"{choices.source}: question {question!r} has only catch trials")
        left = excluded[question] = rules.excluded_choosers(asked)
        variants = {ALL: asked}
        missing[question] = {}
        if set(asked.opinions["listener"]) <= set(left):
            missing[question][SCREENED] = "the rules leave out all listeners"
        elif left:
            variants[SCREENED] = asked.without(left)
        analyses[question] = {
            name: _analysis(one, factors, n_boot, seed) for name, one in variants.items()
        }
        everyone = analyses[question][ALL]
        if isinstance(everyone, Preferences) and everyone.fault:
            about = f"{choices.source}: question {question}" if question else choices.source
            raise RatingsError(f"{about}: {everyone.fault}")
    return Judgements(choices, factors, rules, excluded, analyses, missing)


def _analysis(
    choices: Choices, factors: tuple[str, ...], n_boot: int, seed: int
) -> Preferences | Abx:
    if choices.kind == ABX:
        return Abx(choices, factors, seed)
    return Preferences(choices, factors, n_boot, seed)
