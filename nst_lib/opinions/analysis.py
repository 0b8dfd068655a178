"""Analyse an experiment with listeners.

Each question is analysed in up to three variants: with all listeners, without the listeners whom
the screening rules leave out, and with each listener's bias removed. If the variants agree, the
answer does not depend on such choices. The variant with all listeners always exists; if another
variant does not, the reason is given.
"""

import dataclasses
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from nst_lib.opinions import conditions, design, factorial, prediction, ranks, reliability
from nst_lib.opinions.mixed import MixedModel
from nst_lib.opinions.ordinal import OrdinalModel
from nst_lib.opinions.ratings import Ratings, describe, levels
from nst_lib.opinions.screening import Rules
from nst_lib.opinions.tables import RatingsError

if TYPE_CHECKING:
    import pandas as pd

ALL, SCREENED, UNBIASED = "all listeners", "screened", "less bias"
SIMULATED = "SIMULATED RATINGS: nobody has listened"
SIMULATED_CHOICES = "SIMULATED ANSWERS: nobody has listened"
#: If the rules leave out more than this share of the listeners, there is a warning.
MANY = 0.2


@dataclass(frozen=True)
class Analysis:
    """Analysis of the ratings of one question. Each result is computed when it is first used.

    Attributes
    ----------
    ratings : Ratings
        Ratings of the question.
    factors : tuple of str
        Factors of the experiment.
    n_boot : int >= 0
        Number of draws of the bootstrap.
    seed : int
        Seed of the bootstrap.
    """

    ratings: Ratings
    factors: tuple[str, ...]
    n_boot: int = 10000
    seed: int = 0

    @cached_property
    def conditions(self) -> "pd.DataFrame":
        """Mean opinion scores of the conditions; see :func:`conditions.mos`."""
        return conditions.mos(self.ratings, self.factors, n_boot=self.n_boot, seed=self.seed)

    @cached_property
    def hidden(self) -> "pd.DataFrame":
        """Mean opinion scores of the hidden reference and of the anchors, as :attr:`conditions`.

        The column `condition` has their names. They are not in any test. The table is empty if
        there are none, and for ratings without bias.
        """
        ratings = self.ratings.hidden
        if ratings.opinions.empty:
            return self.conditions.iloc[:0]
        return conditions.mos(ratings, ["condition"], n_boot=self.n_boot, seed=self.seed)

    @cached_property
    def layout(self) -> "pd.DataFrame":
        """Mean opinion scores, laid out as Tables 2 and 3 of the study."""
        interval = "boot" if self.n_boot else "t"
        return conditions.layout(self.conditions, self.factors, interval=interval)

    @cached_property
    def fault(self) -> str:
        """Why there are no models, in a sentence; empty if there are some; see :mod:`design`."""
        return design.fault(self.ratings, self.factors)

    @cached_property
    def model(self) -> MixedModel:
        """The linear mixed model; raises ValueError if there is none."""
        if self.fault:
            raise ValueError(self.fault)
        return factorial.fit_mixed(self.ratings, self.factors)

    @cached_property
    def mixed(self) -> "pd.DataFrame":
        """Tests of the linear mixed model; see :func:`factorial.mixed_table`."""
        return factorial.mixed_table(self.ratings, self.factors, self.model)

    @cached_property
    def levels(self) -> "pd.DataFrame":
        """Estimates of the linear mixed model at each level; see :func:`factorial.level_table`."""
        return factorial.level_table(self.ratings, self.factors, self.model)

    @cached_property
    def differences(self) -> "pd.DataFrame":
        """Differences between levels; see :func:`factorial.difference_table`."""
        return factorial.difference_table(self.ratings, self.factors, self.model)

    @cached_property
    def ordinal_model(self) -> OrdinalModel:
        """The cumulative link mixed model."""
        return factorial.fit_ordinal(self.ratings, self.factors, self.model)

    @cached_property
    def ordinal(self) -> "pd.DataFrame":
        """Tests of the cumulative link mixed model; see :func:`factorial.ordinal_table`."""
        return factorial.ordinal_table(self.ratings, self.factors, self.ordinal_model)

    @cached_property
    def friedman(self) -> ranks.Friedman:
        """Friedman's test; see :func:`ranks.friedman`."""
        return ranks.friedman(self.ratings, self.factors)

    @cached_property
    def wilcoxon(self) -> "pd.DataFrame":
        """Comparison of every two conditions; see :func:`ranks.wilcoxon`."""
        return ranks.wilcoxon(self.ratings, self.factors)

    @cached_property
    def listeners(self) -> "pd.DataFrame":
        """What the ratings of each listener are like; see :func:`reliability.listeners`."""
        return reliability.listeners(self.ratings)

    @cached_property
    def agreement(self) -> dict[str, Any]:
        """Krippendorff's alpha (ordinal, interval), intraclass correlations and SOS parameter."""
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
        """Correlation of scores with opinion, empty if there are none; see :mod:`prediction`."""
        return prediction.correlate(self.ratings, self.factors)

    def as_dict(self) -> dict[str, Any]:
        """Return all results as numbers and text; what cannot be computed is None."""
        found: dict[str, Any] = {
            "counts": describe(self.ratings),
            "conditions": records(self.conditions),
            "hidden reference and anchors": records(self.hidden),
            "no models": self.fault,
            "friedman": dataclasses.asdict(self.friedman),
            "wilcoxon": records(self.wilcoxon),
            "listeners": records(self.listeners),
            "agreement": self.agreement,
            "prediction": records(self.prediction),
        }
        if not self.fault:
            found["mixed"] = records(self.mixed)
            found["levels"] = records(self.levels)
            found["differences"] = records(self.differences)
            found["variances"] = self.model.variances
            if factorial.categorical(self.ratings):
                found["ordinal"] = records(self.ordinal)
        return {name: plain(value) for name, value in found.items()}


