"""Which factors of an experiment listeners hear: the design as it is, in three ways.

Every listener rates every pair of recordings under every condition, and both listeners and pairs
are samples of all that there might be (H. H. Clark, 1973). So a factor's effect differs among
listeners and among pairs, and is tested against these differences:

    mixed       linear mixed model: factors and interactions; intercepts and effects of each
                listener and of each pair, uncorrelated (D. J. Barr et al., 2013); Satterthwaite's
                t and F
    ordinal     cumulative link mixed model, where ratings are categories only: a check of the
                first; its tests are Wald's, as if pairs were many: with five p is too small
    ranks       Friedman's test, and Wilcoxon's signed ranks of each two conditions, of the means of
                each listener over pairs: no distribution is assumed, and pairs are fixed

Factors of two levels are coded -1/2 and +1/2 in the order of the table, so that a coefficient is
the difference second - first, and an interaction a difference of differences. Factors of more
levels have orthonormal contrasts, and an F test only. p values are corrected by Holm's method
within a table.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nst_lib.study.mos.mixed import LEAST_DF, Contrast, Effect, MixedModel
from nst_lib.study.mos.ordinal import OrdinalModel
from nst_lib.study.mos.ratings import Ratings
from nst_lib.study.paired import holm

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[np.float64]
#: Most categories that are taken for categories.
CATEGORIES = 11
TOO_FEW = "too few ratings for a test"


@dataclass(frozen=True)
class Term:
    """A main effect or an interaction.

    Attributes
    ----------
    name : str
        "pooling", or "transform × pooling".
    label : str
        What its coefficient is, where it has one: "cqt − stft".
    columns : Array, shape=(rows, df)
        Of the design.
    """

    name: str
    label: str
    columns: Array


def terms(table: "pd.DataFrame", factors: Sequence[str]) -> list[Term]:
    """Return main effects and interactions of the factors, in that order.

    Parameters
    ----------
    table : pd.DataFrame
        Of ratings.
    factors : sequence of str
        Columns.
    """
    coded = {name: _contrasts(table[name]) for name in factors}
    found = []
    for count in range(1, len(factors) + 1):
        for chosen in combinations(factors, count):
            columns = np.ones((len(table), 1))
            for name in chosen:
                columns = np.einsum("ni,nj->nij", columns, coded[name]).reshape(len(table), -1)
            label = ""
            if columns.shape[1] == 1:
                parts = [_levels(table[name]) for name in chosen]
                names = [f"{b} − {a}" for a, b in parts]
                label = names[0] if count == 1 else " × ".join(f"({name})" for name in names)
            found.append(Term(" × ".join(chosen), label, columns))
    return found


def mixed(ratings: Ratings, factors: Sequence[str], *, slopes: bool = True) -> MixedModel:
    """Fit the linear mixed model.

    Parameters
    ----------
    ratings : Ratings
        Of one question.
    factors : sequence of str
        Columns.
    slopes : bool
        Whether effects may differ among listeners and pairs. Without, they are tested as if these
        listeners and pairs were all that there are, and p is too small.
    """
    table = ratings.opinions
    parts = terms(table, factors)
    X = np.column_stack([np.ones(len(table)), *(term.columns for term in parts)])
    effects = _random(ratings, parts if slopes else [])
    return MixedModel(table["rating"].to_numpy(float), X, effects)


def mixed_table(ratings: Ratings, factors: Sequence[str], model: MixedModel) -> "pd.DataFrame":
    """Return the tests of a mixed model, a term a row.

    Returns
    -------
    pd.DataFrame
        Columns: term; difference, of what; estimate, in points of the scale; low, high, its 95 %
        interval; df1, df2, F, p, p Holm; d, the estimate in standard deviations of a single rating
        (J. Westfall et al., 2014); partial eta2, the share of a term in the variance that it and
        what it is tested against have; alike, among whom the term was not found to differ at all:
        with few pairs that is often chance, and p then too small. Where ratings are too few for a
        test, only the estimate is known; the rest is NaN.
    """
    parts = terms(ratings.opinions, factors)
    spread = _spread(ratings, parts, model)
    rows = []
    for term, found in _tests(model, parts, before=1):
        if model.exact or not found.df2 > LEAST_DF:
            found = replace(found, se=np.nan, statistic=np.nan, df2=np.nan, p=np.nan)
        F = found.statistic**2 if found.df1 == 1 else found.statistic
        low, high = found.interval()
        rows.append(
            {
                **_row(term, found.estimate, low, high, found),
                "df2": found.df2,
                "F": F,
                "d": found.estimate / spread if np.isfinite(F) else np.nan,
                "partial eta2": F * found.df1 / (F * found.df1 + found.df2),
                "alike": _alike(model, term, ratings),
            }
        )
    order = ["term", "difference", "estimate", "low", "high", "df1", "df2", "F", "p", "d"]
    return _with_holm(rows)[[*order, "partial eta2", "p Holm", "alike"]]


def ordinal(ratings: Ratings, factors: Sequence[str], model: MixedModel) -> OrdinalModel:
    """Fit the cumulative link mixed model, with those random effects that a mixed model found.

    Raises
    ------
    ValueError
        If ratings are no categories, but almost any number.
    """
    table = ratings.opinions
    if not categorical(ratings):
        count = table["rating"].nunique()
        raise ValueError(f"{count} different ratings; accepted: at most {CATEGORIES} categories")
    parts = terms(table, factors)
    found = [effect for effect in _random(ratings, parts) if model.variances.get(effect.name)]
    X = np.column_stack([term.columns for term in parts])
    return OrdinalModel(table["rating"].to_numpy(float), X, found or _random(ratings, []))


def ordinal_table(ratings: Ratings, factors: Sequence[str], model: OrdinalModel) -> "pd.DataFrame":
    """Return the tests of a cumulative link model, a term a row.

    Returns
    -------
    pd.DataFrame
        Columns: term; difference; odds ratio, of a rating in a higher category; low, high, its 95 %
        interval; df1, chi2, p, p Holm.
    """
    rows = []
    for term, found in _tests(model, terms(ratings.opinions, factors)):
        with np.errstate(over="ignore"):  # of few ratings: no upper end
            odds, low, high = (float(np.exp(x)) for x in (found.estimate, *found.interval()))
        row = _row(term, odds, low, high, found)
        chi2 = found.statistic**2 if found.df1 == 1 else found.statistic * found.df1
        rows.append({**row, "chi2": chi2})
    result = _with_holm(rows).rename(columns={"estimate": "odds ratio"})
    return result[["term", "difference", "odds ratio", "low", "high", "df1", "chi2", "p", "p Holm"]]


def categorical(ratings: Ratings) -> bool:
    """Return whether ratings are categories, and not almost any number."""
    return bool(ratings.opinions["rating"].nunique() <= CATEGORIES)


def effect_variance(ratings: Ratings, parts: Sequence[Term], model: MixedModel, unit: str) -> float:
    """Return the variance of a rating because effects differ among listeners, or among pairs.

    Parameters
    ----------
    ratings : Ratings
        Of one question.
    parts : sequence of Term
        Of the model.
    model : MixedModel
        That was fitted to them.
    unit : str
        From ``ratings.units``.
    """
    shares = {term.name: float(np.mean(np.sum(term.columns**2, axis=1))) for term in parts}
    return float(
        sum(share * model.variances.get(f"{unit} × {name}", 0.0) for name, share in shares.items())
    )


@dataclass(frozen=True)
class Friedman:
    """Friedman's test of all conditions at once.

    Attributes
    ----------
    n : int
        Listeners who rated under every condition.
    chi2, df, p : float
        Of the test.
    W : float
        Kendall's coefficient of concordance, from 0 to 1: the effect size.
    """

    n: int
    chi2: float
    df: int
    p: float
    W: float

    @property
    def fault(self) -> str:
        """Why there is no test; empty where there is one."""
        if not np.isnan(self.p):
            return ""
        return "takes three conditions or more" if self.df < 2 else TOO_FEW


def friedman(ratings: Ratings, factors: Sequence[str]) -> Friedman:
    """Test whether listeners rank the conditions alike; NaN for less than two listeners.

    Parameters
    ----------
    ratings : Ratings
        Of one question.
    factors : sequence of str
        Columns that make a condition.
    """
    from scipy import stats

    means = listener_means(ratings, factors).dropna().round(9)
    n, k = means.shape
    if n < 2 or k < 3 or not (means.nunique(axis=1) > 1).any():
        return Friedman(n, np.nan, k - 1, np.nan, np.nan)
    chi2, p = stats.friedmanchisquare(*means.to_numpy().T)
    return Friedman(n, float(chi2), k - 1, float(p), float(chi2) / (n * (k - 1)))


def wilcoxon(ratings: Ratings, factors: Sequence[str]) -> "pd.DataFrame":
    """Compare each two conditions by the signed ranks of listeners.

    Returns
    -------
    pd.DataFrame
        Columns: a, b, conditions; n, listeners with both; median, of b - a; W, the smaller sum of
        ranks; p, p Holm; r, the rank-biserial correlation, from -1 (all rate a higher) to 1.
    """
    from scipy import stats

    means = listener_means(ratings, factors)
    rows = []
    for a, b in combinations(means.columns, 2):
        difference = (means[b] - means[a]).dropna().round(9)
        changed = difference[difference != 0]
        W, p, r = 0.0, 1.0, 0.0
        if len(changed):
            ranks = stats.rankdata(changed.abs())
            up, down = ranks[changed > 0].sum(), ranks[changed < 0].sum()
            W, r = float(min(up, down)), float((up - down) / (up + down))
            p = float(stats.wilcoxon(changed).pvalue)
        median = float(difference.median())
        row = {"a": a, "b": b, "n": len(difference), "median": median, "W": W, "p": p}
        rows.append({**row, "r": r})
    return _with_holm(rows)


def listener_means(ratings: Ratings, factors: Sequence[str]) -> "pd.DataFrame":
    """Return mean ratings, a listener a row and a condition a column, "stft, max"."""
    table = ratings.opinions
    conditions = condition(table, factors)
    grouped = table.assign(condition=conditions).groupby(["listener", "condition"], sort=False)
    return grouped["rating"].mean().unstack()[list(dict.fromkeys(conditions))]


def condition(table: "pd.DataFrame", factors: Sequence[str]) -> "pd.Series[Any]":
    """Return the name of each row's condition."""
    return table[list(factors)].astype(str).agg(", ".join, axis=1)


