"""Measures of how well listeners agree with each other and with themselves.

For one question, where o_ij is the rating of item j by listener i:

    bias     b_i = mean over items j of (o_ij - mu_j), where mu_j is the mean of item j: how much
             kinder listener i is than the others. The rating without bias is o_ij - b_i (ITU-T
             P.913, 2016, clause 12.4)
    alpha    1 - D_observed / D_expected: the disagreement between ratings of the same item,
             relative to the disagreement between any two ratings (K. Krippendorff, Computing
             Krippendorff's alpha-reliability, 2011)
    ICC      share of the variance of ratings that comes from the items, for a single rating and for
             the mean of all listeners (K. O. McGraw and S. P. Wong, 1996)
    SOS      S_j^2 = a (mu_j - low) (high - mu_j): the variance of the ratings of an item depends on
             its mean. a is 0 if all listeners agree, and 1 if they use only the ends of the scale
             (T. Hoßfeld et al., SOS: The MOS is not enough!, 2011)
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nst_lib.opinions.crossed import Effect
from nst_lib.opinions.mixed import MixedModel, identified
from nst_lib.opinions.ratings import Ratings, cells, condition

if TYPE_CHECKING:
    import pandas as pd

LEVELS = ("ordinal", "interval")


def matrix(ratings: Ratings) -> "pd.DataFrame":
    """Return ratings: one row per listener, one column per item, NaN for no rating."""
    table = ratings.opinions
    wide = table.pivot(index="listener", columns="item", values="rating")
    return wide.loc[list(table["listener"].unique()), list(table["item"].unique())]


def listeners(ratings: Ratings) -> "pd.DataFrame":
    """Return what each listener's ratings are like.

    Returns
    -------
    pd.DataFrame
        Columns: listener; n, the number of ratings; mean; bias, by P.913; sd; correlation,
        Pearson's, with the mean of all other listeners over the same items, NaN if either is
        constant; missed, the number of catch trials that were answered wrongly; repeats, the number
        of items that were rated again; agreement, the mean absolute difference between the first
        and the repeated ratings.
    """
    import pandas as pd

    wide = matrix(ratings)
    bias = _biases(wide)
    missed, again = catches(ratings), repeats(ratings)
    rows = []
    for name in wide.index.astype(str):
        own, others = wide.loc[name], wide.drop(index=name).mean()
        differences = again.loc[again["listener"] == name, "difference"].abs()
        rows.append(
            {
                "listener": name,
                "n": int(own.count()),
                "mean": own.mean(),
                "bias": bias[name],
                "sd": own.std(),
                "correlation": _pearson(own.to_numpy(float), others.to_numpy(float)),
                "missed": int(missed.get(name, 0)),
                "repeats": len(differences),
                "agreement": differences.mean(),
            }
        )
    return pd.DataFrame(rows)


def without_bias(ratings: Ratings) -> Ratings:
    """Return opinions without the bias of their listener; they may leave the scale a little."""
    table = ratings.opinions
    biases = _biases(matrix(ratings))
    return replace(
        ratings, table=table.assign(rating=table["rating"] - table["listener"].map(biases))
    )


def entangled(ratings: Ratings, factors: Sequence[str]) -> str:
    """Return the reason why no bias can be removed from ratings; empty if it can be removed.

    The bias of a listener is relative to the listeners who rated the same items. If different
    groups of listeners rate different conditions, a kind group cannot be told from a good
    condition. With bias removed, the listeners of a group would be alike, and differences between
    groups that are chance would look significant.
    """
    table = ratings.opinions
    rated = table.assign(condition=condition(table, factors)).groupby("listener")["condition"]
    short = rated.nunique() < len(cells(table, factors))
    if not short.any():
        return ""
    names = " and ".join(factors)
    return f"{short.sum()} of {len(short)} listeners did not rate every condition of {names}"


def catches(ratings: Ratings) -> "pd.Series[Any]":
    """Return the number of catch trials that each listener answered wrongly."""
    table = ratings.table
    if not {"lowest", "highest"} & set(table):
        return table["listener"].iloc[:0].value_counts()
    answers = table.reindex(columns=["lowest", "highest"]).astype(float)
    low, high = answers["lowest"].fillna(-np.inf), answers["highest"].fillna(np.inf)
    return (~table["rating"].between(low, high)).groupby(table["listener"]).sum()


def repeats(ratings: Ratings) -> "pd.DataFrame":
    """Return repeated ratings and their difference from the first rating of the same item.

    Returns
    -------
    pd.DataFrame
        Columns: listener, item, presentation, difference.
    """
    table, first = ratings.table, ratings.opinions
    if "presentation" not in table:
        table = table.iloc[:0].assign(presentation=1)
    later = table[table["presentation"] > 1].merge(
        first[["listener", "item", "rating"]], on=["listener", "item"], suffixes=("", " first")
    )
    later["difference"] = later["rating"] - later["rating first"]
    return later[["listener", "item", "presentation", "difference"]]


def alpha(ratings: Ratings, level: str = "ordinal") -> float:
    """Return Krippendorff's alpha; some ratings may be missing.

    Parameters
    ----------
    ratings : Ratings
        Ratings of one question.
    level : str
        One of `LEVELS`: "ordinal" if ratings are ranks, "interval" if they are numbers.

    Raises
    ------
    ValueError
        If the level is unknown.
    """
    if level not in LEVELS:
        raise ValueError(f"level {level!r}; accepted: {', '.join(LEVELS)}")
    wide = matrix(ratings).to_numpy(float)
    values = np.unique(wide[~np.isnan(wide)])
    counts = np.stack([(wide == value).sum(axis=0) for value in values], axis=1).astype(float)
    counts = counts[counts.sum(axis=1) > 1]
    weight = 1 / (counts.sum(axis=1) - 1)
    observed = (counts.T * weight) @ counts - np.diag(counts.T @ weight)
    n = observed.sum(axis=0)
    place = values if level == "interval" else np.cumsum(n) - n / 2
    distance = (place[:, None] - place) ** 2
    expected = np.outer(n, n) - np.diag(n)
    above, below = float((observed * distance).sum()), float((expected * distance).sum())
    return 1 - float(n.sum() - 1) * above / below if below else float("nan")


@dataclass(frozen=True)
class ICC:
    """Intraclass correlations for absolute agreement; items and listeners are random.

    Attributes
    ----------
    listeners, items : int
        Numbers of listeners and items.
    per_item : float
        Number of ratings per item; the harmonic mean if it differs among the items.
    single, average : float
        ICC(A,1), for a single rating, and ICC(A,k), for the mean of `per_item` ratings.
    low, high : float
        95 % interval of `single`; NaN unless every listener rated every item.
    """

    listeners: int
    items: int
    per_item: float
    single: float
    average: float
    low: float
    high: float


def icc(ratings: Ratings) -> ICC:
    """Return intraclass correlations, from the variances of items, listeners and the residual.

    Ratings may be missing: the variances are estimated by REML, and `average` is for the harmonic
    mean of the number of ratings per item (D. ten Hove, T. D. Jorgensen and L. A. van der Ark,
    Updated guidelines on selecting an intraclass correlation coefficient, 2022). The correlations
    are NaN if there are fewer than two listeners or items, or if their variances cannot be told
    apart.
    """
    table = ratings.opinions
    y, one = table["rating"].to_numpy(float), np.ones((len(table), 1))
    effects = [Effect(name, table[name].tolist(), one) for name in ("item", "listener")]
    items, per_item = table["item"].nunique(), float(1 / (1 / table["item"].value_counts()).mean())
    listeners, nan = table["listener"].nunique(), float("nan")
    if np.ptp(y) == 0 or len(identified(one, effects)) < 2:
        return ICC(listeners, items, per_item, nan, nan, nan, nan)
    variances = MixedModel(y, one, effects).variances
    item, rest = variances["item"], variances["listener"] + variances["residual"]
    low, high = _icc_interval(matrix(ratings).to_numpy(float).T)
    single, average = item / (item + rest), item / (item + rest / per_item)
    return ICC(listeners, items, per_item, single, average, low, high)


def _biases(wide: "pd.DataFrame") -> "pd.Series[float]":
    """Return the bias of each listener by P.913, from a table as of :func:`matrix`."""
    return (wide - wide.mean()).mean(axis=1)


def _icc_interval(x: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Return the interval of ICC(A,1); one item per row (K. O. McGraw and S. P. Wong, 1996)."""
    from scipy import special

    n, k = x.shape
    rows, columns, mean = x.mean(axis=1), x.mean(axis=0), x.mean()
    MSR = k * np.sum((rows - mean) ** 2) / (n - 1)
    MSC = n * np.sum((columns - mean) ** 2) / (k - 1)
    MSE = np.sum((x - rows[:, None] - columns + mean) ** 2) / ((n - 1) * (k - 1))
    with np.errstate(divide="ignore", invalid="ignore"):  # few ratings may give no interval
        single = (MSR - MSE) / (MSR + (k - 1) * MSE + k / n * (MSC - MSE))
        a = k * single / (n * (1 - single))
        b = 1 + a * (n - 1)
        below = (a * MSC) ** 2 / (k - 1) + (b * MSE) ** 2 / ((n - 1) * (k - 1))
        v = (a * MSC + b * MSE) ** 2 / below
        upper, lower = (special.fdtri(*df, 0.975) for df in ((n - 1, v), (v, n - 1)))
        rest = k * MSC + (k * n - k - n) * MSE
        low = n * (MSR - upper * MSE) / (upper * rest + n * MSR)
        high = n * (lower * MSR - MSE) / (rest + n * lower * MSR)
    return float(low), float(high)


def sos(ratings: Ratings) -> float:
    """Return the SOS parameter a, by least squares over items."""
    low, high = ratings.scale
    items = ratings.opinions.groupby("item")["rating"].agg(["mean", "var"]).dropna().to_numpy()
    shape = (items[:, 0] - low) * (high - items[:, 0])
    below = float(shape @ shape)
    return float(items[:, 1] @ shape) / below if below else float("nan")


def _pearson(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> float:
    """Return the correlation where both are known; NaN if either is constant."""
    there = ~(np.isnan(x) | np.isnan(y))
    if there.sum() < 2:
        return float("nan")
    x, y = x[there] - x[there].mean(), y[there] - y[there].mean()
    below = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / below if below > 1e-12 else float("nan")