@dataclass(frozen=True)
class Opinions:
    """Analyses of all questions.

    Attributes
    ----------
    ratings : Ratings
        Ratings of all questions.
    factors : tuple of str
        Factors of the experiment.
    rules : Rules
        Screening rules.
    excluded : dict of str to dict of str to str
        Question -> listener whom the rules leave out -> reason.
    analyses : dict of str to dict of str to Analysis
        Question -> variant (`ALL`, `SCREENED`, `UNBIASED`) -> analysis. `SCREENED` is there if the
        rules leave out some listeners, but not all.
    missing : dict of str to dict of str to str
        Question -> variant that is not analysed -> reason.
    """

    ratings: Ratings
    factors: tuple[str, ...]
    rules: Rules
    excluded: dict[str, dict[str, str]]
    analyses: dict[str, dict[str, Analysis]]
    missing: dict[str, dict[str, str]]

    def warning(self, question: str) -> str:
        """Return a warning if the rules leave out many listeners; empty if they do not."""
        return too_many(len(self.excluded[question]), len(self.ratings.of(question).listeners))

    def to_json(self, callback: Callable[[int, int], object] | None = None) -> str:
        """Return all results as JSON.

        Parameters
        ----------
        callback : callable or None
            Called after each analysis with the number of finished analyses and their total.
        """
        head = {
            "source": self.ratings.source,
            "notes": list(self.ratings.notes),
            "simulated": self.ratings.simulated,
            "scale": list(self.ratings.scale),
            "scales": {name: list(scale) for name, scale in self.ratings.scales.items()},
            "factors": list(self.factors),
            "levels": {name: levels(self.ratings.opinions[name]) for name in self.factors},
            "rules": dict(self.rules),
        }
        found = {**plain(head), "questions": questions(self, callback)}
        return json.dumps(found, indent=2, ensure_ascii=False)


class Analysed(Protocol):
    """What :func:`questions` needs: the attributes of :class:`Opinions` that it reads."""

    @property
    def excluded(self) -> Mapping[str, dict[str, str]]:
        """Question -> listener whom the rules leave out -> reason."""

    @property
    def missing(self) -> Mapping[str, dict[str, str]]:
        """Question -> variant that is not analysed -> reason."""

    @property
    def analyses(self) -> Mapping[str, Mapping[str, Any]]:
        """Question -> variant -> analysis, which has a method `as_dict`."""

    def warning(self, question: str) -> str:
        """Return a warning if the rules leave out many listeners."""


def questions(found: Analysed, callback: Callable[[int, int], object] | None) -> dict[str, Any]:
    """Return the results of all questions as numbers and text; see :meth:`Opinions.to_json`."""
    total = sum(len(variants) for variants in found.analyses.values())
    done = 0
    results: dict[str, Any] = {}
    for question, variants in found.analyses.items():
        result = results[question] = {
            "excluded": found.excluded[question],
            "warning": found.warning(question),
            "not analysed": found.missing[question],
        }
        for name, analysis in variants.items():
            result[name] = analysis.as_dict()
            done += 1
            if callback is not None:
                callback(done, total)
    return results


def analyse(
    ratings: Ratings,
    factors: Sequence[str],
    *,
    rules: Rules | None = None,
    n_boot: int = 10000,
    seed: int = 0,
) -> Opinions:
    """Set up the analyses of ratings. Each result is computed when it is first used.

    Parameters
    ----------
    ratings : Ratings
        Checked ratings.
    factors : sequence of str
        Columns that make a condition. In tables, the first factor makes the rows and the others
        make the columns.
    rules : Rules or None
        Screening rules; None means the default rules.
    n_boot : int >= 0
        Number of draws of the bootstrap.
    seed : int
        Seed of the bootstrap.

    Raises
    ------
    RatingsError
        If a factor is missing, has only one level or differs within an item, or if the rules name
        a listener who is not there.
    """
    factors = tuple(dict.fromkeys(factors))
    if not factors:
        raise RatingsError("no factors; name the columns that make a condition")
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


def too_many(left: int, there: int) -> str:
    """Return a warning if the rules leave out many of the listeners; empty if they do not."""
    if left <= MANY * there:
        return ""
    return (
        f"The rules leave out {left} of {there} listeners, more than one in five: look at the "
        "rules before you believe the result without these listeners."
    )


def records(table: "pd.DataFrame") -> list[dict[str, Any]]:
    """Return the rows of a table."""
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it: without NaN, infinity and NumPy types."""
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
