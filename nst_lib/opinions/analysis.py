"""The analysis of an experiment with listeners, in one page.

Each question is analysed up to three times, which is how far its answer depends on what one may
argue about: with all listeners, without those whom the rules leave out, and with all less their
bias. All listeners are always there; where another variant is not, it is said why.
"""

import dataclasses
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nst_lib.opinions import conditions, factorial, prediction, reliability
from nst_lib.opinions.mixed import MixedModel
from nst_lib.opinions.ordinal import OrdinalModel
from nst_lib.opinions.ratings import Ratings, describe, levels
from nst_lib.opinions.screening import Rules
from nst_lib.opinions.tables import RatingsError

if TYPE_CHECKING:
    import pandas as pd

ALL, SCREENED, UNBIASED = "all listeners", "screened", "less bias"
SIMULATED = "SIMULATED RATINGS: nobody has listened"
#: Share of listeners; where the rules leave out more, that is a warning.
MANY = 0.2


@dataclass(frozen=True)
class Analysis:
    """What the ratings of one question say.

    Attributes
    ----------
    ratings : Ratings
        Which.
    factors : tuple of str
        Of the experiment.
    n_boot, seed : int
        Of the bootstrap.
    """

    ratings: Ratings
    factors: tuple[str, ...]
    n_boot: int = 10000
    seed: int = 0

    @cached_property
    def conditions(self) -> "pd.DataFrame":
        """Mean opinion scores; see :func:`conditions.mos`."""
        return conditions.mos(self.ratings, self.factors, n_boot=self.n_boot, seed=self.seed)

    @cached_property
    def layout(self) -> "pd.DataFrame":
        """The same, as the study's Tables 2 and 3."""
        interval = "boot" if self.n_boot else "t"
        return conditions.layout(self.conditions, self.factors, interval=interval)

    @cached_property
    def fault(self) -> str:
        """Why there are no models, in a sentence; empty where there are. See :func:`fault`."""
        return factorial.fault(self.ratings, self.factors)

    @cached_property
    def model(self) -> MixedModel:
        """The linear mixed model; a ValueError where there is none."""
        if self.fault:
            raise ValueError(self.fault)
        return factorial.fit_mixed(self.ratings, self.factors)

    @cached_property
    def mixed(self) -> "pd.DataFrame":
        """Its tests; see :func:`factorial.mixed_table`."""
        return factorial.mixed_table(self.ratings, self.factors, self.model)

    @cached_property
    def levels(self) -> "pd.DataFrame":
        """Its estimates at each level; see :func:`factorial.level_table`."""
        return factorial.level_table(self.ratings, self.factors, self.model)

    @cached_property
    def differences(self) -> "pd.DataFrame":
        """Its differences of each two of three levels or more."""
        return factorial.difference_table(self.ratings, self.factors, self.model)

    @cached_property
    def ordinal_model(self) -> OrdinalModel:
        """The cumulative link model."""
        return factorial.fit_ordinal(self.ratings, self.factors, self.model)

    @cached_property
    def ordinal(self) -> "pd.DataFrame":
        """Its tests; see :func:`factorial.ordinal_table`."""
        return factorial.ordinal_table(self.ratings, self.factors, self.ordinal_model)

    @cached_property
    def friedman(self) -> factorial.Friedman:
        """Friedman's test."""
        return factorial.friedman(self.ratings, self.factors)

    @cached_property
    def wilcoxon(self) -> "pd.DataFrame":
        """Each two conditions; see :func:`factorial.wilcoxon`."""
        return factorial.wilcoxon(self.ratings, self.factors)

    @cached_property
    def listeners(self) -> "pd.DataFrame":
        """Each listener; see :func:`reliability.listeners`."""
        return reliability.listeners(self.ratings)

    @cached_property
    def agreement(self) -> dict[str, Any]:
        """Krippendorff's alpha, ordinal and interval; intraclass correlations; SOS parameter."""
        return {
            **{
                f"alpha {level}": reliability.alpha(self.ratings, level)
                for level in reliability.LEVELS
            },
            "icc": dataclasses.asdict(reliability.icc(self.ratings)),
            "sos a": reliability.sos(self.ratings),
        }

    @cached_property
    def prediction(self) -> "pd.DataFrame":
        """Objective scores against opinion; see :func:`prediction.correlate`. Empty without."""
        return prediction.correlate(self.ratings, self.factors)

    def as_dict(self) -> dict[str, Any]:
        """Return everything, of numbers and text; what cannot be computed is None."""
        found: dict[str, Any] = {
            "counts": describe(self.ratings),
            "conditions": _records(self.conditions),
            "no models": self.fault,
            "friedman": dataclasses.asdict(self.friedman),
            "wilcoxon": _records(self.wilcoxon),
            "listeners": _records(self.listeners),
            "agreement": self.agreement,
            "prediction": _records(self.prediction),
        }
        if not self.fault:
            found["mixed"] = _records(self.mixed)
            found["levels"] = _records(self.levels)
            found["differences"] = _records(self.differences)
            found["variances"] = self.model.variances
            if factorial.categorical(self.ratings):
                found["ordinal"] = _records(self.ordinal)
        plain: dict[str, Any] = _plain(found)
        return plain


