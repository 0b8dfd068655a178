"""Analyse ABX trials: whether listeners hear a difference, and how large it is.

A listener who hears nothing is right in half of the trials. For each comparison of two conditions,
and for all trials together,

    proportion    right answers of all trials, with the exact interval of C. J. Clopper and E. S.
                  Pearson (1934)
    p             exact binomial test that the chance of a right answer is 1/2 or less: only more
                  right answers than by chance speak for an audible difference
    d'            the difference in standard deviations of what is heard (N. A. Macmillan and C. D.
                  Creelman, Detection Theory, 2005), for a listener without a preference for A or B:

                  independent observations  P = N(d / sqrt(2)) N(d / 2) + N(-d / sqrt(2)) N(-d / 2)
                  differencing              P = N(d / sqrt(2)) N(d / sqrt(6))
                                                + N(-d / sqrt(2)) N(-d / sqrt(6))

These count trials. The trials of one listener are not independent: some listeners hear more than
others. So there is an analysis of listeners beside it, with the t interval and the t test of the
mean of their proportions, and a test of whether listeners differ: the sum of squares of their right
answers around the common proportion, compared with random distributions of all right answers over
all trials. This permutation is exact but for simulation.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from scipy import optimize, special

from nst_lib.opinions.choices import Choices, describe
from nst_lib.opinions.paired import holm, ratio, t_interval

if TYPE_CHECKING:
    import pandas as pd

CHANCE = 0.5
#: Name of the row of all trials.
ALL_TRIALS = "all"
#: Model of d' -> divisor of d in the second normal distribution.
MODELS = {"independent": 2.0, "differencing": math.sqrt(6)}
SIMULATIONS = 9999
_LARGEST = 40.0


@dataclass(frozen=True)
class Abx:
    """Analysis of the ABX trials of one question. Each result is computed when it is first used.

    Attributes
    ----------
    choices : Choices
        Trials of one question.
    factors : tuple of str
        Factors that make a condition; none: each item is a condition.
    seed : int
        Seed of the permutations.
    """

    choices: Choices
    factors: tuple[str, ...] = ()
    seed: int = 0

    @cached_property
    def trials(self) -> "pd.DataFrame":
        """One row per trial: listener; a, b, the two conditions in their order; right; x."""
        import pandas as pd

        names, left, right = self.choices.coded(self.factors)
        table = self.choices.opinions
        low, high = np.minimum(left, right), np.maximum(left, right)
        return pd.DataFrame(
            {
                "listener": table["listener"].to_numpy(),
                "low": low,
                "high": high,
                "a": np.array(names, object)[low],
                "b": np.array(names, object)[high],
                "right": (table["chosen"] == table["x"]).to_numpy(float),
                "x": table["x"].to_numpy(),
                "chosen": table["chosen"].to_numpy(),
            }
        )

    @cached_property
    def comparisons(self) -> "pd.DataFrame":
        """Results of each comparison, and of all trials in the last row.

        Columns: a, b, the two conditions; n, right, their numbers; proportion; low, high, its exact
        95 % interval; p, p Holm (corrected over comparisons, NaN for all trials); d independent, d
        differencing, and their low and high: d', 0 where there are fewer right answers than by
        chance, infinite where all are right; listeners; mean, t low, t high, p listeners: the
        analysis of listeners, NaN for one listener.
        """
        import pandas as pd

        groups = self.trials.groupby(["low", "high"])
        rows = [_row(group, group["a"].iloc[0], group["b"].iloc[0]) for _, group in groups]
        for row, p in zip(rows, holm([row["p"] for row in rows]), strict=True):
            row["p Holm"] = p
        rows.append(_row(self.trials, ALL_TRIALS, ""))
        return pd.DataFrame(rows)

    @cached_property
    def people(self) -> "pd.DataFrame":
        """Results of each listener over all comparisons.

        Columns: listener; n, right; proportion; low, high, its exact 95 % interval; p, p Holm; d
        independent, d differencing; a, the share of answers "A".
        """
        import pandas as pd

        rows = []
        for name, own in self.trials.groupby("listener", sort=False):
            counts = _counts(int(own["right"].sum()), len(own))
            distances = {f"d {model}": d_prime(counts["proportion"], model) for model in MODELS}
            share = float((own["chosen"] == "a").mean())
            rows.append({"listener": name, **counts, **distances, "a": share})
        for row, p in zip(rows, holm([row["p"] for row in rows]), strict=True):
            row["p Holm"] = p
        return pd.DataFrame(rows)

    @cached_property
    def heterogeneity(self) -> float:
        """The p of the test that all listeners have the same chance; NaN if it cannot be tested."""
        groups = self.trials.groupby("listener", sort=False)["right"]
        n, right = groups.size().to_numpy(), groups.sum().to_numpy()
        total = int(right.sum())
        if len(n) < 2 or total in (0, n.sum()) or n.max() < 2:
            return math.nan
        generator = np.random.default_rng(self.seed)
        drawn = generator.multivariate_hypergeometric(n, total, SIMULATIONS, method="marginals")
        given, others = (((x - n * total / n.sum()) ** 2 / n).sum(axis=-1) for x in (right, drawn))
        return float(((others >= given - 1e-9).sum() + 1) / (SIMULATIONS + 1))

    def as_dict(self) -> dict[str, Any]:
        """Return all results as numbers and text."""
        from nst_lib.opinions.analysis import plain, records

        found = {
            "counts": describe(self.choices),
            "comparisons": records(self.comparisons),
            "listeners": records(self.people),
            "p listeners differ": self.heterogeneity,
        }
        return cast(dict[str, Any], plain(found))


def proportion(d: float, model: str) -> float:
    """Return the proportion of right answers of an unbiased listener with this d'.

    Parameters
    ----------
    d : float >= 0
        Distance in standard deviations.
    model : {"independent", "differencing"}
        What the listener does with the three sounds.

    Raises
    ------
    ValueError
        If there is no such model.
    """
    if model not in MODELS:
        raise ValueError(f"model {model!r}; accepted: {', '.join(MODELS)}")
    z = np.array([d, -d])
    return float((special.ndtr(z / math.sqrt(2)) * special.ndtr(z / MODELS[model])).sum())


def d_prime(share: float, model: str) -> float:
    """Return the d' of a proportion of right answers.

    Parameters
    ----------
    share : float from 0 to 1
        Proportion of right answers.
    model : {"independent", "differencing"}
        What the listener does with the three sounds.

    Returns
    -------
    float
        0 for a proportion of 1/2 or less, infinite for 1.

    Raises
    ------
    ValueError
        If the proportion is out of range, or there is no such model.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"proportion {share!r}; accepted: 0 to 1")
    proportion(0, model)
    if share <= CHANCE:
        return 0.0
    if share >= proportion(_LARGEST, model):
        return math.inf
    return float(optimize.brentq(lambda d: proportion(d, model) - share, 0, _LARGEST, xtol=1e-12))