def _levels(column: "pd.Series[Any]") -> list[Any]:
    return list(column.unique())


def _contrasts(column: "pd.Series[Any]") -> Array:
    """Return the columns that code a factor: they sum to zero over its levels."""
    levels = _levels(column)
    count = len(levels)
    if count == 2:
        code = np.array([[-0.5], [0.5]])
    else:
        code = np.linalg.qr(np.column_stack([np.ones(count), np.eye(count)[:, 1:]]))[0][:, 1:]
    where = {level: k for k, level in enumerate(levels)}
    return code[[where[value] for value in column]]


def _random(ratings: Ratings, parts: Sequence[Term]) -> list[Effect]:
    """Return what differs among listeners and among pairs: what varies within them."""
    table = ratings.opinions
    found = []
    for name in ratings.units:
        groups = table[name].tolist()
        found.append(Effect(name, groups, np.ones((len(table), 1))))
        for term in parts:
            if _varies(term.columns, groups):
                found.append(Effect(f"{name} × {term.name}", groups, term.columns))
    return found


def _varies(columns: Array, groups: Sequence[Any]) -> bool:
    """Return whether an effect differs within any group."""
    import pandas as pd

    frame = pd.DataFrame(columns).groupby(np.asarray(groups)).nunique()
    return bool((frame > 1).to_numpy().any())