@dataclass(frozen=True)
class Opinions:
    """What ratings say, question by question.

    Attributes
    ----------
    ratings : Ratings
        All.
    factors : tuple of str
        Of the experiment.
    rules : Rules
        Whom they leave out.
    excluded : dict of str to dict of str to str
        Question -> listener -> why.
    analyses : dict of str to dict of str to Analysis
        Question -> `ALL`, `SCREENED` where somebody is left out, `UNBIASED` -> analysis.
    missing : dict of str to dict of str to str
        Question -> variant that is not analysed -> why.
    """

    ratings: Ratings
    factors: tuple[str, ...]
    rules: Rules
    excluded: dict[str, dict[str, str]]
    analyses: dict[str, dict[str, Analysis]]
    missing: dict[str, dict[str, str]]

    def warning(self, question: str) -> str:
        """Return what to say where the rules leave out many; empty where they do not."""
        left, there = len(self.excluded[question]), len(self.ratings.of(question).listeners)
        if left <= MANY * there:
            return ""
        return (
            f"The rules leave out {left} of {there} listeners, more than one in five: look at the "
            "rules before you believe the result without these listeners."
        )

    def to_json(self, callback: Callable[[int, int], object] | None = None) -> str:
        """Return everything as JSON.

        Parameters
        ----------
        callback : callable or None
            Called with the number of analyses done and of all.
        """
        total = sum(len(variants) for variants in self.analyses.values())
        questions: dict[str, Any] = {}
        done = 0
        for question, variants in self.analyses.items():
            found = questions[question] = {
                "excluded": self.excluded[question],
                "warning": self.warning(question),
                "not analysed": self.missing[question],
            }
            for name, analysis in variants.items():
                found[name] = analysis.as_dict()
                done += 1
                if callback is not None:
                    callback(done, total)
        head = {
            "source": self.ratings.source,
            "notes": list(self.ratings.notes),
            "simulated": self.ratings.simulated,
            "scale": list(self.ratings.scale),
            "factors": list(self.factors),
            "levels": {name: levels(self.ratings.opinions[name]) for name in self.factors},
            "rules": dataclasses.asdict(self.rules),
        }
        return json.dumps({**_plain(head), "questions": questions}, indent=2, ensure_ascii=False)


def analyse(
    ratings: Ratings,
    factors: Sequence[str],
    *,
    rules: Rules | None = None,
    n_boot: int = 10000,
    seed: int = 0,
) -> Opinions:
    """Analyse ratings; what takes time is computed when it is asked for.

    Parameters
    ----------
    ratings : Ratings
        Checked.
    factors : sequence of str
        Columns that make a condition: the first goes down in tables, the others across.
    rules : Rules or None
        Whom to leave out; None is the default.
    n_boot : int >= 0
        Draws of the bootstrap.
    seed : int
        Of these draws.

    Raises
    ------
    RatingsError
        If a factor is missing, has one level or differs within an item; or if the rules name a
        listener who is not there.
    """
    factors = tuple(dict.fromkeys(factors))
    if not factors:
        raise RatingsError("no factors; accepted: columns that make a condition")
    rules = rules or Rules()
    rules.validate_listeners(ratings)
    ratings.validate_factors(factors)
    excluded, analyses = {}, {}
    missing: dict[str, dict[str, str]] = {}
    for question in ratings.questions:
        asked = ratings.of(question)
        excluded[question] = rules.excluded(asked)
        variants = {ALL: asked}
        missing[question] = {}
        if len(excluded[question]) == len(asked.listeners):
            missing[question][SCREENED] = "the rules leave out all listeners"
        elif excluded[question]:
            variants[SCREENED] = asked.without(excluded[question])
        entangled = reliability.entangled(asked, factors)
        if entangled:
            missing[question][UNBIASED] = entangled
        else:
            variants[UNBIASED] = reliability.without_bias(asked)
        analyses[question] = {
            name: Analysis(variant, factors, n_boot, seed) for name, variant in variants.items()
        }
    return Opinions(ratings, factors, rules, excluded, analyses, missing)


def _records(table: "pd.DataFrame") -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]


def _plain(value: Any) -> Any:
    """Return what JSON has: no NaN, no infinity, no NumPy."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