def clopper_pearson(right: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Return the exact interval of a proportion (C. J. Clopper and E. S. Pearson, 1934).

    Parameters
    ----------
    right, n : int
        Number of right answers, and of trials; 0 <= right <= n, n > 0.
    level : float
        Confidence level between 0 and 1.

    Raises
    ------
    ValueError
        If a number is out of range.
    """
    if not (0 <= right <= n and n > 0 and 0 < level < 1):
        raise ValueError(
            f"{right} of {n}, level {level:g}; accepted: 0 to n of n > 0, a level between 0 and 1"
        )
    tail = (1 - level) / 2
    low = special.betaincinv(right, n - right + 1, tail) if right else 0.0
    high = special.betaincinv(right + 1, n - right, 1 - tail) if right < n else 1.0
    return float(low), float(high)


def binomial(right: int, n: int) -> float:
    """Return the exact p that this many or more of n trials are right by chance."""
    return float(special.bdtrc(right - 1, n, CHANCE)) if right else 1.0


def _counts(right: int, n: int) -> dict[str, Any]:
    """Return numbers, the proportion with its interval, and p."""
    low, high = clopper_pearson(right, n)
    found = {"n": n, "right": right, "proportion": right / n, "low": low, "high": high}
    return {**found, "p": binomial(right, n), "p Holm": math.nan}


def _row(trials: "pd.DataFrame", a: str, b: str) -> dict[str, Any]:
    """Return the results of one comparison."""
    row = {"a": a, "b": b, **_counts(int(trials["right"].sum()), len(trials))}
    for model in MODELS:
        ends = {"": row["proportion"], " low": row["low"], " high": row["high"]}
        row |= {f"d {model}{end}": d_prime(share, model) for end, share in ends.items()}
    return row | _over_listeners(trials.groupby("listener")["right"].mean().tolist())


def _over_listeners(shares: Sequence[float]) -> dict[str, Any]:
    """Return the mean of the proportions of listeners, with its t interval and one-sided p."""
    n = len(shares)
    mean = float(np.mean(shares))
    sd = float(np.std(shares, ddof=1)) if n > 1 else math.nan
    low, high = t_interval(mean, sd, n) if n > 1 else (math.nan, math.nan)
    p = special.stdtr(n - 1, -ratio(mean - CHANCE, sd / math.sqrt(n))) if n > 1 else math.nan
    found = {"listeners": n, "mean": mean, "t low": low, "t high": high}
    return {name: float(value) for name, value in found.items()} | {
        "listeners": n,
        "p listeners": float(p),
    }
