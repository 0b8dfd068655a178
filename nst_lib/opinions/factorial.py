"""Find which factors of an experiment listeners hear, by models of the design as it is.

Every listener rates every pair of recordings under every condition. A factor's effect differs among
listeners and among pairs, and is tested against these differences:

    mixed       linear mixed model: factors and interactions; intercepts and effects of each
                listener and of each pair, uncorrelated (D. J. Barr et al., 2013); Satterthwaite's
                t and F tests
    ordinal     cumulative link mixed model, which takes ratings as categories and not as numbers: a
                check of the first model. It has Wald tests, which treat the pairs as if there were
                many; with five pairs p is too small.

:mod:`nst_lib.opinions.design` says how factors are coded. A factor of three or more levels has an F
test; the estimate at each level, and the difference between every two levels, are tables of their
own. p values are corrected by Holm's method within a table, and within a factor where its levels
are compared with each other.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nst_lib.opinions.design import (
    Term,
    candidates,
    fixed_effects,
    level_contrasts,
    random_effects,
    terms,
)
from nst_lib.opinions.mixed import LEAST_DF, Contrast, MixedModel
from nst_lib.opinions.ordinal import OrdinalModel
from nst_lib.opinions.paired import with_holm
from nst_lib.opinions.ratings import Ratings

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[np.float64]
#: Ratings with at most this number of different values are treated as categories.
CATEGORIES = 11
#: Reasons why an effect has no test.
EXACT = "no test: the model explains the ratings exactly"
NO_DF = "no test: too few listeners or pairs show different effects"


def fit_mixed(ratings: Ratings, factors: Sequence[str], *, slopes: bool = True) -> MixedModel:
    """Fit the linear mixed model.

    Parameters
    ----------
    ratings : Ratings
        Ratings of one question.
    factors : sequence of str
        Columns that make a condition.
    slopes : bool
        Whether effects may differ among listeners and among pairs. If not, effects are tested as if
        there were no other listeners and pairs than these, and p is too small.
    """
    X = fixed_effects(terms(ratings.opinions, factors))
    effects = random_effects(ratings, factors, slopes=slopes)
    return MixedModel(ratings.opinions["rating"].to_numpy(float), X, effects)


def mixed_table(ratings: Ratings, factors: Sequence[str], model: MixedModel) -> "pd.DataFrame":
    """Return the tests of a mixed model, one row per term.

    Returns
    -------
    pd.DataFrame
        Columns: term; difference, "b − a"; estimate, in points of the scale; low, high, its 95 %
        interval; df1, df2, F, p, p Holm; d, the estimate in standard deviations of a single rating
        (J. Westfall et al., 2014); partial eta2, the variance of the term as a share of its own
        variance plus the variance that it is tested against; alike, "listeners" or "pairs" if the
        effect was estimated to be the same for all of them (with few pairs this is often chance,
        and p is then too small); untested, the reason if there is no test: then only the estimate
        is known and the other numbers are NaN.
    """
    parts = terms(ratings.opinions, factors)
    spread = _spread(ratings, parts, model)
    rows = []
    for term, found in _tests(model, parts, before=1):
        untested = _untested(model, found)
        if untested:
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
                "untested": untested,
            }
        )
    order = ["term", "difference", "estimate", "low", "high", "df1", "df2", "F", "p", "d"]
    return with_holm(rows)[[*order, "partial eta2", "p Holm", "alike", "untested"]]


def level_table(ratings: Ratings, factors: Sequence[str], model: MixedModel) -> "pd.DataFrame":
    """Return the estimates of a mixed model at each level of each factor.

    An estimate is the mean over the levels of the other factors, with equal weights, as if all
    listeners had rated all pairs. If some ratings are missing, it is not the mean of the ratings.

    Returns
    -------
    pd.DataFrame
        Columns: factor; level; estimate, in points of the scale; low, high, its 95 % interval; df2.
    """
    import pandas as pd

    rows = []
    for factor, level, L in level_contrasts(ratings, factors, len(model.b)):
        found = model.test(L)
        low, high = (np.nan, np.nan) if _untested(model, found) else found.interval()
        row = {"factor": factor, "level": level, "estimate": found.estimate}
        rows.append({**row, "low": low, "high": high, "df2": found.df2})
    return pd.DataFrame(rows)


def difference_table(ratings: Ratings, factors: Sequence[str], model: MixedModel) -> "pd.DataFrame":
    """Compare every two levels of the factors that have three or more, by a mixed model.

    Returns
    -------
    pd.DataFrame
        Columns: factor; a, b, the two levels; estimate, of b - a, in points of the scale; low,
        high, its 95 % interval, not corrected; df2, t, p; d, as in :func:`mixed_table`; p Holm,
        corrected within the factor. Empty if no factor has three levels.
    """
    import pandas as pd

    spread = _spread(ratings, terms(ratings.opinions, factors), model)
    rows = list(level_contrasts(ratings, factors, len(model.b)))
    columns = ["factor", "a", "b", "estimate", "low", "high", "df2", "t", "p", "d", "p Holm"]
    tables = [pd.DataFrame(columns=columns)]
    for name in factors:
        places = [(level, L) for factor, level, L in rows if factor == name]
        if len(places) > 2:
            found = [
                {"factor": name, "a": a, "b": b, **_difference(model, M - L, spread)}
                for (a, L), (b, M) in combinations(places, 2)
            ]
            tables.append(with_holm(found)[columns])
    return pd.concat(tables[1:] or tables, ignore_index=True)


def fit_ordinal(ratings: Ratings, factors: Sequence[str], model: MixedModel) -> OrdinalModel:
    """Fit the cumulative link mixed model.

    Parameters
    ----------
    ratings : Ratings
        Ratings of one question.
    factors : sequence of str
        Columns that make a condition.
    model : MixedModel
        Linear mixed model of the same ratings. Random effects that have a variance there are in
        this model too.

    Raises
    ------
    ValueError
        If there are too many different ratings to be categories.
    """
    table = ratings.opinions
    if not categorical(ratings):
        count = table["rating"].nunique()
        raise ValueError(
            f"{count} different ratings are too many for an ordinal model; accepted: at most "
            f"{CATEGORIES}"
        )
    parts = terms(table, factors)
    found = [effect for effect in candidates(ratings, parts) if model.variances.get(effect.name)]
    X = np.column_stack([term.columns for term in parts])
    return OrdinalModel(table["rating"].to_numpy(float), X, found or candidates(ratings, []))


def ordinal_table(ratings: Ratings, factors: Sequence[str], model: OrdinalModel) -> "pd.DataFrame":
    """Return the tests of a cumulative link model, one row per term.

    Returns
    -------
    pd.DataFrame
        Columns: term; difference; odds ratio, of a rating in a higher category; low, high, its 95 %
        interval; df1, chi2, p, p Holm. NaN if the odds have no bounds, for example if all ratings
        under one condition are lower than all ratings under another.
    """
    parts, rows = terms(ratings.opinions, factors), []
    bounded = bool((np.linalg.eigvalsh(model.covariance) > 0).all())
    for term, found in _tests(model, parts) if bounded else _unbounded(parts):
        with np.errstate(over="ignore"):  # few ratings may give no upper end
            odds, low, high = (float(np.exp(x)) for x in (found.estimate, *found.interval()))
        row = _row(term, odds, low, high, found)
        chi2 = found.statistic**2 if found.df1 == 1 else found.statistic * found.df1
        rows.append({**row, "chi2": chi2})
    result = with_holm(rows).rename(columns={"estimate": "odds ratio"})
    return result[["term", "difference", "odds ratio", "low", "high", "df1", "chi2", "p", "p Holm"]]


def categorical(ratings: Ratings) -> bool:
    """Return whether ratings are few enough different numbers to be treated as categories."""
    return bool(ratings.opinions["rating"].nunique() <= CATEGORIES)


def effect_variance(ratings: Ratings, parts: Sequence[Term], model: MixedModel, unit: str) -> float:
    """Return the part of a rating's variance that comes from different effects among units.

    Parameters
    ----------
    ratings : Ratings
        Ratings of one question.
    parts : sequence of Term
        Terms of the model.
    model : MixedModel
        The model that was fitted to the ratings.
    unit : str
        One of ``ratings.units``: whether effects of listeners or of pairs are meant.
    """
    shares = {term.name: float(np.mean(np.sum(term.columns**2, axis=1))) for term in parts}
    return float(
        sum(share * model.variances.get(f"{unit} × {name}", 0.0) for name, share in shares.items())
    )


def _difference(model: MixedModel, L: Array, spread: float) -> dict[str, float]:
    """Return the cells of a row of the table of differences."""
    found = model.test(L)
    if _untested(model, found):
        found = replace(found, se=np.nan, statistic=np.nan, df2=np.nan, p=np.nan)
    low, high = found.interval()
    row = {"estimate": found.estimate, "low": low, "high": high, "df2": found.df2}
    d = found.estimate / spread if np.isfinite(found.p) else np.nan
    return {**row, "t": found.statistic, "p": found.p, "d": d}


def _untested(model: MixedModel, found: Contrast) -> str:
    """Return why a contrast has no test; empty if it has one."""
    if model.exact:
        return EXACT
    return "" if found.df2 > LEAST_DF else NO_DF


def _spread(ratings: Ratings, parts: Sequence[Term], model: MixedModel) -> float:
    """Return the standard deviation of a single rating under one condition."""
    total = sum(variance for name, variance in model.variances.items() if "×" not in name)
    total += sum(effect_variance(ratings, parts, model, unit) for unit in ratings.units)
    return float(np.sqrt(total))


def _alike(model: MixedModel, term: Term, ratings: Ratings) -> str:
    """Return the units among which the variance of a term was estimated as zero."""
    zeros = [u for u in ratings.units if model.variances.get(f"{u} × {term.name}") == 0]
    return ", ".join(f"{unit}s" for unit in zeros)


def _tests(
    model: MixedModel | OrdinalModel, parts: Sequence[Term], *, before: int = 0
) -> Iterator[tuple[Term, Contrast]]:
    """Yield each term with its test; coefficients have the order of the terms after `before`."""
    unit = np.eye(len(model.b))
    for term in parts:
        after = before + term.columns.shape[1]
        yield term, model.test(unit[before:after])
        before = after


def _unbounded(parts: Sequence[Term]) -> Iterator[tuple[Term, Contrast]]:
    """Yield each term with a test that is NaN."""
    for term in parts:
        yield term, Contrast(np.nan, np.nan, np.nan, term.columns.shape[1], np.inf, np.nan)


def _row(term: Term, estimate: float, low: float, high: float, found: Contrast) -> dict[str, Any]:
    """Return the cells that both tables of tests have."""
    return {
        "term": term.name,
        "difference": term.label,
        "estimate": estimate,
        "low": low,
        "high": high,
        "df1": found.df1,
        "p": found.p,
    }
