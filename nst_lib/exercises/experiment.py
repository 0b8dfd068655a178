"""Checks of the answers to the exercises of lesson 14, the experiment."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import special

from nst_lib.batch.results import settings
from nst_lib.exercises.verdict import Verdict, choice, exercise, number, right, wrong
from nst_lib.opinions.claims import Finding, verdicts
from nst_lib.opinions.comparison import difference, rows_where, without_gaps

if TYPE_CHECKING:
    import pandas as pd

NONE = "none"
_CLOSE = 0.005
_MOST = 100_000


@exercise
def not_forty_samples(answer: object, *, table: "pd.DataFrame", example: Finding) -> Verdict:
    """Check exercise 1: the interval if every comparison of two sounds were a sample.

    Parameters
    ----------
    answer : float
        Half the width of the interval, in units of the score.
    table : pd.DataFrame
        Table of results.
    example : Finding
        The claim and the score to compare.
    """
    found = number(answer, "half the width of an interval, in units of the score")
    values = _compared(table, example)
    claim = example.claim
    honest = difference(table, claim.factor, claim.a, claim.b, example.score)
    expected, pairs = _half(float(values.std(ddof=1)), len(values)), _half(honest.sd, honest.n)

    def close(value: float) -> bool:
        return math.isclose(found, value, rel_tol=_CLOSE)

    if close(expected):
        return right(
            f"{len(values)} comparisons give ± {expected:.3f}, and {honest.n} pairs give "
            f"± {pairs:.3f}. The first one becomes as narrow as you like if you add seeds. But "
            "more seeds only tell you more and more precisely about *these* pairs. This error is "
            "called pseudoreplication (Hurlbert, 1984)."
        )
    if close(2 * expected):
        return wrong("That is the whole width of the interval. How far does it reach to one side?")
    if close(pairs) or close(_half(example.difference.sd, example.difference.n)):
        return wrong("This interval counts pairs, as it should. Here, count every comparison.")
    if close(float(values.std(ddof=1))):
        return wrong("This is the standard deviation. Put it into the equation of the t interval.")
    if close(1.96 * float(values.std(ddof=1)) / math.sqrt(len(values))):
        return wrong("1.96 belongs to large samples. Take the quantile of the t distribution.")
    return wrong(
        "Subtract the columns `a` and `b` of the claim in `sides`, leave out rows with a gap, and "
        "put n, s and t of all these differences into the equation of the t interval."
    )


@exercise
def smallest_margin(answer: object, *, findings: Sequence[Finding]) -> Verdict:
    """Check exercise 2: the smallest margin at which no difference is supported.

    Parameters
    ----------
    answer : float
        The margin, in units of the score.
    findings : sequence of Finding
        Findings on claims of no difference; the first one counts.
    """
    found = number(answer, "a margin, in units of the score")
    if not findings:
        return wrong("This table has no claim of no difference: it does not vary the pooling.")
    one = findings[0].difference
    ends = [abs(end) for end in one.interval(0.90)]

    def close(value: float) -> bool:
        return math.isclose(found, value, abs_tol=max(6e-4, _CLOSE * max(ends)))

    if close(max(ends)):
        return right(
            "It is the end of the 90 % interval that is farther from 0. If you choose the margin "
            "afterwards, you can support *every* claim of no difference, and the claim says "
            "nothing. The number is still worth reporting: if there is a difference, it is hardly "
            "larger than this."
        )
    if found < 0:
        return wrong("A margin is a size: the difference may be this far from 0 on either side.")
    if close(min(ends)):
        return wrong("The interval reaches farther on its other side.")
    if close(max(abs(one.low), abs(one.high))):
        return wrong(
            "This is an end of the 95 % interval. Which interval belongs to the two tests?"
        )
    if close(abs(one.mean)):
        return wrong("The mean is uncertain. What has to lie within the margins?")
    if close(max(ends) - abs(one.mean)):
        return wrong("This is half the width. The interval is not centred on 0.")
    way = "is not yet" if found < max(ends) else "would be"
    return wrong(
        f"With this margin, the claim {way} supported"
        + (", and with a smaller one, too." if found > max(ends) else ".")
    )


@exercise
def how_many_pairs(answer: object, *, example: Finding) -> Verdict:
    """Check exercise 3: the number of pairs that a narrow interval needs.

    Parameters
    ----------
    answer : int
        The number of pairs.
    example : Finding
        Its difference has the standard deviation; its margin is the half-width that is allowed.
    """
    found = number(answer, "a number of pairs")
    sd, margin = example.difference.sd, example.margin
    expected = _needed(sd, margin)
    if found != int(found) or found < 2:
        return wrong("Give a whole number of pairs, two or more.")
    if found == expected:
        return right(
            "Half the width falls with 1/√n: half the width needs four times as many pairs "
            f"({_needed(sd, margin / 2)}). ESC-50 has 2000 clips, so only time is limited. A few "
            "pairs give only a rough standard deviation: this is an order of magnitude."
        )
    k = example.difference.n
    fixed = float(special.stdtrit(k - 1, 0.975))
    if found == math.ceil((fixed * sd / margin) ** 2):
        return wrong(
            f"This takes the quantile of {k} pairs. With more pairs there are more degrees of "
            "freedom, and the quantile is smaller."
        )
    if found == math.ceil((1.96 * sd / margin) ** 2):
        return wrong("1.96 is a little too small: take the quantile of n − 1 degrees of freedom.")
    if found == _needed(sd, margin / 2):
        return wrong("The interval may reach one margin to *either* side.")
    half = _half(sd, int(found))
    if found > expected:
        return wrong(
            f"With {found:g} pairs the interval reaches {half:.4f} to either side, but fewer pairs "
            f"are enough for {margin:g}."
        )
    return wrong(f"With {found:g} pairs the interval still reaches {half:.4f} to either side.")


@exercise
def one_pair_less(
    answer: object, *, table: "pd.DataFrame", margins: Mapping[str, float]
) -> Verdict:
    """Check exercise 4: a pair without which a verdict changes.

    Parameters
    ----------
    answer : str
        The name of a pair, or "none".
    table : pd.DataFrame
        Table of results.
    margins : mapping of str to float
        Score -> smallest difference of interest.
    """
    pairs = [str(pair) for pair in table["pair"].unique()]
    named = choice(answer, (*pairs, NONE))
    before = verdicts(table, margins=margins)["verdict"]

    def changed(pair: str) -> int:
        fewer = verdicts(table[table["pair"].astype(str) != pair], margins=margins)
        return int((fewer["verdict"] != before).sum())

    if named == NONE:
        if any(changed(pair) for pair in pairs):
            return wrong("There is such a pair. Compare the verdicts without each of them in turn.")
        return right("No verdict of this table depends on a single pair.")
    count = changed(named)
    if not count:
        return wrong("Without this pair, all verdicts stay as they are.")
    return right(
        f"Without it, {count} of {len(before)} verdicts change. A verdict that depends on one pair "
        "is about this pair. Listen to it: you will often hear at once what is special about it."
    )


def _compared(table: "pd.DataFrame", example: Finding) -> NDArray[np.float64]:
    """Return the differences of all two sounds that differ in the factor of a claim only."""
    claim, tidy = example.claim, without_gaps(table)
    names = (*settings(table), "seed")
    same = ["pair", *(name for name in names if name in table and name != claim.factor)]
    first, second = (
        rows_where(tidy, {claim.factor: level}).groupby(same, sort=False)[example.score].mean()
        for level in (claim.a, claim.b)
    )
    return np.asarray((first - second).dropna(), dtype=np.float64)


def _half(sd: float, n: int) -> float:
    """Return half the width of the 95 % t interval of a mean."""
    return float(special.stdtrit(n - 1, 0.975)) * sd / math.sqrt(n)


def _needed(sd: float, margin: float) -> int:
    """Return the least number of pairs whose 95 % interval is within this margin of its mean."""
    sizes = np.arange(2, _MOST)
    enough = special.stdtrit(sizes - 1, 0.975) * sd / np.sqrt(sizes) <= margin
    return int(sizes[np.argmax(enough)]) if enough.any() else _MOST
