"""Checks of the answers to the exercises of lesson 12, MOS statistics."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import special

from nst_lib.exercises.verdict import Verdict, array, exercise, number, right, wrong
from nst_lib.opinions import simulation
from nst_lib.opinions.factorial import fit_mixed, mixed_table
from nst_lib.opinions.ratings import Ratings, levels
from nst_lib.opinions.reading import check
from nst_lib.opinions.screening import Rules
from nst_lib.opinions.simulation import Spread

#: The name of the listener who does not listen.
NEW = "random keys"
#: How many p values are computed again, so that a check is quick.
SAMPLE = 5
_CLOSE = 0.01


@exercise
def five_differences(answer: object, *, ratings: Ratings, factor: str) -> Verdict:
    """Check exercise 1: the interval of a difference, with pairs as the sample.

    Parameters
    ----------
    answer : float
        Half the width of the 95 % interval, in points of the scale.
    ratings : Ratings
        Ratings of one question.
    factor : str
        The factor whose first two levels differ.
    """
    found = abs(number(answer, "half the width of an interval, in points of the scale"))
    pairs, listeners = (_differences(ratings, factor, unit) for unit in ratings.units[::-1])
    expected, k = _half(pairs), len(pairs)

    def close(value: float) -> bool:
        return math.isclose(found, value, rel_tol=_CLOSE)

    if close(expected):
        return right(
            f"Only {k} numbers are left, and the interval is nearly that of the mixed model with "
            "slopes. That model also uses the listeners, but the pairs decide: to average within "
            "each pair and to count pairs is honest, and it takes three lines."
        )
    if close(2 * expected):
        return wrong("That is the whole width of the interval. How far does it reach to one side?")
    if close(expected * 1.96 / float(special.stdtrit(k - 1, 0.975))):
        return wrong(
            "1.96 belongs to a known standard deviation. Yours is estimated from few differences: "
            "which quantile of the t distribution takes its place?"
        )
    if close(expected * math.sqrt((k - 1) / k)):
        return wrong("NumPy's `std` divides by n. An estimate from a sample divides by n − 1.")
    if close(expected * math.sqrt(k)):
        return wrong("The mean of n differences is more certain than one difference. Divide by √n.")
    if close(_half(listeners)):
        return wrong("This counts listeners. What does the exercise average over, and count?")
    if found < 0.6 * expected:
        return wrong(
            "This interval is too short. How many differences are there, and how many degrees of "
            "freedom do they have?"
        )
    return wrong(
        "First take the mean of each pair under each level, over all listeners and all levels of "
        "other factors. Then subtract, and use the equation of the lesson for other pairs."
    )


@exercise
def no_difference(answer: object, *, n_sims: int, seed: int) -> Verdict:
    """Check exercise 2: the p values of a model without slopes, if there is no difference.

    Parameters
    ----------
    answer : sequence of float
        A p value for each simulated survey.
    n_sims : int
        Number of surveys.
    seed : int
        Seed of the first survey.
    """
    found = array(answer, "a p value for each survey", (n_sims,))
    some = min(n_sims, SAMPLE)
    expected, slopes = (_p_values(range(seed, seed + some), slopes=s) for s in (False, True))
    if np.allclose(found[:some], expected, rtol=_CLOSE):
        share = np.mean(found < 0.05)
        return right(
            f"{share:.0%} of these p are below 0.05, and 5 % would be right. (100 surveys from "
            "seed 0 give 28 %, and 7 % with slopes.) More listeners make it worse: they only make "
            "it more certain how *these* five pairs differ."
        )
    if np.allclose(found[:some], slopes, rtol=_CLOSE):
        return wrong(
            "These are the p of the model *with* slopes. See how the lesson leaves them out."
        )
    if set(np.unique(found)) <= {0.0, 1.0}:
        return wrong("Give the p values themselves, not whether each of them is below 0.05.")
    if np.allclose(found, found[0]):
        return wrong("All surveys have the same p. Does each of them have a seed of its own?")
    return wrong(
        "These are other p values. Survey k has the seed `seed + k`; simulate it, check it with "
        "`reading.check`, fit the model with the factor `condition`, and take p from its table."
    )


@exercise
def lucky_keys(answer: object, *, ratings: Ratings, rules: Rules) -> Verdict:
    """Check exercise 3: a seed whose random keys pass the rules.

    Parameters
    ----------
    answer : int
        The seed.
    ratings : Ratings
        Ratings of one question.
    rules : Rules
        The rules that decide who is left out.
    """
    seed = number(answer, "a seed, a whole number from 0")
    if seed < 0 or seed != int(seed):
        return wrong(f"{seed:g} is no seed: give a whole number from 0.")
    reason = rules.excluded(with_random_keys(ratings, int(seed))).get(NEW)
    if reason is not None:
        return wrong(f"With this seed, the rules leave the listener out: {reason}. Try others.")
    return right(
        "Random ratings have a correlation of 0 with those of the others on average, but not in "
        "each case: with 20 sounds about one listener in five is lucky. So no rule about ratings "
        "finds everybody who does not listen. A catch trial has a known answer."
    )


@exercise
def more_pairs(answer: object, *, spread: Spread, listeners: int, error: float) -> Verdict:
    """Check exercise 4: the number of pairs that a standard error needs.

    Parameters
    ----------
    answer : int
        The number of pairs.
    spread : Spread
        Standard deviations of opinions.
    listeners : int
        Number of listeners.
    error : float
        The standard error of a difference of two conditions.
    """
    found = number(answer, "a number of pairs")
    expected = _pairs(spread, listeners, error**2)
    if math.isinf(expected):
        return wrong("With these listeners, no number of pairs is enough: give more listeners.")
    if found == math.ceil(expected):
        return right(
            f"Five pairs alone give a standard error of "
            f"{spread.pair_effect * math.sqrt(2 / 5):.2f} points, however many listeners you "
            "invite. Only more pairs make this part smaller."
        )
    if found != int(found):
        return wrong("A test has whole pairs. In which direction do you have to round?")
    if found == math.floor(expected):
        return wrong("The standard error is then still a little larger than allowed. Round up.")
    if found == math.ceil(_pairs(spread, listeners, 2 * error**2)):
        return wrong(
            "A *difference* has two means, and each of them is uncertain. See the equation."
        )
    if found == math.ceil(_pairs(spread, listeners, error)):
        return wrong("The standard error is the root. Square it before you compare variances.")
    way = "smaller" if found > expected else "larger"
    return wrong(
        f"With {found:g} pairs the standard error is {way} than it needs to be. Solve the equation "
        "of the section for k, or try numbers one after the other."
    )


def with_random_keys(ratings: Ratings, seed: int) -> Ratings:
    """Return the ratings with one listener more, who presses random keys."""
    import pandas as pd

    table = ratings.table
    own = table[table["listener"] == ratings.listeners[0]]
    low, high = map(int, ratings.scale)
    keys = np.random.default_rng(seed).integers(low, high + 1, len(own))
    own = own.assign(listener=NEW, rating=keys)
    everyone = pd.concat([table, own], ignore_index=True)
    return check(everyone, scale=ratings.scale, source=ratings.source)


def _differences(ratings: Ratings, factor: str, unit: str) -> NDArray[np.float64]:
    """Return the difference between two levels of a factor, for each pair or listener."""
    table = ratings.opinions
    first, second = levels(table[factor])[:2]
    means = table.groupby([unit, factor], observed=True)["rating"].mean().unstack()
    return np.asarray((means[second] - means[first]).dropna(), dtype=np.float64)


def _half(values: NDArray[np.float64]) -> float:
    """Return half the width of the 95 % t interval of a mean."""
    n = len(values)
    return float(special.stdtrit(n - 1, 0.975) * values.std(ddof=1) / math.sqrt(n))


def _p_values(seeds: range, *, slopes: bool) -> list[float]:
    """Return the p of surveys without a difference."""
    found = []
    for seed in seeds:
        table = simulation.simulate({("a",): 3.0, ("b",): 3.0}, ["condition"], seed=seed)
        survey = check(table)
        model = fit_mixed(survey, ["condition"], slopes=slopes)
        found.append(float(mixed_table(survey, ["condition"], model)["p"].iloc[0]))
    return found


def _pairs(spread: Spread, listeners: int, variance: float) -> float:
    """Return the number of pairs with which a difference has this variance; infinite if none."""
    left = variance / 2 - spread.listener_effect**2 / listeners
    if left <= 0:
        return math.inf
    return (spread.pair_effect**2 + spread.residual**2 / listeners) / left
