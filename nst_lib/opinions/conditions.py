"""Mean opinion scores of conditions, with two kinds of intervals.

    t interval    over other listeners, for the same pairs: MOS +- t(n - 1) s / sqrt(n), where s is
                  the standard deviation of the listeners' means
    bootstrap     over other listeners and other pairs: both are drawn anew, with replacement (A. B.
                  Owen, The pigeonhole bootstrap, 2007), and the interval is of percentiles

Ratings by one listener resemble each other, and so do ratings of one pair. An interval that counts
ratings as independent samples would be far too short; neither of these two does.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nst_lib.opinions.paired import t_interval
from nst_lib.opinions.ratings import Ratings, cells, condition, levels

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[np.float64]
_CHUNK = 1000
#: Text of a condition without ratings.
NO_RATINGS = "–"


def mos(
    ratings: Ratings, factors: Sequence[str], *, n_boot: int = 10000, seed: int = 0
) -> "pd.DataFrame":
    """Return the mean opinion score of every condition.

    Parameters
    ----------
    ratings : Ratings
        Ratings of one question.
    factors : sequence of str
        Columns that make a condition.
    n_boot : int >= 0
        Number of draws of the bootstrap; 0 leaves the bootstrap out.
    seed : int
        Seed of the bootstrap.

    Returns
    -------
    pd.DataFrame
        Columns: the factors; ratings, listeners, pairs, their numbers; mos; sd, of single ratings;
        t low, t high, boot low, boot high: 95 % intervals, NaN if there is only one listener.
    """
    factors = list(factors)
    table = ratings.design(factors)
    groups = table.groupby(factors)
    result = groups["rating"].agg(["size", "mean", "std"])
    result.columns = ["ratings", "mos", "sd"]
    result.insert(1, "listeners", groups["listener"].nunique())
    result.insert(2, "pairs", groups[ratings.unit].nunique())
    means = table.groupby([*factors, "listener"])["rating"].mean()
    spread = means.groupby(factors).std().reindex(result.index)
    result["t low"], result["t high"] = t_interval(result["mos"], spread, result["listeners"])
    if n_boot:
        draws = bootstrap(ratings, factors, n_boot=n_boot, seed=seed)
        enough = result["listeners"].to_numpy() > 1
        for name, percent in (("boot low", 2.5), ("boot high", 97.5)):
            result[name] = np.where(enough, np.nanpercentile(draws, percent, axis=0), np.nan)
    return result.reset_index()


def bootstrap(ratings: Ratings, factors: Sequence[str], *, n_boot: int, seed: int) -> Array:
    """Return mean opinion scores of other listeners and other pairs, drawn with replacement.

    Parameters
    ----------
    ratings : Ratings
        Ratings of one question.
    factors : sequence of str
        Columns that make a condition.
    n_boot : int > 0
        Number of draws.
    seed : int
        Seed of the bootstrap.

    Returns
    -------
    Array, shape=(n_boot, conditions)
        Conditions are in the order of their levels. NaN if a draw has no rating under a condition.
    """
    table = ratings.design(factors)
    codes = [table.groupby(name, sort=False).ngroup() for name in ("listener", ratings.unit)]
    cells = table.groupby(list(factors)).ngroup()
    sizes = [int(code.max()) + 1 for code in (*codes, cells)]
    where = np.ravel_multi_index((*codes, cells), sizes)
    cubes = []
    for weights in (table["rating"].to_numpy(float), np.ones(len(table))):
        cubes.append(np.zeros(sizes))
        np.add.at(cubes[-1].reshape(-1), where, weights)
    generator = np.random.default_rng(seed)
    found = []
    for first in range(0, n_boot, _CHUNK):
        draws = min(_CHUNK, n_boot - first)
        a, b = (generator.multinomial(n, np.full(n, 1 / n), draws).astype(float) for n in sizes[:2])
        with np.errstate(invalid="ignore"):
            total, count = (_weigh(a, b, cube) for cube in cubes)
            found.append(total / count)
    return np.concatenate(found)


def _weigh(a: Array, b: Array, cube: Array) -> Array:
    """Return sum_ij a_i b_j cube_ijc, for every draw."""
    half = (a @ cube.reshape(len(cube), -1)).reshape(len(a), *cube.shape[1:])
    result: Array = (b[:, None] @ half)[:, 0]
    return result


def layout(
    conditions: "pd.DataFrame", factors: Sequence[str], *, interval: str = "boot"
) -> "pd.DataFrame":
    """Lay out mean opinion scores as Tables 2 and 3 of the study.

    The first factor makes the rows, the others make the columns.

    Parameters
    ----------
    conditions : pd.DataFrame
        Result of :func:`mos`.
    factors : sequence of str
        Its factors.
    interval : str
        "boot" or "t".

    Returns
    -------
    pd.DataFrame
        Table of text: "4.26 (4.05 to 4.46)".
    """
    names = (f"{interval} low", f"{interval} high")
    text = [_cell(*row) for row in conditions[["mos", *names]].itertuples(index=False)]
    down, *across = factors
    columns: Any = "MOS"
    if across:
        columns = condition(conditions, across)
    frame = conditions[list(factors)].assign(columns=columns, text=text)
    wide = frame.pivot(index=down, columns="columns", values="text").fillna(NO_RATINGS)
    wide = wide.loc[levels(frame[down]), cells(frame, across) if across else ["MOS"]]
    return wide.rename_axis(columns=", ".join(across) or None)


def _cell(mean: float, low: float, high: float) -> str:
    return f"{mean:.2f}" if np.isnan(low) else f"{mean:.2f} ({low:.2f} to {high:.2f})"
