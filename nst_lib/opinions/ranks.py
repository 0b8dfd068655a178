"""Tests of conditions by ranks: Friedman's test and Wilcoxon's signed ranks.

Both use the mean rating of each listener over pairs, under each condition. They assume no
distribution of the ratings, and they treat the pairs as fixed: nothing is said about other pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from nst_lib.opinions.paired import with_holm
from nst_lib.opinions.ratings import Ratings, cells, condition

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Friedman:
    """Result of Friedman's test of all conditions at once.

    Attributes
    ----------
    n : int
        Number of listeners who rated under every condition.
    chi2, df, p : float
        Statistic of the test, its degrees of freedom, and p.
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
        """Why there is no test; empty if there is one."""
        if not np.isnan(self.p):
            return ""
        if self.df < 2:
            return "no test, because it needs three conditions or more"
        if self.n < 2:
            there = "only 1" if self.n else "none"
            return f"no test, because it needs two listeners who rated all conditions; {there} did"
        return "no test, because no listener rated one condition higher than another"


def friedman(ratings: Ratings, factors: Sequence[str]) -> Friedman:
    """Test whether listeners rank the conditions alike; the result is NaN if there is no test.

    Parameters
    ----------
    ratings : Ratings
        Ratings of one question.
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
    """Compare every two conditions by Wilcoxon's signed ranks of listeners.

    Parameters
    ----------
    ratings : Ratings
        Ratings of one question.
    factors : sequence of str
        Columns that make a condition.

    Returns
    -------
    pd.DataFrame
        Columns: a, b, the two conditions; n, the number of listeners who rated under both; median,
        of b - a; W, the smaller sum of ranks; p, p Holm; r, the rank-biserial correlation, from -1
        (all listeners rate a higher) to 1. NaN if no listener rated under both.
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
    return with_holm(rows)


def listener_means(ratings: Ratings, factors: Sequence[str]) -> "pd.DataFrame":
    """Return mean ratings: one row per listener, one column per condition ("stft, max")."""
    table = ratings.opinions
    named = table.assign(condition=condition(table, factors))
    means = named.groupby(["listener", "condition"], sort=False)["rating"].mean()
    return means.unstack()[cells(table, factors)]
