"""Correlations of objective scores with opinion, to see whether any score predicts it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nst_lib.batch.results import scores_in
from nst_lib.opinions.paired import holm
from nst_lib.opinions.ratings import Ratings
from nst_lib.opinions.tables import RatingsError

if TYPE_CHECKING:
    import pandas as pd


def correlate(
    ratings: Ratings, factors: Sequence[str], scores: Sequence[str] | None = None
) -> "pd.DataFrame":
    """Correlate scores with mean opinion scores, over conditions and over items.

    If there are few conditions, almost any score correlates with opinion by chance. There are more
    items, but items of one pair of recordings resemble each other. The intervals do not take this
    into account and are too short.

    Parameters
    ----------
    ratings : Ratings
        Ratings of one question, with a column for each score.
    factors : sequence of str
        Columns that make a condition.
    scores : sequence of str or None
        Columns of numbers; None means all scores of a batch that the ratings have.

    Returns
    -------
    pd.DataFrame
        Columns: score; over, "conditions" or "items"; n, their number; pearson; low, high, its 95 %
        interval (Fisher's z); spearman; p, of Pearson's r; p Holm. Correlations are NaN if n < 3,
        and intervals if n < 4.

    Raises
    ------
    RatingsError
        If a score is not a column of numbers.
    """
    import pandas as pd

    table = ratings.opinions
    there = [name for name in scores_in(table) if name not in factors]
    known = [name for name in there if pd.api.types.is_numeric_dtype(table[name])]
    chosen = known if scores is None else list(scores)
    for name in chosen:
        if name not in table or not pd.api.types.is_numeric_dtype(table[name]):
            raise RatingsError(
                f"{ratings.source}: no numbers in column {name!r}; add scores with a table of "
                "items, such as the results of a batch"
            )
    rows = []
    for name in chosen:
        for over, by in (("conditions", list(factors)), ("items", ["item"])):
            means = table.groupby(by, sort=False)[["rating", name]].mean().dropna()
            found = _correlation(means[name].to_numpy(), means["rating"].to_numpy())
            rows.append({"score": name, "over": over, "n": len(means), **found})
    columns = ["score", "over", "n", "pearson", "low", "high", "spearman", "p"]
    result = pd.DataFrame(rows, columns=columns)
    return result.assign(**{"p Holm": holm(result["p"].tolist())})


def _correlation(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> dict[str, float]:
    """Return the correlations of two lists of numbers; NaN if they are too short or constant."""
    from scipy import stats

    row = dict.fromkeys(("pearson", "low", "high", "spearman", "p"), np.nan)
    if len(x) > 2 and np.ptp(x) > 0 and np.ptp(y) > 0:
        found = stats.pearsonr(x, y)
        row |= {"pearson": float(found.statistic), "p": float(found.pvalue)}
        row["spearman"] = float(stats.spearmanr(x, y).statistic)
        if len(x) > 3:
            row["low"], row["high"] = map(float, found.confidence_interval(0.95))
    return row
