"""Differences between two conditions, pair by pair, and corrections for many tests.

For n pairs (of recordings, or of ratings by one listener) whose differences have the mean m and the
standard deviation s:

    interval       m +- t(n - 1) s / sqrt(n), as if the differences were normally distributed
    effect size    d_z = m / s (Lakens, 2013); g = J d_z is less biased where n is small, with
                   J = gamma(f / 2) / (sqrt(f / 2) gamma((f - 1) / 2)), f = n - 1 (Hedges, 1981)
    equivalence    two one-sided tests at 5 % (Schuirmann, 1987; Lakens, 2017): the difference is
                   within +-margin if its 90 % interval is
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scipy import special

from nst_lib.base.validation import validate_positive

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Difference:
    """The difference a - b in a score, pair by pair. Statistics are NaN for fewer than two pairs.

    Attributes
    ----------
    factor, a, b, score : str
        The factor, the two levels, and the score.
    values : dict of str to float
        Pair of recordings -> mean difference.
    compared : int
        Number of differences between two sounds that the mean differences are made from.
    """

    factor: str
    a: str
    b: str
    score: str
    values: dict[str, float]
    compared: int

    @property
    def n(self) -> int:
        """Number of pairs of recordings."""
        return len(self.values)

    @property
    def mean(self) -> float:
        """Mean over pairs."""
        return statistics.fmean(self.values.values()) if self.n else math.nan

    @property
    def sd(self) -> float:
        """Standard deviation over pairs."""
        return statistics.stdev(self.values.values()) if self.n > 1 else math.nan

    @property
    def low(self) -> float:
        """Lower end of the 95 % interval."""
        return self.interval()[0]

    @property
    def high(self) -> float:
        """Upper end of the 95 % interval."""
        return self.interval()[1]

    @property
    def d(self) -> float:
        """Effect size d_z; if all differences are equal, it is 0 if they are 0, else infinite."""
        return ratio(self.mean, self.sd)

    @property
    def g(self) -> float:
        """Effect size with Hedges' correction; NaN for fewer than three pairs."""
        f = self.n - 1
        if f < 2:
            return math.nan
        gammas = math.lgamma(f / 2) - math.lgamma((f - 1) / 2)
        return math.exp(gammas) / math.sqrt(f / 2) * self.d

    @property
    def p(self) -> float:
        """Two-sided p of the t test of the null hypothesis that the mean is 0."""
        t = ratio(self.mean, self._error)
        return 2 * float(special.stdtr(self.n - 1, -abs(t)))

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return the t interval of the mean at a confidence level between 0 and 1."""
        if not 0 < level < 1:
            raise ValueError(f"level {level!r}; accepted: between 0 and 1")
        low, high = t_interval(self.mean, self.sd, self.n, level)
        return float(low), float(high)

    def equivalence(self, margin: float) -> float:
        """Return the p of the test of equivalence: the larger p of the two one-sided tests."""
        validate_positive(margin=margin)
        return float(special.stdtr(self.n - 1, -ratio(margin - abs(self.mean), self._error)))

    @property
    def _error(self) -> float:
        return self.sd / math.sqrt(self.n) if self.n else math.nan


def t_interval(mean: Any, sd: Any, n: Any, level: float = 0.95) -> tuple[Any, Any]:
    """Return the t interval of a mean of `n` values (or of columns of means); NaN if n < 2."""
    half = special.stdtrit(n - 1, (1 + level) / 2) * sd / n**0.5
    return mean - half, mean + half


def holm(p: Sequence[float]) -> list[float]:
    """Return p values corrected for their number by Holm's (1979) method; NaN does not count."""
    order = sorted((value, k) for k, value in enumerate(p) if not math.isnan(value))
    corrected, largest = [math.nan] * len(p), 0.0
    for done, (value, k) in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - done) * value))
        corrected[k] = largest
    return corrected


def with_holm(rows: list[dict[str, Any]]) -> "pd.DataFrame":
    """Return rows with a column "p" as a table that has the column "p Holm" too."""
    import pandas as pd

    result = pd.DataFrame(rows)
    result["p Holm"] = holm(result["p"].tolist()) if rows else []
    return result


def ratio(value: float, spread: float) -> float:
    """Return value / spread; for a spread of 0, return 0 if the value is 0, else infinity."""
    if spread == 0:
        return 0.0 if value == 0 else math.copysign(math.inf, value)
    return value / spread