def _spread(ratings: Ratings, parts: Sequence[Term], model: MixedModel) -> float:
    """Return the standard deviation of a single rating under one condition, all that is random."""
    total = sum(variance for name, variance in model.variances.items() if "×" not in name)
    total += sum(effect_variance(ratings, parts, model, unit) for unit in ratings.units)
    return float(np.sqrt(total))


def _alike(model: MixedModel, term: Term, ratings: Ratings) -> str:
    """Return among whom a term has a variance that was estimated as zero."""
    zeros = [u for u in ratings.units if model.variances.get(f"{u} × {term.name}") == 0]
    return ", ".join(f"{unit}s" for unit in zeros)


def _tests(
    model: MixedModel | OrdinalModel, parts: Sequence[Term], *, before: int = 0
) -> Iterator[tuple[Term, Contrast]]:
    """Test each term; its coefficients follow those before it."""
    unit = np.eye(len(model.b))
    for term in parts:
        after = before + term.columns.shape[1]
        yield term, model.test(unit[before:after])
        before = after


def _row(term: Term, estimate: float, low: float, high: float, found: Contrast) -> dict[str, Any]:
    return {
        "term": term.name,
        "difference": term.label,
        "estimate": estimate,
        "low": low,
        "high": high,
        "df1": found.df1,
        "p": found.p,
    }


def _with_holm(rows: list[dict[str, Any]]) -> "pd.DataFrame":
    import pandas as pd

    result = pd.DataFrame(rows)
    result["p Holm"] = holm(result["p"].tolist()) if rows else []
    return result
