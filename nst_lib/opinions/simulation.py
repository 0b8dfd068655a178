"""Simulated listeners: nobody has heard anything. To plan a test, and to try an analysis on.

A rating is a latent opinion, rounded to the scale's whole numbers and cut off at its ends:

    x = m_c + L_i + P_j + A_ic + B_jc + e

for listener i, pair j, condition c, all normally distributed with the spreads that are stated. m_c
is such that the expected rating, or the mean of these very ratings, is the given MOS.
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
#: Of levels, as in the study's tables.
ORDER = {"transform": ("stft", "cqt"), "pooling": ("max", "average")}
#: The study's Tables 2 and 3: 18 listeners, five pairs, 90 ratings under each condition.
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
#: Power that a test is planned for, by custom.
WANTED = 0.8


@dataclass(frozen=True)
class Spread:
    """Standard deviations of opinions, in points of the scale. The defaults are our assumption.

    Attributes
    ----------
    listener, pair : float >= 0
        L and P: some listeners are kinder, some pairs easier, under all conditions.
    listener_effect, pair_effect : float >= 0
        A and B: the same, under one condition.
    residual : float >= 0
        e: what a listener would say another time.
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
        """Standard deviation of a single opinion."""
        return math.hypot(*vars(self).values())

    @classmethod
    def of(cls, ratings: Ratings, factors: Sequence[str]) -> "Spread":
        """Return the spread of real ratings from 1 to 5, say of a pilot, by the linear mixed model.

        Of ratings, not of the latent opinions, which spread a little more. Where listeners, or
        pairs, have not met several conditions, nobody can tell how kind or easy they are from how
        they differ in the effect: all of their spread is then taken for that of the effect.

        Parameters
        ----------
        ratings : Ratings
            Of one question.
        factors : sequence of str
            Columns that make a condition.

        Raises
        ------
        ValueError
            If the ratings have another scale, or allow no model, as with one pair.
        """
        if ratings.scale != ACR:
            raise ValueError(f"scale {ratings.scale}; accepted: ratings from 1 to 5")
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
        MOS of each condition, between 1 and 5.
    factors : sequence of str
        What the conditions' levels are levels of.
    listeners, pairs : int > 0
        How many.
    spread : Spread or None
        Of opinions; None is the default.
    seed : int
        Of all draws.
    exact : bool
        Whether these very ratings have the given means, as nearly as their number allows; else they
        are expected to.

    Returns
    -------
    pd.DataFrame
        Columns: listener, item, rating, pair, factors, simulated, which is "yes".

    Raises
    ------
    ValueError
        If a mean is not within the scale, or there is nobody or nothing to rate.
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
    """Simulate the study's two surveys: its numbers, and its means to the two decimals it gives.

    What the study does not give, spreads and who rated what, is our assumption: these ratings are
    no evidence of anything.
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
    """Find how often a difference between two conditions would be seen, by simulation.

    Each simulated test is analysed as a real one is, by the linear mixed model.

    Parameters
    ----------
    difference : float
        In MOS, between the two conditions.
    listeners : sequence of int > 1
        How many; a row each.
    pairs : int > 1
        Pairs of recordings, that all listeners rate under both conditions.
    mean : float
        MOS of both conditions together.
    spread : Spread or None
        Of opinions; None is the default.
    level : float
        p below which a difference counts as seen.
    n_sims : int > 0
        Simulated tests for each row.
    seed : int
        Of the first test.
    callback : callable or None
        Called with the number of tests done and of all.

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
            model = fit_mixed(check(table), ["condition"])
            seen += model.test(np.array([0.0, 1.0])).p < level
            if callback is not None:
                callback(len(rows) * n_sims + k + 1, len(listeners) * n_sims)
        low, high = _wilson(seen, n_sims)
        rows.append({"listeners": count, "power": seen / n_sims, "low": low, "high": high})
    return pd.DataFrame(rows)


def latent(mean: float, sd: float) -> float:
    """Return the m for which ratings of opinions N(m, sd^2) have this expected value."""
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
    """Return what to add to opinions so that their ratings have this mean, to half a rating."""
    wanted = round(mean * x.size)
    edges = np.arange(ACR[0], ACR[1]) + 0.5
    steps = np.sort((edges - x.ravel()[:, None]).ravel())
    k = wanted - x.size * int(ACR[0])
    ends = np.concatenate([[steps[0] - 1], steps, [steps[-1] + 1]])
    return float((ends[k] + ends[k + 1]) / 2)


def _number(names: "pd.Series[str]") -> "pd.Series[int]":
    return names.str.rsplit(" ", n=1).str[-1].astype(int)


def _wilson(seen: int, n: int) -> tuple[float, float]:
    z2 = 1.959964**2
    share = seen / n
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = math.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    return middle - half, middle + half
