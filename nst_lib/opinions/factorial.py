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

Factors of two levels are coded -1/2 and +1/2 in the order of the levels, so that a coefficient is
the difference second - first, and an interaction a difference of differences. Factors of more
levels have orthonormal contrasts and an F test; what the model estimates at each level, and the
differences of each two, are tables of their own. p values are corrected by Holm's method within a
table, and within a factor where each two of its levels are compared.

A random effect has a variance of its own only where the ratings tell it from the others: where a
listener gave two ratings, an effect of two levels that differs among listeners is the residual.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nst_lib.opinions.crossed import Effect
from nst_lib.opinions.mixed import LEAST_DF, Contrast, MixedModel, identified
from nst_lib.opinions.ordinal import OrdinalModel
from nst_lib.opinions.paired import holm
from nst_lib.opinions.ratings import Ratings, cells, condition, levels

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[np.float64]
#: Most categories that are taken for categories.
CATEGORIES = 11
EXACT = "no test: nothing of the ratings is left to chance"
NO_DF = "no test: too few listeners or pairs differ in it"


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
                parts = [levels(table[name]) for name in chosen]
                names = [f"{b} − {a}" for a, b in parts]
                label = names[0] if count == 1 else " × ".join(f"({name})" for name in names)
            found.append(Term(" × ".join(chosen), label, columns))
    return found


def fault(ratings: Ratings, factors: Sequence[str]) -> str:
    """Return why no model can be fitted to ratings, in a sentence; empty where one can.

    Parameters
    ----------
    ratings : Ratings
        Of one question.
    factors : sequence of str
        Columns.
    """
    table = ratings.opinions
    if table["rating"].nunique() == 1:
        return f"All ratings are {table['rating'].iloc[0]:g}: no differences, nothing to test."
    for name in factors:
        if table[name].nunique() == 1:
            return f"All ratings have the {name} {table[name].iloc[0]}: nothing to compare."
    if table["listener"].nunique() == 1:
        return "There is one listener: nothing is known of what others would say."
    there = cells(table, factors)
    possible = product(*(levels(table[name]) for name in factors))
    empty = [name for name in (", ".join(map(str, cell)) for cell in possible) if name not in there]
    if empty:
        more = f" and under {len(empty) - 1} more conditions" if len(empty) > 1 else ""
        return (
            f"There are no ratings under {empty[0]}{more}: {' and '.join(factors)} cannot be told "
            "apart. One column that names the condition, as the only factor, can be tested."
        )
    for unit in ratings.units:
        if table.groupby(list(factors))[unit].nunique().max() == 1:
            return (
                f"There is one {unit} under each condition: what the {unit} does cannot be told "
                "from what the condition does."
            )
    if not _effects(ratings, factors):
        return f"{len(table)} ratings do not tell how listeners and {ratings.unit}s differ."
    return ""


def fit_mixed(ratings: Ratings, factors: Sequence[str], *, slopes: bool = True) -> MixedModel:
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
    X = _fixed(terms(ratings.opinions, factors))
    effects = _effects(ratings, factors, slopes=slopes)
    return MixedModel(ratings.opinions["rating"].to_numpy(float), X, effects)


