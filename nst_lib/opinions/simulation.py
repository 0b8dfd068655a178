"""Simulate listeners, to plan a listening test or to try out an analysis. Nobody has listened.

A rating is a latent opinion, rounded to a whole number and clipped to the ends of the scale:

    x = m_c + L_i + P_j + A_ic + B_jc + e

for listener i, pair j and condition c. All terms but m_c are normally distributed; :class:`Spread`
has their standard deviations. m_c is chosen so that the given MOS is the expected rating, or the
mean of the drawn ratings.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nst_lib.base.validation import validate_positive
from nst_lib.opinions.design import fault, terms
from nst_lib.opinions.factorial import effect_variance, fit_mixed
from nst_lib.opinions.ratings import ACR, YES, Ratings
from nst_lib.opinions.reading import check

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[np.float64]
FACTORS = ("transform", "pooling")
#: Order of the levels, as in the tables of the study.
ORDER = {"transform": ("stft", "cqt"), "pooling": ("max", "average")}
#: MOS of Tables 2 and 3 of the study: 18 listeners, five pairs, 90 ratings per condition.
PUBLISHED: dict[str, dict[tuple[str, ...], float]] = {
    "style": {
        ("stft", "max"): 4.26,
        ("stft", "average"): 4.19,
        ("cqt", "max"): 2.79,
        ("cqt", "average"): 2.84,
    },
    "content": {
        ("stft", "max"): 1.62,
        ("stft", "average"): 1.63,
        ("cqt", "max"): 2.10,
        ("cqt", "average"): 2.13,
    },
}
LISTENERS, PAIRS = 18, 5
#: Power that tests are usually planned for.
WANTED = 0.8


@dataclass(frozen=True)
class Spread:
    """Standard deviations of latent opinions, in points of the scale. The defaults are assumed.

    Attributes
    ----------
    listener, pair : float >= 0
        Of L and P: some listeners are kinder, and some pairs are rated higher, under all
        conditions.
    listener_effect, pair_effect : float >= 0
        Of A and B: listeners and pairs differ under a single condition.
    residual : float >= 0
        Of e: a listener would give another rating another time.
    """

    listener: float = 0.4
    pair: float = 0.4
    listener_effect: float = 0.25
    pair_effect: float = 0.25
    residual: float = 0.7

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not (0 <= value < math.inf):
                raise ValueError(f"{name}={value!r}; accepted: a standard deviation, 0 or more")

    @property
    def total(self) -> float:
        """Standard deviation of a single latent opinion."""
        return math.hypot(*vars(self).values())

    @classmethod
    def of(cls, ratings: Ratings, factors: Sequence[str]) -> "Spread":
        """Estimate the spread of real ratings from 1 to 5, for example of a pilot test.

        The linear mixed model gives the spread of the ratings; the latent opinions spread a little
        more. If no listener rated under several conditions, differences between listeners cannot be
        told from differences in the effect, and count as differences in the effect. The same is
        true for pairs.

        Parameters
        ----------
        ratings : Ratings
            Ratings of one question.
        factors : sequence of str
            Columns that make a condition.

        Raises
        ------
        ValueError
            If the ratings have another scale, or if no model can be fitted, as with one pair.
        """
        if ratings.scale != ACR:
            low, high = ratings.scale
            raise ValueError(f"scale {low:g} to {high:g}; accepted: ratings from 1 to 5")
        if why := fault(ratings, factors):
            raise ValueError(why)
        table, model = ratings.opinions, fit_mixed(ratings, factors)
        parts, k = terms(table, factors), table.groupby(list(factors)).ngroups
        found = {"residual": math.sqrt(model.variances["residual"])}
        for name, unit in zip(("listener", "pair"), ratings.units, strict=True):
            whole = model.variances.get(unit, 0.0)
            if table.groupby(unit)[list(factors)].nunique().max(axis=None) == 1:
                found |= {f"{name}_effect": math.sqrt(whole), name: 0.0}
                continue
            effect = effect_variance(ratings, parts, model, unit)
            found[f"{name}_effect"] = math.sqrt(effect * k / (k - 1))
            found[name] = math.sqrt(max(0.0, whole - effect / (k - 1)))
        return cls(**found)


def simulate(
    means: Mapping[tuple[str, ...], float],
    factors: Sequence[str],
    *,
    listeners: int = LISTENERS,
    pairs: int = PAIRS,
    spread: Spread | None = None,
    seed: int = 0,
    exact: bool = False,
) -> "pd.DataFrame":
    """Simulate ratings from 1 to 5: every listener rates every pair under every condition once.

    Parameters
    ----------
    means : mapping of tuple of str to float
        Levels of a condition -> its MOS, between 1 and 5.
    factors : sequence of str
        Names of the factors that these levels belong to.
    listeners, pairs : int > 0
        Numbers of listeners and of pairs of recordings.
    spread : Spread or None
        Standard deviations of opinions; None means the defaults.
    seed : int
        Seed of all draws.
    exact : bool
        True if the means of the drawn ratings shall be the given ones, as closely as the number of
        ratings allows; False if only the expected ratings shall be.

    Returns
    -------
    pd.DataFrame
        Columns: listener, item, rating, pair, the factors, and simulated, which is "yes".

    Raises
    ------
    ValueError
        If a mean is not within the scale, or if a number is 0.
    """
    import pandas as pd

    validate_positive(listeners=listeners, pairs=pairs)
    spread = spread or Spread()
    for levels, mean in means.items():
        if not ACR[0] < mean < ACR[1]:
            raise ValueError(f"MOS {mean!r} of {', '.join(levels)}; accepted: between 1 and 5")
    generator = np.random.default_rng(seed)

    def draw(sd: float, *shape: int) -> Array:
        return sd * generator.standard_normal(shape)

    base = draw(spread.listener, listeners, 1) + draw(spread.pair, 1, pairs)
    rows = []
    for levels, mean in means.items():
        x = base + draw(spread.listener_effect, listeners, 1) + draw(spread.pair_effect, 1, pairs)
        x = x + draw(spread.residual, listeners, pairs)
        rating = _rate(x + (_shift(x, mean) if exact else latent(mean, spread.total)))
        for (i, j), value in np.ndenumerate(rating):
            name = "-".join((*levels, str(j + 1)))
            rows.append((f"simulated {i + 1}", name, value, f"pair {j + 1}", *levels, YES))
    columns = ["listener", "item", "rating", "pair", *factors, "simulated"]
    table = pd.DataFrame(rows, columns=columns)
    return table.sort_values("listener", kind="stable", key=_number).reset_index(drop=True)


def published(*, seed: int = 0, spread: Spread | None = None) -> "pd.DataFrame":
    """Simulate the two surveys of the study, with its published means to two decimals.

    The numbers of listeners and pairs are those of the study too. It does not publish how much
    ratings spread and who rated what, so these are assumed. The ratings are no evidence of
    anything.

    Parameters
    ----------
    seed : int
        Seed of the first survey; the second one has the next seed.
    spread : Spread or None
        Standard deviations of opinions; None means the defaults.
    """
    import pandas as pd

    parts = [
        simulate(means, FACTORS, spread=spread, seed=seed + k, exact=True).assign(question=question)
        for k, (question, means) in enumerate(PUBLISHED.items())
    ]
    return pd.concat(parts, ignore_index=True)


def power(
    difference: float,
    *,
    listeners: Sequence[int] = (6, 12, 18, 30, 60),
    pairs: int = PAIRS,
    mean: float = 3.0,
    spread: Spread | None = None,
    level: float = 0.05,
    n_sims: int = 200,
    seed: int = 0,
    callback: Callable[[int, int], object] | None = None,
) -> "pd.DataFrame":
    """Find out by simulation how often a difference between two conditions would be detected.

    Each simulated test is analysed with the linear mixed model, like a real one.

    Parameters
    ----------
    difference : float
        Difference in MOS between the two conditions.
    listeners : sequence of int > 1
        Numbers of listeners to try; each has a row in the result.
    pairs : int > 1
        Number of pairs of recordings. All listeners rate all pairs under both conditions.
    mean : float
        Mean of the two MOS.
    spread : Spread or None
        Standard deviations of opinions; None means the defaults.
    level : float
        Significance level: a difference counts as detected if its p is below this level.
    n_sims : int > 0
        Number of simulated tests for each number of listeners.
    seed : int
        Seed of the first test; the following tests have the following seeds.
    callback : callable or None
        Called after each test with the number of finished tests and their total.

    Returns
    -------
    pd.DataFrame
        Columns: listeners; power; low, high, its 95 % interval (E. B. Wilson, 1927).

    Raises
    ------
    ValueError
        If a number is out of range.
    """
    import pandas as pd

    validate_positive(n_sims=n_sims)
    if pairs < 2 or min(listeners, default=0) < 2:
        raise ValueError(f"listeners={list(listeners)}, pairs={pairs}; accepted: two or more")
    if not 0 < level < 1:
        raise ValueError(f"level {level!r}; accepted: between 0 and 1")
    if not ACR[0] + abs(difference) / 2 < mean < ACR[1] - abs(difference) / 2:
        raise ValueError(
            f"difference {difference:g} around MOS {mean:g}; accepted: both MOS between 1 and 5"
        )
    means: dict[tuple[str, ...], float] = {
        ("a",): mean - difference / 2,
        ("b",): mean + difference / 2,
    }
    rows: list[dict[str, float]] = []
    for count in listeners:
        seen = 0
        for k in range(n_sims):
            table = simulate(
                means, ["condition"], listeners=count, pairs=pairs, spread=spread, seed=seed + k
            )
            seen += _p(table) < level
            if callback is not None:
                callback(len(rows) * n_sims + k + 1, len(listeners) * n_sims)
        low, high = _wilson(seen, n_sims)
        rows.append({"listeners": count, "power": seen / n_sims, "low": low, "high": high})
    return pd.DataFrame(rows)


def _p(table: "pd.DataFrame") -> float:
    """Return the p of the difference between two simulated conditions."""
    return fit_mixed(check(table), ["condition"]).test(np.array([0.0, 1.0])).p


def latent(mean: float, sd: float) -> float:
    """Return the m for which ratings of latent opinions N(m, sd^2) have this expected value."""
    from scipy import optimize, special

    edges = np.arange(ACR[0], ACR[1]) + 0.5
    if not sd:
        return float(round(mean))

    def excess(m: float) -> float:
        return ACR[0] + float(special.ndtr((m - edges) / sd).sum()) - mean

    return float(optimize.brentq(excess, ACR[0] - 20 * sd, ACR[1] + 20 * sd))


def _rate(x: Array) -> npt.NDArray[np.int64]:
    return np.clip(np.floor(x + 0.5), *ACR).astype(np.int64)


def _shift(x: Array, mean: float) -> float:
    """Return what to add to latent opinions so that their ratings have this mean."""
    wanted = round(mean * x.size)
    edges = np.arange(ACR[0], ACR[1]) + 0.5
    steps = np.sort((edges - x.ravel()[:, None]).ravel())
    k = wanted - x.size * int(ACR[0])
    ends = np.concatenate([[steps[0] - 1], steps, [steps[-1] + 1]])
    return float((ends[k] + ends[k + 1]) / 2)


def _number(names: "pd.Series[str]") -> "pd.Series[int]":
    return names.str.rsplit(" ", n=1).str[-1].astype(int)


def _wilson(seen: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (E. B. Wilson, 1927)."""
    z2 = 1.959964**2
    share = seen / n
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = math.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    return middle - half, middle + half