def mixed_table(ratings: Ratings, factors: Sequence[str], model: MixedModel) -> "pd.DataFrame":
    """Return the tests of a mixed model, a term a row.

    Returns
    -------
    pd.DataFrame
        Columns: term; difference, of what; estimate, in points of the scale; low, high, its 95 %
        interval; df1, df2, F, p, p Holm; d, the estimate in standard deviations of a single rating
        (J. Westfall et al., 2014); partial eta2, the share of a term in the variance that it and
        what it is tested against have; alike, among whom the term was not found to differ at all:
        with few pairs that is often chance, and p then too small; untested, why there is no test,
        where only the estimate is known and the rest is NaN.
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
    return _with_holm(rows)[[*order, "partial eta2", "p Holm", "alike", "untested"]]


def level_table(ratings: Ratings, factors: Sequence[str], model: MixedModel) -> "pd.DataFrame":
    """Return what a mixed model estimates at each level of each factor.

    It is the mean over the levels of the other factors, each counted alike, and as if all listeners
    had rated all pairs: where some have not, it is not the mean of the ratings.

    Returns
    -------
    pd.DataFrame
        Columns: factor; level; estimate, in points of the scale; low, high, its 95 % interval; df2.
    """
    import pandas as pd

    rows = []
    for factor, level, L in _at_levels(ratings, factors, len(model.b)):
        found = model.test(L)
        low, high = (np.nan, np.nan) if _untested(model, found) else found.interval()
        row = {"factor": factor, "level": level, "estimate": found.estimate}
        rows.append({**row, "low": low, "high": high, "df2": found.df2})
    return pd.DataFrame(rows)


def difference_table(ratings: Ratings, factors: Sequence[str], model: MixedModel) -> "pd.DataFrame":
    """Compare each two levels of the factors that have three or more, by a mixed model.

    Returns
    -------
    pd.DataFrame
        Columns: factor; a, b, levels; estimate, of b - a, in points of the scale; low, high, its
        95 % interval, uncorrected; df2, t, p; d, as in :func:`mixed_table`; p Holm, within the
        factor. Empty where no factor has three levels.
    """
    import pandas as pd

    spread = _spread(ratings, terms(ratings.opinions, factors), model)
    rows = list(_at_levels(ratings, factors, len(model.b)))
    columns = ["factor", "a", "b", "estimate", "low", "high", "df2", "t", "p", "d", "p Holm"]
    tables = [pd.DataFrame(columns=columns)]
    for name in factors:
        places = [(level, L) for factor, level, L in rows if factor == name]
        if len(places) > 2:
            found = [
                {"factor": name, "a": a, "b": b, **_difference(model, M - L, spread)}
                for (a, L), (b, M) in combinations(places, 2)
            ]
            tables.append(_with_holm(found)[columns])
    return pd.concat(tables[1:] or tables, ignore_index=True)


def fit_ordinal(ratings: Ratings, factors: Sequence[str], model: MixedModel) -> OrdinalModel:
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
        interval; df1, chi2, p, p Holm. NaN where ratings set the odds no bounds, as where all of
        one condition are below all of another.
    """
    parts, rows = terms(ratings.opinions, factors), []
    bounded = bool((np.linalg.eigvalsh(model.covariance) > 0).all())
    for term, found in _tests(model, parts) if bounded else _unbounded(parts):
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
        if self.df < 2:
            return "takes three conditions or more"
        if self.n < 2:
            return (
                f"takes two listeners with ratings of all conditions; there is {self.n or 'none'}"
            )
        return "nobody rates one condition higher than another"


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
        ranks; p, p Holm; r, the rank-biserial correlation, from -1 (all rate a higher) to 1. NaN
        where no listener rated under both.
    """
    from scipy import stats

    means = listener_means(ratings, factors)
    rows = []
    for a, b in combinations(means.columns, 2):
        difference = (means[b] - means[a]).dropna().round(9)
        changed = difference[difference != 0]
        W, p, r = (0.0, 1.0, 0.0) if len(difference) else (np.nan, np.nan, np.nan)
        if len(changed):
            ranks = stats.rankdata(changed.abs())
            up, down = ranks[changed > 0].sum(), ranks[changed < 0].sum()
            W, r = float(min(up, down)), float((up - down) / (up + down))
            p = float(stats.wilcoxon(changed).pvalue)
        median = float(difference.median()) if len(difference) else np.nan
        row = {"a": a, "b": b, "n": len(difference), "median": median, "W": W, "p": p}
        rows.append({**row, "r": r})
    return _with_holm(rows)


def listener_means(ratings: Ratings, factors: Sequence[str]) -> "pd.DataFrame":
    """Return mean ratings, a listener a row and a condition a column, "stft, max"."""
    table = ratings.opinions
    named = table.assign(condition=condition(table, factors))
    means = named.groupby(["listener", "condition"], sort=False)["rating"].mean()
    return means.unstack()[cells(table, factors)]


def _contrasts(column: "pd.Series[Any]") -> Array:
    """Return the columns that code a factor: they sum to zero over its levels."""
    there = levels(column)
    where = {level: k for k, level in enumerate(there)}
    return _code(len(there))[[where[value] for value in column]]


def _code(count: int) -> Array:
    """Return the columns for so many levels, a level a row."""
    if count == 2:
        return np.array([[-0.5], [0.5]])
    return np.linalg.qr(np.column_stack([np.ones(count), np.eye(count)[:, 1:]]))[0][:, 1:]


def _at_levels(
    ratings: Ratings, factors: Sequence[str], size: int
) -> Iterator[tuple[str, Any, Array]]:
    """Return the contrast, of so many coefficients, that is the mean at each level."""
    before = 1
    for name in factors:
        there = levels(ratings.opinions[name])
        for level, row in zip(there, _code(len(there)), strict=True):
            L = np.zeros(size)
            L[0], L[before : before + len(row)] = 1, row
            yield name, level, L
        before += len(there) - 1


def _difference(model: MixedModel, L: Array, spread: float) -> dict[str, float]:
    found = model.test(L)
    if _untested(model, found):
        found = replace(found, se=np.nan, statistic=np.nan, df2=np.nan, p=np.nan)
    low, high = found.interval()
    row = {"estimate": found.estimate, "low": low, "high": high, "df2": found.df2}
    d = found.estimate / spread if np.isfinite(found.p) else np.nan
    return {**row, "t": found.statistic, "p": found.p, "d": d}


def _untested(model: MixedModel, found: Contrast) -> str:
    """Return why a contrast has no test; empty where it has one."""
    if model.exact:
        return EXACT
    return "" if found.df2 > LEAST_DF else NO_DF


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


def _fixed(parts: Sequence[Term]) -> Array:
    return np.column_stack([np.ones(len(parts[0].columns)), *(term.columns for term in parts)])


def _effects(ratings: Ratings, factors: Sequence[str], *, slopes: bool = True) -> list[Effect]:
    """Return the random effects of the model whose variances the ratings tell apart."""
    parts = terms(ratings.opinions, factors)
    return identified(_fixed(parts), _random(ratings, parts if slopes else []))


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


def _unbounded(parts: Sequence[Term]) -> Iterator[tuple[Term, Contrast]]:
    for term in parts:
        yield term, Contrast(np.nan, np.nan, np.nan, term.columns.shape[1], np.inf, np.nan)


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
